"""Machine code finds a place in a process whose memory is in pieces."""

import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

#: Kernels with constants, and with calls of memset, each part of which a loader might put into another piece of memory.
PROGRAM = """
import ctypes, mmap
from pathlib import Path
import numpy as np
from striate import ops
from striate.graph import Tensor, trace
from striate.runtime.native import NativeExecutor

FUNCTIONS = ops.softmax, ops.local_response_normalization, ops.gelu
x = np.linspace(-3, 3, 2400, dtype=np.float32).reshape(4, 10, 10, 6)
graphs = [trace(function, [Tensor(x.shape)]) for function in FUNCTIONS]
NativeExecutor(trace(ops.relu, [Tensor(x.shape)])).run([x])  # LLVM is there, and threads are

GIB, PAGE, NO_RESERVE, AT_THIS_PLACE = 2**30, 4096, 0x4000, 0x100000
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_size_t
libc.mmap.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_size_t] * 2

def reserve(address, size, flags=0):
    return libc.mmap(address, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE | flags, -1, 0)

start = reserve(0, 64 * GIB)
lines = Path("/proc/self/maps").read_text().splitlines()
taken = [tuple(int(end, 16) for end in line.split()[0].split("-")) for line in lines]
for (_, end), (following, _) in zip(taken, taken[1:]):
    if start <= end < following < 2**47:
        assert reserve(end, following - end, AT_THIS_PLACE) == end
for number in range(1, 16):  # what is left: holes of one page, 4 GiB apart, and then the rest, which is whole
    libc.munmap(start + 4 * number * GIB, PAGE)

for graph, function in zip(graphs, FUNCTIONS):
    np.testing.assert_allclose(NativeExecutor(graph).run([x])[0], function(x), rtol=1e-5, atol=1e-6)
print("computed")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says which addresses are taken")
def test_R5_a_process_whose_memory_is_in_pieces_loads_kernels(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout == "computed\n", done.stderr
