"""Reductions: many numbers become one, along chosen axes; global pooling is two of them."""

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.elementwise import broadcast_shape, broadcast_to, multiply, subtract
from striate.ops.operation import Box, Index, Operation, Read, Term, Terms, known_shape, read
from striate.ops.shape import reshape


def normalized_axes(where: str, axis: Any, rank: int) -> Shape:
    """Axes as integers from 0 in rising order; negative ones count from the end, None means all.

    Raises:
        ArgumentError: not integers, an axis out of range, or the same one twice.
    """
    numbers = range(rank) if axis is None else axis if isinstance(axis, Sequence) else (axis,)
    try:
        axes = tuple(sorted(n + rank if n < 0 else n for n in map(operator.index, numbers)))
    except TypeError:
        axes = (-1,)  # refused below
    if len(set(axes)) != len(axes) or not all(0 <= n < rank for n in axes):
        raise ArgumentError(
            f"{where}: expected axis as an integer from {-rank} to {rank - 1}, or several different ones, got {axis!r}."
        )
    return axes


def kept_shape(shape: Shape, axes: Shape) -> Shape:
    """``shape`` with size 1 along ``axes``: the shape of a reduction that keeps its axes."""
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape))


def count_along(x: Any, axes: Shape) -> int:
    """The number of entries of x along ``axes``."""
    return math.prod(x.shape[axis] for axis in axes)


def check_not_empty(where: str, x: Any, axes: Shape) -> None:
    """Raise ShapeError if x has size 0 along one of ``axes``."""
    if 0 in (x.shape[axis] for axis in axes):
        raise ShapeError(f"{where}: expected at least one number along axes {axes}, got none in {tuple(x.shape)}.")


def places_along(index: Index, shape: Shape, axes: Shape) -> Iterator[Index]:
    """Every index into an array of ``shape`` that differs from ``index`` along ``axes`` only, in row-major order."""
    return itertools.product(*(range(n) if axis in axes else (index[axis],) for axis, n in enumerate(shape)))


def reach_along(node: Node, box: Box, axes: Shape) -> Box | None:
    """What ``box`` depends on if numbers mix along ``axes``: all, unless these are the batch or the channels only."""
    rank = len(node.output.shape)
    mixes_places = len(node.inputs[0].shape) != rank or any(0 < axis < rank - 1 for axis in axes)
    return None if mixes_places else box


