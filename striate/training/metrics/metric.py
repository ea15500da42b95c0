"""What all metrics share: accumulation over batches, means, and checks of shapes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.configurable import Configurable, ConstructorSignature, snake_case
from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Shape, Variable
from striate.layers import initializers
from striate.ops.windows import integers

Counts = NDArray[np.float64]


class _Begun(type):
    """Metrics begin without any batch: `Metric.reset_state` is called once the constructor has made what it resets."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        metric = super().__call__(*arguments, **named)
        if cls.reset_state is not Metric.reset_state:  # type: ignore[attr-defined]
            metric.reset_state()
        return metric


class Metric(Configurable, metaclass=_Begun):
    """Base of all metrics: `update_state` takes in a batch, `result` returns the metric so far.

    It accumulates in attributes that its `reset_state` sets, or in variables made by `add_weight`.

    Arguments:
        dtype: "float32", "float64" or None; sums are kept in float64 in any case.
        name: under which it is reported; default: the class's name, such as "binary_accuracy".

    Raises:
        ArgumentError: another type.
    """

    __signature__ = ConstructorSignature()  # the one of `_Begun.__call__` would hide it

    def __init__(self, dtype: Any = None, name: str | None = None):
        if dtype not in (None, "float32", "float64"):
            raise ArgumentError(f"{type(self).__name__}: expected dtype 'float32', 'float64' or None, got {dtype!r}.")
        self.dtype = dtype
        self.name = name or snake_case(type(self).__name__)

    @property
    def variables(self) -> list[Variable]:
        """What `add_weight` has made."""
        made: list[Variable] = vars(self).setdefault("_variables", [])
        return made

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """A variable in float64 that `update_state` changes by ``assign`` and ``assign_add``.

        Arguments:
            shape: of the variable; default: a single number.
            initializer: of its first value, as for layers; None: zeros, to which `reset_state` sets it.
            dtype: as of the metric.
            name: for messages.

        Raises:
            ArgumentError: there is no such initializer, or another type.
        """
        if dtype not in (None, "float32", "float64"):
            raise ArgumentError(f"{self.name}: expected dtype 'float32', 'float64' or None, got {dtype!r}.")
        sizes = integers(self.name, "shape", shape if isinstance(shape, Sequence) else (shape,))
        first = np.zeros(sizes) if initializer is None else initializers.get(initializer)(sizes)
        variable = Variable(np.asarray(first, np.float64), name or "weight", trainable=False)
        self.variables.append(variable)
        return variable

    def add_variable(self, shape: Any, initializer: Any, dtype: Any = None, name: str | None = None) -> Variable:
        """`add_weight` under Keras's other name."""
        return self.add_weight(shape, initializer, dtype, name)

    def reset_state(self) -> None:
        """Forget all batches: the variables of `add_weight` become zeros."""
        if not self.variables:
            raise NotImplementedError(f"{type(self).__name__}: define reset_state(self), or keep sums by add_weight.")
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape))

    def update_state(self, *arguments: Any, **named: Any) -> None:
        """Take in a batch: (y_true, y_pred, sample_weight=None), unless a subclass takes others."""
        raise NotImplementedError(
            f"{type(self).__name__}: define update_state(self, y_true, y_pred, sample_weight=None)."
        )

    def result(self) -> Any:
        """The metric over all batches since the last `reset_state`."""
        raise NotImplementedError(f"{type(self).__name__}: define result(self).")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Take in a batch, then give the result so far."""
        self.update_state(*arguments, **named)
        return self.value()

    def value(self) -> Any:
        """`result` as a Python number, or as an array if it has one for each class."""
        array = np.asarray(self.result())
        return array.item() if array.ndim == 0 else array


class Mean(Metric):
    """Σ wᵢ·vᵢ / Σ wᵢ over all values; 0 before the first."""

    def __init__(self, name: str | None = None, dtype: Any = None):
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        self.total = 0.0
        self.count = 0.0

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in ``values`` (N, …) with weights (N,) or (N, …), default 1.

        Raises:
            ShapeError: the weights do not fit.
        """
        values = np.asarray(values, np.float64)
        weights = weights_for(self.name, sample_weight, values.shape)
        self.add(float((values * weights).sum()), float(weights.sum()))

    def add(self, total: float, count: float) -> None:
        """Take in values whose weighted sum and sum of weights are known."""
        self.total += total
        self.count += count

    def result(self) -> float:
        return self.total / self.count if self.count else 0.0


class MeanMetric(Metric):
    """A metric that is a mean over samples (and positions): a subclass defines in `values` of what.

    Arguments:
        name, dtype: see `Metric`.
    """

    def __init__(self, name: str | None = None, dtype: Any = None):
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        self.mean = Mean(self.name)

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """One number per sample or position."""
        raise NotImplementedError(f"{type(self).__name__}: define values(self, y_true, y_pred).")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets and predictions of a batch, and weights (N,) or one per position.

        Raises:
            ShapeError: the shapes do not fit.
        """
        self.mean.update_state(self.values(y_true, y_pred), sample_weight)

    def result(self) -> float:
        return self.mean.result()


class FunctionMetric(MeanMetric):
    """The mean of a function of (y_true, y_pred) that gives one number per sample.

    Arguments:
        function: takes and returns arrays.
        name: default: the function's.
    """

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None):
        super().__init__(name or getattr(function, "__name__", "function"))
        self.function = function

    def values(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


def same_shape(where: str, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Both as arrays.

    Raises:
        ShapeError: their shapes differ.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape:
        raise ShapeError(
            f"{where}: expected targets and predictions of the same shape, got {y_true.shape} and {y_pred.shape}. "
            "Reshape one of them; they are never broadcast."
        )
    return y_true, y_pred


def labels_for(where: str, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Labels (…,) from (…,) or (…, 1), for predictions (…, K)."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    rows = y_pred.shape[:-1]
    if y_true.shape not in (rows, (*rows, 1)):
        raise ShapeError(
            f"{where}: expected labels of shape {rows} for predictions of shape {y_pred.shape}, got {y_true.shape}."
        )
    return y_true.reshape(rows), y_pred


def weights_for(where: str, sample_weight: Any, shape: Shape) -> Counts:
    """Weights that broadcast to ``shape`` (N, …), from (N,) or one for every place; 1 by default."""
    if sample_weight is None:
        return np.ones(shape)
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape == (*shape, 1):
        weights = weights.reshape(shape)
    if weights.shape != shape[: weights.ndim]:
        raise ShapeError(f"{where}: expected sample_weight of shape {shape[:1]} or {shape}, got {weights.shape}.")
    return np.broadcast_to(weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim)), shape)


def share(part: Any, whole: Any) -> Any:
    """part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) != 0)
