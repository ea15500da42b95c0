"""Normalization: PyTorch as the oracle for batch, layer, instance, group and local response; errors by hand."""

from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Tensor
from tests.ops.oracles import assert_agrees_with_torch

GENERATOR = np.random.default_rng(0)
IMAGES = 2 + 3 * GENERATOR.standard_normal((4, 5, 3, 6))
GAMMA, BETA, MEAN, VARIANCE = GENERATOR.uniform(0.5, 2, (4, 6))


def channels_first(function: Any) -> Any:
    """What PyTorch computes on (N, C, H, W), on (N, H, W, C)."""
    return lambda x, *others: function(x.movedim(-1, 1), *others).movedim(1, -1)


def test_O9_batch_normalization_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    theirs = channels_first(lambda x, g, b: functional.batch_norm(x, None, None, g, b, training=True, eps=1e-3))
    assert_agrees_with_torch(lambda x, g, b: ops.standardize(x, g, b, (0, 1, 2)), theirs, [IMAGES, GAMMA, BETA])


def test_O9_batch_normalization_after_training_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    theirs = channels_first(lambda x, m, v, g, b: functional.batch_norm(x, m, v, g, b, training=False, eps=1e-3))
    arrays = [IMAGES, MEAN, VARIANCE, GAMMA, BETA]
    assert_agrees_with_torch(ops.standardize_with, theirs, arrays, wrt=[0, 3, 4])


def test_O9_layer_normalization_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    assert_agrees_with_torch(
        lambda x, g, b: ops.standardize(x, g, b, -1, 1e-5),
        lambda x, g, b: functional.layer_norm(x, (6,), g, b, eps=1e-5),
        [IMAGES, GAMMA, BETA],
    )
    wide = GENERATOR.uniform(0.5, 2, (2, 5, 3, 6))
    assert_agrees_with_torch(
        lambda x, g, b: ops.standardize(x, g, b, (1, 2, 3), 1e-5),
        lambda x, g, b: functional.layer_norm(x, (5, 3, 6), g, b, eps=1e-5),
        [IMAGES, *wide],
    )


def test_O9_instance_normalization_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    theirs = channels_first(lambda x, g, b: functional.instance_norm(x, weight=g, bias=b, eps=1e-3))
    assert_agrees_with_torch(lambda x, g, b: ops.standardize(x, g, b, (1, 2)), theirs, [IMAGES, GAMMA, BETA])


def test_O9_group_normalization_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional

    def group_normalization(x: Any, gamma: Any, beta: Any) -> Any:
        grouped = ops.reshape(x, (4, 5, 3, 2, 3))
        y = ops.standardize(grouped, ops.reshape(gamma, (2, 3)), ops.reshape(beta, (2, 3)), (1, 2, 4))
        return ops.reshape(y, (4, 5, 3, 6))

    theirs = channels_first(lambda x, g, b: functional.group_norm(x, 2, g, b, eps=1e-3))
    assert_agrees_with_torch(group_normalization, theirs, [IMAGES, GAMMA, BETA])


@pytest.mark.parametrize(
    ("radius", "bias", "alpha", "beta"), [(2, 2.0, 1e-4, 0.75), (1, 1.0, 1.0, 0.5), (9, 1.0, 0.3, 1.0)]
)
def test_O9_local_response_normalization_agrees_with_torch(radius: int, bias: float, alpha: float, beta: float) -> None:
    functional = pytest.importorskip("torch").nn.functional
    size = 2 * radius + 1  # PyTorch takes the mean over the window where TensorFlow and AlexNet's paper take the sum
    theirs = channels_first(lambda x: functional.local_response_norm(x, size, alpha * size, beta, bias))
    assert_agrees_with_torch(lambda x: ops.local_response_normalization(x, radius, bias, alpha, beta), theirs, [IMAGES])


def local_response_normalization_by_loops(x: Array, radius: int, bias: float, alpha: float, beta: float) -> Array:
    y = np.zeros_like(x)
    for n, channels in enumerate(x):
        for c, value in enumerate(channels):
            squares = [other**2 for i, other in enumerate(channels) if abs(i - c) <= radius]
            y[n, c] = value / (bias + alpha * sum(squares)) ** beta
    return y


def test_O9_local_response_normalization_agrees_with_loops() -> None:
    x = GENERATOR.standard_normal((3, 12))
    expected = local_response_normalization_by_loops(x, 5, 1.0, 1.0, 0.5)
    np.testing.assert_allclose(ops.local_response_normalization(x), expected, rtol=1e-12)


