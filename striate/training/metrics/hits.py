"""Precision, recall and F1: what was found, and what was missed."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.errors import ArgumentError
from striate.training.metrics.metric import Counts, Metric, same_shape, share, weights_for


class _HitCounts(Metric):
    """True positives, false positives and false negatives at one threshold or several."""

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        self.thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        given = 0.5 if thresholds is None and top_k is None else -math.inf if thresholds is None else thresholds
        self._limits = np.atleast_1d(np.asarray(given, np.float64))
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        self.true_positives: Counts = np.zeros(self._limits.shape)
        self.false_positives: Counts = np.zeros(self._limits.shape)
        self.false_negatives: Counts = np.zeros(self._limits.shape)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets 0 or 1 and predictions of the same shape, and weights (N,) or one per number.

        Raises:
            ShapeError: the shapes do not fit.
        """
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        weights = np.broadcast_to(weights_for(self.name, sample_weight, y_pred.shape), y_pred.shape)
        chosen = np.ones(y_pred.shape, bool)
        if self.top_k is not None:
            places = np.argsort(np.argsort(-y_pred, axis=-1, kind="stable"), axis=-1)
            chosen = places < self.top_k
        if self.class_id is not None:
            y_true, y_pred, weights, chosen = (a[..., self.class_id] for a in (y_true, y_pred, weights, chosen))
        positive = y_true.astype(bool)
        for i, limit in enumerate(self._limits):
            predicted = chosen & (y_pred > limit)
            self.true_positives[i] += weights[predicted & positive].sum()
            self.false_positives[i] += weights[predicted & ~positive].sum()
            self.false_negatives[i] += weights[~predicted & positive].sum()

    def _rate(self, others: Counts) -> Any:
        rates = share(self.true_positives, self.true_positives + others)
        return float(rates[0]) if len(rates) == 1 else rates


class Precision(_HitCounts):
    """The fraction of predicted positives that are positive: TP / (TP + FP); 0 where there are none.

    Arguments:
        thresholds: a larger prediction is positive; default 0.5; several give several results.
        top_k: only the k largest predictions of a sample are positive; then there is no threshold by default.
        class_id: only this entry of the last axis counts.
        name, dtype: see `Metric`.
    """

    def result(self) -> Any:
        return self._rate(self.false_positives)


class Recall(_HitCounts):
    """The fraction of positives that were predicted as positive: TP / (TP + FN); 0 where there are none.

    Arguments: see `Precision`.
    """

    def result(self) -> Any:
        return self._rate(self.false_negatives)


class F1Score(Metric):
    """The harmonic mean of precision and recall, 2·TP / (2·TP + FP + FN), for each class.

    Arguments:
        average: None: one result per class; "macro": their mean; "weighted": their mean, weighted by how often each
            class occurs; "micro": one result from the counts of all classes together.
        threshold: a larger prediction is positive; None: the largest prediction of a sample is.
        name, dtype: see `Metric`.

    Raises:
        ArgumentError: another average.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        if average not in (None, "micro", "macro", "weighted"):
            raise ArgumentError(f"F1Score: expected average None, 'micro', 'macro' or 'weighted', got {average!r}.")
        self.average = average
        self.threshold = threshold
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        self._hits: Any = 0.0
        self._predicted: Any = 0.0
        self._actual: Any = 0.0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one-hot targets and predictions (N, K), and weights (N,).

        Raises:
            ShapeError: the shapes do not fit.
        """
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        limit = y_pred.max(-1, keepdims=True) if self.threshold is None else self.threshold
        predicted = (y_pred >= limit) & (y_pred != 0) if self.threshold is None else y_pred > limit
        weights = weights_for(self.name, sample_weight, y_pred.shape)
        self._hits = self._hits + (weights * predicted * y_true).sum(0)
        self._predicted = self._predicted + (weights * predicted).sum(0)
        self._actual = self._actual + (weights * y_true).sum(0)

    def result(self) -> Any:
        if self.average == "micro":
            return float(share(2 * np.sum(self._hits), np.sum(self._predicted) + np.sum(self._actual)))
        scores = share(2 * self._hits, self._predicted + self._actual)
        if self.average == "macro":
            return float(scores.mean())
        if self.average == "weighted":
            return float(share((scores * self._actual).sum(), np.sum(self._actual)))
        return scores
