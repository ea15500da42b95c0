"""Variables: the arrays a network keeps between calls, such as weights and running statistics."""

from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.graph.numbers import as_numbers
from striate.graph.tensor import Arithmetic, Array, Tensor
from striate.graph.trace import active_trace


class Variable(Arithmetic):
    """A named array that a layer owns.

    Arguments:
        value: initial value.
        name: such as ``kernel``.
        trainable: whether an optimizer may change it.
        regularizer: a function of the variable whose result is added to the training loss, or None.
        copy: False: a suitable array may be used without copying it; nobody else may change it from then on.

    Raises:
        DataError: ``value`` is not a rectangular array of numbers.

    The array is changed in place and through this class only: training keeps all variables in one flat vector, and
    executors keep what they have computed from variables until one changes.
    """

    #: How often any variable has changed in this process; and how often one was made trainable, or no longer.
    changes = 0
    selections = 0

    #: An optimizer multiplies the learning rate by this for this variable; fixed when training begins.
    rate_factor = 1.0

    def __init__(
        self,
        value: Any,
        name: str = "variable",
        trainable: bool = True,
        regularizer: Any = None,
        copy: bool = True,
    ):
        array = as_numbers(name, value)
        double = array.dtype.kind == "f" and array.dtype.itemsize >= 8
        self._array: Array
        self._shown: Array
        self.keep_in(np.array(array, np.float64 if double else np.float32, order="C", copy=copy or None))
        self.name = name
        self._trainable = trainable
        self.regularizer = regularizer

    @property
    def array(self) -> Array:
        """The array itself, which also shows later values; read it only, and change it by `assign`."""
        return self._shown

    @property
    def value(self) -> Any:
        """`array`; inside a trace the symbol for it, as later runs have other numbers."""
        scope = active_trace()
        return self._shown if scope is None else scope.symbol(self)

    def keep_in(self, array: Array) -> None:
        """Keep the value in this array from now on; whoever changes it there calls `count_change`."""
        self._array, self._shown = array, array.view()
        self._shown.flags.writeable = False
        self.count_change()

    def is_kept_in(self, array: Array) -> bool:
        """Whether this very array holds the value."""
        return self._array is array

    @staticmethod
    def count_change() -> None:
        """Tell executors that some variable has changed."""
        Variable.changes += 1

    @property
    def trainable(self) -> bool:
        """Whether an optimizer may change it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        Variable.selections += 1

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shown.shape

    @property
    def dtype(self) -> Any:
        return self._shown.dtype

    @property
    def ndim(self) -> int:
        return self._shown.ndim

    def numpy(self) -> Array:
        """A copy of the value.

        Raises:
            TypeError: inside a trace, as later runs have other numbers.
        """
        return self.__array__(copy=True)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if active_trace() is not None:
            raise TypeError(
                f"{self!r} has no numbers in a network's graph, which runs later: compute with striate.ops, not NumPy."
            )
        return np.array(self._shown, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} has no truth value; test its numbers, such as variable.value.any(), or whether it `is None`."
        )

    def __repr__(self) -> str:
        return f"<Variable {self.name} {self.shape} {self.dtype}>"

    def assign(self, value: Any) -> "Variable":
        """Replace the value; inside a trace, for later reads in it, and after each run for good.

        Returns:
            The variable, as Keras does.

        Raises:
            ShapeError: the new value has another shape.
            DataError: it is not a rectangular array of numbers.
        """
        scope = active_trace()
        if scope is not None and isinstance(value, Variable):
            value = scope.symbol(value)
        if not isinstance(value, Tensor):
            value = as_numbers(self.name, value)
        if value.shape != self.shape:
            raise ShapeError(f"{self.name}: expected a value of shape {self.shape}, got {value.shape}.")
        if scope is None:
            self._array[...] = value
            self.count_change()
        else:
            scope.assign(self, value if isinstance(value, Tensor) else Tensor.constant(value.copy()))
        return self

    def assign_add(self, value: Any) -> "Variable":
        """`assign` the value plus this."""
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> "Variable":
        """`assign` the value minus this."""
        return self.assign(self - value)
