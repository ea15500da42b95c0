"""Scores of a classifier, by hand and by others' formulas."""

import numpy as np
import pytest

from striate.runs.scores import Bin, reliability, score, wilson_interval

LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.95, 0.05, 0.0], [0.7, 0.3, 0.0], [0.1, 0.85, 0.05], [0.25, 0.75, 0.0], [0.6, 0.4, 0.0], [0.55, 0.0, 0.45]],
    np.float32,
)


def test_numbers_by_hand():
    scores = score(LABELS, PROBABILITIES)
    assert scores.accuracy == 0.5
    assert scores.answers.tolist() == [0, 0, 1, 1, 0, 0]
    assert scores.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    np.testing.assert_allclose(scores.recall, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(scores.precision, [2 / 4, 1 / 2, np.nan])
    assert scores.loss == pytest.approx(-np.log([0.95, 0.7, 0.1, 0.75, 0.4, 0.45]).mean(), rel=1e-6)
    assert scores.mistakes == [2, 4, 5]  # 85 %, 60 %, 55 % sure


def test_reliability_by_hand():
    bins = score(LABELS, PROBABILITIES).bins
    assert [one.count for one in bins] == [0, 0, 0, 0, 0, 1, 1, 2, 1, 1]
    assert bins[7].confidence == pytest.approx((0.7 + 0.75) / 2)
    assert [one.accuracy for one in bins[5:]] == [0, 0, 1, 0, 1]
    error = (0.55 + 0.6 + 2 * (1 - 0.725) + 0.85 + 0.05) / 6
    assert score(LABELS, PROBABILITIES).calibration_error == pytest.approx(error)


def test_certainty_is_in_the_last_bin():
    assert reliability(np.array([1.0, 0.0]), np.array([True, False])) == [Bin(1, 0, 0)] + [Bin(0, 0, 0)] * 8 + [
        Bin(1, 1, 1)
    ]


def test_right_class_with_probability_0_has_a_finite_loss():
    assert score(np.array([1]), np.array([[1.0, 0.0]])).loss == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # R: prop.test(right, count, correct = FALSE)$conf.int
    [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (29, 29, 0.8830, 1.0), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval(right, count, low, high):
    """Rows of table I of Newcombe, "Two-sided confidence intervals for the single proportion" (1998), method 3."""
    assert wilson_interval(right / count, count) == pytest.approx((low, high), abs=6e-5)