class Reduction(Operation):
    """Base: all numbers along ``axes`` become one.

    Arguments of the operation: axes: rising, none negative; keepdims: whether they stay, with size 1.
    """

    inputs = ("x",)

    def shape(self, x: Any, *, axes: Shape, keepdims: bool) -> Shape:
        if self.name != "sum":
            check_not_empty(self.name, x, axes)
        kept = kept_shape(tuple(x.shape), axes)
        return kept if keepdims else tuple(n for axis, n in enumerate(kept) if axis not in axes)

    def reads(self, index: Index, x: Array, axes: Shape, keepdims: bool) -> tuple[Read, ...]:
        """The numbers that the output number at ``index`` was made of, in row-major order."""
        rest = iter(index)
        place = index if keepdims else tuple(0 if axis in axes else next(rest) for axis in range(x.ndim))
        return tuple(read("x", x, p) for p in places_along(place, x.shape, axes))

    def fan_in(self, node: Node) -> int:
        return count_along(node.inputs[0], node.attributes["axes"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [reach_along(node, box, node.attributes["axes"])]


class Sum(Reduction):
    """y = Σ x."""

    name = "sum"

    def forward(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return np.asarray(np.sum(x, axis=axes, keepdims=keepdims), x.dtype)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        (x,) = node.inputs
        return (broadcast_to(_with_axes(node, grad_output), x.shape),)

    def terms(self, index: Index, x: Array, *, axes: Shape, keepdims: bool) -> Terms:
        return Terms("Σ x", tuple(Term(r.value, (r,)) for r in self.reads(index, x, axes, keepdims)))


class FloatingReduction(Reduction):
    """Base: the result is floating, also for integers."""

    def dtype(self, x: Any, *, axes: Shape, keepdims: bool) -> Any:
        return x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)


class Mean(FloatingReduction):
    """y = 1/n · Σ x."""

    name = "mean"

    def forward(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return np.asarray(np.mean(x, axis=axes, keepdims=keepdims), self.dtype(x, axes=axes, keepdims=keepdims))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        (x,) = node.inputs
        share = multiply(_with_axes(node, grad_output), 1 / count_along(x, node.attributes["axes"]))
        return (broadcast_to(share, x.shape),)

    def terms(self, index: Index, x: Array, *, axes: Shape, keepdims: bool) -> Terms:
        reads = self.reads(index, x, axes, keepdims)
        return Terms("Σ x/n", tuple(Term(r.value / len(reads), (r,)) for r in reads))


class Variance(FloatingReduction):
    """y = 1/n · Σ (x − mean)²: the population variance, in two passes."""

    name = "variance"

    def forward(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return np.asarray(np.var(x, axis=axes, keepdims=keepdims), self.dtype(x, axes=axes, keepdims=keepdims))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        (x,) = node.inputs
        axes = node.attributes["axes"]
        share = multiply(_with_axes(node, grad_output), 2 / count_along(x, axes))
        return (multiply(share, subtract(x, mean(x, axes, keepdims=True))),)

    def terms(self, index: Index, x: Array, *, axes: Shape, keepdims: bool) -> Terms:
        reads = self.reads(index, x, axes, keepdims)
        middle = math.fsum(r.value for r in reads) / len(reads)
        return Terms("Σ (x − mean)²/n", tuple(Term((r.value - middle) ** 2 / len(reads), (r,)) for r in reads))


class Max(Reduction):
    """y = the largest x; NaN if there is one."""

    name = "max"

    def forward(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return np.asarray(np.max(x, axis=axes, keepdims=keepdims))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        (x,) = node.inputs
        return (MAX_GRAD(x, _with_axes(node, grad_output), axes=node.attributes["axes"]),)

    def terms(self, index: Index, x: Array, *, axes: Shape, keepdims: bool) -> Terms:
        reads = self.reads(index, x, axes, keepdims)
        winner = int(np.argmax([r.value for r in reads]))
        return Terms("max x", tuple(Term(r.value if i == winner else 0.0, (r,)) for i, r in enumerate(reads)))


class MaxGrad(Operation):
    """g where `Max` picked x, the first winner in row-major order; 0 elsewhere. g has size 1 along the axes."""

    name = "max_grad"
    inputs = ("x", "g")

    def shape(self, x: Any, g: Any, *, axes: Shape) -> Shape:
        return broadcast_shape(self.name, x, g)

    def dtype(self, x: Any, g: Any, *, axes: Shape) -> Any:
        return g.dtype

    def forward(self, x: Array, g: Array, *, axes: Shape) -> Array:
        last = tuple(range(x.ndim - len(axes), x.ndim))
        moved = np.moveaxis(x, axes, last)
        rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], count_along(x, axes))  # (*rest, n)
        winners = rows.argmax(axis=-1, keepdims=True)
        grad_rows = np.zeros_like(rows, g.dtype)
        np.put_along_axis(grad_rows, winners, g.reshape(winners.shape), axis=-1)
        return np.moveaxis(grad_rows.reshape(moved.shape), last, axes)

    def terms(self, index: Index, x: Array, g: Array, *, axes: Shape) -> Terms:
        places = list(places_along(index, x.shape, axes))
        winner = places[int(np.argmax([x[place] for place in places]))]
        one = read("g", g, tuple(0 if axis in axes else i for axis, i in enumerate(index)))
        return Terms(
            "g where x is the largest", (Term(one.value if winner == index else 0.0, (one, read("x", x, index))),)
        )

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        here = reach_along(node, box, node.attributes["axes"])
        return [here, here]


class ArgMax(Operation):
    """The position of the largest number along an axis; of equal ones the first. Its gradient is 0."""

    name = "argmax"
    inputs = ("x",)

    def shape(self, x: Any, *, axis: int) -> Shape:
        return MAX.shape(x, axes=(axis,), keepdims=False)

    def dtype(self, x: Any, *, axis: int) -> Any:
        return np.dtype(np.int64)

    def forward(self, x: Array, *, axis: int) -> Array:
        return np.asarray(np.argmax(x, axis=axis), np.int64)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[None]:
        return (None,)

    def terms(self, index: Index, x: Array, *, axis: int) -> Terms:
        reads = MAX.reads(index, x, (axis,), keepdims=False)
        return Terms("position of the largest x", (Term(float(np.argmax([r.value for r in reads])), reads),))

    def fan_in(self, node: Node) -> int:
        return count_along(node.inputs[0], (node.attributes["axis"],))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None]


SUM = Sum()
MEAN = Mean()
VARIANCE = Variance()
MAX = Max()
MAX_GRAD = MaxGrad()
ARGMAX = ArgMax()


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Σ x along ``axis``.

    Arguments:
        x: any shape.
        axis: one axis or several, negative ones counted from the end; None: all.
        keepdims: keep these axes, with size 1.

    Raises:
        ArgumentError: ``axis`` is out of range.
    """
    return _reduce(SUM, x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean of x along ``axis``. Arguments as in `sum`.

    Raises:
        ArgumentError: ``axis`` is out of range.
        ShapeError: x is empty along it.
    """
    return _reduce(MEAN, x, axis, keepdims)


def variance(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The population variance of x along ``axis``, 1/n · Σ (x − mean)². Arguments and errors as in `mean`."""
    return _reduce(VARIANCE, x, axis, keepdims)


def moments(x: Any, axes: Any, keepdims: bool = False) -> tuple[Any, Any]:
    """The mean and the population variance of x along ``axes``. Arguments and errors as in `mean`."""
    return mean(x, axes, keepdims), variance(x, axes, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest x along ``axis``. Arguments and errors as in `mean`.

    NaN propagates; of equal numbers the first in row-major order gets the gradient.
    """
    return _reduce(MAX, x, axis, keepdims)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the largest x along one axis, int64; of equal numbers the first, NaN before all.

    Arguments:
        x: any shape.
        axis: one axis, negative ones counted from the end; None: among all numbers in row-major order.
        keepdims: keep the axis, or all axes, with size 1.

    Raises:
        ArgumentError: ``axis`` is out of range.
        ShapeError: x is empty along it.
    """
    (x,) = ARGMAX.same_kind(x)
    if axis is None:
        positions = ARGMAX(reshape(x, (-1,)), axis=0)
        return reshape(positions, (1,) * len(x.shape)) if keepdims else positions
    (number,) = normalized_axes("argmax", (axis,), len(x.shape))
    positions = ARGMAX(x, axis=number)
    if not keepdims:
        return positions
    sizes = (*positions.shape[:number], 1, *positions.shape[number:])
    return reshape(positions, tuple(-1 if n is None else n for n in sizes))


def global_average_pool(x: Any, keepdims: bool = False) -> Any:
    """The mean of each channel over all positions: x (N, *size, C) → (N, C), or (N, 1, …, 1, C) with ``keepdims``.

    Raises:
        ShapeError: x has no spatial axis.

    Source: Lin, Chen, Yan, "Network in network" (2014).
    """
    return _global_pool("global_average_pool", mean, x, keepdims)


def global_max_pool(x: Any, keepdims: bool = False) -> Any:
    """The largest number of each channel over all positions: x (N, *size, C) → (N, C), or (N, 1, …, 1, C).

    Raises:
        ShapeError: x has no spatial axis.
    """
    return _global_pool("global_max_pool", max, x, keepdims)


def _reduce(operation: Reduction, x: Any, axis: Any, keepdims: bool) -> Any:
    (x,) = operation.same_kind(x)
    return operation(x, axes=normalized_axes(operation.name, axis, len(x.shape)), keepdims=bool(keepdims))


def _global_pool(where: str, reduce: Callable[..., Any], x: Any, keepdims: bool) -> Any:
    (x,) = MEAN.same_kind(x)
    if len(x.shape) < 3:
        raise ShapeError(f"{where}: expected (N, *size, C) with at least one spatial axis, got {tuple(x.shape)}.")
    return reduce(x, tuple(range(1, len(x.shape) - 1)), keepdims)


def _with_axes(node: Node, grad_output: Tensor) -> Any:
    """The gradient of a reduction's result, with the reduced axes put back with size 1."""
    return reshape(grad_output, kept_shape(known_shape(node.inputs[0]), node.attributes["axes"]))
