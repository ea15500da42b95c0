"""Mean and variance along any axes, in one pass over memory."""

import math
from dataclasses import dataclass

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel
from striate.codegen.values import Integer
from striate.graph import Shape, Tensor
from striate.kernels.broadcasting import Rows, lanes_along, tiles, unravel
from striate.kernels.plan import Buffer, Plan
from striate.kernels.reductions.reducer import TOTAL, State
from striate.kernels.reductions.stages import WIDE, Stage, across_columns, count_shards, down_rows, runs_along
from striate.ops.operation import known_shape
from striate.ops.reductions import kept_shape


def moments(plan: Plan, x: Tensor, axes: Shape) -> tuple[Buffer, Buffer]:
    """Mean and population variance of x along ``axes``, which stay with size 1; computed once in a plan."""
    key = ("moments", x, axes)
    if key not in plan.shared:
        plan.shared[key] = _moments(plan, plan.read(x), known_shape(x), axes)
    mean, variance = plan.shared[key]
    return mean, variance


def _moments(plan: Plan, x: Buffer, shape: Shape, axes: Shape) -> tuple[Buffer, Buffer]:
    mean, variance = (plan.temporary(*kept_shape(shape, axes)) for _ in range(2))
    sources = [x]
    runs = runs_along(shape, axes) or [(0, 0)]
    while runs:
        stage = Stage(shape, *runs[0], whole=len(sources) > 1)
        shape, axes = stage.left, stage.axes_left(axes)
        runs = runs_along(shape, axes)
        results = [plan.temporary(*shape), plan.temporary(*shape)] if runs else [mean, variance]
        sizes, buffers = (stage.outer, stage.count, stage.columns), (*sources, *results)
        if stage.columns > 1:
            plan.launch(moments_down, *buffers, items=stage.items, sizes=sizes, height=stage.part)
        else:
            plan.launch(moments_across, *buffers, items=stage.items, sizes=sizes[:2], width=stage.part)
        if runs:  # go on with these means and variances as parts, weighted by how many numbers each was made of
            size = math.prod(shape[slice(*runs[0])])
            starts = np.arange(size) * stage.part
            parts = np.minimum(stage.part, stage.count - starts) if stage.shards > 1 else np.ones(size)
            sources = [*results, plan.constant(np.asarray(parts / np.sum(parts), np.float32))]
    return mean, variance


@kernel
def moments_down(f: Function, *buffers: Pointer, sizes: tuple[int, int, int], height: int) -> None:
    """Mean and variance down the rows of (outer, rows, columns), each item one shard and one block of columns.

    The deviations from the shard's mean are squared in a second pass, over numbers that are still in the nearest cache.
    For the mean, differences from the first row are summed, which stay exact where the mean is large.

    Arguments:
        buffers: x, or means, variances and each row's weight; then mean and variance of (outer, shards, columns).
        height: rows of a shard.
    """
    *sources, means, variances = buffers
    _, rows, columns = sizes
    blocks, lanes = -(-columns // WIDE), lanes_along(f, columns)
    strides = [(rows * columns, columns, 1), (rows * columns, columns, 1), (0, 1, 0)][: len(sources)]
    for item in f.items():
        outer, shard, block = unravel(item, (sizes[0], count_shards(rows, height), blocks))
        operands = Rows(f, sources, strides, [outer])
        first = shard * height
        last = f.smaller(first + height, rows)
        weight = 1 if len(sources) > 1 else last - first
        for column, vectors in tiles(f, block, WIDE, columns):
            load = operands.at(column, vectors, lanes)
            base = [values[0] for values in load(first)]
            totals = down_rows(f, TOTAL, load, [Difference(b) for b in base], first, last, lanes)
            mean = [b + _divided(f, total, weight) for b, (total,) in zip(base, totals, strict=True)]
            squares = down_rows(f, TOTAL, load, [Square(m) for m in mean], first, last, lanes)
            for (offset, count), m, (square,) in zip(vectors, mean, squares, strict=True):
                target = item // blocks * columns + column + offset
                (means + target).store(m, count=count)
                (variances + target).store(_divided(f, square, weight), count=count)


@kernel
def moments_across(f: Function, *buffers: Pointer, sizes: tuple[int, int], width: int) -> None:
    """Mean and variance across the columns of (outer, columns), each item one shard; otherwise as `moments_down`."""
    *sources, means, variances = buffers
    _, columns = sizes
    strides = [(columns, 0, 1), (columns, 0, 1), (0, 0, 1)][: len(sources)]
    for item in f.items():
        outer, shard = unravel(item, (sizes[0], count_shards(columns, width)))
        operands = Rows(f, sources, strides, [outer])
        weight = 1 if len(sources) > 1 else f.smaller(width, columns - shard * width)
        ((base, *_),) = operands.at(shard * width, [(0, 1)], 1)(0)
        (total,) = across_columns(f, TOTAL, operands, Difference(base), shard, width, columns)
        mean = base + _divided(f, total, weight)
        (square,) = across_columns(f, TOTAL, operands, Square(mean), shard, width, columns)
        (means + item).store(mean)
        (variances + item).store(_divided(f, square, weight))


@dataclass(frozen=True)
class Difference:
    """x − centre, times a weight if there is one."""

    centre: Value

    def __call__(self, f: Function, x: Value, variance: Value | None = None, weight: Value | None = None) -> State:
        difference = x - self.centre
        return (difference if weight is None else difference * weight,)


@dataclass(frozen=True)
class Square:
    """(x − centre)²; where x is the mean of a part, its variance more, times the part's weight."""

    centre: Value

    def __call__(self, f: Function, x: Value, variance: Value | None = None, weight: Value | None = None) -> State:
        difference = x - self.centre
        if variance is None or weight is None:
            return (difference * difference,)
        return (f.fma(difference, difference, variance) * weight,)


def _divided(f: Function, total: Value, count: Integer) -> Value:
    if isinstance(count, Value):
        return total / f.convert(count, total.type.wide(1))
    return total if count == 1 else total / count
