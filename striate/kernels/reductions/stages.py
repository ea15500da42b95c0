"""The stages of a reduction.

A stage reduces neighbouring axes: *down* the rows of (…, rows, columns), vectors side by side, where something is kept
behind them; *across* the columns of a row where nothing is. Long ones are cut into shards, whose number depends on the
shape alone, not on the number of threads; the results of shards are reduced in turn, as are further axes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel
from striate.codegen.values import Integer
from striate.graph import Shape
from striate.kernels.broadcasting import (
    VECTORS,
    Formula,
    Operand,
    Rows,
    Strides,
    compute,
    lanes_along,
    merge,
    tiles,
    under,
    unravel,
)
from striate.kernels.plan import Buffer, Plan
from striate.kernels.pointwise import NOTHING, Epilogue
from striate.kernels.reductions.reducer import Reducer, State
from striate.ops.reductions import kept_shape

BLOCK = 8192  # numbers in one shard: 32 KiB, so that a second pass finds them in the nearest cache
WIDE = 1024  # columns of one item on the way down
LEAST_ROWS = 32  # of a shard, so that what is left is much less
PLENTY = 32  # items that are work enough for all threads, so that shards may be longer


def reduce(
    plan: Plan,
    reducer: Reducer,
    operands: Sequence[Operand],
    shape: Shape,
    axes: Shape,
    results: Sequence[Buffer] = (),
    epilogue: Epilogue = NOTHING,
    others: Sequence[Buffer] = (),
) -> Sequence[Buffer]:
    """Reduce along ``axes``.

    Arguments:
        reducer: what is done.
        operands: what its formula takes, under ``shape``.
        results: where to; default: temporaries of ``shape`` with size 1 along the axes.
        epilogue, others: what follows a single result, if something is kept behind the last axis that is reduced.
    """
    if not results:
        results = [plan.temporary(*kept_shape(shape, axes), dtype=np.dtype(dtype)) for dtype in reducer.dtypes]
    if not results[0].size:
        return results
    runs = runs_along(shape, axes)
    if not runs:
        _compute_each(plan, reducer, operands, shape, results)
        return results
    first, last = runs[0]
    kinds = [0] * first + [1] * (last - first) + [2] * (len(shape) - last)
    sizes, strides, kinds = merge(shape, [operand.strides for operand in operands], kinds)
    if kinds.count(1) > 1 or kinds.count(2) > 1:  # an operand does not run on there
        parts = [plan.temporary(*shape, dtype=np.dtype(dtype)) for dtype in reducer.dtypes]
        _compute_each(plan, reducer, operands, shape, parts)
        operands = [under(shape, part) for part in parts]
        return reduce(plan, reducer.of_states(), operands, shape, axes, results, epilogue, others)
    stage = Stage(shape, first, last)
    final = stage.shards == 1 and len(runs) == 1
    made = results if final else [plan.temporary(*stage.left, dtype=np.dtype(dtype)) for dtype in reducer.dtypes]
    buffers = [*(operand.buffer for operand in operands), *made]
    settings: dict[str, Any] = {
        "reducer": reducer if final else reducer._replace(divisor=1),
        "sizes": sizes,
        "strides": tuple(strides),
    }
    if stage.columns > 1:
        end, more = (epilogue, others) if final else (NOTHING, ())
        plan.launch(down, *buffers, *more, items=stage.items, height=stage.part, epilogue=end, **settings)
    else:
        plan.launch(across, *buffers, items=stage.items, width=stage.part, **settings)
    if not final:
        states = [under(stage.left, part) for part in made]
        reduce(plan, reducer.of_states(), states, stage.left, stage.axes_left(axes), results, epilogue, others)
    return results


@dataclass(frozen=True)
class Stage:
    """How the work of one stage is cut.

    Arguments:
        shape: what is reduced.
        first, last: along its axes first … last − 1.
        whole: whether there must not be shards.
    """

    shape: Shape
    first: int
    last: int
    whole: bool = False

    @cached_property
    def outer(self) -> int:
        """Numbers in front of these axes."""
        return math.prod(self.shape[: self.first])

    @cached_property
    def count(self) -> int:
        """Numbers along them."""
        return math.prod(self.shape[self.first : self.last])

    @cached_property
    def columns(self) -> int:
        """Numbers behind them."""
        return math.prod(self.shape[self.last :])

    @cached_property
    def part(self) -> int:
        """How many of ``count`` are one shard."""
        blocks = -(-self.columns // WIDE)
        part = max(BLOCK // min(self.columns, WIDE), LEAST_ROWS) if self.columns > 1 else BLOCK
        if self.outer * blocks >= PLENTY:
            part *= 16
        return max(1, self.count) if self.whole or self.count <= 2 * part else part

    @property
    def shards(self) -> int:
        return count_shards(self.count, self.part)

    @property
    def items(self) -> int:
        return self.outer * self.shards * -(-self.columns // WIDE)

    @property
    def left(self) -> Shape:
        """The shape with the shards in place of the axes."""
        return (*self.shape[: self.first], self.shards, *self.shape[self.last :])

    def axes_left(self, axes: Shape) -> Shape:
        """Which axes of ``left`` are still to be reduced."""
        behind = (axis - self.last + self.first + 1 for axis in axes if axis >= self.last)
        return (self.first, *behind)


def runs_along(shape: Shape, axes: Shape) -> list[tuple[int, int]]:
    """First and last of neighbouring axes that are reduced; axes of size 1 are ignored."""
    runs = []
    for reduced, group in groupby((axis for axis, size in enumerate(shape) if size != 1), lambda axis: axis in axes):
        if reduced:
            run = list(group)
            runs.append((run[0], run[-1] + 1))
    return runs


def count_shards(count: int, part: int) -> int:
    """How many parts ``count`` is cut into; one if there is nothing."""
    return max(1, -(-count // part))


@kernel
def down(
    f: Function,
    *buffers: Pointer,
    reducer: Reducer,
    sizes: tuple[int, ...],
    strides: tuple[Strides, ...],
    height: int,
    epilogue: Epilogue,
) -> None:
    """Reduce (…, rows, columns) to (…, shards, columns), each item one shard and one block of columns.

    Arguments:
        buffers: operands, results, and what the epilogue reads; only a single result has one.
        height: rows of a shard.
    """
    results = len(strides) + len(reducer.start)
    sources, targets, others = buffers[: len(strides)], buffers[len(strides) : results], buffers[results:]
    *outer, rows, columns = sizes
    blocks, lanes = -(-columns // WIDE), lanes_along(f, columns)
    for item in f.items():
        *place, shard, block = unravel(item, (*outer, count_shards(rows, height), blocks))
        operands = Rows(f, sources, strides, place)
        first = shard * height
        for column, vectors in tiles(f, block, WIDE, columns):
            load = operands.at(column, vectors, lanes)
            last = f.smaller(first + height, rows)
            states = down_rows(f, reducer, load, [reducer.formula] * len(vectors), first, last, lanes)
            for (offset, count), state in zip(vectors, states, strict=True):
                c = column + offset
                for target, value in zip(targets, reducer.finished(state), strict=True):
                    epilogue.store(value, target, others, item // blocks * columns + c, c, count)


@kernel
def across(
    f: Function,
    *buffers: Pointer,
    reducer: Reducer,
    sizes: tuple[int, ...],
    strides: tuple[Strides, ...],
    width: int,
) -> None:
    """Reduce (…, columns) to (…, shards), each item one shard.

    Arguments:
        buffers: operands and results.
        width: columns of a shard.
    """
    sources, targets = buffers[: len(strides)], buffers[len(strides) :]
    *outer, columns = sizes
    for item in f.items():
        *place, shard = unravel(item, (*outer, count_shards(columns, width)))
        operands = Rows(f, sources, in_one_row(strides), place)
        state = across_columns(f, reducer, operands, reducer.formula, shard, width, columns)
        for target, value in zip(targets, reducer.finished(state), strict=True):
            (target + item).store(value)


def down_rows(
    f: Function,
    reducer: Reducer,
    load: Callable[[Integer], list[list[Value]]],
    formulas: Sequence[Formula],
    first: Integer,
    last: Integer,
    lanes: int,
) -> list[State]:
    """The state of each vector of a tile after rows first … last − 1, each vector with a formula of its own."""
    chains = max(1, VECTORS // len(formulas))  # states that do not wait for each other
    states = [[reducer.begin(f, lanes) for _ in range(chains)] for _ in formulas]
    for turn, row in enumerate(f.range(first, last, unroll=chains)):
        for values, state, formula in zip(load(row), states, formulas, strict=True):
            reducer.add(f, state[turn % chains], formula(f, *values))
    return [reducer.total(f, state) for state in states]


def across_columns(
    f: Function, reducer: Reducer, operands: Rows, formula: Formula, block: Integer, width: int, columns: int
) -> State:
    """The state, one lane wide, after one block of the columns of a row."""
    lanes = lanes_along(f, columns)
    states = [reducer.begin(f, lanes) for _ in range(VECTORS)]
    for column, vectors in tiles(f, block, width, columns):
        rows = operands.at(column, vectors, lanes)(0)
        for (_, count), values, state in zip(vectors, rows, states, strict=False):
            reducer.add(f, state, reducer.only(f, formula(f, *values), count))
    return reducer.across_lanes(f, reducer.total(f, states[: max(1, -(-columns // lanes))]))


def in_one_row(strides: Sequence[Strides]) -> list[Strides]:
    """Strides of (…, columns) as those of (…, rows, columns) with a single row."""
    return [(*steps[:-1], 0, steps[-1]) for steps in strides]


def _compute_each(
    plan: Plan,
    reducer: Reducer,
    operands: Sequence[Operand],
    shape: Shape,
    results: Sequence[Buffer],
) -> None:
    """What a reducer reduces, as it is."""
    for number, result in enumerate(results):
        compute(plan, Part(reducer.formula, number), operands, shape, result)


@dataclass(frozen=True)
class Part:
    """One result of a formula that has several."""

    formula: Formula
    number: int

    def __call__(self, f: Function, *values: Value) -> Any:
        return self.formula(f, *values)[self.number]
