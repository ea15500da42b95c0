"""Broadcasting: where the numbers of an operand lie under a larger result, and the kernel that walks over all of them.

A walk sees the result as (…, rows, columns). Neighbouring axes count as one wherever every operand allows it, so that
batch normalization of (N, H, W, C) is N·H·W rows of C columns, and an addition of equal shapes is one long row.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from striate.codegen import Function, Pointer, Value, in_place
from striate.codegen.values import Integer
from striate.graph import Node, Shape
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.pointwise import NOTHING, Epilogue
from striate.ops.elementwise import BROADCAST_TO
from striate.ops.operation import known_shape

BLOCK = 4096  # numbers in one item
VECTORS = 4  # neighbouring vectors that are worked on together

Strides = tuple[int, ...]
Formula = Callable[..., Any]


class Operand(NamedTuple):
    """A buffer under a larger shape.

    Arguments:
        buffer: where the numbers are.
        strides: for each axis of the shape, elements from one entry to the next; 0 where the same number is repeated.
    """

    buffer: Buffer
    strides: Strides


def under(shape: Shape, buffer: Buffer, own: Shape | None = None) -> Operand:
    """A buffer that is broadcast to ``shape``; ``own`` is its shape if not the buffer's."""
    own = buffer.shape if own is None else own
    strides, step = [], 1
    for size in reversed(own):
        strides.append(0 if size == 1 else step)
        step *= size
    return Operand(buffer, (0,) * (len(shape) - len(own)) + tuple(reversed(strides)))


def merge(
    shape: Shape, strides: Sequence[Strides], kinds: Sequence[int]
) -> tuple[tuple[int, ...], list[Strides], list[int]]:
    """The shape with as few axes as possible, the strides under it, and the kinds of its axes.

    Axes of size 1 are dropped; neighbours are merged where they are of one kind and every operand runs on or repeats.
    """
    axes: list[tuple[int, tuple[int, ...], int]] = []
    for size, steps, kind in zip(shape, zip(*strides, strict=True), kinds, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][2] == kind and all(a == b * size for a, b in zip(axes[-1][1], steps, strict=True)):
            axes[-1] = (axes[-1][0] * size, steps, kind)
        else:
            axes.append((size, steps, kind))
    of_operands = [tuple(steps[i] for _, steps, _ in axes) for i in range(len(strides))]
    return tuple(size for size, _, _ in axes), of_operands, [kind for _, _, kind in axes]


def unravel(item: Integer, counts: Sequence[int]) -> list[Integer]:
    """The place of an item in a grid, the last axis running fastest."""
    place: list[Integer] = []
    for count in reversed(counts[1:]):
        place.append(item % count)
        item = item // count
    place.append(item if counts[0] > 1 else 0)
    return place[::-1]


def lanes_along(f: Function, columns: int) -> int:
    """The vector width for rows of this many numbers."""
    most = f.target.lanes
    return most if columns > 3 * most else f.target.lanes_for(columns)


