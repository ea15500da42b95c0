"""Variables: the arrays a network keeps between calls, such as weights and running statistics."""

from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.graph.tensor import Arithmetic, Array
from striate.graph.trace import active_trace


class Variable(Arithmetic):
    """A named array that a layer owns.

    Arguments:
        value: initial value; copied.
        name: such as ``kernel``.
        trainable: whether an optimizer may change it.
        regularizer: a function of the variable whose result is added to the training loss, or None.

    The array is always changed in place, because training lets variables be views of one flat vector.
    """

    def __init__(self, value: Any, name: str = "variable", trainable: bool = True, regularizer: Any = None):
        array = np.array(value, order="C")
        self.value: Array = array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)
        self.name = name
        self.trainable = trainable
        self.regularizer = regularizer

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return self.value.ndim

    def numpy(self) -> Array:
        """A copy of the value."""
        return self.value.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<Variable {self.name} {self.shape} {self.dtype}>"

    def assign(self, value: Any) -> None:
        """Replace the value; inside a trace, have the executor replace it after each run.

        Raises:
            ShapeError: the new value has another shape.
        """
        shape = tuple(getattr(value, "shape", np.shape(value)))
        if shape != self.shape:
            raise ShapeError(f"{self.name}: expected a value of shape {self.shape}, got {shape}.")
        scope = active_trace()
        if scope is None:
            self.value[...] = value
        else:
            scope.updates.append((self, value))
