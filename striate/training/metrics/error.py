"""Errors, and losses as metrics."""

import math
from typing import Any

import numpy as np

from striate.graph import Array
from striate.training import losses
from striate.training.metrics.metric import MeanMetric, same_shape


class MeanSquaredError(MeanMetric):
    """The mean of (y_pred − y_true)²."""

    def values(self, y_true: Any, y_pred: Any) -> Array:
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        return np.asarray(np.square(np.subtract(y_pred, y_true, dtype=np.float64)))


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of (y_pred − y_true)²."""

    def result(self) -> float:
        return math.sqrt(super().result())


class MeanAbsoluteError(MeanMetric):
    """The mean of |y_pred − y_true|."""

    def values(self, y_true: Any, y_pred: Any) -> Array:
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        return np.asarray(np.abs(np.subtract(y_pred, y_true, dtype=np.float64)))


class CategoricalCrossentropy(MeanMetric):
    """`losses.categorical_crossentropy` over all batches.

    Arguments:
        name, dtype: see `Metric`.
        from_logits, label_smoothing: see there.
    """

    def __init__(
        self, name: str | None = None, dtype: Any = None, from_logits: bool = False, label_smoothing: float = 0.0
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def values(self, y_true: Any, y_pred: Any) -> Any:
        return losses.categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class SparseCategoricalCrossentropy(MeanMetric):
    """`losses.sparse_categorical_crossentropy` over all batches.

    Arguments:
        name, dtype: see `Metric`.
        from_logits: see there.
    """

    def __init__(self, name: str | None = None, dtype: Any = None, from_logits: bool = False):
        super().__init__(name, dtype)
        self.from_logits = from_logits

    def values(self, y_true: Any, y_pred: Any) -> Any:
        return losses.sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)


class BinaryCrossentropy(MeanMetric):
    """`losses.binary_crossentropy` over all batches.

    Arguments:
        name, dtype: see `Metric`.
        from_logits, label_smoothing: see there.
    """

    def __init__(
        self, name: str | None = None, dtype: Any = None, from_logits: bool = False, label_smoothing: float = 0.0
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def values(self, y_true: Any, y_pred: Any) -> Any:
        loss = losses.BinaryCrossentropy(self.from_logits, self.label_smoothing, reduction=None)
        return loss(y_true, y_pred)
