"""Accuracy: how often the prediction is right."""

from typing import Any

import numpy as np

from striate.errors import DataError
from striate.graph import Array, Shape
from striate.training.metrics.metric import MeanMetric, labels_for, same_shape


class Accuracy(MeanMetric):
    """The fraction of numbers that equal their targets: labels against labels."""

    def values(self, y_true: Any, y_pred: Any) -> Array:
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        return np.asarray(y_true == y_pred)


class BinaryAccuracy(MeanMetric):
    """The fraction of probabilities on the right side of a threshold.

    Arguments:
        name, dtype: see `Metric`.
        threshold: a larger prediction counts as 1.
    """

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5):
        super().__init__(name, dtype)
        self.threshold = threshold

    def values(self, y_true: Any, y_pred: Any) -> Array:
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        return np.asarray(y_true == (y_pred > self.threshold))


class CategoricalAccuracy(MeanMetric):
    """The fraction of samples whose largest prediction is at the one-hot target's 1; ties go to the lowest class."""

    def values(self, y_true: Any, y_pred: Any) -> Array:
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        return np.asarray(y_true.argmax(-1) == y_pred.argmax(-1))


class SparseCategoricalAccuracy(MeanMetric):
    """The fraction of samples whose largest prediction is at the label; ties go to the lowest class."""

    def values(self, y_true: Any, y_pred: Any) -> Array:
        labels, y_pred = labels_for(self.name, y_true, y_pred)
        return np.asarray(labels == y_pred.argmax(-1))


class TopKCategoricalAccuracy(MeanMetric):
    """The fraction of samples whose one-hot target's 1 is among the k largest predictions; ties go to the lowest class.

    Arguments:
        k: how many.
        name, dtype: see `Metric`.
    """

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None):
        super().__init__(name, dtype)
        self.k = k

    def values(self, y_true: Any, y_pred: Any) -> Array:
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        return _among_largest(y_true.argmax(-1), y_pred, self.k)


class SparseTopKCategoricalAccuracy(MeanMetric):
    """The fraction of samples whose label is among the k largest predictions; ties go to the lowest class.

    Arguments:
        k: how many.
        name, dtype: see `Metric`.
    """

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None):
        super().__init__(name, dtype)
        self.k = k

    def values(self, y_true: Any, y_pred: Any) -> Array:
        return _among_largest(*labels_for(self.name, y_true, y_pred), self.k)


def accuracy_for(y_true_shape: Shape, y_pred_shape: Shape) -> type[MeanMetric]:
    """The metric that "accuracy" means for targets and predictions of these shapes.

    One prediction per sample is binary; several are categorical, with labels if the targets have an axis less or a
    last axis of size 1, else one-hot.
    """
    if len(y_pred_shape) < 2 or y_pred_shape[-1] == 1:
        return BinaryAccuracy
    if len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1:
        return SparseCategoricalAccuracy
    return CategoricalAccuracy


def _among_largest(labels: Array, y_pred: Array, k: int) -> Array:
    """Whether fewer than k classes are ahead of the label's; NaN is ahead of all, and equal numbers by their order."""
    wrong = labels[~((labels >= 0) & (labels < y_pred.shape[-1]))]
    if wrong.size:
        raise DataError(f"top k: expected labels from 0 to {y_pred.shape[-1] - 1}, got {wrong.flat[0]}.")
    place = labels[..., None].astype(np.intp)
    own = np.take_along_axis(y_pred, place, -1)
    ahead = ~(y_pred <= own) | ((y_pred == own) & (np.arange(y_pred.shape[-1]) < place))
    return np.asarray(ahead.sum(-1) < k)