def test_normalized_numbers_have_mean_0_and_variance_1() -> None:
    for dtype, tolerance in [(np.float32, 1e-5), (np.float64, 1e-12)]:
        y = ops.standardize((1000 + IMAGES).astype(dtype), axes=(0, 1, 2), epsilon=0)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=20 * tolerance)
        np.testing.assert_allclose(y.var((0, 1, 2)), 1, rtol=tolerance)


def test_numbers_by_hand() -> None:
    np.testing.assert_array_equal(ops.standardize([[1.0, 3.0], [5.0, 9.0]], epsilon=0), [[-1, 1], [-1, 1]])
    np.testing.assert_array_equal(ops.standardize([[1.0, 3.0]], 2.0, 10.0, epsilon=0), [[8, 12]])
    np.testing.assert_array_equal(ops.standardize_with([[7.0]], 1.0, 9.0, 2.0, 0.5, epsilon=0), [[4.5]])
    np.testing.assert_array_equal(ops.standardize_with([[7.0]], 1.0, 9.0, epsilon=0), [[2]])
    np.testing.assert_allclose(ops.local_response_normalization([[3.0, 4.0]], 1, 0.5, 0.5, 1.0), [[3 / 13, 4 / 13]])


def test_batch_of_unknown_size() -> None:
    assert ops.standardize(Tensor((None, 8, 8, 4)), axes=(1, 2)).shape == (None, 8, 8, 4)


def test_R4_parameters_that_do_not_fit() -> None:
    with pytest.raises(
        ShapeError, match=r"normalize: expected shapes that broadcast .* got \(2, 3\) and \(4,\) and \(\)"
    ):
        ops.standardize(np.zeros((2, 3)), np.ones(4))
    with pytest.raises(
        ShapeError, match=r"normalize: expected parameters that broadcast to the input \(2, 3\), got \(5, 1, 3\), \(\)"
    ):
        ops.standardize(np.zeros((2, 3)), np.ones((5, 1, 3)))
    with pytest.raises(ShapeError, match=r"normalize_with: expected parameters that broadcast to the input \(2, 1\)"):
        ops.standardize_with(np.zeros((2, 1)), np.zeros(3), np.ones(3))


def test_R4_nothing_to_normalize_over() -> None:
    with pytest.raises(
        ShapeError, match=r"normalize: expected at least one number along axes \(0,\), got none in \(0, 3\)"
    ):
        ops.standardize(np.zeros((0, 3)), axes=0)


def test_R4_axes_that_are_not_there() -> None:
    with pytest.raises(ArgumentError, match=r"standardize: expected axis as an integer from -2 to 1, .* got 2"):
        ops.standardize(np.zeros((2, 3)), axes=2)


@pytest.mark.parametrize("epsilon", [-1e-3, float("nan")])
def test_R4_negative_epsilon(epsilon: float) -> None:
    with pytest.raises(ArgumentError, match=f"standardize: expected epsilon of at least 0, got {epsilon}"):
        ops.standardize(np.zeros((2, 3)), epsilon=epsilon)
    with pytest.raises(ArgumentError, match=f"standardize_with: expected epsilon of at least 0, got {epsilon}"):
        ops.standardize_with(np.zeros((2, 3)), 0.0, 1.0, epsilon=epsilon)


def test_R4_local_response_settings_that_mean_nothing() -> None:
    x = np.zeros((2, 3))
    with pytest.raises(ArgumentError, match=r"depth_radius as an integer .* at least 0, got -1"):
        ops.local_response_normalization(x, -1)
    with pytest.raises(ArgumentError, match=r"expected bias > 0 and alpha ≥ 0, got bias=0\.0 and alpha=1\.0"):
        ops.local_response_normalization(x, bias=0)
    with pytest.raises(ArgumentError, match=r"expected bias > 0 and alpha ≥ 0, got bias=1\.0 and alpha=-1\.0"):
        ops.local_response_normalization(x, alpha=-1)


def test_R4_local_response_of_a_single_number() -> None:
    with pytest.raises(ShapeError, match="expected an input with a channel axis, got a scalar"):
        ops.local_response_normalization(3.0)


@pytest.mark.parametrize("order", [1, 1.5, 2, 3, float("inf")])
def test_normalize_divides_by_the_norm(order):
    x = np.random.default_rng(0).standard_normal((4, 5, 6))
    for axis in (0, 1, -1):
        norm = np.apply_along_axis(np.linalg.norm, axis, x, ord=order)
        np.testing.assert_allclose(ops.normalize(x, axis, order), x / np.expand_dims(norm, axis), rtol=1e-12)


def test_normalize_divides_vectors_along_the_last_axis():
    x = np.random.default_rng(0).standard_normal((4, 5, 6))
    np.testing.assert_allclose(np.linalg.norm(ops.normalize(x), axis=-1), np.ones((4, 5)), rtol=1e-6)
