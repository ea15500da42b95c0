"""Batch, layer, group and local response normalization."""

import re
from typing import Any

import numpy as np
import pytest

import striate
from striate import layers
from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Tensor, trace
from striate.layers.layer import Layer
from striate.runtime.reference import ReferenceExecutor

X = np.random.default_rng(0).standard_normal((5, 4, 3, 2)) * [2, 5] + [1, -3]


def standardized(x: Array, axes: tuple[int, ...], epsilon: float = 1e-3) -> Array:
    """Mean 0 and variance 1 along ``axes``, by hand."""
    difference = x - x.mean(axis=axes, keepdims=True)
    return np.asarray(difference / np.sqrt((difference**2).mean(axis=axes, keepdims=True) + epsilon))


def test_O9_batch_normalization_takes_the_statistics_of_the_batch_in_training() -> None:
    y = layers.BatchNormalization()(X, training=True)
    np.testing.assert_allclose(y, standardized(X, (0, 1, 2)), atol=1e-5)


def test_O9_moving_statistics_follow_and_serve_inference() -> None:
    layer = layers.BatchNormalization(momentum=0.9)
    for _ in range(3):
        layer(X, training=True)
    kept = 0.9**3
    np.testing.assert_allclose(layer.moving_mean.value, (1 - kept) * X.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.value, kept + (1 - kept) * X.var((0, 1, 2)), rtol=1e-5)
    expected = (X - layer.moving_mean.value) / np.sqrt(layer.moving_variance.value + 1e-3)
    np.testing.assert_allclose(layer(X), expected, atol=1e-5)
    assert [v.name for v in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]


