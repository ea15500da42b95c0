"""Layers that move, pad, cut and repeat."""

import re
from typing import Any

import numpy as np
import pytest

from striate import layers
from striate.errors import ArgumentError, ShapeError
from striate.layers.layer import Layer

X = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)


def test_O9_flatten_reshape_permute_repeat() -> None:
    np.testing.assert_array_equal(layers.Flatten()(X), [np.arange(24)])
    assert layers.Flatten()(np.zeros(3)).shape == (3, 1)
    np.testing.assert_array_equal(layers.Reshape((4, -1))(X), X.reshape(1, 4, 6))
    np.testing.assert_array_equal(layers.Reshape(24)(X), X.reshape(1, 24))
    np.testing.assert_array_equal(layers.Permute((3, 1, 2))(X), X.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(layers.RepeatVector(2)(np.array([[1, 2], [3, 4]])), [[[1, 2]] * 2, [[3, 4]] * 2])


def test_O9_padding_and_cropping_undo_each_other() -> None:
    padded = layers.ZeroPadding2D(((1, 0), (2, 3)))(X)
    np.testing.assert_array_equal(padded, np.pad(X, ((0, 0), (1, 0), (2, 3), (0, 0))))
    np.testing.assert_array_equal(layers.Cropping2D(((1, 0), (2, 3)))(padded), X)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (1, ((1, 1), (1, 1))),
        ((1, 2), ((1, 1), (2, 2))),
        ([[1, 2], [3, 4]], ((1, 2), (3, 4))),
        ((0, (1, 2)), ((0, 0), (1, 2))),
    ],
)
def test_three_ways_to_say_padding(padding: Any, expected: Any) -> None:
    assert layers.ZeroPadding2D(padding).padding == expected


def test_one_pair_is_enough_in_one_dimension() -> None:
    assert layers.ZeroPadding1D((1, 2)).padding == layers.ZeroPadding1D([(1, 2)]).padding == ((1, 2),)
    assert layers.Cropping1D(3).cropping == ((3, 3),)


def test_O9_upsampling() -> None:
    x = np.array([[0, 4], [8, 12]], np.float32).reshape(1, 2, 2, 1)
    nearest = layers.UpSampling2D((1, 2))(x)[0, :, :, 0]
    np.testing.assert_array_equal(nearest, [[0, 0, 4, 4], [8, 8, 12, 12]])
    bilinear = layers.UpSampling2D((1, 2), interpolation="bilinear")(x)[0, :, :, 0]
    np.testing.assert_array_equal(bilinear, [[0, 1, 3, 4], [8, 9, 11, 12]])


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (layers.Flatten(), "All numbers of a sample in one row."),
        (layers.Reshape((7, -1, 2)), "The same numbers in the shape 7×?×2."),
        (layers.Permute((2, 1)), "The same numbers with the axes of a sample in the order 2, 1."),
        (layers.RepeatVector(3), "The input repeated 3 times."),
        (layers.ZeroPadding2D((1, 2)), "Zeros put around every map: 1 above, 1 below, 2 left, 2 right."),
        (layers.Cropping1D((0, 2)), "The edges of every map cut off: 0 before, 2 after."),
        (layers.ZeroPadding3D(), "Zeros put around every map: 1 on each side."),
        (
            layers.Cropping3D(((1, 2), (3, 4), (5, 6))),
            "The edges of every map cut off: 1 in front, 2 behind, 3 above, 4 below, 5 left, 6 right.",
        ),
        (layers.UpSampling2D(2), "Every map made 2×2 times as large by repeating its numbers."),
        (
            layers.UpSampling2D(2, interpolation="bilinear"),
            "Every map made 2×2 times as large by linear interpolation between its numbers.",
        ),
    ],
)
def test_describe(layer: Layer, sentence: str) -> None:
    assert layer.describe() == sentence


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (
        layers.Flatten,
        {"data_format": "channels_first"},
        "Flatten: expected data_format 'channels_last', got 'channels_first'.",
    ),
    (layers.Reshape, {"target_shape": (3, 0)}, "Reshape: expected sizes of at least 1, or one −1, got (3, 0)."),
    (layers.Reshape, {"target_shape": (-1, -1)}, "Reshape: expected sizes of at least 1, or one −1, got (-1, -1)."),
    (layers.Reshape, {"target_shape": (2.0,)}, "Reshape: expected target_shape as an integer, got 2.0."),
    (layers.Permute, {"dims": (0, 1)}, "Permute: expected dims to be a permutation of 1 … 2, got (0, 1)."),
    (layers.RepeatVector, {"n": 0}, "RepeatVector: expected n of at least 1, got 0."),
    (
        layers.ZeroPadding2D,
        {"padding": (1, 2, 3)},
        "ZeroPadding2D: expected padding as an integer, or one number or",
    ),
    (layers.ZeroPadding2D, {"padding": -1}, "ZeroPadding2D: expected padding as an integer"),
    (layers.ZeroPadding1D, {"padding": "same"}, "ZeroPadding1D: expected padding as an integer"),
    (layers.ZeroPadding3D, {"data_format": "channels_first"}, "ZeroPadding3D: expected data_format 'channels_last'"),
    (layers.Cropping3D, {"cropping": (1, -1, 1)}, "Cropping3D: expected cropping as an integer"),
    (layers.Cropping2D, {"data_format": "channels_first"}, "Cropping2D: expected data_format 'channels_last'"),
    (
        layers.UpSampling1D,
        {"size": 0},
        "UpSampling1D: expected size as an integer or 1 of them, each at least 1, got 0.",
    ),
    (
        layers.UpSampling2D,
        {"interpolation": "bicubic"},
        "UpSampling2D: expected interpolation 'nearest' or 'bilinear', got 'bicubic'.",
    ),
    (layers.UpSampling3D, {"data_format": "channels_first"}, "UpSampling3D: expected data_format 'channels_last'"),
]


@pytest.mark.parametrize(("cls", "settings", "message"), REFUSED, ids=[message[:50] for _, _, message in REFUSED])
def test_R4_arguments_are_checked_at_the_door(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        cls(**settings)


def test_R4_inputs_that_do_not_fit() -> None:
    with pytest.raises(
        ShapeError, match=re.escape("layer reshape: reshape: expected a shape of 24 numbers for (1, 2, 3, 4)")
    ):
        layers.Reshape((5, 5))(X)
    with pytest.raises(
        ShapeError, match=re.escape("Permute: expected input of rank 3 for dims=(2, 1), got rank 4 (1, 2, 3, 4)")
    ):
        layers.Permute((2, 1))(X)
    with pytest.raises(ShapeError, match=re.escape("RepeatVector: expected input of rank 2 (N, C), got rank 4")):
        layers.RepeatVector(2)(X)
    with pytest.raises(
        ShapeError,
        match=re.escape(
            "Cropping2D: expected an input larger than what is cut off (1 above, 1 below, 0 left, 0 right), got (2, 3)"
        ),
    ):
        layers.Cropping2D((1, 0))(X)
    with pytest.raises(ShapeError, match=re.escape("UpSampling1D: expected input of rank 3 (N, W, C), got rank 4")):
        layers.UpSampling1D()(X)
