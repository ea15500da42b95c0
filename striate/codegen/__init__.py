"""How Python writes machine code: LLVM IR by hand, compiled for this CPU, kept on disk.

Read `function` first: a kernel is a Python function that writes down loops, loads, multiply-adds and stores.
"""

from striate.codegen.function import Function
from striate.codegen.kernel import Kernel, in_place, kernel
from striate.codegen.target import Target, host
from striate.codegen.tile import Tile, fit, most_rows, pieces, split
from striate.codegen.values import Accumulator, Pointer, Type, Value

__all__ = [
    "Accumulator",
    "Function",
    "Kernel",
    "Pointer",
    "Target",
    "Tile",
    "Type",
    "Value",
    "fit",
    "host",
    "in_place",
    "kernel",
    "most_rows",
    "pieces",
    "split",
]
