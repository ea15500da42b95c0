"""How the work of direct convolution is cut: into panels and tiles for registers, and into items for caches, threads.

The choice depends on shapes and the target alone, not on the number of threads, and hardly on the batch.
"""

import math
from typing import NamedTuple

from striate.codegen import Target, most_rows, split
from striate.kernels.conv.geometry import Correlation
from striate.kernels.conv.packing import Panels

#: Multiply-adds of one item: some 20 µs, so that many threads share even one image, and handing out costs nothing.
ITEM = 2**20
#: Bytes of weights, and of input, that stay in a core's second-level cache while they are used again and again; and of
#: weights where input is copied, which is copied again for each part of them.
WEIGHTS, INPUT, WEIGHTS_OF_COPY = 2**19, 2**18, 5 * 2**18
#: Addresses a multiple of this apart share one set of the first-level cache, which keeps few of them.
PERIOD, WAYS = 4096, 4
#: Bytes of input and result together above which both are in memory rather than in a cache.
FAR = 12 * 2**20
#: Output channels for which one number is read from memory, at least, for fetching it early to pay.
MANY = 64
#: Independent multiply-adds that a core needs, so that none waits for another's result.
LATENCY = 8
#: Share of the registers for sums where code is written for each tap of a row: with more, LLVM spills them.
SHARE = 2 / 3


class Blocks(NamedTuple):
    """How a `Correlation` is cut.

    Arguments:
        panels: of output channels.
        tiles: neighbouring pixels of an output row whose sums are computed together: (how many, how often).
        parts: how many items share the panels of one place, or the groups if there are several.
        rows, columns: output rows of an item, and tiles of each.
        pitch: numbers from pixel to pixel of the copy in scratch memory; 0: the input is read where it lies.
        inside: whether a tile is a whole row, and leaves out the pixels for which a tap lies outside of the image.
        fetch: whether the input of the next tile is brought into the cache while one is computed.
    """

    panels: Panels
    tiles: tuple[tuple[int, int], ...]
    parts: int
    rows: int
    columns: int
    pitch: int
    inside: bool
    fetch: bool

    @property
    def has_whole_rows(self) -> bool:
        """Whether an item has all pixels of its rows."""
        return self.columns >= self.tiles_in_row

    @property
    def tiles_in_row(self) -> int:
        return sum(count for _, count in self.tiles)

    @property
    def pixels(self) -> int:
        """Most pixels of a row in one item."""
        first, last = self.tiles[0], self.tiles[-1]
        if self.has_whole_rows:
            return sum(size * count for size, count in self.tiles)
        return min(self.columns, first[1]) * first[0] + max(0, self.columns - first[1]) * last[0]

    def per_image(self, correlation: Correlation) -> tuple[int, int, int]:
        """Items of an image along depth, height and width."""
        depth, height, _ = correlation.axes
        return depth.count, -(-height.count // self.rows), -(-self.tiles_in_row // self.columns)

    def items(self, correlation: Correlation) -> int:
        """How many there are in all."""
        return self.parts * correlation.images * math.prod(self.per_image(correlation))

    def window(self, correlation: Correlation) -> tuple[int, int, int]:
        """Planes, rows and pixels of the input that one item needs."""
        depth, height, width = correlation.axes
        rows = height.taps if self.rows == 1 else (self.rows - 1) * height.stride + height.span
        return depth.taps, rows, (self.pixels - 1) * width.stride + width.span

    def scratch(self, correlation: Correlation) -> int:
        """Bytes of the copy."""
        return 4 * self.pitch * math.prod(self.window(correlation))


def cut(correlation: Correlation, target: Target) -> Blocks:
    """The blocks for a correlation."""
    c = correlation
    height, width = c.axes[1:]
    lanes, vectors = _panel(target, width.count, c.outputs)
    panels = Panels(c.depth, c.outputs, vectors * lanes, lanes)
    channels = c.groups * c.channels
    apart = math.gcd(4 * channels * width.stride, PERIOD)  # from pixel to pixel of a tile, as the cache sees it
    fitting, alongside = most_rows(target, vectors), WAYS * PERIOD // apart
    if not width.is_padded and alongside * vectors >= LATENCY:
        fitting = min(fitting, alongside)
    tiles = tuple(split(width.count, fitting))

    crowded = tiles[0][0] > alongside
    meeting = min(map(len, width.met), default=0) * vectors
    fits = tiles == ((width.count, 1),) and width.count * vectors <= SHARE * target.registers
    inside = width.is_padded and fits and meeting >= LATENCY
    copied = c.taps > 0 and (crowded or (width.is_padded and not inside))

    units, unit = (c.groups, panels.group_size) if c.groups > 1 else (panels.count, panels.columns * c.depth)
    together = _balanced(units, (WEIGHTS_OF_COPY if copied else WEIGHTS) // max(1, 4 * unit))
    parts = -(-units // together)
    pixels = ITEM // max(1, c.depth * c.outputs * c.groups // parts)
    rows, columns = 1, sum(count for _, count in tiles)
    if 2 * pixels < width.count:
        columns = _balanced(columns, pixels // tiles[0][0])
    else:
        row = 4 * c.groups * c.channels * width.size * height.stride
        many = min(pixels // width.count, INPUT // row) if height.dilation == 1 else 1
        rows = _balanced(height.count, many)

    pitch = channels + crowded * target.lanes if copied else 0
    numbers = channels * math.prod(a.size for a in c.axes) + c.groups * c.outputs * math.prod(a.count for a in c.axes)
    fetch = c.taps == 1 and pitch == 0 and c.outputs >= MANY and 4 * c.images * numbers > FAR
    return Blocks(panels, tiles, parts, rows, columns, pitch, inside, fetch)


def _panel(target: Target, pixels: int, outputs: int) -> tuple[int, int]:
    """(lanes, vectors) of the panels with which a row of pixels takes least time."""

    def time(shape: tuple[int, int]) -> float:
        """Roughly, by lanes: what instructions do, and 4 for each instruction; a weight serves all pixels of a tile."""
        lanes, vectors = shape
        panels = -(-outputs // (lanes * vectors))
        tiles = split(pixels, most_rows(target, vectors))
        steps = (
            count * (max(size * vectors, LATENCY) * (lanes + 4) + 4 * size + lanes * vectors) for size, count in tiles
        )
        return panels * sum(steps)

    widths = [lanes for lanes in (target.lanes, target.lanes // 2, target.lanes // 4) if lanes >= 4]
    shapes = [(lanes, vectors) for lanes in widths for vectors in range(1, min(6, -(-outputs // lanes)) + 1)]
    lanes, vectors = min(shapes, key=time)
    return lanes, _balanced(-(-outputs // lanes), vectors)


def _balanced(size: int, most: int) -> int:
    """The size of the largest of equal parts of at most ``most``, at least 1."""
    return split(size, max(1, most))[0][0]