def test_O9_a_graph_updates_moving_statistics_once_a_run() -> None:
    eager, traced = layers.BatchNormalization(), layers.BatchNormalization()
    x = X.astype(np.float32)
    traced(x)
    executor = ReferenceExecutor(trace(traced, [Tensor(x.shape)], training=True))
    for _ in range(2):
        eager(x, training=True)
        executor.run([x])
    for a, b in zip(eager.get_weights(), traced.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_O9_a_frozen_batch_normalization_stays_as_it_is() -> None:
    layer = layers.BatchNormalization(trainable=False)
    np.testing.assert_array_equal(layer(X, training=True), layer(X))
    assert (layer.moving_mean.value == 0).all()


@pytest.mark.parametrize("axis", [-1, 1, 2, (1, 2), (3, 1), [1, 2, 3]])
def test_O9_layer_normalization_along_any_axes(axis: Any) -> None:
    layer = layers.LayerNormalization(axis)
    layer(X)
    axes = tuple(sorted(range(4)[one] for one in (axis if isinstance(axis, list | tuple) else [axis])))
    sizes = [n if i in axes else 1 for i, n in enumerate(X.shape)]
    generator = np.random.default_rng(1)
    gamma, beta = (generator.standard_normal(layer.gamma.shape) for _ in range(2))
    layer.set_weights([gamma, beta])
    expected = standardized(X, axes) * gamma.reshape(sizes) + beta.reshape(sizes)
    np.testing.assert_allclose(layer(X), expected, atol=1e-5)


def test_O9_group_normalization_between_layer_and_instance() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 6))
    grouped = standardized(x.reshape(2, 3, 5, 3, 2), (1, 2, 4)).reshape(x.shape)
    np.testing.assert_allclose(layers.GroupNormalization(3)(x), grouped, atol=1e-5)
    np.testing.assert_allclose(layers.GroupNormalization(1)(x), standardized(x, (1, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(layers.GroupNormalization(-1)(x), standardized(x, (1, 2)), atol=1e-5)


def test_O9_local_response_normalization_against_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 7)).astype(np.float32)
    y = layers.LocalResponseNormalization(depth_radius=2, bias=2.0, alpha=1e-2, beta=0.75)(x)
    # PyTorch divides alpha by the count of channels, and has these in front.
    theirs = torch.nn.LocalResponseNorm(5, alpha=5e-2, beta=0.75, k=2.0)(torch.tensor(np.moveaxis(x, -1, 1)))
    np.testing.assert_allclose(y, np.moveaxis(theirs.numpy(), 1, -1), rtol=1e-5)


def test_without_scale_and_offset() -> None:
    for cls in (layers.BatchNormalization, layers.LayerNormalization):
        layer = cls(center=False, scale=False)
        layer(X)
        assert not layer.trainable_weights
        assert (layer.gamma, layer.beta) == (None, None)


def test_O9_normalization_by_the_statistics_of_data() -> None:
    data = np.random.default_rng(3).normal((2, -5), (3, 0.1), (1000, 2)).astype(np.float32)
    layer = layers.Normalization()
    np.testing.assert_array_equal(layer(data), data)  # until it has seen data
    layer.adapt(data)
    y = layer(data)
    np.testing.assert_allclose((y.mean(0), y.std(0)), ((0, 0), (1, 1)), atol=1e-4)
    assert not layer.trainable_weights
    back = layers.Normalization(mean=layer.mean.value, variance=layer.variance.value, invert=True)
    np.testing.assert_allclose(back(y), data, atol=1e-5)
    assert layers.Normalization(None, 1, 4)(np.float32([[5, 1]])).tolist() == [[2, 0]]


def test_O9_numbers_that_are_always_the_same() -> None:
    layer = layers.Normalization()
    layer.adapt(np.full((4, 1), 7, np.float32))
    assert layer(np.array([[7], [8]], np.float32)).tolist() == [[0], [pytest.approx(1e7)]]
    assert layers.UnitNormalization()(np.zeros((2, 3), np.float32)).tolist() == [[0] * 3] * 2


def test_unit_normalization() -> None:
    y = layers.UnitNormalization()(np.float32([[3, -4], [0, 2]]))
    np.testing.assert_allclose(y, [[0.6, -0.8], [0, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (layers.Normalization(), "Every number minus a known mean, divided by a known standard deviation."),
        (layers.Normalization(invert=True), "Every number times a known standard deviation, plus a known mean."),
        (layers.UnitNormalization(), "The numbers at each place divided by the root of the sum of their squares."),
        (
            layers.BatchNormalization(),
            "Every map minus its stored mean, divided by its stored standard deviation (in training, those of the "
            "batch), then times a learned γ, plus a learned β.",
        ),
        (
            layers.BatchNormalization(scale=False, trainable=False),
            "Every map minus its stored mean, divided by its stored standard deviation, then plus a learned β.",
        ),
        (
            layers.BatchNormalization(axis=1, scale=False, center=False, trainable=False),
            "Every entry along axis 1 minus its stored mean, divided by its stored standard deviation.",
        ),
        (
            layers.LayerNormalization(),
            "The numbers at each place shifted and scaled to mean 0 and variance 1, then times a learned γ, plus a "
            "learned β.",
        ),
        (
            layers.LayerNormalization((1, 2, 3), center=False),
            "The numbers along the axes 1, 2, 3 of each sample shifted and scaled to mean 0 and variance 1, then times "
            "a learned γ.",
        ),
        (
            layers.GroupNormalization(4),
            "The maps of each sample in 4 groups, the numbers of each group shifted and scaled to mean 0 and variance "
            "1, then times a learned γ, plus a learned β.",
        ),
        (
            layers.GroupNormalization(-1),
            "Each map of each sample shifted and scaled to mean 0 and variance 1, then times a learned γ, plus a "
            "learned β.",
        ),
        (
            layers.LocalResponseNormalization(2),
            "Each number damped by the numbers at the same place in the 2 maps on either side of its own.",
        ),
    ],
)
def test_describe(layer: Layer, sentence: str) -> None:
    assert layer.describe() == sentence


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (layers.Normalization, {"axis": 0.5}, "Normalization: expected axis as an integer, got 0.5."),
    (layers.Normalization, {"mean": 1}, "Normalization: expected mean and variance, or neither, got 1 and None."),
    (layers.Normalization, {"mean": "x", "variance": 1}, "Normalization: expected mean as finite numbers, got 'x'."),
    (
        layers.Normalization,
        {"mean": 1, "variance": [1, np.nan]},
        "Normalization: expected variance as finite numbers, got [1, nan].",
    ),
    (layers.Normalization, {"mean": 1, "variance": -1}, "Normalization: expected a variance of at least 0, got -1."),
    (layers.UnitNormalization, {"axis": "x"}, "UnitNormalization: expected axis as an integer, got 'x'."),
    (layers.BatchNormalization, {"axis": 1.5}, "BatchNormalization: expected axis as an integer, got 1.5."),
    (layers.BatchNormalization, {"axis": (1, 2)}, "BatchNormalization: expected axis as an integer, got (1, 2)."),
    (layers.BatchNormalization, {"momentum": 1}, "BatchNormalization: expected momentum below 1, got 1."),
    (layers.BatchNormalization, {"momentum": -0.1}, "BatchNormalization: expected momentum of at least 0, got -0.1."),
    (layers.BatchNormalization, {"epsilon": -1}, "BatchNormalization: expected epsilon of at least 0, got -1."),
    (layers.BatchNormalization, {"beta_constraint": 1}, "BatchNormalization: expected beta_constraint=None, got 1"),
    (layers.LayerNormalization, {"gamma_constraint": 1}, "LayerNormalization: expected gamma_constraint=None, got 1"),
    (layers.LayerNormalization, {"axis": "last"}, "LayerNormalization: expected axis as an integer, got 'last'."),
    (layers.GroupNormalization, {"groups": 0}, "GroupNormalization: expected groups of at least 1, got 0."),
    (layers.GroupNormalization, {"axis": 1}, "GroupNormalization: expected axis=-1, the channels, got 1."),
    (
        layers.LocalResponseNormalization,
        {"depth_radius": -1},
        "LocalResponseNormalization: expected depth_radius of at least 0",
    ),
    (layers.LocalResponseNormalization, {"bias": 0}, "LocalResponseNormalization: expected bias above 0, got 0"),
    (
        layers.LocalResponseNormalization,
        {"alpha": -1},
        "LocalResponseNormalization: expected alpha of at least 0, got -1.",
    ),
]


@pytest.mark.parametrize(("cls", "settings", "message"), REFUSED, ids=[message[:50] for _, _, message in REFUSED])
def test_R4_arguments_are_checked_at_the_door(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        cls(**settings)


def test_R4_inputs_that_do_not_fit() -> None:
    with pytest.raises(
        ShapeError,
        match=re.escape(
            "Normalization: expected mean and variance of shape (2,), which the input has along axis=(-1,), got (3,)"
        ),
    ):
        layers.Normalization(mean=[1, 2, 3], variance=[1, 1, 1])(X)
    with pytest.raises(ArgumentError, match="Normalization: mean and variance were given; make the layer without"):
        layers.Normalization(mean=1, variance=1).adapt(X)
    with pytest.raises(ShapeError, match=re.escape("Normalization: expected known sizes along axis=(0,), got (None,")):
        striate.Sequential([striate.Input((2,)), layers.Normalization(axis=0)])
    with pytest.raises(ArgumentError, match="BatchNormalization: expected another axis than the batch, got axis=0"):
        layers.BatchNormalization(axis=0)(X)
    with pytest.raises(ArgumentError, match="BatchNormalization: expected axis as an integer from -4 to 3"):
        layers.BatchNormalization(axis=4)(X)
    with pytest.raises(
        ArgumentError, match=re.escape("LayerNormalization: expected other axes than the batch, got axis=(0, 1)")
    ):
        layers.LayerNormalization(axis=(0, 1))(X)
    with pytest.raises(
        ShapeError,
        match=re.escape(
            "GroupNormalization: expected channels that groups=3 divides, got 2 (input is (None, 4, 3, 2))"
        ),
    ):
        layers.GroupNormalization(3)(X)
    with pytest.raises(
        ShapeError, match="layer group_normalization: GroupNormalization: expected input of rank 2 or more"
    ):
        layers.GroupNormalization(3)(np.zeros(3))
