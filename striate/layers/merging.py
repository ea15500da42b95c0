"""Layers of several inputs: element by element, or side by side."""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from striate import ops
from striate.errors import ShapeError
from striate.layers.arguments import integer
from striate.layers.layer import Layer


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

    Shapes may also differ where one of them is 1: then its numbers are repeated. So for all layers of this kind.

    Raises:
        ShapeError: not a list, or shapes that do not fit together.
    """

    sentence = "The sum of its inputs, number by number."
    operation = staticmethod(ops.add)


class Subtract(_Merge):
    """The first of two inputs minus the second, element by element. Shapes, errors: as `Add`."""

    least, most = 2, 2
    sentence = "The difference of its two inputs, number by number."
    operation = staticmethod(ops.subtract)


class Multiply(_Merge):
    """The product of all inputs, element by element. Shapes, errors: as `Add`."""

    sentence = "The product of its inputs, number by number."
    operation = staticmethod(ops.multiply)


class Average(_Merge):
    """The mean of all inputs, element by element. Shapes, errors: as `Add`."""

    sentence = "The mean of its inputs, number by number."
    operation = staticmethod(ops.add)

    def call(self, inputs: Any) -> Any:
        return ops.multiply(super().call(inputs), 1 / len(inputs))


class Maximum(_Merge):
    """The largest of all inputs; on a tie the gradient goes to the first. Shapes, errors: as `Add`."""

    sentence = "The largest of its inputs, number by number."
    operation = staticmethod(ops.maximum)


class Minimum(_Merge):
    """The least of all inputs; on a tie the gradient goes to the first. Shapes, errors: as `Add`."""

    sentence = "The least of its inputs, number by number."
    operation = staticmethod(ops.minimum)


class Concatenate(Layer):
    """All inputs side by side along one axis: (N, H, W, C₁), (N, H, W, C₂), … → (N, H, W, C₁ + C₂ + …).

    Arguments:
        axis: along which; −1 is the last. Not the batch.

    Raises:
        ArgumentError: ``axis`` is no whole number, or the inputs have no such axis.
        ShapeError: not a list, or shapes that differ along another axis.
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = integer("Concatenate", "axis", axis)

    def call(self, inputs: Any) -> Any:
        check_list("Concatenate", inputs)
        return ops.concatenate(inputs, self.axis)

    def describe(self) -> str:
        where = "the last axis: the channels" if self.axis == -1 else f"axis {self.axis}"
        return f"Its inputs one after the other, along {where}."


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
    """The largest of a list of inputs: ``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The least of a list of inputs: ``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """A list of inputs side by side along ``axis``: ``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)


def check_list(where: str, inputs: Any, least: int = 1, most: int | None = None) -> None:
    """Raise ShapeError unless a layer was given a list of inputs of one rank.

    Without this, broadcasting would take the batch of a smaller input for another axis of a larger one.
    """
    if not isinstance(inputs, list | tuple):
        raise ShapeError(f"{where}: expected a list of inputs, got one input of shape {tuple(inputs.shape)}.")
    if len(inputs) < least or (most is not None and len(inputs) > most):
        count = f"{least}" if most == least else f"at least {least}"
        raise ShapeError(f"{where}: expected {count} inputs, got {len(inputs)}.")
    if len({len(x.shape) for x in inputs}) > 1:
        shapes = " and ".join(str(tuple(x.shape)) for x in inputs)
        raise ShapeError(f"{where}: expected inputs of one rank, got {shapes}. Reshape the smaller one.")
