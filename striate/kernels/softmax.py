"""Softmax, its logarithm, the cross-entropy loss on top of them, and their gradients: sums along one axis.

The numbers are seen as (outer, size, inner) with the axis in the middle. On the last axis, inner is 1 and a vector
holds neighbours along the axis; else it holds neighbouring lines, and each lane sums its own. Either way the order of
a sum depends on the shape alone.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from striate.codegen import Function, Pointer, Target, Value, kernel
from striate.codegen.math import exp, log
from striate.codegen.values import FLOAT, Integer
from striate.graph import Node
from striate.kernels.plan import Plan, lowers
from striate.ops.activations import LOG_SOFTMAX, LOG_SOFTMAX_GRAD, SOFTMAX, SOFTMAX_GRAD
from striate.ops.losses import SOFTMAX_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_GRAD
from striate.ops.operation import known_shape

LANES = 16  # of a vector along the axis: on every machine, so that every machine sums in the same order

Place = tuple[Integer, Integer | None]
Formula = Callable[[Place], Value]


class Line:
    """The numbers along the axis at one place of the others, or at neighbouring places side by side.

    Arguments:
        f: the kernel.
        item: which line, or which vector of lines.
        size, inner: see above.
    """

    def __init__(self, f: Function, item: Value, size: int, inner: int):
        self.f, self.item, self.size, self.inner = f, item, size, inner
        self.lanes = width(f.target, size, inner)
        self._start, self._count = item * size, None
        if inner > 1:
            blocks = -(-inner // self.lanes)
            first = item % blocks * self.lanes
            self._start = item // blocks * (size * inner) + first
            if inner % self.lanes:
                self._count = f.smaller(inner - first, self.lanes)

    def places(self) -> Iterator[Place]:
        """Each vector's offset, and how many of its lanes count; None is all."""
        if self.inner > 1:
            for k in self.f.range(0, self.size):
                yield self._start + k * self.inner, self._count
            return
        whole = self.size // self.lanes * self.lanes
        for k in self.f.range(0, whole, self.lanes):
            yield self._start + k, None
        if whole < self.size:
            yield self._start + whole, self.size - whole

    def load(self, x: Pointer, place: Place) -> Value:
        """One vector."""
        offset, count = place
        return (x + offset).load(self.lanes, count)

    def store(self, y: Pointer, formula: Formula) -> None:
        """y = formula, all along the line."""
        for offset, count in self.places():
            (y + offset).store(formula((offset, count)), count=count)

    def reduce(self, formula: Formula, start: float, combine: Callable[[Value, Value], Value]) -> Value:
        """All numbers that the formula gives along the line, combined."""
        result = self.f.accumulator(self.f.constant(start, FLOAT.wide(self.lanes)))
        for place in self.places():
            value = formula(place)
            if self.inner == 1 and place[1] is not None:
                value = self.f.select(self.f.first_lanes(self.lanes, place[1]), value, start)
            result.value = combine(result.value, value)
        return self.f.fold_lanes(result.value, combine) if self.inner == 1 else result.value

    def sum(self, formula: Formula) -> Value:
        """The sum along the line."""
        return self.reduce(formula, 0.0, lambda a, b: a + b)

    def largest(self, x: Pointer) -> Value:
        """The largest number that is not NaN; a NaN shows in every sum of exponentials."""
        return self.reduce(lambda at: self.load(x, at), -math.inf, lambda a, b: self.f.select(b > a, b, a))

    def exponentials(self, x: Pointer, y: Pointer) -> Value:
        """y = exp(x − the largest x), which cannot overflow; the sum of it."""
        largest = self.largest(x)

        def exponential(place: Place) -> Value:
            value = exp(self.f, self.load(x, place) - largest)
            (y + place[0]).store(value, count=place[1])
            return value

        return self.sum(exponential)

    def log_shares(self, x: Pointer) -> Formula:
        """ln softmax(x)."""
        largest = self.largest(x)
        total = log(self.f, self.sum(lambda at: exp(self.f, self.load(x, at) - largest)))
        return lambda at: self.load(x, at) - largest - total


def width(target: Target, size: int, inner: int) -> int:
    """Lanes of a vector of lines, or along the one line where inner is 1."""
    return target.lanes_for(inner) if inner > 1 else min(LANES, max(4, 1 << (size - 1).bit_length()))


@kernel
def along_axis(f: Function, *buffers: Pointer, of_line: Callable[..., None], size: int, inner: int) -> None:
    """What ``of_line`` writes for a line, for all lines."""
    for item in f.items():
        of_line(Line(f, item, size, inner), *buffers)


def softmax(line: Line, x: Pointer, y: Pointer) -> None:
    """y = exp(x) / Σ exp(x)"""
    share = 1.0 / line.exponentials(x, y)
    line.store(y, lambda at: line.load(y, at) * share)


def softmax_grad(line: Line, y: Pointer, g: Pointer, result: Pointer) -> None:
    """y·(g − Σ g·y)"""
    total = line.sum(lambda at: line.load(g, at) * line.load(y, at))
    line.store(result, lambda at: line.load(y, at) * (line.load(g, at) - total))


def log_softmax(line: Line, x: Pointer, y: Pointer) -> None:
    """y = x − ln Σ exp(x)"""
    line.store(y, line.log_shares(x))


def log_softmax_grad(line: Line, y: Pointer, g: Pointer, result: Pointer) -> None:
    """g − exp(y)·Σ g"""
    total = line.sum(lambda at: line.load(g, at))
    line.store(result, lambda at: line.load(g, at) - exp(line.f, line.load(y, at)) * total)


def cross_entropy(line: Line, logits: Pointer, targets: Pointer, loss: Pointer) -> None:
    """loss = −Σ t·ln softmax(z)"""
    log_share = line.log_shares(logits)
    (loss + line.item).store(-line.sum(lambda at: line.load(targets, at) * log_share(at)))


def cross_entropy_grad(line: Line, logits: Pointer, targets: Pointer, g: Pointer, result: Pointer) -> None:
    """g·(softmax(z)·Σ t − t)"""
    share = 1.0 / line.exponentials(logits, result)
    share = share * line.sum(lambda at: line.load(targets, at))
    weight = g[line.item]
    line.store(result, lambda at: (line.load(result, at) * share - line.load(targets, at)) * weight)


OF_LINE: dict[str, Callable[..., None]] = {
    "softmax": softmax,
    "softmax_grad": softmax_grad,
    "log_softmax": log_softmax,
    "log_softmax_grad": log_softmax_grad,
    "softmax_cross_entropy": cross_entropy,
    "softmax_cross_entropy_grad": cross_entropy_grad,
}


@lowers(SOFTMAX, SOFTMAX_GRAD, LOG_SOFTMAX, LOG_SOFTMAX_GRAD, SOFTMAX_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_GRAD)
def lower(plan: Plan, node: Node) -> bool | None:
    """One launch, whose items are lines or vectors of lines."""
    if any(tensor.dtype != np.float32 for tensor in (*node.inputs, node.output)):
        return False
    shape = known_shape(node.inputs[0])
    axis = node.attributes.get("axis", len(shape) - 1)
    size, inner = shape[axis], math.prod(shape[axis + 1 :])
    buffers = [plan.read(tensor) for tensor in node.inputs]
    items = math.prod(shape[:axis]) * -(-inner // width(plan.target, size, inner))
    plan.launch(
        along_axis, *buffers, plan.write(node.output), items=items, of_line=OF_LINE[node.name], size=size, inner=inner
    )
    return None
