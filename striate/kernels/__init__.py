"""Machine code for each operation, one file for each family.

A *lowering* adds to a plan the launches of kernels that compute a node; it returns False where it has no kernel for
this one, which then runs on the reference. Importing this package finds all lowerings.
"""

from striate.kernels import (
    conv,
    copying,
    dense,
    dropout,
    elementwise,
    local_response,
    matmul,
    normalization,
    one_hot,
    pooling,
    reductions,
    resize,
    selection,
    shape,
    softmax,
)
from striate.kernels.plan import LOWERINGS, Buffer, Launch, Plan, lowers
from striate.kernels.planning import make_plan
from striate.kernels.pointwise import POINTWISE, Epilogue

__all__ = [
    "LOWERINGS",
    "POINTWISE",
    "Buffer",
    "Epilogue",
    "Launch",
    "Plan",
    "conv",
    "copying",
    "dense",
    "dropout",
    "elementwise",
    "local_response",
    "lowers",
    "make_plan",
    "matmul",
    "normalization",
    "one_hot",
    "pooling",
    "reductions",
    "resize",
    "selection",
    "shape",
    "softmax",
]
