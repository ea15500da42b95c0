"""Weights in the order in which direct convolution reads them.

The output channels of a group are cut into *panels*, as wide as the sums that a micro-kernel keeps in registers. A
panel is a matrix (depth, columns): one row for each product in a sum, that is for each tap and channel. So the
innermost loop reads weights in a straight line, whole vectors without a mask.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from striate.codegen import Function, Pointer, Value, kernel
from striate.codegen.values import Integer
from striate.graph import Shape
from striate.kernels.plan import Buffer, Plan


@dataclass(frozen=True)
class Panels:
    """How the output channels of one group are cut.

    Arguments:
        depth: rows of a panel.
        outputs: channels to be cut.
        columns: of each panel but the last, a multiple of ``lanes``.
        lanes: of a vector.
    """

    depth: int
    outputs: int
    columns: int
    lanes: int

    @property
    def full(self) -> int:
        """Panels of ``columns`` channels."""
        return self.outputs // self.columns

    @property
    def rest(self) -> int:
        """Channels in the last, narrower panel; 0 if there is none."""
        return self.outputs % self.columns

    @property
    def count(self) -> int:
        return self.full + (self.rest > 0)

    def kinds(self, f: Function, panel: Integer) -> Iterator[tuple[int, AbstractContextManager[None]]]:
        """The columns of each kind of panel, and where code for this kind is to be written."""
        if not (self.full and self.rest):
            yield self.rest or self.columns, nullcontext()
        elif isinstance(panel, Value):
            yield self.columns, f.when(panel < self.full)
            yield self.rest, f.when(panel >= self.full)

    @property
    def group_size(self) -> int:
        """Numbers in the panels of one group."""
        return self.depth * (self.full * self.columns + self.padded(self.rest))

    def padded(self, columns: int) -> int:
        """Columns of a panel in memory: whole vectors."""
        return -(-columns // self.lanes) * self.lanes


class Entries(NamedTuple):
    """Which weights are packed.

    Arguments:
        kernel: sizes of the whole kernel.
        taken: for each of its axes, which entries are taps, in their order.
        transposed: whether input and output channels change places.
    """

    kernel: Shape
    taken: tuple[range, ...]
    transposed: bool = False

    @property
    def taps(self) -> int:
        return math.prod(map(len, self.taken))

    def number(self, tap: Integer) -> Integer:
        """The number of the entry, in row-major order of the whole kernel, that is this tap."""
        entry: Integer = 0
        stride = 1
        for size, places in zip(reversed(self.kernel), reversed(self.taken), strict=True):
            entry = (tap % len(places) * places.step + places.start) * stride + entry
            tap, stride = tap // len(places), stride * size
        return entry


def packed(plan: Plan, w: Buffer, entries: Entries, panels: Panels, groups: int) -> Buffer:
    """Have weights packed before a convolution needs them."""
    to = plan.temporary(groups * panels.group_size)
    items = groups * entries.taps * panels.count
    if items:
        plan.prepare(pack, w, to, items=items, entries=entries, panels=panels, groups=groups)
    return to


@kernel
def pack(f: Function, w: Pointer, to: Pointer, *, entries: Entries, panels: Panels, groups: int) -> None:
    """Panels of w (*kernel, C/G, K), each item one tap of one panel: of output channels k, or of c if transposed."""
    rows = panels.depth // entries.taps
    inputs, outputs = (panels.outputs, rows) if entries.transposed else (rows, panels.outputs)
    pitch = groups * outputs
    copy = _copy_transposed if entries.transposed else _copy
    for item in f.items():
        panel, left = item % panels.count, item // panels.count
        tap, group = left % entries.taps, left // entries.taps
        first = panel * (panels.columns * (pitch if entries.transposed else 1))
        source = w + (entries.number(tap) * (inputs * pitch) + group * outputs + first)
        target = to + (group * panels.group_size + panel * (panels.columns * panels.depth))
        for columns, here in panels.kinds(f, panel):
            with here:
                copy(f, source, pitch, target + tap * (rows * panels.padded(columns)), rows, columns, panels)


def _copy(f: Function, source: Pointer, pitch: int, target: Pointer, rows: int, columns: int, panels: Panels) -> None:
    """target[row, column] = source[row, column], and zeros beside."""
    lanes, width = panels.lanes, panels.padded(columns)
    for row in f.range(0, rows, unroll=2):
        for column in range(0, columns, lanes):
            numbers = (source + row * pitch + column).load(lanes, min(columns - column, lanes))
            (target + row * width + column).store(numbers)


def _copy_transposed(
    f: Function, source: Pointer, pitch: int, target: Pointer, rows: int, columns: int, panels: Panels
) -> None:
    """target[row, column] = source[column, row], and zeros beside; a square of vectors at a time."""
    lanes, width = panels.lanes, panels.padded(columns)
    whole = rows // lanes * lanes
    for start, stop, count in ((0, whole, lanes), (whole, rows, rows - whole)):
        for row in f.range(start, stop, lanes):
            for column in range(0, columns, lanes):
                real = min(columns - column, lanes)
                across = [(source + (column + i) * pitch + row).load(lanes, count) for i in range(real)]
                square = f.transpose([*across, *[f.zeros(lanes)] * (lanes - real)])
                for i, numbers in enumerate(square[:count]):
                    (target + (row + i) * width + column).store(numbers)
