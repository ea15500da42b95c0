"""Conversion between numeric types."""

from typing import Any

import numpy as np

from striate.errors import ArgumentError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.elementwise import not_equal
from striate.ops.operation import Index, Operation, Term, Terms, read

TYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class Cast(Operation):
    """x converted to another type; to integers by truncation. The gradient flows between floating types only."""

    name = "cast"
    inputs = ("x",)

    def shape(self, x: Any, *, dtype: str) -> Shape:
        if dtype not in TYPES:
            raise ArgumentError(f"cast: expected a type among bool, {', '.join(TYPES)}, got {dtype!r}.")
        return tuple(x.shape)

    def dtype(self, x: Any, *, dtype: str) -> Any:
        return np.dtype(dtype)

    def as_input(self, name: str, value: Any, dtype: Any) -> Array:
        array = np.asarray(value)
        if array.dtype.kind in "iu":  # large integers would lose digits as floats
            return array.astype(array.dtype.newbyteorder("="), copy=False)
        return super().as_input(name, value, dtype)

    def forward(self, x: Array, *, dtype: str) -> Array:
        return x.astype(dtype, copy=False)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor | None]:
        given, made = node.inputs[0].dtype, node.output.dtype
        return (CAST(grad_output, dtype=given.name) if given.kind == made.kind == "f" else None,)

    def terms(self, index: Index, x: Array, *, dtype: str) -> Terms:
        one = read("x", x, index)
        return Terms("x", (Term(float(x[index].astype(dtype)), (one,)),))


CAST = Cast()


def cast(x: Any, dtype: Any) -> Any:
    """x converted to another type.

    Arguments:
        x: any shape.
        dtype: the type's name, or NumPy's type. "bool": 1 where x is not 0, else 0, in a floating type, like the
            result of a comparison. Integer types: the fraction is cut off.

    Raises:
        ArgumentError: ``dtype`` is not a numeric type.
    """
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name == "bool":
        return not_equal(x, 0.0)
    if isinstance(x, Tensor) and x.dtype.name == name:
        return x
    return CAST(x, dtype=name)
