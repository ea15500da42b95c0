"""Picking numbers by their place."""

import math

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel, pieces
from striate.codegen.values import LONG, Integer
from striate.graph import Node
from striate.kernels.plan import Plan, lowers
from striate.ops.operation import known_shape
from striate.ops.selection import MAX_UNPOOL, MAX_UNPOOL_GRAD, TAKE, TAKE_GRAD


@kernel
def take(f: Function, x: Pointer, indices: Pointer, y: Pointer, *, size: int, count: int, inner: int) -> None:
    """y[o, i, …] = x[o, indices[i], …]; an item is one o and i, and ``inner`` numbers follow each other."""
    for item in f.items():
        source = x + (item // count * size + indices[item % count]) * inner
        f.copy(y + item * inner, source, inner)


@kernel
def take_grad(
    f: Function, g: Pointer, begins: Pointer, places: Pointer, x: Pointer, *, size: int, count: int, inner: int
) -> None:
    """x[o, j, …] = Σ g[o, places[p], …] for p from begins[j] to begins[j + 1]; an item is one o and j."""
    lanes = f.target.lanes_for(inner)
    for item in f.items():
        outer, j = item // size, item % size
        for number, width in pieces(f, 0, inner, inner, lanes):
            total = f.accumulator(f.zeros(lanes))
            for p in f.range(begins[j], begins[j + 1]):
                total.value = total.value + (g + ((outer * count + places[p]) * inner + number)).load(lanes, width)
            (x + (item * inner + number)).store(total.value, count=width)


@kernel
def unpool(f: Function, x: Pointer, places: Pointer, y: Pointer, *, count: int, size: int, channels: int) -> None:
    """y = each number of x at its place, 0 elsewhere; an item is a sample, of ``count`` numbers a channel."""
    for sample in f.items():
        start = sample * size * channels
        f.clear(y + start, size * channels)
        for i in f.range(0, count * channels):
            place = _place(f, places, sample * count * channels + i, size)
            with f.when(f.within(place, size)):
                (y + (start + place * channels + i % channels)).store(x[sample * count * channels + i])


@kernel
def unpool_grad(f: Function, places: Pointer, g: Pointer, x: Pointer, *, count: int, size: int, channels: int) -> None:
    """x = what is at each number's place; arguments as `unpool`."""
    for sample in f.items():
        first = sample * count * channels
        f.clear(x + first, count * channels)
        for i in f.range(0, count * channels):
            place = _place(f, places, first + i, size)
            with f.when(f.within(place, size)):
                (x + (first + i)).store(g[sample * size * channels + place * channels + i % channels])


def _place(f: Function, places: Pointer, index: Integer, size: int) -> Value:
    """A place as an integer; −1 for anything that is not a place, which must not be converted."""
    number = places[index]
    real = (number >= 0.0) & (number < float(size))
    return f.convert(f.select(real, number, -1.0), LONG)


@lowers(TAKE)
def lower_take(plan: Plan, node: Node) -> None:
    """Copy what follows each entry."""
    (x,) = node.inputs
    shape, axis, indices = known_shape(x), node.attributes["axis"], node.attributes["indices"]
    y = plan.write(node.output)
    if not y.size:
        return
    plan.launch(
        take,
        plan.read(x),
        plan.constant(np.array(indices, np.int64)),
        y,
        items=math.prod(shape[:axis]) * len(indices),
        size=shape[axis],
        count=len(indices),
        inner=math.prod(shape[axis + 1 :]),
    )


@lowers(TAKE_GRAD)
def lower_take_grad(plan: Plan, node: Node) -> bool | None:
    """Add what was taken from each entry, in the order in which it was taken."""
    (g,) = node.inputs
    shape, axis, indices = known_shape(node.output), node.attributes["axis"], node.attributes["indices"]
    if node.output.dtype != np.float32:
        return False
    places = np.argsort(np.array(indices, np.int64), kind="stable")
    begins = np.searchsorted(np.array(indices, np.int64)[places], np.arange(shape[axis] + 1))
    x = plan.write(node.output)
    plan.launch(
        take_grad,
        plan.read(g),
        plan.constant(begins.astype(np.int64)),
        plan.constant(places.astype(np.int64)),
        x,
        items=math.prod(shape[: axis + 1]) if x.size else 0,
        size=shape[axis],
        count=len(indices),
        inner=math.prod(shape[axis + 1 :]),
    )
    return None


@lowers(MAX_UNPOOL, MAX_UNPOOL_GRAD)
def lower_unpool(plan: Plan, node: Node) -> bool | None:
    """One sample after the other: numbers of a pooled map to their places in the whole one, or back."""
    if any(tensor.dtype != np.float32 for tensor in node.inputs):
        return False
    forward = node.operation is MAX_UNPOOL
    whole = node.output if forward else node.inputs[1]
    n, *size, channels = known_shape(node.inputs[0])
    result = plan.write(node.output)
    plan.launch(
        unpool if forward else unpool_grad,
        *map(plan.read, node.inputs),
        result,
        items=n if result.size else 0,
        count=math.prod(size),
        size=math.prod(known_shape(whole)[1:-1]),
        channels=channels,
    )
    return None
