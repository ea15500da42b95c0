"""Public names are listed, documented, and stay."""

import importlib
import inspect
import pkgutil
import re
from types import ModuleType

import pytest

import striate
from striate import kernels
from striate.layers.layer import LAYERS

MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages(striate.__path__, "striate.")
    if not info.name.startswith("striate.__main__")
]


#: Kernels of an operation mean what the operation means; it has the docstring.
OF_AN_OPERATION = [*kernels.LOWERINGS.values(), *kernels.POINTWISE.values()]


def public(module: ModuleType) -> list[tuple[str, object]]:
    names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
    return [
        (name, thing)
        for name in names
        if (inspect.isfunction(thing := getattr(module, name)) or inspect.isclass(thing))
        and getattr(thing, "__module__", "") == module.__name__
        and thing not in OF_AN_OPERATION
    ]


EVERY = [(f"{m.__name__}.{name}", thing) for m in MODULES for name, thing in public(m)]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_every_module_says_what_it_is_for(module: ModuleType) -> None:
    assert (module.__doc__ or "").strip()


@pytest.mark.parametrize("module", [m for m in MODULES if hasattr(m, "__all__")], ids=lambda m: m.__name__)
def test_listed_names_exist_sorted_and_once(module: ModuleType) -> None:
    names = list(module.__all__)
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize(("name", "thing"), EVERY, ids=[name for name, _ in EVERY])
def test_every_public_thing_has_a_docstring(name: str, thing: object) -> None:
    assert (inspect.getdoc(thing) or "").strip(), f"{name} has no docstring"


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_layer_docstrings_have_their_sections(name: str) -> None:
    layer = LAYERS[name]
    inherited = ("name", "trainable", "dtype", "input_shape", "input_dim", "args", "kwargs")
    own = [p for p in inspect.signature(layer).parameters if p not in inherited]
    text = inspect.getdoc(layer) or ""
    if own:
        refers = re.search(r"\b[Aa]s `", text)
        assert "Arguments" in text or refers, f"{name} has arguments {own} but no section on them, nor a reference"


def operations() -> list[str]:
    return [name for name in striate.ops.__all__ if inspect.isfunction(getattr(striate.ops, name))]


@pytest.mark.parametrize("name", operations())
def test_operations_say_what_they_raise(name: str) -> None:
    text = inspect.getdoc(getattr(striate.ops, name)) or ""
    source = inspect.getsource(getattr(striate.ops, name))
    if "raise " in source:
        assert "Raises" in text or "See `" in text, f"ops.{name} raises but does not say so"


def test_the_front_door() -> None:
    """What ``import striate`` offers: adding is fine, taking away breaks somebody's program."""
    assert {"Input", "Layer", "Model", "Sequential", "activations", "callbacks", "data", "datasets", "errors"} <= set(
        striate.__all__
    )
    assert {"initializers", "layers", "load_model", "losses", "metrics", "models", "ops", "optimizers"} <= set(
        striate.__all__
    )
    assert {"regularizers", "set_seed", "utils"} <= set(striate.__all__)
