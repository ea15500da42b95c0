"""Compiled kernels on disk: found again, never trusted blindly, and never a reason to fail."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")
from striate.codegen import cache

PROGRAM = """
import numpy as np
from striate import ops
from striate.codegen import compiler, host, llvm
from striate.graph import Tensor, trace
from striate.runtime.native import NativeExecutor

CHANGE
compiled = []
emit_object = llvm.emit_object
llvm.emit_object = lambda text, target: compiled.append(text) or emit_object(text, target)
run = NativeExecutor(trace(lambda x: ops.relu(x - 1.0), [Tensor((3, 5))])).run
x = np.arange(15, dtype=np.float32).reshape(3, 5)
assert np.array_equal(run([x])[0], np.maximum(x - 1, 0))
print(len(compiled))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def start(change: str = "") -> int:
    """Run a small network in a new process; how many kernels it had to compile.

    Arguments:
        change: Python code that makes LLVM or this machine another one.
    """
    program = PROGRAM.replace("CHANGE", change)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_the_second_start_compiles_nothing(folder):
    assert start() > 0
    assert start() == 0


@pytest.mark.parametrize(
    "change",
    [
        "import llvmlite; llvmlite.__version__ += '.1'",
        "llvm.binding().llvm_version_info = (99, 0, 0)",
        "machine = host(); compiler.host = lambda: machine._replace(cpu='x86-64')",
        "machine = host(); compiler.host = lambda: machine._replace(features=machine.features + ',')",
    ],
    ids=["llvmlite", "LLVM", "CPU", "features"],
)
def test_another_llvm_or_machine_uses_none_of_what_was_compiled(folder, change):
    compiled = start()
    before = {entry.name for entry in folder.iterdir()}
    assert start(change) == compiled
    assert len({entry.name for entry in folder.iterdir()} - before) == compiled
    assert start(change) == 0


def test_damaged_entries_are_compiled_again(folder):
    start()
    entries = sorted(folder.iterdir())
    for entry in entries:
        content = entry.read_bytes()
        entry.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert start() == len(entries)
    assert start() == 0
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:50])
    assert start() == len(entries)


def test_what_is_no_entry_is_ignored(folder):
    folder.mkdir()
    (folder / "0.o").write_bytes(b"\x7fELF")
    assert cache.load("0") is None
    (folder / "1.o").mkdir()
    assert cache.load("1") is None


def test_a_folder_that_cannot_be_written_costs_time_only(folder):
    folder.write_text("a file where the folder should be")
    assert start() > 0
    assert start() > 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    opened = []

    def open_full(self, mode):
        self.touch()
        opened.append((self.parent, mode))
        return open("/dev/full", "wb")

    monkeypatch.setattr(Path, "open", open_full)
    cache.save("x", b"code" * 100_000)
    assert opened == [(folder, "xb")]
    assert list(folder.iterdir()) == []


def save_and_load(number: int) -> bool:
    content = bytes([number % 7]) * 200_000
    cache.save("same", content)
    found = cache.load("same")
    return found is not None and len(set(found)) == 1 and len(found) == 200_000


def test_concurrent_writers_leave_a_whole_entry(folder):
    with ProcessPoolExecutor(4) as pool:
        assert all(pool.map(save_and_load, range(60)))
    assert [entry.name for entry in folder.iterdir()] == ["same.o"]


def test_without_a_home_there_is_no_cache(monkeypatch):
    for name in ("STRIATE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", no_home)
    assert cache.folder() is None
    cache.save("x", b"")
    assert cache.load("x") is None
