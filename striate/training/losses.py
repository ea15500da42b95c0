"""Losses: one number for how wrong a batch of predictions is, with Keras's names.

A function such as `mean_squared_error` gives one number per sample; a class such as `MeanSquaredError` weights and
reduces these. Both take arrays, or symbols while a training step is traced.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from striate import ops
from striate.configurable import Configurable, Names, snake_case
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Tensor
from striate.ops.activations import SIGMOID, SOFTMAX
from striate.ops.operation import Operation, as_array

REDUCTIONS = ("sum_over_batch_size", "sum", None)


def categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0) -> Any:
    """−Σ t·ln p over the classes. Where p is the softmax of some z in the graph, its gradient by z is p − t, exactly.

    Arguments:
        y_true: t (…, K), probabilities that sum to 1, such as one-hot labels.
        y_pred: p (…, K), probabilities; or logits z.
        from_logits: whether ``y_pred`` holds logits, the inputs of a softmax.
        label_smoothing: s from 0 to 1; t becomes (1 − s)·t + s/K.

    Returns:
        (…,): one number per sample or position.

    Raises:
        ShapeError: the shapes differ.

    Source: label smoothing: Szegedy et al., "Rethinking the Inception architecture" (2016), section 7.
    """
    hint = "For integer labels use sparse_categorical_crossentropy."
    y_true, y_pred = _same_shape("categorical_crossentropy", y_true, y_pred, hint)
    if label_smoothing:
        y_true = ops.add(ops.multiply(y_true, 1.0 - label_smoothing), label_smoothing / y_pred.shape[-1])
    logits = y_pred if from_logits else _softmax_input(y_pred)
    if logits is not None:
        return ops.softmax_cross_entropy(logits, y_true)
    return ops.categorical_crossentropy(y_true, y_pred)


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False) -> Any:
    """−ln p at the label: `categorical_crossentropy` for integer labels.

    Arguments:
        y_true: labels (…,) or (…, 1), integers from 0 to K − 1.
        y_pred: p (…, K), probabilities; or logits z.
        from_logits: whether ``y_pred`` holds logits, the inputs of a softmax.

    Returns:
        (…,): one number per sample or position.

    Raises:
        ShapeError: the shapes do not fit.
        DataError: a label is not an integer, or out of range.
    """
    y_true, y_pred = _computable("sparse_categorical_crossentropy", y_true, y_pred)
    rows = tuple(y_pred.shape[:-1])
    if tuple(y_true.shape) == (*rows, 1):
        y_true = ops.reshape(y_true, rows)
    if tuple(y_true.shape) != rows:
        one_hot = tuple(y_true.shape) == tuple(y_pred.shape)
        raise ShapeError(
            f"sparse_categorical_crossentropy: expected labels of shape {rows} for predictions of shape "
            f"{tuple(y_pred.shape)}, got {tuple(y_true.shape)}."
            + (" For one-hot labels use categorical_crossentropy." if one_hot else "")
        )
    logits = y_pred if from_logits else _softmax_input(y_pred)
    if logits is not None:
        return ops.sparse_softmax_cross_entropy(logits, y_true)
    return ops.categorical_crossentropy(ops.one_hot(y_true, y_pred.shape[-1]), y_pred)


def binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0) -> Any:
    """The mean over the last axis of −t·ln p − (1 − t)·ln(1 − p); stable and exact where p is the sigmoid of some z.

    Arguments:
        y_true: t (…, K), from 0 to 1.
        y_pred: p (…, K), probabilities; or logits z.
        from_logits: whether ``y_pred`` holds logits, the inputs of a sigmoid.
        label_smoothing: s from 0 to 1; t becomes (1 − s)·t + s/2.

    Returns:
        (…,): one number per sample or position.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = _same_shape("binary_crossentropy", y_true, y_pred)
    if label_smoothing:
        y_true = ops.add(ops.multiply(y_true, 1.0 - label_smoothing), label_smoothing / 2)
    logits = y_pred if from_logits else _input_of(SIGMOID, y_pred)
    if logits is not None:
        return ops.mean(ops.sigmoid_binary_cross_entropy(logits, y_true), -1)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred), -1)


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of (y_pred − y_true)²: (…, K) → (…,).

    Raises:
        ShapeError: the shapes differ.
    """
    return ops.mean(ops.squared_error(*_same_shape("mean_squared_error", y_true, y_pred)), -1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """The mean over the last axis of |y_pred − y_true|: (…, K) → (…,).

    Raises:
        ShapeError: the shapes differ.
    """
    return ops.mean(ops.absolute_error(*_same_shape("mean_absolute_error", y_true, y_pred)), -1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """The mean over the last axis of ½·e² for errors e up to δ and δ·e − ½·δ² beyond: (…, K) → (…,).

    Arguments:
        y_true, y_pred: numbers of the same shape; e = |y_pred − y_true|.
        delta: δ, above 0.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: ``delta`` is not above 0.

    Source: Huber, "Robust estimation of a location parameter" (1964).
    """
    return ops.mean(ops.huber(*_same_shape("huber", y_true, y_pred), delta), -1)


class Loss(Configurable):
    """Base of all losses: calling one gives a scalar, the weighted mean or sum of what `call` gives for each sample.

    Arguments:
        name: for listings; default: the class's name.
        reduction: "sum_over_batch_size": the mean over samples (and positions); "sum"; or None: no reduction.
        dtype: "float32" or None: losses are computed in the predictions' type.

    Raises:
        ArgumentError: another reduction, or another type.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: str | None = None
    ):
        if dtype not in (None, "float32"):
            raise ArgumentError(f"{type(self).__name__}: expected dtype 'float32' or None, got {dtype!r}.")
        self.dtype = dtype
        self.reduction = None if reduction == "none" else reduction
        self.name = name or snake_case(type(self).__name__)
        if self.reduction not in REDUCTIONS:
            raise ArgumentError(
                f"{type(self).__name__}: expected reduction 'sum_over_batch_size', 'sum' or None, got {reduction!r}."
            )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number per sample (or per position): predictions (N, …, K) → (N, …)."""
        raise NotImplementedError(f"{type(self).__name__}: define call(self, y_true, y_pred).")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch.

        Arguments:
            y_true: targets, as `call` takes them.
            y_pred: predictions (N, …, K).
            sample_weight: (N,), or a number for every position; None: all 1. The mean divides by the number of samples,
                not by the sum of weights.

        Returns:
            A scalar; with reduction None, one number per sample or position.

        Raises:
            ShapeError: the shapes do not fit.
            DataError: targets are NaN or not numbers.
        """
        values = self.call(*_computable(self.name, y_true, y_pred))
        if sample_weight is not None:
            values = ops.multiply(values, _fitting_weight(self.name, sample_weight, values))
        if self.reduction is None:
            return values
        return ops.sum(values) if self.reduction == "sum" else ops.mean(values)


