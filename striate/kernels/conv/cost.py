"""What the ways to compute a convolution cost: a model in few numbers, a pure function of shapes and target.

    cycles = product · multiply-adds + transform · vectors transformed + bytes of weights / BYTES

The constants are fitted to measurements with cold caches by ``benchmarks/cost_model.py``, whose data lie beside it. A
cycle is what one vector multiply-add of direct summation takes.
"""

import math
from typing import NamedTuple

from striate.codegen import Target
from striate.kernels.conv.geometry import Correlation


class Rates(NamedTuple):
    """Cycles of a family of kernels.

    Arguments:
        product: of one vector multiply-add.
        transform: for each place of a tile and vector of its channels that goes through a transform.
    """

    product: float
    transform: float


DIRECT, WINOGRAD, FOURIER = Rates(1.0, 0.0), Rates(1.15, 10.0), Rates(1.5, 27.0)
#: Bytes of transformed weights that go to or come from memory in one cycle.
BYTES = 8.0
#: Fewer rows of a product leave the multiply-adds waiting for each other.
FEWEST_ROWS = 4
#: Share of direct summation's time that a transform must save to be worth its larger rounding errors.
MARGIN = 0.9


class Cost(NamedTuple):
    """What one core does.

    Arguments:
        products: vector multiply-adds.
        transforms: vectors that go through a transform.
        weights: bytes of weights that are read or written.
    """

    products: float
    transforms: float
    weights: float

    def cycles(self, rates: Rates) -> float:
        """How long it takes."""
        return rates.product * self.products + rates.transform * self.transforms + self.weights / BYTES


def direct(target: Target, sums: Correlation) -> Cost:
    """Direct summation: nearly one multiply-add in each cycle, or two of half a vector."""
    vectors = sums.groups * (-(-sums.outputs // (target.lanes // 2)) / 2)
    pixels = sums.images * math.prod(axis.count for axis in sums.axes)
    return Cost(sums.depth * pixels * vectors, 0, 4 * sums.groups * sums.depth * sums.outputs)
