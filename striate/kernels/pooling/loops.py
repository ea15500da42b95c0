"""The loops that all pooling kernels share: over windows and their entries, and over places and the windows above them.

Both are generators: what a kernel does in ``for … in windows(…)`` is written into the innermost loop. They write a
vector of channels at a time; an item is a row of windows, or of places.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from striate.codegen import Function, Kernel, Value
from striate.codegen.values import BIT, Integer
from striate.graph import Node
from striate.kernels.plan import Buffer, Plan
from striate.kernels.pooling.axes import Axes
from striate.ops.operation import known_shape

#: Entries of a window that are written one by one; larger windows are loops.
MOST_ENTRIES = 32


@dataclass(frozen=True)
class Window:
    """A vector of channels of one window.

    Arguments:
        f, axes, channels: of the kernel.
        number: of the window in the whole batch.
        inside: of the window in its image.
        channel: of the first lane.
        lanes, count: of a vector, and how many of them are channels; None: all.
        origin: offset of the window's entry 0, which may lie outside, at this channel.
        rows: along each axis, the entries first … last − 1 that lie in the input.
    """

    f: Function
    axes: Axes
    channels: int
    number: Integer
    inside: Integer
    channel: Integer
    lanes: int
    count: int | None
    origin: Integer
    rows: tuple[tuple[Integer, Integer], ...]

    @property
    def offset(self) -> Integer:
        """Of the window's result."""
        return self.number * self.channels + self.channel

    def entries(self) -> Iterator[tuple[Integer, list[Integer]]]:
        """Loop over rows of entries in row-major order: the number of the first, and the offset of each."""
        f, (depth, height, width) = self.f, self.axes
        few = depth.kernel * height.kernel * width.kernel <= MOST_ENTRIES
        planes, rows, (first, last) = self.rows
        step = width.dilation * self.channels
        for a in f.range(*planes, unroll=_written(planes, few)):
            for b in f.range(*rows, unroll=_written(rows, few)):
                row = a * height.kernel + b
                line = (a * depth.dilation * height.size + b * height.dilation) * width.size * self.channels
                offset = self.origin + line
                if few and isinstance(first, int) and isinstance(last, int):
                    yield row * width.kernel + first, [offset + e * step for e in range(first, last)]
                else:
                    for e in f.range(first, last):
                        yield row * width.kernel + e, [offset + e * step]

    def entry(self, number: Value) -> tuple[Integer, Value]:
        """Offset of the entry with this number, and whether it lies in the input."""
        _, height, width = self.axes
        place = number // width.kernel // height.kernel, number // width.kernel % height.kernel, number % width.kernel
        step, offset, inside = self.channels, self.origin, self.f.constant(1, BIT)
        for entry, axis, (first, last) in zip(place[::-1], self.axes[::-1], self.rows[::-1], strict=True):
            inside = inside & self.f.within(entry - first, last - first)
            offset = offset + entry * (step * axis.dilation)
            step *= axis.size
        return offset, inside


def windows(f: Function, axes: Axes, channels: int) -> Iterator[Window]:
    """Loop over the windows of a call's items, each item a row of them, and over their channels."""
    depth, height, width = axes
    for item in f.items():
        i, j, image = item // height.out % depth.out, item % height.out, item // (depth.out * height.out)
        planes, rows = depth.entries(f, i), height.entries(f, j)
        start = ((image * depth.size + depth.start(i)) * height.size + height.start(j)) * width.size
        for k, columns in width.positions(f):
            pixel = (start + width.start(k)) * channels
            inside = (i * height.out + j) * width.out + k
            for channel, lanes, count in vectors(f, channels):
                yield Window(
                    f,
                    axes,
                    channels,
                    item * width.out + k,
                    inside,
                    channel,
                    lanes,
                    count,
                    pixel + channel,
                    (planes, rows, columns),
                )


@dataclass(frozen=True)
class Place:
    """A vector of channels of one place of the input.

    Arguments:
        f, axes: of the kernel.
        image: number of the image.
        offset: of this vector in the input.
        channel, lanes, count: as `Window`.
        position: the place along depth and height; then along width, with the windows that cover it if they are known.
    """

    f: Function
    axes: Axes
    image: Integer
    offset: Integer
    channel: Integer
    lanes: int
    count: int | None
    position: tuple[Integer, Integer, Integer]
    columns: Sequence[tuple[Integer, Integer]] | None

    def windows(self) -> Iterator[tuple[Integer, Integer, Integer]]:
        """Loop over the windows that cover the place: number in the batch, number in the image, which entry it is."""
        f, (depth, height, width), (i, j, k) = self.f, self.axes, self.position
        for plane, a in depth.covering(f, i):
            for row, b in height.covering(f, j):
                inside = (plane * height.out + row) * width.out
                before = self.image * (depth.out * height.out * width.out)
                first = (a * height.kernel + b) * width.kernel
                for column, e in width.covering(f, k) if self.columns is None else self.columns:
                    yield before + inside + column, inside + column, first + e


def places(f: Function, axes: Axes, channels: int) -> Iterator[Place]:
    """Loop over the places of a call's items, each item a row of them, and over their channels."""
    depth, height, width = axes
    for item in f.items():
        i, j, image = item // height.size % depth.size, item % height.size, item // (depth.size * height.size)
        for k, columns in width.places(f):
            pixel = (item * width.size + k) * channels
            for channel, lanes, count in vectors(f, channels):
                yield Place(f, axes, image, pixel + channel, channel, lanes, count, (i, j, k), columns)


def launch(plan: Plan, node: Node, kernel: Kernel, *buffers: Buffer, **settings: Any) -> None:
    """Launch the kernel that computes a node's result, of which an item is a row, from these buffers."""
    shape = known_shape(node.output)
    y, epilogue, others = plan.finish(node)
    plan.launch(
        kernel,
        *buffers,
        y,
        *others,
        items=math.prod(shape[:-2]),
        channels=shape[-1],
        epilogue=epilogue,
        **settings,
    )


def vectors(f: Function, channels: int) -> Iterator[tuple[Integer, int, int | None]]:
    """Loop over the channels: the first of each vector, its lanes, and how many of them are channels; None: all."""
    lanes = f.target.lanes_for(channels)
    whole = channels // lanes * lanes
    for channel in f.range(0, whole, lanes):
        yield channel, lanes, None
    if whole < channels:
        yield whole, lanes, channels - whole


def _written(side: tuple[Integer, Integer], few: bool) -> int:
    """How often to write a loop's body: for each turn, if these are known and few."""
    first, last = side
    return max(1, last - first) if few and isinstance(first, int) and isinstance(last, int) else 1