class FunctionLoss(Loss):
    """A loss from a function of (y_true, y_pred) that gives one number per sample.

    Arguments:
        function: computes with operations of `striate.ops`.
        reduction, name, dtype: see `Loss`; default name: the function's.
    """

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(name or getattr(function, "__name__", "function"), reduction, dtype)
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


class CategoricalCrossentropy(Loss):
    """`categorical_crossentropy` over a batch.

    Arguments:
        from_logits, label_smoothing: see there.
        reduction, name, dtype: see `Loss`.

    Raises:
        ArgumentError: ``label_smoothing`` is not from 0 to 1, or as `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(name, reduction, dtype)
        self.from_logits = from_logits
        self.label_smoothing = _checked_smoothing(self, label_smoothing)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class SparseCategoricalCrossentropy(Loss):
    """`sparse_categorical_crossentropy` over a batch.

    Arguments:
        from_logits: see there.
        reduction, name, dtype: see `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(name, reduction, dtype)
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)


class NumberLoss(Loss):
    """A loss that compares element-wise: targets and predictions have the same shape, (N,) or (N, …, K).

    Arguments: see `Loss`.
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: str | None = None
    ):
        super().__init__(name, reduction, dtype)

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        """The mean over the last axis."""
        raise NotImplementedError(f"{type(self).__name__}: define compare(self, y_true, y_pred).")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_pred.shape) == 1 and tuple(y_true.shape) == tuple(y_pred.shape):
            # N predictions of one number, not one prediction of N: each has its own weight.
            y_true, y_pred = (ops.reshape(y, (y_pred.shape[0], 1)) for y in (y_true, y_pred))
        return self.compare(y_true, y_pred)


class BinaryCrossentropy(NumberLoss):
    """`binary_crossentropy` over a batch.

    Arguments:
        from_logits, label_smoothing: see there.
        reduction, name, dtype: see `Loss`.

    Raises:
        ArgumentError: ``label_smoothing`` is not from 0 to 1, or as `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = _checked_smoothing(self, label_smoothing)

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        return binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class MeanSquaredError(NumberLoss):
    """`mean_squared_error` over a batch. Arguments: see `Loss`."""

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        return mean_squared_error(y_true, y_pred)


