"""``striate open``."""

import pytest

import striate
from striate import layers
from striate import studio as studio_package
from tests.studio.branched import branched


@pytest.fixture
def served(monkeypatch):
    """What the studio is started with, in place of starting it."""
    calls = []
    monkeypatch.setattr(studio_package, "serve", lambda model, **options: calls.append((model, options)))
    return calls


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "branched.safetensors"
    branched().save(path)
    return path


def test_P3_open_shows_a_file_in_the_studio(striate_cli, served, file):
    assert striate_cli("open", file, "--memory", 1, "--port", 8123, "--no-browser").code == 0
    ((model, options),) = served
    assert model.name == "branched"
    assert model.classes[0] == "red"
    assert options == {"port": 8123, "open_browser": False, "memory": 1 << 20}


def test_P3_names_of_classes_come_from_a_text_file(striate_cli, served, file, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("\ufeffrouge\n vert\n\nbleu\ngris\nnoir\nblanc\n", encoding="utf-8")
    assert striate_cli("open", file, "--classes", names).code == 0
    assert served[0][0].classes == ("rouge", "vert", "bleu", "gris", "noir", "blanc")


def test_P3_range_of_pixels_can_be_told(striate_cli, served, file):
    assert striate_cli("open", file, "--pixels", -1, 1).code == 0
    assert (served[0][0].preprocessing.mean, served[0][0].preprocessing.std) == ((127.5,), (127.5,))


def test_P3_scale_of_the_outputs_can_be_told(striate_cli, served, file, refused):
    assert striate_cli("open", file, "--outputs", "independent").code == 0
    assert served[0][0].facts.outputs == "independent"
    assert "outputs: expected one of probabilities, " in refused(1, "open", file, "--outputs", "percent")


def test_R4_architecture_that_does_not_fit_the_file_is_refused(refused, file):
    assert "holds a whole network; leave arch='lenet5' out" in refused(1, "open", file, "--arch", "lenet5")


def test_R4_network_of_series_is_shown_as_a_table(striate_cli, served, tmp_path):
    x = striate.Input((100, 2), name="series")
    path = tmp_path / "series.safetensors"
    striate.Model(x, layers.Conv1D(3, 5, name="filters")(x)).save(path)
    result = striate_cli("open", path)
    assert result.code == 0
    assert served == []
    assert "filters (Conv1D)" in result.out
    assert "No page is opened: expected a network that takes pictures" in result.out
    assert "this one takes 100×2" in result.out


def test_R4_what_is_no_model_is_one_line(refused, tmp_path, file):
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    assert "open_model: cannot open" in refused(1, "open", text)
    assert "nowhere" in refused(1, "open", tmp_path / "nowhere.onnx")
    names = tmp_path / "names.txt"
    names.write_bytes(b"\xff\xfe\xff")
    assert "expected the classes as UTF-8 text" in refused(1, "open", file, "--classes", names)
