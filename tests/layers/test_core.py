"""Dense, Identity, Rescaling."""

import re
from typing import Any

import numpy as np
import pytest

import striate
from striate import layers
from striate.errors import ArgumentError, ShapeError
from striate.layers.layer import Layer


def test_F11_dense_acts_on_the_last_axis_of_any_rank() -> None:
    layer = layers.Dense(16)
    x = np.random.default_rng(0).standard_normal((20, 20, 3)).astype(np.float32)
    y = layer(x)
    assert y.shape == (20, 20, 16)
    assert layer.kernel.shape == (3, 16)
    np.testing.assert_allclose(y[4, 7], x[4, 7] @ layer.kernel.value, rtol=1e-5, atol=1e-6)
    assert layers.Dense(16).compute_output_shape((None, 20, 20, 3)) == (None, 20, 20, 16)


def test_dense_computes_activation_of_weighted_sums() -> None:
    layer = layers.Dense(2, activation="relu", kernel_initializer="ones", bias_initializer=lambda shape, dtype: [0, -9])
    np.testing.assert_array_equal(layer(np.array([[1, 2, 3]])), [[6, 0]])


def test_identity_and_rescaling() -> None:
    x = np.array([[0, 51, 255]], np.uint8)
    assert layers.Identity()(x) is x
    np.testing.assert_allclose(layers.Rescaling(1 / 255, offset=-0.5)(x), [[-0.5, -0.3, 0.5]], atol=1e-7)


def built(layer: Layer, shape: tuple[int, ...]) -> Layer:
    layer(striate.Input(shape))
    return layer


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (layers.Dense(10, "softmax"), "10 units, each a weighted sum of all inputs, then softmax."),
        (layers.Dense(1), "1 unit, a weighted sum of all inputs."),
        (built(layers.Dense(3), (7,)), "3 units, each a weighted sum of all 7 inputs."),
        (built(layers.Dense(3), (4, 4, 7)), "3 units at each place, each a weighted sum of the 7 numbers there."),
        (built(layers.Dense(1), (4, 7)), "1 unit at each place, a weighted sum of the 7 numbers there."),
        (layers.Identity(), "The input, unchanged."),
        (layers.Rescaling(0.5), "Every number times 0.5."),
        (layers.Rescaling(2, 1), "Every number times 2, plus 1."),
        (layers.Rescaling([2, 0.5]), "Every number times 2, 0.5, one for each channel."),
    ],
)
def test_describe(layer: Layer, sentence: str) -> None:
    assert layer.describe() == sentence


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (layers.Dense, {"units": 0}, "Dense: expected units of at least 1, got 0."),
        (layers.Dense, {"units": "10"}, "Dense: expected units as an integer, got '10'."),
        (layers.Dense, {"units": 3, "activation": "sofmax"}, "Did you mean 'softmax'?"),
        (
            layers.Dense,
            {"units": 3, "kernel_constraint": "max_norm"},
            "Dense: expected kernel_constraint=None, got 'max_norm'",
        ),
        (layers.Rescaling, {"scale": [1, "big"]}, "Rescaling: expected scale as a finite number, got 'big'."),
        (layers.Rescaling, {"scale": "big"}, "Rescaling: expected scale as a finite number, got 'big'."),
        (
            layers.Rescaling,
            {"scale": 1, "offset": float("nan")},
            "Rescaling: expected offset as a finite number, got nan.",
        ),
    ],
)
def test_R4_arguments_are_checked_at_the_door(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        cls(**settings)


def test_R4_inputs_that_do_not_fit() -> None:
    layer = layers.Dense(4)
    with pytest.raises(
        ShapeError, match=re.escape("layer dense: Dense: expected input of rank 2 or more (N, …, C), got rank 1")
    ):
        layer(np.zeros(3))
    layer(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=re.escape("layer dense: dense: expected 3 features")):
        layer(np.zeros((2, 4)))
