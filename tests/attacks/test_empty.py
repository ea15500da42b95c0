"""R3: files of every format that hold nothing are refused, or are networks that compute nothing; at once."""

import pytest

from striate.errors import ArgumentError, FormatError
from striate.interop.states import read_state
from striate.models import Input, Model
from tests.attacks.harness import LIMIT_SECONDS, MIB, attack
from tests.fuzz.empty import EMPTY

NEEDS = {"weights": "torch", "keras": "h5py"}


@pytest.mark.parametrize("kind", EMPTY)
def test_R3_what_holds_nothing_ends_at_once(kind, tmp_path):
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    for name, content in EMPTY[kind]().items():
        path.write_bytes(content)
        outcome = attack("striate.opening:open_model", path)  # which ends whatever does not end by itself
        assert outcome.error in ("", "FormatError", "LimitError"), (name, outcome)
        assert outcome.events == (), (name, outcome)
        assert outcome.seconds < LIMIT_SECONDS, (name, outcome)
        assert outcome.memory < 100 * MIB, (name, outcome)


@pytest.mark.parametrize("name", ["safetensors of no arrays", "safetensors of texts alone", "PyTorch's {}"])
def test_R3_weights_of_nothing_are_named(name, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "file"
    path.write_bytes(EMPTY["weights"]()[name])
    assert "it holds no arrays." in attack("striate.opening:open_model", path).message
    with pytest.raises(FormatError, match=r"^open_model: cannot open .*: it holds no arrays\.$"):
        read_state(path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("keras", "a .keras of a graph of nothing"),
        ("keras", "an .h5 of a graph of nothing"),
        ("tensorflowjs", "a graph of nothing, no shards"),
        ("striate", "a network of no nodes"),
    ],
)
def test_R3_networks_of_nothing_are_named(kind, name, tmp_path):
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    path = tmp_path / "file"
    path.write_bytes(EMPTY[kind]()[name])
    assert (
        "expected at least one input and one output, got 0 and 0." in attack("striate.opening:open_model", path).message
    )


def test_R4_a_model_needs_an_input_and_an_output():
    """Keras says "`inputs` argument cannot be empty"."""
    with pytest.raises(ArgumentError, match=r"^mine: expected at least one input and one output, got 0 and 0\.$"):
        Model([], [], name="mine")
    with pytest.raises(ArgumentError, match=r"^mine: expected at least one input and one output, got 1 and 0\.$"):
        Model(Input((4,)), [], name="mine")
