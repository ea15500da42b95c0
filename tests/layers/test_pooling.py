"""Pooling layers: the facts about their numbers, and what they refuse."""

import re
from typing import Any

import numpy as np
import pytest

from striate import layers
from striate.errors import ArgumentError, ShapeError
from striate.graph import Tensor, Trace, gradients
from striate.layers.layer import Layer
from striate.runtime.reference import ReferenceExecutor


def image(rows: Any) -> Any:
    """Rows of numbers as a batch of one image with one channel."""
    return np.asarray(rows, np.float32)[None, :, :, None]


def test_F10_max_pooling_starts_at_minus_infinity() -> None:
    assert layers.MaxPooling2D(2)(image([[-3, -1], [-7, -2]])).item() == -1
    padded = layers.MaxPooling2D(3, 1, "same")(image(-np.arange(1.0, 10).reshape(3, 3)))
    assert padded.max() == -1  # 0 from the padding would win everywhere
    np.testing.assert_array_equal(padded[0, :, :, 0], [[-1, -1, -2], [-1, -1, -2], [-4, -4, -5]])


def test_F13_average_pooling_leaves_the_padding_out_by_default() -> None:
    x = image([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    left_out = layers.AveragePooling2D(2, padding="same")(x)
    np.testing.assert_allclose(left_out[0, :, :, 0], [[3, 4.5], [7.5, 9]])
    included = layers.AveragePooling2D(2, padding="same", count_include_pad=True)(x)
    np.testing.assert_allclose(included[0, :, :, 0], [[3, 2.25], [3.75, 2.25]])


def test_O3_quadrants() -> None:
    x = image([[1, 9, 8, 0], [2, 3, 4, 5], [6, 1, 0, 5], [2, 3, 4, 1]])
    np.testing.assert_array_equal(layers.MaxPooling2D(2, 2)(x)[0, :, :, 0], [[9, 8], [6, 5]])


@pytest.mark.parametrize(
    ("window", "largest"),
    [((4, 8, -1, 2), 8), ((3, 3, 1, 9), 9), ((6, 0, 8, 2), 8), ((1, 3, 12, 9), 12), ((0, 0, 0, 0), 0)],
)
def test_O3_windows(window: tuple[int, ...], largest: int) -> None:
    assert layers.MaxPooling2D()(image(np.reshape(window, (2, 2)))).item() == largest


@pytest.mark.parametrize(("size", "expected"), [(8, 4), (26, 13), (28, 14)])
def test_O3_sizes(size: int, expected: int) -> None:
    assert layers.MaxPooling2D().compute_output_shape((None, size, size, 3)) == (None, expected, expected, 3)


def test_O4_average() -> None:
    assert layers.AveragePooling2D()(image([[4, 8], [-1, 2]])).item() == 3.25


COLOURS = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [90, 90, 90]]], np.float32)[None]


