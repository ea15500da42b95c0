"""Areas under curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.errors import ArgumentError, DataError
from striate.training.metrics.metric import Counts, Metric, same_shape, share, weights_for


class AUC(Metric):
    """The area under the curve drawn by moving the threshold from 1 down to 0.

    ROC: true positive rate over false positive rate. The area is the chance that a positive ranks above a negative.
    PR: precision over recall.

    Arguments:
        num_thresholds: how many thresholds, evenly spaced: the area is an approximation.
        curve: "ROC" or "PR".
        summation_method: height between two thresholds: "interpolation" (trapezoids; for PR, precision as true and
            false positives grow evenly), "minoring" (the lower end) or "majoring" (the higher end).
        name, dtype: see `Metric`.
        thresholds: other thresholds between 0 and 1 instead.
        from_logits: whether predictions are logits, the inputs of a sigmoid.

    Raises:
        ArgumentError: another curve or method, or fewer than 2 thresholds.

    Source: Davis, Goadrich, "The relationship between precision-recall and ROC curves" (2006).
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        *,
        thresholds: Sequence[float] | None = None,
        from_logits: bool = False,
    ):
        if curve not in ("ROC", "PR"):
            raise ArgumentError(f"AUC: expected curve 'ROC' or 'PR', got {curve!r}.")
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ArgumentError(
                f"AUC: expected summation_method 'interpolation', 'minoring' or 'majoring', got {summation_method!r}."
            )
        if num_thresholds < 2:
            raise ArgumentError(f"AUC: expected num_thresholds of at least 2, got {num_thresholds!r}.")
        self.num_thresholds = num_thresholds
        self.curve = curve
        self.summation_method = summation_method
        self.thresholds = thresholds
        self.from_logits = from_logits
        inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1) if thresholds is None else sorted(thresholds)
        # The first is below all predictions and the last above them, so the curve has both its ends.
        self._limits = np.array([-1e-7, *inner, 1 + 1e-7])
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        # Entry i: weight of predictions that are above exactly i thresholds.
        self._positives: Counts = np.zeros(len(self._limits) + 1)
        self._negatives: Counts = np.zeros(len(self._limits) + 1)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets 0 or 1 and predictions from 0 to 1 of the same shape, and weights (N,) or one per number.

        Raises:
            ShapeError: the shapes do not fit.
            DataError: a prediction is not from 0 to 1.
        """
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        if self.from_logits:
            y_pred = 0.5 * (1 + np.tanh(0.5 * y_pred))
        if not ((y_pred >= 0) & (y_pred <= 1)).all():
            raise DataError(
                f"{self.name}: expected predictions from 0 to 1, got {y_pred.min()} … {y_pred.max()}. "
                "For logits give from_logits=True."
            )
        weights = np.broadcast_to(weights_for(self.name, sample_weight, y_pred.shape), y_pred.shape)
        above, positive = np.searchsorted(self._limits, y_pred), y_true.astype(bool)
        bins = len(self._limits) + 1
        self._positives += np.bincount(above[positive], weights[positive], bins)
        self._negatives += np.bincount(above[~positive], weights[~positive], bins)

    def result(self) -> float:
        positives, negatives = self._positives.sum(), self._negatives.sum()
        tp = positives - np.cumsum(self._positives)[:-1]  # predicted positive at each threshold, and right
        fp = negatives - np.cumsum(self._negatives)[:-1]
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated_precision_recall_area(tp, fp, float(positives))
        recall = share(tp, positives)
        x, y = (share(fp, negatives), recall) if self.curve == "ROC" else (recall, share(tp, tp + fp))
        lower, higher = np.minimum(y[:-1], y[1:]), np.maximum(y[:-1], y[1:])
        height = {"interpolation": (lower + higher) / 2, "minoring": lower, "majoring": higher}[self.summation_method]
        return float(((x[:-1] - x[1:]) * height).sum())


def _interpolated_precision_recall_area(tp: Counts, fp: Counts, positives: float) -> float:
    # Between thresholds A and B let true positives and P = TP + FP grow along a line, TP = TP_B + s·(P − P_B). Then
    # ∫ TP/P dTP = s·(ΔTP + (TP_B − s·P_B)·ln(P_A / P_B)), and dividing by all positives gives ∫ precision d(recall).
    predicted = tp + fp
    gained = tp[:-1] - tp[1:]
    slope = share(gained, predicted[:-1] - predicted[1:])
    intercept = tp[1:] - slope * predicted[1:]
    ratio = np.divide(predicted[:-1], predicted[1:], out=np.ones(len(slope)), where=predicted[1:] > 0)
    return float(share((slope * (gained + intercept * np.log(np.maximum(ratio, 1)))).sum(), positives))