def tiles(
    f: Function, block: Integer, width: int, columns: int, vectors: int = VECTORS
) -> Iterator[tuple[Integer, list[tuple[int, int]]]]:
    """Neighbouring vectors that cover one block of a row: first column, and each vector's offset and count of lanes.

    Arguments:
        f: the kernel.
        block: which one.
        width: columns of a block: all, or a multiple of a tile of whole vectors.
        columns: length of the row.
        vectors: how many to a tile.
    """
    lanes = lanes_along(f, columns)
    tile = lanes * vectors
    whole = columns // tile * tile
    start = 0 if width >= columns else block * width
    for column in f.range(start, f.smaller(start + width, whole), tile):
        yield column, [(offset, lanes) for offset in range(0, tile, lanes)]
    if left := columns - whole:
        rest = [(offset, min(lanes, left - offset)) for offset in range(0, left, lanes)]
        if isinstance(start, int):
            yield whole, rest
        else:
            with f.when(start.equals(whole // width * width)):
                yield whole, rest


class Rows:
    """The operands of a walk at one place of the outer axes.

    Arguments:
        f: the kernel.
        pointers: to the operands.
        strides: of each: outer axes, then from row to row and from column to column.
        place: on the outer axes.
    """

    def __init__(self, f: Function, pointers: Sequence[Pointer], strides: Sequence[Strides], place: Sequence[Integer]):
        self.f, self._strides = f, strides
        self._pointers = []
        for pointer, steps in zip(pointers, strides, strict=True):
            start = pointer
            for index, step in zip(place, steps, strict=False):
                start = start + index * step
            self._pointers.append(start)

    def at(
        self, column: Integer, vectors: Sequence[tuple[int, int]], lanes: int
    ) -> Callable[[Integer], list[list[Value]]]:
        """A function of the row that loads one tile: for each vector, one value of each operand.

        What is the same in every row is loaded now, once.
        """
        fixed = {i: self._load(i, 0, column, vectors, lanes) for i, s in enumerate(self._strides) if not s[-2]}

        def load(row: Integer) -> list[list[Value]]:
            operands = [
                fixed[i] if i in fixed else self._load(i, row, column, vectors, lanes)
                for i in range(len(self._pointers))
            ]
            return [list(values) for values in zip(*operands, strict=True)]

        return load

    def _load(
        self, number: int, row: Integer, column: Integer, vectors: Sequence[tuple[int, int]], lanes: int
    ) -> list[Value]:
        *_, row_step, column_step = self._strides[number]
        pointer = self._pointers[number] + row * row_step
        if not column_step:
            return [self.f.splat(pointer.load(), lanes)] * len(vectors)
        return [(pointer + column + offset).load(lanes, count) for offset, count in vectors]


@in_place
def mapped(
    f: Function,
    *buffers: Pointer,
    formula: Formula,
    sizes: tuple[int, ...],
    strides: tuple[Strides, ...],
    epilogue: Epilogue,
) -> None:
    """y = epilogue(formula(operands)) for every number of a shape.

    Arguments:
        buffers: the operands, y, and what the epilogue reads.
        formula: (f, one vector of each operand) → vector.
        sizes: of the walk: outer axes, rows, columns.
        strides: of each operand under these sizes.
    """
    sources, y, others = buffers[: len(strides)], buffers[len(strides)], buffers[len(strides) + 1 :]
    *outer, rows, columns = sizes
    height, width = _block(rows, columns)
    counts = (*outer, -(-rows // height), -(-columns // width))
    lanes = lanes_along(f, columns)
    for item in f.items():
        *place, row_block, column_block = unravel(item, counts)
        operands = Rows(f, sources, strides, place)
        above = item // (counts[-1] * counts[-2]) * rows if len(outer) else 0  # rows before this place's
        first = row_block * height
        for column, vectors in tiles(f, column_block, width, columns):
            load = operands.at(column, vectors, lanes)
            for row in f.range(first, f.smaller(first + height, rows)):
                for (offset, count), values in zip(vectors, load(row), strict=True):
                    c = column + offset
                    epilogue.store(formula(f, *values), y, others, (above + row) * columns + c, c, count)


def compute(
    plan: Plan,
    formula: Formula,
    operands: Sequence[Operand],
    shape: Shape,
    y: Buffer,
    epilogue: Epilogue = NOTHING,
    others: Sequence[Buffer] = (),
    *,
    once: bool = False,
) -> None:
    """y = formula(operands), then the epilogue, for all numbers of ``shape``.

    Arguments:
        once: whether this only has to run again when variables change, see `Plan.prepare`.
    """
    steps = [operand.strides for operand in operands]
    if "channel" in epilogue.operands:  # the last axis must stay apart: columns are channels
        steps.append(under(shape, y, shape[-1:]).strides)
    sizes, steps, _ = merge(shape, steps, [0] * len(shape))
    front = max(0, 2 - len(sizes))
    sizes = (1,) * front + sizes
    strides = tuple((0,) * front + each for each in steps[: len(operands)])
    height, width = _block(*sizes[-2:])
    (plan.prepare if once else plan.launch)(
        mapped,
        *(operand.buffer for operand in operands),
        y,
        *others,
        items=math.prod(sizes[:-2]) * -(-sizes[-2] // height) * -(-sizes[-1] // width) if math.prod(shape) else 0,
        formula=formula,
        sizes=sizes,
        strides=strides,
        epilogue=epilogue,
    )


def same(f: Function, x: Value) -> Value:
    """x."""
    return x


@lowers(BROADCAST_TO)
def lower_broadcast_to(plan: Plan, node: Node) -> None:
    """Repeat along axes of size 1, and along new axes in front."""
    (x,) = node.inputs
    shape = known_shape(node.output)
    operand = under(shape, plan.read(x), known_shape(x))
    y, epilogue, others = plan.finish(node)
    compute(plan, same, [operand], shape, y, epilogue, others)


def _block(rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of one item."""
    return max(1, min(rows, BLOCK // max(1, columns))), max(1, min(columns, BLOCK))
