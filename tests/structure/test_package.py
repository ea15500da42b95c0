"""What is not Python has to be named in pyproject.toml, or it is missing from the installed package."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "striate"
FILES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
)


@pytest.mark.parametrize("name", FILES)
def test_data_files_are_installed(name: str) -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["striate"]
    assert any(fnmatch(name, pattern.replace("**/", "")) for pattern in patterns)


def test_there_are_data_files() -> None:
    assert {"py.typed", "pretrained/digits.safetensors", "datasets/files/mnist-train.xz"} <= set(FILES)
    assert any(name.startswith("studio/static/") for name in FILES)