class MeanAbsoluteError(NumberLoss):
    """`mean_absolute_error` over a batch. Arguments: see `Loss`."""

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        return mean_absolute_error(y_true, y_pred)


class Huber(NumberLoss):
    """`huber` over a batch.

    Arguments:
        delta: see there.
        reduction, name, dtype: see `Loss`.

    Raises:
        ArgumentError: ``delta`` is not above 0, or as `Loss`.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: str | None = None,
    ):
        super().__init__(reduction, name, dtype)
        if not delta > 0:
            raise ArgumentError(f"Huber: expected delta above 0, got {delta!r}.")
        self.delta = delta

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        return huber(y_true, y_pred, self.delta)


NAMES: Names[Loss] = Names(
    "losses.get",
    [
        BinaryCrossentropy,
        CategoricalCrossentropy,
        Huber,
        MeanAbsoluteError,
        MeanSquaredError,
        SparseCategoricalCrossentropy,
    ],
    {"bce": BinaryCrossentropy, "mae": MeanAbsoluteError, "mse": MeanSquaredError},
)


def get(identifier: Any) -> Loss:
    """A loss from its name ("mse"), from ``{"class_name": …, "config": …}``, from a function, or the loss itself.

    Raises:
        ArgumentError: the name or the config's arguments are unknown.
    """
    if isinstance(identifier, Loss):
        return identifier
    if callable(identifier) and not isinstance(identifier, type):
        return FunctionLoss(identifier)
    return NAMES.make(identifier)


def _computable(where: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as arrays or symbols; arrays of targets take the predictions' type.

    Raises:
        DataError: targets are NaN or not numbers.
    """
    if not isinstance(y_pred, Tensor):
        y_pred = as_array(y_pred, np.float32, f"{where}: y_pred")
    if not isinstance(y_true, Tensor):
        y_true = as_array(y_true, y_pred.dtype, f"{where}: y_true").astype(y_pred.dtype, copy=False)
        if np.isnan(y_true).any():
            raise DataError(f"{where}: the targets hold NaN; clean the data, or leave such samples out.")
    return y_true, y_pred


def _same_shape(
    where: str, y_true: Any, y_pred: Any, hint: str = "Reshape one of them; they are never broadcast."
) -> tuple[Any, Any]:
    y_true, y_pred = _computable(where, y_true, y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ShapeError(
            f"{where}: expected targets and predictions of the same shape, got {tuple(y_true.shape)} and "
            f"{tuple(y_pred.shape)}. {hint}"
        )
    return y_true, y_pred


def _softmax_input(y_pred: Any) -> Any:
    """The input of the softmax over the last axis that made ``y_pred``, if one did."""
    last = (-1, len(y_pred.shape) - 1)
    logits = _input_of(SOFTMAX, y_pred)
    return logits if logits is not None and y_pred.node.attributes["axis"] in last else None


def _input_of(operation: Operation, value: Any) -> Any:
    """The input of ``operation``, if ``value`` is a symbol that it made; else None."""
    made = isinstance(value, Tensor) and value.node is not None and value.node.operation is operation
    return value.node.inputs[0] if made else None


def _fitting_weight(where: str, weight: Any, values: Any) -> Any:
    """Weights for the samples (N,) as an array that broadcasts over their values (N, …)."""
    if not isinstance(weight, Tensor):
        weight = as_array(weight, values.dtype, f"{where}: sample_weight")
    shape, wanted = tuple(weight.shape), tuple(values.shape)
    if shape == (*wanted, 1):
        return ops.reshape(weight, wanted)
    if shape != wanted[: len(shape)]:
        raise ShapeError(
            f"{where}: expected sample_weight of shape {wanted[:1]}, one for each sample, or {wanted}, got {shape}."
        )
    return ops.reshape(weight, shape + (1,) * (len(wanted) - len(shape)))


def _checked_smoothing(loss: Loss, label_smoothing: float) -> float:
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"{type(loss).__name__}: expected label_smoothing from 0 to 1, got {label_smoothing!r}.")
    return label_smoothing
