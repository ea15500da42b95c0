"""Depthwise convolution: each channel is filtered on its own, so vectors run over channels, and no lanes are summed.

Some outputs in a row are computed together, each a vector in a register, so that a column of x is loaded once for all
windows that see it. With M filters to a channel, weights and vectors are those of the C·M output maps, and x is
*spread*: each number M times. The gradient by the input has the same sums with x and y in each other's place: there the
C·M products are *folded*, each M to one.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from striate.codegen import Function, Pointer, Target, Value, kernel, split
from striate.codegen.values import Integer
from striate.graph import Node, Shape
from striate.kernels.broadcasting import unravel
from striate.kernels.conv import geometry
from striate.kernels.conv.geometry import Axis, Correlation
from striate.kernels.conv.grad_weight import add_shards
from striate.kernels.plan import Buffer, Plan
from striate.kernels.pointwise import NOTHING, Epilogue
from striate.ops.operation import known_shape

TOGETHER = 8  # outputs that are computed together
MOST_PRODUCTS = 96  # that are written down for one row of the kernel
CHAINS = 2  # sums of one weight's gradient that do not wait for each other
WIDE = 256  # output maps of one item, about
ENOUGH = 16  # shards that are enough for many threads
LEAST_PIXELS = 256  # of a shard, so that adding shards costs little

#: For each of some outputs, the taps by which it sees a place inside of x.
Seen = tuple[tuple[int, ...], ...]


def suits(w: Shape, groups: int, target: Target) -> bool:
    """Whether these kernels compute a convolution with such weights, or its gradients."""
    return groups > 1 and w[-2] == 1 and w[-1] // groups <= target.lanes // 2


def lower_forward(plan: Plan, node: Node) -> None:
    """y = x ⋆ w."""
    sums = geometry.forward(node)
    y, epilogue, others = plan.finish(node)
    _launch(plan, node, sums, tuple(range(axis.taps) for axis in sums.axes), y, epilogue, others)


def lower_grad_input(plan: Plan, node: Node) -> None:
    """The gradient with respect to the input: for stride s, one launch for each of its phases."""
    y, epilogue, others = plan.finish(node)
    for sums, entries in geometry.backward(node):
        front = (range(1),) * (3 - len(entries))
        _launch(plan, node, sums, (*front, *entries), y, epilogue, others)


def lower_grad_weight(plan: Plan, node: Node) -> None:
    """The gradient with respect to the weights: Σ x·g over the pixels where a tap and a channel meet."""
    x, g = map(plan.read, node.inputs)
    of_x, of_g = map(known_shape, node.inputs)
    sums = geometry.correlation(of_x, known_shape(node.output), of_g, node.attributes)
    y, epilogue, others = plan.finish(node)
    way = Shards.of(sums)
    rows, columns = sums.taps, sums.groups * sums.outputs
    settings: dict[str, Any] = {"sums": sums, "way": way}
    items = way.count * Maps.of(sums, plan.target).blocks
    if way.count == 1:
        plan.launch(sum_products, x, g, y, *others, items=items, epilogue=epilogue, **settings)
        return
    slots = plan.temporary(way.count, rows, columns)
    plan.launch(sum_products, x, g, slots, items=items, epilogue=NOTHING, **settings)
    settings = {"rows": rows, "columns": columns, "shards": way.count, "epilogue": epilogue}
    plan.launch(add_shards, slots, y, *others, items=rows, **settings)


def _launch(
    plan: Plan,
    node: Node,
    sums: Correlation,
    entries: tuple[range, ...],
    y: Buffer,
    epilogue: Epilogue,
    others: list[Buffer],
) -> None:
    x, w = node.inputs
    taps = known_shape(w)[:-2]
    plan.launch(
        filter_channels,
        plan.read(x),
        plan.read(w),
        y,
        *others,
        items=sums.images * math.prod(axis.count for axis in sums.axes[:2]) * Maps.of(sums, plan.target).blocks,
        sums=sums,
        entries=entries,
        kernel_sizes=(1,) * (3 - len(taps)) + taps,
        epilogue=epilogue,
    )


@dataclass(frozen=True)
class Maps:
    """How output maps lie in vectors.

    Arguments:
        lanes: of a vector.
        step: output maps in a vector: all lanes, or as many whole channels as fit.
        count: how many output maps there are.
        filters: output maps to a channel.
    """

    lanes: int
    step: int
    count: int
    filters: int

    @classmethod
    def of(cls, sums: Correlation, target: Target) -> "Maps":
        filters = max(sums.channels, sums.outputs)
        count = sums.groups * filters
        lanes = target.lanes_for(count) if filters == 1 and count < 3 * target.lanes else target.lanes
        return cls(lanes, lanes // filters * filters, count, filters)

    @property
    def width(self) -> int:
        """Output maps of one item."""
        return WIDE // self.step * self.step

    @property
    def blocks(self) -> int:
        """Items to a row of pixels."""
        return -(-self.count // self.width)

    def vectors(self, f: Function, block: Integer) -> Iterator[tuple[Integer, int]]:
        """The vectors of an item: the first channel of each, and how many channels."""
        channels, to_block = self.step // self.filters, self.width // self.filters
        whole = self.count // self.step * channels
        first = block * to_block
        for channel in f.range(first, f.smaller(first + to_block, whole), channels):
            yield channel, channels
        if left := self.count % self.step // self.filters:
            if isinstance(block, int):
                yield whole, left
            else:
                with f.when(block.equals(self.count // self.width)):
                    yield whole, left

    def load(self, pointer: Pointer, channels: int) -> Value:
        """A vector of output maps, those of some neighbouring channels."""
        return pointer.load(self.lanes, channels * self.filters)

    def spread(self, pointer: Pointer, channels: int) -> Value:
        """Neighbouring channels, each number once for each of its filters."""
        value = pointer.load(self.lanes, channels)
        if self.filters == 1:
            return value
        return value.function.shuffle(value, value, [lane // self.filters for lane in range(self.lanes)])

    def fold(self, value: Value) -> Value:
        """The sum over the filters of each channel."""
        if self.filters == 1:
            return value
        starts = [lane * self.filters % self.step for lane in range(self.lanes)]  # behind the channels, anything
        shuffled = (
            value.function.shuffle(value, value, [start + filter for start in starts]) for filter in range(self.filters)
        )
        total = next(shuffled)
        for more in shuffled:
            total = total + more
        return total


@dataclass(frozen=True)
class Shards:
    """How the pixels of all images are cut for the weight gradient: into so many images, and rows of them, each."""

    images: int
    rows: int
    counts: tuple[int, int]

    @classmethod
    def of(cls, sums: Correlation) -> "Shards":
        deep, high, wide = (axis.count for axis in sums.axes)
        enough = max(1, min(ENOUGH, sums.images * deep * high * wide // LEAST_PIXELS))
        images = max(1, -(-sums.images // enough))
        of_images = max(1, -(-sums.images // images))
        rows = max(1, -(-high // max(1, enough // of_images)))
        return cls(images, rows, (of_images, max(1, -(-high // rows))))

    @property
    def count(self) -> int:
        """How many shards there are."""
        return math.prod(self.counts)

    def rows_of(
        self, f: Function, sums: Correlation, shard: Sequence[Integer], tap: tuple[Integer, Integer]
    ) -> Iterator[tuple[Integer, Integer, Integer]]:
        """A loop over rows of outputs that see a place of x by this tap: image, depth, height."""
        deep, high, _ = sums.axes
        first_image, first_row = shard[0] * self.images, shard[1] * self.rows
        first, stop = high.meets(f, tap[1])
        rows = f.larger(first, first_row), f.smaller(stop, first_row + self.rows)
        for n in f.range(first_image, f.smaller(first_image + self.images, sums.images)):
            for d in f.range(*deep.meets(f, tap[0])):
                for h in f.range(*rows):
                    yield n, d, h


@kernel
def filter_channels(
    f: Function,
    x: Pointer,
    w: Pointer,
    y: Pointer,
    *others: Pointer,
    sums: Correlation,
    entries: tuple[range, ...],
    kernel_sizes: tuple[int, ...],
    epilogue: Epilogue,
) -> None:
    """y = x ⋆ w; each item is a row of outputs, or a block of its channels.

    Arguments:
        entries: for each axis, which entry of the kernel each tap is.
        kernel_sizes: entries of the whole kernel along each axis.
    """
    maps = Maps.of(sums, f.target)
    deep, high, wide = sums.axes
    for item in f.items():
        n, d, h, block = unravel(item, (sums.images, deep.count, high.count, maps.blocks))
        row = (n * deep.length + deep.start + d * deep.step) * high.length + high.start + h * high.step
        for channel, channels in maps.vectors(f, block):
            first = channel * sums.outputs
            for i, products in _together(f, wide):
                totals = [f.accumulator(f.zeros(maps.lanes)) for _ in products]
                for a in f.range(*_taps_inside(f, deep, d)):
                    for b in f.range(*_taps_inside(f, high, h)):
                        here = x + (_place(sums, (n, d, h, i), (a, b)) + channel * sums.channels)
                        entry = (_entry(entries[0], a) * kernel_sizes[1] + _entry(entries[1], b)) * kernel_sizes[2]
                        weights = w + (entry * maps.count + channel * maps.filters)
                        read = maps.spread if sums.channels == 1 else maps.load
                        columns = _columns(sums, products, here, partial(read, channels=channels))
                        for u in range(wide.taps):
                            weight = maps.load(weights + _entry(entries[2], u) * maps.count, channels)
                            for total, seen in zip(totals, columns, strict=True):
                                if u in seen:
                                    total.value = f.fma(seen[u], weight, total.value)
                for o, total in enumerate(totals):
                    place = (row * wide.length + wide.start + (i + o) * wide.step) * (sums.groups * sums.outputs)
                    value = total.value if sums.channels == 1 else maps.fold(total.value)
                    epilogue.store(value, y, others, place + first, first, channels * sums.outputs)


@kernel
def sum_products(
    f: Function,
    x: Pointer,
    g: Pointer,
    y: Pointer,
    *others: Pointer,
    sums: Correlation,
    way: Shards,
    epilogue: Epilogue,
) -> None:
    """y (shards, taps, maps) = Σ x·g over the pixels of each shard; each item is a shard, or some of its channels."""
    maps = Maps.of(sums, f.target)
    deep, high, wide = sums.axes
    for item in f.items():
        *shard, block = unravel(item, (*way.counts, maps.blocks))
        for channel, channels in maps.vectors(f, block):
            first = channel * maps.filters
            for a in f.range(0, deep.taps):
                for b in f.range(0, high.taps):
                    totals = [[f.accumulator(f.zeros(maps.lanes)) for _ in range(CHAINS)] for _ in range(wide.taps)]
                    for n, d, h in way.rows_of(f, sums, shard, (a, b)):
                        row = ((n * deep.count + d) * high.count + h) * wide.count
                        for i, products in _together(f, wide):
                            here = x + (_place(sums, (n, d, h, i), (a, b)) + channel)
                            columns = _columns(sums, products, here, partial(maps.spread, channels=channels))
                            for o, seen in enumerate(columns):
                                gradient = maps.load(g + ((row + i + o) * maps.count + first), channels)
                                for u, column in seen.items():
                                    total = totals[u][o % CHAINS]
                                    total.value = f.fma(column, gradient, total.value)
                    taps = ((item // maps.blocks * deep.taps + a) * high.taps + b) * wide.taps
                    for u, parts in enumerate(totals):
                        offset = (taps + u) * maps.count + first
                        value = parts[0].value + parts[1].value
                        epilogue.store(value, y, others, offset, first, channels * maps.filters)


def _together(f: Function, axis: Axis) -> Iterator[tuple[Integer, Seen]]:
    """A loop over outputs in a row, some at a time: the first, and for each the taps that are inside of x.

    Where the same ones are, the same code does; so there is code of its own for the ends of a row only.
    """
    tiles = []
    start = 0
    for size, count in split(axis.count, max(1, min(TOGETHER, MOST_PRODUCTS // max(1, axis.taps)))):
        for _ in range(count):
            seen = tuple(
                tuple(u for u in range(axis.taps) if 0 <= o * axis.stride + u * axis.dilation - axis.before < axis.size)
                for o in range(start, start + size)
            )
            tiles.append((start, seen))
            start += size
    for seen, group in groupby(tiles, lambda tile: tile[1]):
        starts = [first for first, _ in group]
        for i in f.range(starts[0], starts[-1] + len(seen), len(seen)):
            yield i, seen


def _columns(
    sums: Correlation, products: Seen, here: Pointer, read: Callable[[Pointer], Value]
) -> list[dict[int, Value]]:
    """For each output the vector of x that each of its taps sees; each is read once."""
    *_, wide = sums.axes
    places = [{u: o * wide.stride + u * wide.dilation for u in taps} for o, taps in enumerate(products)]
    pixel = sums.groups * sums.channels
    values = {at: read(here + at * pixel) for at in sorted({at for seen in places for at in seen.values()})}
    return [{u: values[at] for u, at in seen.items()} for seen in places]


def _place(sums: Correlation, output: tuple[Integer, Integer, Integer, Integer], tap: tuple[Integer, Integer]) -> Any:
    """Where x begins that an output sees by the first tap of a row of the kernel."""
    n, *indices = output
    place: Any = n
    for axis, index, u in zip(sums.axes, indices, (*tap, 0), strict=True):
        place = place * axis.size + (index * axis.stride + u * axis.dilation - axis.before)
    return place * (sums.groups * sums.channels)


def _taps_inside(f: Function, axis: Axis, output: Integer) -> tuple[Integer, Integer]:
    """The first tap by which an output sees a place of x, and the one behind the last."""
    if not axis.is_padded:
        return 0, axis.taps
    before = axis.before + (axis.dilation - 1) - output * axis.stride
    first = f.larger(before, 0) // axis.dilation
    return first, f.smaller(f.larger(before + axis.size, 0) // axis.dilation, axis.taps)


def _entry(entries: range, tap: Integer) -> Any:
    """Which entry of the kernel a tap is."""
    return entries.start + tap * entries.step
