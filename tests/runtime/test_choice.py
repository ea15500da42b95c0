"""Which executor is chosen where machine code cannot run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import striate
from striate.errors import ArgumentError
from striate.runtime import choice

PROGRAM = """
import warnings
import numpy as np
import striate

model = striate.Sequential([striate.Input((3,)), striate.layers.Dense(2, activation="softmax")])
for batch in (1, 2):
    assert np.allclose(model.predict(np.ones((batch, 3)), verbose=0).sum(-1), 1)
print(striate.runtime.settings().executor)
try:
    striate.set_executor("native")
except striate.errors.ArgumentError as error:
    print(error)
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A llvmlite whose library is not for this machine."""
    package = tmp_path / "llvmlite"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '0.50.0'")
    (package / "binding.py").write_text("raise OSError('Could not find/load shared object file libllvmlite.so')")
    path = [str(tmp_path), str(Path(striate.__file__).parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


def test_R5_networks_run_on_the_reference_where_llvm_does_not_load(broken):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    reason = (
        "'native' needs the package llvmlite, which does not load here: "
        "Could not find/load shared object file libllvmlite.so"
    )
    assert done.stdout.splitlines() == ["reference", f"set_executor: {reason}"]
    assert done.stderr.count(f"Networks run on the reference executor, which is slower: {reason}") == 1


@pytest.fixture
def anew():
    """The reason is found out again, now and afterwards."""
    choice._why_not_native.cache_clear()
    yield
    choice._why_not_native.cache_clear()


def test_R4_native_without_llvmlite(anew, monkeypatch):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r"needs the package llvmlite\. Install it: pip install llvmlite\."):
        striate.set_executor("native")


def test_R4_native_on_32_bits(anew, monkeypatch):
    monkeypatch.setattr(choice.struct, "calcsize", lambda kind: 4)
    with pytest.raises(ArgumentError, match=r"set_executor: 'native' needs a 64-bit Python\. Install one"):
        striate.set_executor("native")


def test_R4_another_executor():
    with pytest.raises(ArgumentError, match="set_executor: expected 'native' or 'reference', got 'gpu'"):
        striate.set_executor("gpu")
