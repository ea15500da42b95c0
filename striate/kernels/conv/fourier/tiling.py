"""How a convolution is cut into tiles for Fourier transforms, and when that pays.

A tile of the result needs a window of the input that has as many more places as the kernel has taps beside the first.
Two windows are transformed as one with complex numbers: as weights are real, the sums of x₁ + i·x₂ are those of x₁ and,
times i, those of x₂. Both are of one image, as each gets rounding errors of the other's size.
"""

import itertools
import math
from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

from striate.codegen import Function, Target, Value
from striate.codegen.values import Integer
from striate.kernels.conv.cost import DIRECT, FEWEST_ROWS, FOURIER, MARGIN, Cost, direct
from striate.kernels.conv.geometry import Axis, Correlation
from striate.kernels.plan import Plan

Three = tuple[int, int, int]

#: Sizes of a window along one axis. Code is written for each place of a line, so there must not be many.
SIZES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
#: Places of a window in all: its numbers in scratch memory must stay in a core's own caches.
LARGEST = 1024


class Tiling(NamedTuple):
    """How a correlation with stride and dilation 1 is cut. A vector holds neighbouring channels of one place.

    Arguments:
        sums: what is to be computed; for the weight gradient, the correlation whose weights are meant.
        window: places of the input that a tile needs, along depth, height and width.
        lanes: channels of a vector.
    """

    sums: Correlation
    window: Three
    lanes: int

    @property
    def taps(self) -> Three:
        d, h, w = (axis.taps for axis in self.sums.axes)
        return d, h, w

    @property
    def tile(self) -> Three:
        """Places of the result that a tile has."""
        d, h, w = (size - axis.taps + 1 for size, axis in zip(self.window, self.sums.axes, strict=True))
        return d, h, w

    @property
    def tiles(self) -> Three:
        """Tiles of an image along each axis."""
        d, h, w = (-(-axis.count // size) for size, axis in zip(self.tile, self.sums.axes, strict=True))
        return d, h, w

    @property
    def pairs_per_image(self) -> int:
        """Of tiles."""
        return -(-math.prod(self.tiles) // 2)

    @property
    def pairs(self) -> int:
        """Of all images."""
        return self.sums.images * self.pairs_per_image

    @property
    def frequencies(self) -> int:
        return math.prod(self.window)

    @property
    def vectors(self) -> int:
        """Of input channels, of all groups together."""
        return -(-self.sums.groups * self.sums.channels // self.lanes)

    @property
    def panels_of_group(self) -> int:
        return -(-self.sums.outputs // self.lanes)

    @property
    def panels(self) -> int:
        """Of output channels, each one vector of one group."""
        return self.sums.groups * self.panels_of_group

    def outputs_of(self, f: Function, panel: Integer) -> tuple[Integer, Integer | None]:
        """The first output channel of a panel, and how many it has; None: a whole vector."""
        group, first = panel // self.panels_of_group, panel % self.panels_of_group * self.lanes
        count = None if self.sums.outputs % self.lanes == 0 else f.smaller(self.lanes, self.sums.outputs - first)
        return group * self.sums.outputs + first, count

    def inputs_of(self, panel: Integer) -> Integer:
        """The first input channel of a panel's group."""
        return panel // self.panels_of_group * self.sums.channels

    @property
    def steps(self) -> Three:
        """Numbers from place to place along each axis of a window in scratch memory."""
        row = odd_lines(2 * self.lanes * self.window[2])
        return odd_lines(row * self.window[1]), row, 2 * self.lanes

    @property
    def scratch(self) -> int:
        """Bytes of a window."""
        return 4 * self.window[0] * self.steps[0]

    def plane(self, vectors: int) -> int:
        """Numbers from one frequency to the next of windows with so many vectors of channels."""
        return odd_lines(self.pairs * vectors * 2 * self.lanes)

    def two(self, f: Function, pair: Value) -> Iterator[tuple[int, Integer, list[Integer]]]:
        """(0 or 1, image, first place along each axis) of the tiles of a pair; the last of an image may have one."""
        number = math.prod(self.tiles)
        image, first = pair // self.pairs_per_image, pair % self.pairs_per_image * 2
        for part in range(min(2, number)):
            left: Integer = first + part
            starts: list[Integer] = []
            for count, size in zip(reversed(self.tiles), reversed(self.tile), strict=True):
                starts.insert(0, left % count * size)
                left = left // count
            with f.when(first + part < number) if part and number % 2 else nullcontext():
                yield part, image, starts


def odd_lines(size: int) -> int:
    """At least ``size`` numbers in an odd number of cache lines: what is so far apart does not share cache sets."""
    return (-(-size // 16) | 1) * 16


def choose(plan: Plan, sums: Correlation, is_gradient: bool) -> Tiling | None:
    """The fastest tiling, if it is faster than direct convolution: a pure function of shapes and the target."""
    best = next(iter(fastest(plan, sums, is_gradient)), None)
    if best is None or cost(best, is_gradient).cycles(FOURIER) > MARGIN * direct(plan.target, sums).cycles(DIRECT):
        return None
    return best


def fastest(plan: Plan, sums: Correlation, is_gradient: bool) -> list[Tiling]:
    """All tilings that can compute a sum, the fastest first."""
    plain = all(axis.stride == axis.dilation == 1 and axis.taps for axis in sums.axes)
    if plan.exact or not plain or not sums.images * sums.depth * sums.outputs:
        return []
    return sorted(tilings(sums, plan.target), key=lambda way: cost(way, is_gradient).cycles(FOURIER))


def tilings(sums: Correlation, target: Target) -> list[Tiling]:
    """All there are."""
    deep, high, wide = map(_windows, sums.axes)
    windows = itertools.product(deep, high, wide)
    return [Tiling(sums, (d, h, w), target.lanes) for d, h, w in windows if 1 < d * h * w <= LARGEST]


def _windows(axis: Axis) -> list[int]:
    """Sizes of a window that have room for the taps, and are not half padding."""
    if axis.taps == 1:
        return [1]
    sizes = [size for size in SIZES if size > axis.taps]
    enough = [size for size in sizes if size >= axis.count + axis.taps - 1]
    return [size for size in sizes if not enough or size <= enough[0]]


def cost(way: Tiling, is_gradient: bool) -> Cost:
    """Transforms there and back, products, and transformed weights.

    These are written, or read, at each step of training. The same holds for a forward pass that is part of a step, but
    predictions should not be slower for that: for them the weights are already transformed.
    """
    axes = sum(size > 1 for size in way.window)
    weights = way.frequencies * way.sums.channels * way.panels
    transforms = axes * (way.pairs * way.frequencies * (way.vectors + way.panels) + is_gradient * weights)
    products = max(way.pairs, FEWEST_ROWS) * way.frequencies * way.panels * 4 * way.sums.channels
    return Cost(products, transforms, (1 + is_gradient) * weights * 8 * way.lanes)
