"""The house stands as ARCHITECTURE.md draws it: imports go down only, and each package is imported where it is used."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import striate

PACKAGE = Path(striate.__file__).parent
FILES = sorted(p for p in PACKAGE.rglob("*.py"))

#: From the bottom to the top; rooms on one line may not import each other.
FLOORS = [
    {"errors"},
    {"random"},
    {"codegen", "configurable", "data", "datasets"},
    {"graph"},
    {"ops"},
    {"kernels"},
    {"runtime"},
    {"layers"},
    {"training", "utils"},
    {"models"},
    {"explain"},
    {"interop"},
    {"architectures"},
    {"opening"},
    {"testing", "runs"},
    {"studio"},
    {"cli"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> list[str]:
    """What a file imports when it runs, also inside functions; what only annotations need is never imported."""
    modules: list[str] = []
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return modules


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    assert here in FLOOR, f"the room {here!r} has no floor in this test and in ARCHITECTURE.md"
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] != "striate" or len(parts) == 1:
            continue
        there = parts[1]
        assert there in FLOOR, f"{path.name} imports {module} through the package's front door"
        assert there == here or FLOOR[there] < FLOOR[here], f"{here} imports {there} ({module}), which is not below it"


def module_of(path: Path) -> str:
    parts = ("striate", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of_modules() -> dict[str, set[str]]:
    """Which modules each module imports, at its top or inside of a function; what only type checkers see is no import.

    ``from striate.graph import Tensor`` reads the package striate.graph; ``from striate.runtime import budget`` the
    module striate.runtime.budget.
    """
    paths = {module_of(path): path for path in FILES}
    found = {}
    for module, path in paths.items():
        tree = ast.parse(path.read_text())
        unseen = {id(inner) for node in ast.walk(tree) if is_for_types(node) for inner in ast.walk(node)}
        wanted = []
        for node in ast.walk(tree):
            if id(node) in unseen:
                continue
            if isinstance(node, ast.Import):
                wanted += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                wanted += [f"{node.module}.{alias.name}" for alias in node.names]
        homes = (name if name in paths else name.rpartition(".")[0] for name in wanted)
        found[module] = {home for home in homes if home in paths and home != module}
    return found


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def circle_in(imports: dict[str, set[str]]) -> list[str]:
    """Modules each of which imports the next one, and the last the first; none if there is no circle."""
    left = {module: set(others) for module, others in imports.items()}
    while done := [module for module, others in left.items() if not others & left.keys()]:
        for module in done:
            del left[module]
    if not left:
        return []
    walk = [min(left)]
    while (following := min(left[walk[-1]] & left.keys())) not in walk:
        walk.append(following)
    return walk[walk.index(following) :]


def test_a_circle_is_found_and_named() -> None:
    assert circle_in({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}, "e": {"a"}}) == ["b", "d"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    imports = imports_of_modules()
    assert "striate.data.workers" in imports["striate.data.tasks"]  # at the top
    assert "striate.opening" in imports["striate.cli.open"]  # inside of a function


def test_no_modules_import_each_other_in_a_circle() -> None:
    circle = circle_in(imports_of_modules())
    assert not circle, f"a circle of imports: {' → '.join([*circle, *circle[:1]])}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_that_executes_what_it_reads(path: Path) -> None:
    modules = {module.split(".")[0] for module in imported_modules(path)}
    assert not modules & {"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle"}
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec", "compile", "__import__"}


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_names_that_are_imported_later_are_no_modules() -> None:
    """Importing a module sets an attribute of its package: it would take the place of what has the same name."""
    import striate.data

    homes = vars(striate.data)["_HOMES"]
    modules = {path.stem for path in (PACKAGE / "data").glob("*.py")}
    assert set(homes) == set(striate.data.__all__)
    assert set(homes.values()) <= modules
    assert not set(homes) & modules
    assert all(callable(getattr(striate.data, name)) for name in homes)


def test_A3_import_needs_numpy_alone() -> None:
    loaded = run_python("import sys, striate; print(*sorted({name.split('.')[0] for name in sys.modules}))")
    assert loaded.returncode == 0, loaded.stderr
    ours = set(loaded.stdout.split())
    assert not ours & {"PIL", "typer", "rich", "starlette", "uvicorn", "websockets", "click", "scipy"}


def test_A3_trains_saves_and_opens_with_every_other_package_blocked() -> None:
    done = run_python(
        """
import sys
from importlib.abc import MetaPathFinder

class OnlyNumPy(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in {*sys.stdlib_module_names, "numpy", "striate"}:
            raise ImportError(f"blocked: {name}")

sys.meta_path.insert(0, OnlyNumPy())
import numpy as np
import striate
from striate import layers

striate.set_seed(0)
model = striate.Sequential([
    striate.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(),
    layers.MaxPooling2D(), layers.Dropout(0.25), layers.Flatten(), layers.Dense(3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
x = np.random.default_rng(0).random((64, 8, 8, 1), np.float32)
history = model.fit(x, np.arange(64) % 3, epochs=2, verbose=0)
model.summary()
print("trained", model.predict(x).shape, len(history.history["loss"]))
import tempfile
with tempfile.TemporaryDirectory() as folder:
    model.save(folder + "/m.safetensors")
    print("opened", (striate.open_model(folder + "/m.safetensors").predict(x) == model.predict(x)).all())
"""
    )
    assert "trained (64, 3) 2" in done.stdout, done.stderr
    assert "opened True" in done.stdout, done.stderr


def test_the_reading_list_exists_and_no_file_of_it_imports_one_that_comes_later() -> None:
    page = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = re.findall(r"`([\w/]+\.(?:py|ll))`", page.partition("## Where to begin reading")[2])
    assert listed
    assert not [name for name in listed if not (PACKAGE / name).exists()]
    imports = imports_of_modules()
    modules = [module_of(PACKAGE / name) for name in listed]
    early = {
        (module, later)
        for number, module in enumerate(modules)
        for later in modules[number + 1 :]
        if later in imports.get(module, ())
    }
    assert not early, f"ARCHITECTURE.md lists a file before one that it imports: {early}"
