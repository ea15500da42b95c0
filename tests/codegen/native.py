"""Runs one kernel on arrays, in this thread."""

import ctypes
from typing import Any

import numpy as np

from striate.codegen import Kernel, compiler, host
from striate.codegen.values import element
from striate.graph import Array

_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


def run(kernel: Kernel, *arrays: Array, items: int = 1, **settings: Any) -> None:
    """Compute items 0 … ``items`` − 1 of a kernel on C-contiguous arrays, which it may write."""
    code = kernel.code(host(), tuple(element(array.dtype) for array in arrays), tuple(sorted(settings.items())))
    loaded = compiler.addresses([code])
    call = _FUNCTION(loaded[code.symbol])
    table = np.array([array.ctypes.data for array in arrays], np.uint64)
    scratch = np.zeros(4096, np.uint8)
    call(table.ctypes.data, 0, items, scratch.ctypes.data)
