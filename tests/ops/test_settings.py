"""Settings that are none, at every door that takes a number, a list of numbers or a list of inputs."""

import re
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Tensor

X = np.arange(24.0).reshape(1, 2, 4, 3)

NUMBERS = {
    "dropout: expected rate": lambda value: ops.dropout(X, value),
    "elu: expected alpha": lambda value: ops.elu(X, value),
    "huber: expected delta": lambda value: ops.huber(X, X, value),
    "leaky_relu: expected negative_slope": lambda value: ops.leaky_relu(X, value),
    "local_response_normalization: expected bias": lambda value: ops.local_response_normalization(X, bias=value),
    "local_response_normalization: expected alpha": lambda value: ops.local_response_normalization(X, alpha=value),
    "local_response_normalization: expected beta": lambda value: ops.local_response_normalization(X, beta=value),
    "lp_pool: expected p": lambda value: ops.lp_pool(X, 2, p=value),
    "normalize: expected epsilon": lambda value: ops.normalize(X, epsilon=value),
    "normalize: expected order": lambda value: ops.normalize(X, order=value),
    "standardize: expected epsilon": lambda value: ops.standardize(X, epsilon=value),
    "standardize_with: expected epsilon": lambda value: ops.standardize_with(X, 0, 1, epsilon=value),
    "pad: expected constant_values": lambda value: ops.pad(X, 1, constant_values=value),
}

LISTS = {
    "broadcast_to: expected shape": lambda value: ops.broadcast_to(X, value),
    "reshape: expected newshape": lambda value: ops.reshape(X, value),
    "slice_axis: expected start and stop": lambda value: ops.slice_axis(X, 1, value, 2),
    "sum_to: expected shape": lambda value: ops.sum_to(X, value),
    "transpose: expected axes": lambda value: ops.transpose(X, value),
}


#: What may also be left to a default.
OPTIONAL = ("normalize: expected epsilon", "pad: expected constant_values")


@pytest.mark.parametrize("value", ["0.5", None, [1, 2], np.ones(2), {}, 10**400, Tensor(())], ids=repr)
@pytest.mark.parametrize("expected", NUMBERS)
def test_R4_a_number_is_a_number(expected: str, value: Any) -> None:
    if value is None and expected in OPTIONAL:
        NUMBERS[expected](value)
        return
    with pytest.raises(ArgumentError, match=f"{expected} as a number, got {re.escape(repr(value))}"):
        NUMBERS[expected](value)


@pytest.mark.parametrize("value", [1.5, "ab", (1.5, 2), pytest.param(object(), id="object")], ids=str)
@pytest.mark.parametrize("expected", LISTS)
def test_R4_a_list_of_integers_is_one(expected: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{expected} as a list of integers, got"):
        LISTS[expected](value)


@pytest.mark.parametrize("xs", [None, 3, Tensor((2, 3))], ids=str)
def test_R4_a_list_of_inputs_is_one(xs: Any) -> None:
    for name in ("concatenate", "stack"):
        with pytest.raises(ArgumentError, match=f"{name}: expected a list of inputs, got {re.escape(repr(xs))}"):
            getattr(ops, name)(xs)
        with pytest.raises(ArgumentError, match=f"{name}: expected at least one input, got an empty list"):
            getattr(ops, name)([])


def test_R4_two_negative_sizes_are_no_shape() -> None:
    with pytest.raises(ShapeError, match=r"reshape: expected a shape of 24 numbers for \(1, 2, 4, 3\), got \(-4, -6\)"):
        ops.reshape(X, (-4, -6))


def test_R4_a_batch_of_unknown_size_cannot_be_sliced() -> None:
    with pytest.raises(ShapeError, match="slice_axis: expected an axis of known size, got axis 0"):
        ops.slice_axis(Tensor((None, 3)), 0, 0, 1)


def test_R4_alpha_of_a_mixed_pool_never_makes_it_larger() -> None:
    with pytest.raises(ShapeError, match=r"mixed_pool: expected alpha to broadcast to \(1, 1, 2, 3\), got a result of"):
        ops.mixed_pool(X, np.ones((5, 1, 1, 1)), 2)
    np.testing.assert_array_equal(ops.mixed_pool(X, [1, 1, 1], 2), ops.max_pool(X, 2))


def test_R4_noise_shape_is_a_list() -> None:
    with pytest.raises(ArgumentError, match="dropout: expected noise_shape as a list of sizes, each 1 or None, got 3"):
        ops.dropout(X, 0.5, noise_shape=3)


def test_R4_weights_of_brightness_are_a_list_of_numbers() -> None:
    with pytest.raises(ShapeError, match=r"brightest_pool: expected weights as a list of numbers, got shape \(\)"):
        ops.brightest_pool(X, 2, weights=2.0)
    with pytest.raises(DataError, match="brightest_pool: weights: expected numbers, got an array of object"):
        ops.brightest_pool(X, 2, weights=None)


@pytest.mark.parametrize("classes", [0, -1, 2.7, "3", None])
def test_R4_classes_are_counted(classes: Any) -> None:
    with pytest.raises(ArgumentError, match="one_hot: expected num_classes as an integer"):
        ops.one_hot([0, 1], classes)


def test_R4_streams_are_64_bits() -> None:
    assert ops.dropout(X, 0.5, stream=2**64 - 1).shape == X.shape
    with pytest.raises(ArgumentError, match=r"dropout: expected stream .* from 0 to 18446744073709551615, got"):
        ops.dropout(X, 0.5, stream=2**64)


def test_lists_are_arrays() -> None:
    np.testing.assert_array_equal(ops.transpose([[1, 2], [3, 4]]), [[1, 3], [2, 4]])
    np.testing.assert_array_equal(ops.sum_to([[1, 2], [3, 4]], (2,)), [4, 6])


def test_half_precision_is_computed_in_float32() -> None:
    assert ops.relu(np.ones(2, np.float16)).dtype == np.float32
    assert ops.add(np.ones(2, np.float16), 1).dtype == np.float32


def test_arrays_of_pytorch_are_arrays() -> None:
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(ops.relu(torch.tensor([-1.0, 2.0])), [0, 2])
    np.testing.assert_array_equal(ops.one_hot(torch.tensor([1]), 2), [[0, 1]])
