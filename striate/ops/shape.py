"""Operations that move numbers without changing them: reshape, transpose, pad, crop, repeat, concatenate."""

import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.operation import Box, Index, Operation, Term, Terms, read


def moved(source: str, array: Array, index: Index) -> Terms:
    """The terms of a number that was only moved: the number itself."""
    one = read(source, array, index)
    return Terms(source, (Term(one.value, (one,)),))


class Reshape(Operation):
    """The same numbers in row-major order under another shape."""

    name = "reshape"
    inputs = ("x",)

    def shape(self, x: Any, *, shape: Shape) -> Shape:
        count = math.prod(x.shape)
        known = math.prod(n for n in shape if n != -1)
        if shape.count(-1) == 1 and known and count % known == 0:
            shape = tuple(count // known if n == -1 else n for n in shape)
        if -1 in shape or math.prod(shape) != count:
            raise ShapeError(f"reshape: expected a shape of {count} numbers for {tuple(x.shape)}, got {shape}.")
        return shape

    def forward(self, x: Array, *, shape: Shape) -> Array:
        return x.reshape(shape)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (reshape(grad_output, node.inputs[0].shape),)

    def terms(self, index: Index, x: Array, *, shape: Shape) -> Terms:
        flat = np.ravel_multi_index(index, self.shape(x, shape=shape))
        return moved("x", x, tuple(np.unravel_index(flat, x.shape)))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None]


class Transpose(Operation):
    """The same numbers with the axes in another order."""

    name = "transpose"
    inputs = ("x",)

    def shape(self, x: Any, *, axes: Shape) -> Shape:
        if sorted(axes) != list(range(len(x.shape))):
            raise ArgumentError(
                f"transpose: expected axes to be an order of 0 … {len(x.shape) - 1} (input is {tuple(x.shape)}), got {axes}."
            )
        return tuple(x.shape[a] for a in axes)

    def forward(self, x: Array, *, axes: Shape) -> Array:
        return x.transpose(axes)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (transpose(grad_output, tuple(int(a) for a in np.argsort(node.attributes["axes"]))),)

    def terms(self, index: Index, x: Array, *, axes: Shape) -> Terms:
        return moved("x", x, tuple(index[a] for a in np.argsort(axes)))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        axes = node.attributes["axes"]
        if axes[0] != 0 or axes[-1] != len(axes) - 1:
            return [None]
        order = np.argsort(axes[1:-1])
        return [Box(tuple(box.sides[i] for i in order))]


RESHAPE = Reshape()
TRANSPOSE = Transpose()


def reshape(x: Any, shape: Any) -> Any:
    """The same numbers in row-major order under another shape; one size may be −1 and is worked out.

    Raises:
        ShapeError: the new shape holds another count of numbers.
    """
    return RESHAPE(x, shape=tuple(int(n) for n in shape))


def transpose(x: Any, axes: Any = None) -> Any:
    """The same numbers with the axes in the order ``axes``; default: reversed.

    Raises:
        ArgumentError: ``axes`` is not an order of all axes.
    """
    order = range(len(x.shape))[::-1] if axes is None else axes
    return TRANSPOSE(x, axes=tuple(int(a) for a in order))
