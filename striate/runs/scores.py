"""How good a classifier is, in numbers: accuracy, confusion matrix, calibration."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.graph import Array
from striate.training.metrics import confusion_matrix

__all__ = ["Bin", "Scores", "reliability", "score", "wilson_interval"]

BINS = 10
TINY = 1e-7  # the smallest probability whose logarithm is taken


@dataclass(frozen=True)
class Bin:
    """Predictions whose confidence, the probability of the answer, lies in one tenth.

    Arguments:
        count: how many there are.
        confidence: the mean of their confidences; 0 if there are none.
        accuracy: the share of right ones; 0 if there are none.
    """

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Scores:
    """Results on N labelled pictures of K classes.

    Arguments:
        labels: (N,).
        probabilities: (N, K).
        confusion: (K, K), a row for each class, a column for each answer.
        accuracy: the share of right answers.
        loss: mean of −ln p of the right class.
        precision: the share of the answers k that is right, (K,); NaN where k was never answered.
        recall: the share of the pictures of class k that is recognised, (K,); NaN where there are none.
        bins: reliability by tenths of confidence.
        calibration_error: Σ over bins of count/N · |accuracy − confidence|.
        mistakes: indices of the wrongly answered pictures, those with the highest confidence first.
    """

    labels: NDArray[np.intp]
    probabilities: Array
    confusion: NDArray[np.int64]
    accuracy: float
    loss: float
    precision: Array
    recall: Array
    bins: list[Bin]
    calibration_error: float
    mistakes: list[int]

    @property
    def answers(self) -> NDArray[np.intp]:
        """The class with the highest probability, (N,)."""
        answers: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return answers


def score(labels: NDArray[np.intp], probabilities: Array) -> Scores:
    """All of `Scores` for labels (N,) and probabilities (N, K).

    Source of the calibration error: Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning" (2015); Guo et al., "On calibration of modern neural networks" (2017).
    """
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = answers == labels
    matrix = confusion_matrix(labels, answers, probabilities.shape[1])
    bins = reliability(confidence, right)
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    with np.errstate(invalid="ignore"):
        precision, recall = (matrix.diagonal() / matrix.sum(axis=axis) for axis in (0, 1))
    wrong = np.flatnonzero(~right)
    return Scores(
        labels=labels,
        probabilities=probabilities,
        confusion=matrix,
        accuracy=float(right.mean()),
        loss=float(-np.log(np.maximum(chosen, TINY)).mean()),
        precision=precision,
        recall=recall,
        bins=bins,
        calibration_error=sum(one.count / len(labels) * abs(one.accuracy - one.confidence) for one in bins),
        mistakes=[int(i) for i in wrong[np.argsort(-confidence[wrong], kind="stable")]],
    )


def reliability(confidence: Array, right: NDArray[np.bool_]) -> list[Bin]:
    """Confidences (N,) and whether the answers were right (N,), in ten bins of equal width; 1 is in the last."""
    place = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    members = [place == number for number in range(BINS)]
    return [
        Bin(int(m.sum()), float(confidence[m].mean(dtype=np.float64)), float(right[m].mean()))
        if m.any()
        else Bin(0, 0.0, 0.0)
        for m in members
    ]


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share that was measured on ``count`` samples.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return max(middle - half, 0.0), min(middle + half, 1.0)
