"""The confusion matrix: which class is predicted as which."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError
from striate.graph import Array
from striate.training.metrics.metric import Counts, Metric, labels_for, same_shape, weights_for


class ConfusionMatrix(Metric):
    """How often each class was predicted as each: rows are labels, columns predictions.

    Arguments:
        num_classes: K.
        name, dtype: see `Metric`.
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: Any = None):
        self.num_classes = num_classes
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        self.counts: Counts = np.zeros((self.num_classes, self.num_classes))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in labels (…,) or one-hot rows (…, K), predictions (…, K) or predicted labels (…,), and weights (N,).

        Raises:
            ShapeError: the shapes do not fit.
            DataError: a label is out of range.
        """
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        if y_pred.ndim > 1 and y_pred.shape[-1] == self.num_classes:
            if y_true.shape == y_pred.shape:
                y_true = y_true.argmax(-1)
            y_true, y_pred = labels_for(self.name, y_true, y_pred)
            y_pred = y_pred.argmax(-1)
        weights = np.broadcast_to(weights_for(self.name, sample_weight, y_pred.shape), y_pred.shape)
        self.counts += _confusion(self.name, y_true, y_pred, self.num_classes, weights)

    def result(self) -> Counts:
        return self.counts.copy()


def confusion_matrix(y_true: Any, y_pred: Any, num_classes: int | None = None) -> NDArray[np.int64]:
    """How often each class was predicted as each: entry (i, j) counts samples of class i that were predicted as j.

    Arguments:
        y_true: labels, integers.
        y_pred: predicted labels, of the same shape.
        num_classes: K; default: the largest label plus one.

    Returns:
        (K, K).

    Raises:
        ShapeError: the shapes differ.
        DataError: a label is out of range or not an integer.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if num_classes is None:
        num_classes = int(max(y_true.max(initial=-1), y_pred.max(initial=-1))) + 1
    ones = np.ones(y_pred.shape)
    return _confusion("confusion_matrix", y_true, y_pred, num_classes, ones).astype(np.int64)


def _confusion(where: str, y_true: Array, y_pred: Array, num_classes: int, weights: Array) -> Counts:
    y_true, y_pred = same_shape(where, y_true, y_pred)
    for labels in (y_true, y_pred):
        wrong = labels[~((labels >= 0) & (labels < num_classes) & (labels == np.floor(labels)))]
        if wrong.size:
            raise DataError(f"{where}: expected labels from 0 to {num_classes - 1}, got {wrong.flat[0]}.")
    pairs = (y_true * num_classes + y_pred).astype(np.intp).ravel()
    counts = np.bincount(pairs, weights.ravel(), num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.float64)  # for no pairs at all, bincount returns integers
