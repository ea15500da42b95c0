"""Pooling: one number, or one pixel, for each window."""

from striate.ops.pooling.adaptive import (
    ADAPTIVE_AVERAGE_POOL,
    ADAPTIVE_MAX_POOL,
    ADAPTIVE_MAX_POOL_GRAD,
    adaptive_average_pool,
    adaptive_max_pool,
)
from striate.ops.pooling.brightest import BRIGHTEST_POOL, BRIGHTEST_POOL_GRAD, brightest_pool
from striate.ops.pooling.op import (
    AVERAGE_POOL,
    AVERAGE_POOL_GRAD,
    LP_POOL,
    LP_POOL_GRAD,
    MAX_POOL,
    MAX_POOL_GRAD,
    average_pool,
    lp_pool,
    max_pool,
    mixed_pool,
)

__all__ = [
    "ADAPTIVE_AVERAGE_POOL",
    "ADAPTIVE_MAX_POOL",
    "ADAPTIVE_MAX_POOL_GRAD",
    "AVERAGE_POOL",
    "AVERAGE_POOL_GRAD",
    "BRIGHTEST_POOL",
    "BRIGHTEST_POOL_GRAD",
    "LP_POOL",
    "LP_POOL_GRAD",
    "MAX_POOL",
    "MAX_POOL_GRAD",
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "brightest_pool",
    "lp_pool",
    "max_pool",
    "mixed_pool",
]
