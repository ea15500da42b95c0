"""Small helpers: Keras's numbers, and labels that mean nothing."""

from typing import Any

import numpy as np
import pytest

from striate import random, utils
from striate.errors import ArgumentError, DataError
from tests.training import oracle


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([0, 2, 1], None), ([0, 2, 1], 5), ([[0], [3]], None), ([[0, 1], [2, 0]], 3), (np.uint8([3, 1]), 4), (2, None)],
)
def test_to_categorical_is_that_of_keras(labels: Any, classes: Any) -> None:
    ours, theirs = utils.to_categorical(labels, classes), oracle.keras().utils.to_categorical(labels, classes)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == np.float32


def test_to_categorical_takes_whole_numbers_of_any_type() -> None:
    np.testing.assert_array_equal(utils.to_categorical(np.array([1.0, 0.0])), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(utils.to_categorical([True, False]), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 3], 3, r"to_categorical: expected labels from 0 to 2 \(3 classes\), got 3"),
        ([0, -1], None, r"to_categorical: expected labels from 0 to 0 \(1 classes\), got -1"),
        ([0.5], None, r"to_categorical: expected integers as labels, got float64 of shape \(1,\)"),
        ([np.nan], 3, r"to_categorical: expected integers as labels"),
        (["a"], None, r"to_categorical: expected integers as labels, got <U1 of shape \(1,\)"),
        ([], None, r"to_categorical: expected integers as labels, got float64 of shape \(0,\)"),
    ],
)
def test_to_categorical_of_no_labels(labels: Any, classes: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        utils.to_categorical(labels, classes)


@pytest.mark.parametrize("axis", [-1, -2, 1])  # Keras takes axis 0 for the last one
@pytest.mark.parametrize("order", [1, 2, 3])
def test_normalize_is_that_of_keras(axis: int, order: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4))
    x[1] = 0
    np.testing.assert_allclose(utils.normalize(x, axis, order), oracle.keras().utils.normalize(x, axis, order))


def test_normalize_by_hand() -> None:
    np.testing.assert_allclose(utils.normalize([[3, 4], [0, 0]]), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize([[3, 0], [4, 0]], axis=0), [[0.6, 0], [0.8, 0]])
    with pytest.raises(ArgumentError, match=r"normalize: expected order of at least 1, got 0"):
        utils.normalize([1.0], order=0)


def test_set_random_seed() -> None:
    utils.set_random_seed(123)
    assert random.get_seed() == 123
