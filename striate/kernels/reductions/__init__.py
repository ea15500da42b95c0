"""Reductions: many numbers become one, over any axes of any shape.

Read `reducer`, then `stages`; `statistics` are mean and variance, `lowering` says which operation is which reduction.
"""

from striate.kernels.reductions import lowering
from striate.kernels.reductions.lowering import repeated_axes
from striate.kernels.reductions.reducer import TOTAL, Reducer, sum_of
from striate.kernels.reductions.stages import reduce, runs_along
from striate.kernels.reductions.statistics import moments

__all__ = ["TOTAL", "Reducer", "lowering", "moments", "reduce", "repeated_axes", "runs_along", "sum_of"]
