"""Layers of several inputs: element by element, side by side, or sums of products."""

import functools
import math
from collections.abc import Callable
from typing import Any, ClassVar

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.layers.arguments import integer
from striate.layers.layer import Layer
from striate.ops.matmul import product


class _Merge(Layer):
    """Several inputs become one by an operation on two."""

    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None
    sentence: ClassVar[str]
    operation: ClassVar[Callable[..., Any]]

    def call(self, inputs: Any) -> Any:
        check_list(type(self).__name__, inputs, self.least, self.most)
        return functools.reduce(self.operation, inputs)

    def describe(self) -> str:
        return self.sentence


class Add(_Merge):
    """The sum of all inputs, element by element: a list of tensors of one shape → that shape.

    Axes of size 1 are broadcast, as in all layers of this kind.

    Raises:
        ShapeError: not a list, or shapes that do not fit together.
    """

    sentence = "The element-wise sum of its inputs."
    operation = staticmethod(ops.add)


class Subtract(_Merge):
    """The first of two inputs minus the second, element by element. Shapes, errors: as `Add`."""

    least, most = 2, 2
    sentence = "The element-wise difference of its two inputs."
    operation = staticmethod(ops.subtract)


class Multiply(_Merge):
    """The product of all inputs, element by element. Shapes, errors: as `Add`."""

    sentence = "The element-wise product of its inputs."
    operation = staticmethod(ops.multiply)


class Average(_Merge):
    """The mean of all inputs, element by element. Shapes, errors: as `Add`."""

    sentence = "The element-wise mean of its inputs."
    operation = staticmethod(ops.add)

    def call(self, inputs: Any) -> Any:
        return ops.multiply(super().call(inputs), 1 / len(inputs))


class Maximum(_Merge):
    """The element-wise maximum of all inputs; on a tie the gradient goes to the first. Shapes, errors: as `Add`."""

    sentence = "The element-wise maximum of its inputs."
    operation = staticmethod(ops.maximum)


class Minimum(_Merge):
    """The element-wise minimum of all inputs; on a tie the gradient goes to the first. Shapes, errors: as `Add`."""

    sentence = "The element-wise minimum of its inputs."
    operation = staticmethod(ops.minimum)


class Concatenate(Layer):
    """All inputs side by side along one axis: (N, H, W, C₁), (N, H, W, C₂), … → (N, H, W, C₁ + C₂ + …).

    Arguments:
        axis: the axis to concatenate along; −1: the last. Not the batch.

    Raises:
        ArgumentError: ``axis`` is not an integer, or the inputs have no such axis.
        ShapeError: not a list, or shapes that differ along another axis.
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = integer("Concatenate", "axis", axis)

    def call(self, inputs: Any) -> Any:
        check_list("Concatenate", inputs)
        return ops.concatenate(inputs, self.axis)

    def describe(self) -> str:
        where = "the last axis, the channels" if self.axis == -1 else f"axis {self.axis}"
        return f"Its inputs concatenated along {where}."


class Dot(Layer):
    """Sums of products of two inputs along an axis of each, sample by sample: (N, A, K), (N, K, B) → (N, A, B).

    y[n, …a, …b] = Σ over k of x[n, …a, k] · z[n, k, …b], where k runs along ``axes``; of two (N, K), (N, 1).

    Arguments:
        axes: one axis for both inputs, or one for each; negative ones count from the last. Not the batch.
        normalize: whether each input is first divided by its norm along its axis, so that y is a cosine similarity.

    Raises:
        ArgumentError: ``axes`` are not integers, or the batch, or an input has no such axis.
        ShapeError: not two inputs, or sizes that differ along ``axes``.
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        pair = axes if isinstance(axes, list | tuple) else (axes, axes)
        if len(pair) != 2:
            raise ArgumentError(f"Dot: expected axes as an integer or two of them, got {axes!r}.")
        self.axes = tuple(integer("Dot", "axes", axis) for axis in pair)
        self.normalize = bool(normalize)

    def call(self, inputs: Any) -> Any:
        check_list("Dot", inputs, 2, 2, any_rank=True)
        (a, i), (b, j) = ((x, self._axis(x, axis)) for x, axis in zip(inputs, self.axes, strict=True))
        if (a.shape[0], a.shape[i]) != (b.shape[0], b.shape[j]):
            raise ShapeError(
                f"Dot: expected as many samples, and numbers along axes {(i, j)}, got {tuple(a.shape)} and "
                f"{tuple(b.shape)}."
            )
        if self.normalize:
            a, b = ops.normalize(a, i), ops.normalize(b, j)
        (a, turned_a, rows), (b, turned_b, columns) = _matrices(a, i), _matrices(b, j)
        y = product(a, b, turned_a, not turned_b)
        return ops.reshape(y, (a.shape[0], *(rows + columns or (1,))))

    def _axis(self, x: Any, axis: int) -> int:
        place = axis + len(x.shape) if axis < 0 else axis
        if not 0 < place < len(x.shape):
            raise ArgumentError(f"Dot: expected axes other than the batch for {tuple(x.shape)}, got {self.axes}.")
        return place

    def describe(self) -> str:
        angle = ", divided by their norms: cosine similarity" if self.normalize else ""
        return f"Sums of products of its two inputs{angle}."


def _matrices(x: Any, axis: int) -> tuple[Any, bool, tuple[int, ...]]:
    """x as matrices (N, rest, axis), or transposed where that moves no data; whether transposed; the rest's sizes."""
    rest = [other for other in range(1, len(x.shape)) if other != axis]
    sizes, count = tuple(x.shape[other] for other in rest), x.shape[axis]
    if axis == 1 and rest:
        return ops.reshape(x, (x.shape[0], count, math.prod(sizes))), True, sizes
    moved = ops.transpose(x, (0, *rest, axis))
    return ops.reshape(moved, (x.shape[0], math.prod(sizes), count)), False, sizes


def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of a list of inputs: ``Add(**kwargs)(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The first of two inputs minus the second: ``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of a list of inputs: ``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of a list of inputs: ``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The maximum of a list of inputs: ``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The minimum of a list of inputs: ``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """A list of inputs side by side along ``axis``: ``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Sums of products of two inputs along ``axes``: ``Dot(axes, **kwargs)(inputs)``."""
    return Dot(axes, **kwargs)(inputs)


def check_list(where: str, inputs: Any, least: int = 1, most: int | None = None, any_rank: bool = False) -> None:
    """Raise ShapeError unless a layer was given a list of inputs, of one rank unless ``any_rank``.

    Without this, broadcasting would take the batch of a smaller input for another axis of a larger one.
    """
    if not isinstance(inputs, list | tuple):
        raise ShapeError(f"{where}: expected a list of inputs, got one input of shape {tuple(inputs.shape)}.")
    if len(inputs) < least or (most is not None and len(inputs) > most):
        count = f"{least}" if most == least else f"at least {least}"
        raise ShapeError(f"{where}: expected {count} inputs, got {len(inputs)}.")
    if len({len(x.shape) for x in inputs}) > 1 and not any_rank:
        shapes = " and ".join(str(tuple(x.shape)) for x in inputs)
        raise ShapeError(f"{where}: expected inputs of one rank, got {shapes}. Reshape the smaller one.")
