"""Small helpers with Keras's names: one-hot labels, unit vectors, the seed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ArgumentError, DataError
from striate.random import set_seed as set_random_seed

__all__ = ["normalize", "set_random_seed", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> NDArray[np.float32]:
    """Labels as rows with a single 1: label 2 of 4 classes → (0, 0, 1, 0).

    Arguments:
        x: integers from 0 to num_classes − 1, any shape; a last axis of size 1 is dropped.
        num_classes: K; default: the largest label plus one.

    Returns:
        (…, K).

    Raises:
        DataError: a label is not an integer, or out of range.
    """
    labels = np.asarray(x)
    if labels.dtype.kind not in "iubf" or labels.size == 0 or not np.array_equal(labels, np.floor(labels)):
        raise DataError(f"to_categorical: expected integers as labels, got {labels.dtype} of shape {labels.shape}.")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = int(labels.max()) + 1 if num_classes is None else num_classes
    if labels.min() < 0 or labels.max() >= count:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(f"to_categorical: expected labels from 0 to {count - 1} ({count} classes), got {wrong}.")
    return np.eye(count, dtype=np.float32)[labels.astype(np.intp)]


def normalize(x: Any, axis: int = -1, order: int = 2) -> NDArray[Any]:
    """Each vector along ``axis`` divided by its norm; a vector of zeros stays as it is.

    Arguments:
        x: numbers, any shape.
        axis: along which the vectors lie.
        order: p of the p-norm (Σ|x|ᵖ)^(1/p), at least 1.

    Returns:
        The shape of ``x``.

    Raises:
        ArgumentError: ``order`` is below 1.
    """
    if order < 1:
        raise ArgumentError(f"normalize: expected order of at least 1, got {order!r}.")
    array = np.asarray(x)
    norm = np.linalg.norm(np.atleast_1d(array), order, axis, keepdims=True)
    return np.asarray(array / np.where(norm == 0, 1, norm))