@pytest.mark.parametrize(
    ("layer", "pixel"),
    [
        (layers.MaxPooling2D(), (200, 200, 200)),
        (layers.BrightestPooling2D(), (90, 90, 90)),
        (layers.BrightestPooling2D(weights="luma"), (0, 200, 0)),
        (layers.BrightestPooling2D(weights=[0, 0, 1]), (0, 0, 200)),
    ],
)
def test_O5_by_channel_or_by_brightest_pixel(layer: Layer, pixel: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(layer(COLOURS)[0, 0, 0], pixel)


def test_O5_mixed_pooling_is_max_at_1_and_average_at_0() -> None:
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(layers.MixedPooling2D(alpha=1)(x), layers.MaxPooling2D()(x))
    np.testing.assert_array_equal(layers.MixedPooling2D(alpha=0)(x), layers.AveragePooling2D()(x))


def test_O5_a_learned_alpha_gets_its_gradient() -> None:
    layer = layers.MixedPooling2D(alpha=0.25, learned=True)
    x = image([[4, 8], [-1, 2]])
    assert layer(x).item() == 0.25 * 8 + 0.75 * 3.25
    (alpha,) = layer.trainable_weights
    assert (alpha.name, alpha.value.item()) == ("alpha", 0.25)
    symbol = Tensor(x.shape)
    with Trace().recording() as scope:
        y = layer(symbol)
        (slope,) = gradients(y, [scope.symbol(alpha)], Tensor.constant(np.ones((1, 1, 1, 1), np.float32)))
    assert slope is not None
    (value,) = ReferenceExecutor(scope.graph([symbol], [slope])).run([x])
    assert value == 8 - 3.25


def test_O5_global_adaptive_dilated_and_lp() -> None:
    x = image(np.arange(16).reshape(4, 4))
    assert layers.GlobalMaxPooling2D()(x).tolist() == [[15]]
    assert layers.GlobalAveragePooling2D()(x).tolist() == [[7.5]]
    adaptive = layers.AdaptiveAveragePooling2D(3)(x)[0, :, :, 0]
    np.testing.assert_allclose(adaptive, [[2.5, 3.5, 4.5], [6.5, 7.5, 8.5], [10.5, 11.5, 12.5]])
    np.testing.assert_array_equal(layers.AdaptiveMaxPooling2D((1, 2))(x)[0, :, :, 0], [[13, 15]])
    dilated = layers.MaxPooling2D(2, 1, dilation_rate=3)(x)
    assert dilated.shape == (1, 1, 1, 1)
    assert dilated.item() == 15
    assert layers.LpPooling2D(2)(image([[3, 0], [0, -4]])).item() == 5
    assert layers.LpPooling2D(2, p=1)(image([[3, 0], [0, -4]])).item() == 7


def test_O5_in_one_two_and_three_dimensions() -> None:
    generator = np.random.default_rng(0)
    volume = generator.standard_normal((2, 4, 4, 4, 3)).astype(np.float32)
    blocks = volume.reshape(2, 2, 2, 2, 2, 2, 2, 3)
    np.testing.assert_array_equal(layers.MaxPooling3D()(volume), blocks.max(axis=(2, 4, 6)))
    np.testing.assert_allclose(layers.AveragePooling3D()(volume), blocks.mean(axis=(2, 4, 6)), atol=1e-6)
    series = volume[:, 0, 0]
    np.testing.assert_array_equal(layers.MaxPooling1D()(series), series.reshape(2, 2, 2, 3).max(axis=2))


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (layers.MaxPooling2D(), "The largest number of every 2×2 window of each map."),
        (layers.MaxPooling3D(2, 1), "The largest number of every 2×2×2 window of each map, in steps of 1×1×1."),
        (layers.AveragePooling1D(3, 1), "The mean of every length-3 window of each map, in steps of 1."),
        (
            layers.MaxPooling2D(2, dilation_rate=3),
            "The largest number of every 2×2 window of each map, dilated by 3×3.",
        ),
        (layers.LpPooling2D(p=3), "The 3-norm of every 2×2 window of each map."),
        (
            layers.BrightestPooling2D(3, 2),
            "The brightest pixel, with all its channels, of every 3×3 window, in steps of 2×2.",
        ),
        (
            layers.MixedPooling2D(alpha=0.3),
            "0.3 times the largest number plus 0.7 times the mean of every 2×2 window of each map.",
        ),
        (
            layers.MixedPooling2D(learned=True),
            "A learned mixture of the largest number and the mean of every 2×2 window of each map.",
        ),
        (layers.GlobalAveragePooling2D(), "The mean of each whole map."),
        (layers.AdaptiveMaxPooling2D((2, 3)), "Of each of 2×3 windows that cover a map, the largest number."),
        (layers.AdaptiveAveragePooling1D(4), "Of each of 4 windows that cover a map, the mean."),
    ],
)
def test_describe(layer: Layer, sentence: str) -> None:
    assert layer.describe() == sentence


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (
        layers.MaxPooling2D,
        {"pool_size": 0},
        "MaxPooling2D: expected pool_size as an integer or 2 of them, each at least 1, got 0",
    ),
    (
        layers.MaxPooling1D,
        {"strides": 0},
        "MaxPooling1D: expected strides as an integer or 1 of them, each at least 1, got 0",
    ),
    (layers.MaxPooling2D, {"padding": "sam"}, "MaxPooling2D: expected padding as one of valid, same"),
    (layers.MaxPooling2D, {"dilation_rate": 0}, "MaxPooling2D: expected dilation_rate as an integer or 2 of them"),
    (
        layers.AveragePooling3D,
        {"data_format": "channels_first"},
        "AveragePooling3D: expected data_format 'channels_last'",
    ),
    (layers.LpPooling2D, {"p": 0.5}, "LpPooling2D: expected p of at least 1, got 0.5."),
    (layers.LpPooling2D, {"p": float("inf")}, "LpPooling2D: expected p as a finite number, got inf."),
    (layers.MixedPooling2D, {"alpha": 1.5}, "MixedPooling2D: expected alpha from 0 (mean) to 1 (max), got 1.5."),
    (layers.MixedPooling2D, {"alpha": -0.5}, "MixedPooling2D: expected alpha of at least 0, got -0.5."),
    (layers.MixedPooling2D, {"alpha": "half"}, "MixedPooling2D: expected alpha as a finite number, got 'half'."),
    (
        layers.GlobalMaxPooling2D,
        {"data_format": "channels_first"},
        "GlobalMaxPooling2D: expected data_format 'channels_last'",
    ),
    (
        layers.AdaptiveMaxPooling2D,
        {"output_size": 0},
        "AdaptiveMaxPooling2D: expected output_size as an integer or 2 of them",
    ),
    (
        layers.AdaptiveAveragePooling1D,
        {"output_size": 2, "data_format": "channels_first"},
        "AdaptiveAveragePooling1D: expected data_format 'channels_last'",
    ),
]


@pytest.mark.parametrize(("cls", "settings", "message"), REFUSED, ids=[message[:50] for _, _, message in REFUSED])
def test_R4_arguments_are_checked_at_the_door(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        cls(**settings)


def test_R4_inputs_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="layer max_pooling2d: max_pool: the kernel covers 3 positions"):
        layers.MaxPooling2D(3)(np.zeros((1, 2, 2, 1)))
    with pytest.raises(
        ShapeError, match="layer brightest_pooling2d: brightest_pool: expected one weight for each of 4 channels"
    ):
        layers.BrightestPooling2D(weights="luma")(np.zeros((1, 2, 2, 4)))
    with pytest.raises(
        ArgumentError, match="brightest_pool: expected weights as 'sum', 'luma' or a number for each channel"
    ):
        layers.BrightestPooling2D(weights="green")(np.zeros((1, 2, 2, 3)))
