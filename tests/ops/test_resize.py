"""Upsampling: numbers by hand, PyTorch, Keras, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Tensor
from striate.ops.resize import UPSAMPLE_BILINEAR, UPSAMPLE_NEAREST, UPSAMPLE_NEAREST_GRAD
from striate.testing import check_adjoint
from tests.ops.oracles import assert_agrees_with_torch

IMAGES = np.random.default_rng(0).standard_normal((2, 4, 5, 3))


def test_O9_nearest_repeats_every_pixel() -> None:
    x = np.array([[1, 2], [3, 4]]).reshape(1, 2, 2, 1)
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(ops.upsample_nearest(x)[0, :, :, 0], expected)
    np.testing.assert_array_equal(ops.upsample_nearest(x, (1, 3))[0, :, :, 0], [[1, 1, 1, 2, 2, 2], [3, 3, 3, 4, 4, 4]])


def test_O9_bilinear_mixes_neighbours_with_pixel_centres_at_a_half() -> None:
    x = np.array([[0.0, 4.0]]).reshape(1, 1, 2, 1)
    np.testing.assert_array_equal(ops.upsample_bilinear(x, (1, 2)).ravel(), [0, 1, 3, 4])


def test_O9_agrees_with_keras_and_pytorch_forward_and_backward() -> None:
    keras = pytest.importorskip("keras")
    torch = pytest.importorskip("torch")
    for size in [(2, 2), (3, 2), (1, 4)]:
        for interpolation, ours in [("nearest", ops.upsample_nearest), ("bilinear", ops.upsample_bilinear)]:
            layer = keras.layers.UpSampling2D(size, interpolation=interpolation, dtype="float64")
            assert_agrees_with_torch(lambda x, ours=ours, size=size: ours(x, size), layer, [IMAGES])
    volumes = IMAGES[..., None]
    assert_agrees_with_torch(
        lambda x: ops.upsample_nearest(x, (2, 3, 1)),
        lambda x: torch.nn.functional.interpolate(x.movedim(-1, 1), scale_factor=(2, 3, 1)).movedim(1, -1),
        [volumes],
    )
    assert_agrees_with_torch(
        lambda x: UPSAMPLE_BILINEAR(x, output_size=(3, 9)),
        lambda x: torch.nn.functional.interpolate(x.movedim(-1, 1), (3, 9), mode="bilinear").movedim(1, -1),
        [IMAGES],
    )


def test_O7_gradients_are_adjoints() -> None:
    check_adjoint(lambda x: UPSAMPLE_NEAREST(x, size=(3, 2)), lambda g: UPSAMPLE_NEAREST_GRAD(g, size=(3, 2)), IMAGES)
    check_adjoint(
        lambda x: UPSAMPLE_BILINEAR(x, output_size=(8, 15)),
        lambda g: UPSAMPLE_BILINEAR.adjoint(g, size=(4, 5)),
        IMAGES,
    )


def test_infinities_stay_where_their_weight_is() -> None:
    x = np.zeros((1, 4, 4, 1))
    x[0, 0, 0, 0] = np.inf
    y = ops.upsample_bilinear(x)[0, :, :, 0]
    assert np.isinf(y[:3, :3]).all()
    assert (y[3:] == 0).all()
    assert (y[:, 3:] == 0).all()


def test_multiply_adds_count_the_pixels_that_are_mixed() -> None:
    node = ops.upsample_bilinear(Tensor((2, 4, 5, 3))).node
    assert node.operation.fan_in(node) == 4
    assert node.operation.multiply_adds(node) == 2 * 8 * 10 * 3 * 4
    back = UPSAMPLE_BILINEAR.adjoint(Tensor((2, 8, 10, 3)), size=(4, 5)).node
    assert back.operation.multiply_adds(back) == 2 * (2 * 8 - 2) * (2 * 10 - 2) * 3  # the ends are not mixed
    back = UPSAMPLE_NEAREST_GRAD(Tensor((2, 8, 10, 3)), size=(2, 2)).node
    assert back.operation.fan_in(back) == 4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ops.upsample_nearest(IMAGES, 0),
            ArgumentError,
            "upsample_nearest: expected size as an integer or 2 of them, each at least 1, got 0.",
        ),
        (
            lambda: ops.upsample_nearest(IMAGES[0, 0]),
            ShapeError,
            "upsample_nearest: expected input of rank 3 or more (N, *size, C), got (5, 3).",
        ),
        (
            lambda: UPSAMPLE_NEAREST(IMAGES, size=(2,)),
            ShapeError,
            "upsample_nearest: expected input of rank 3 (N, *size, C) for factors (2,), got rank 4 (2, 4, 5, 3).",
        ),
        (
            lambda: ops.upsample_bilinear(IMAGES, (2, 2, 2)),
            ArgumentError,
            "upsample_bilinear: expected size as an integer or 2 of them, each at least 1, got (2, 2, 2).",
        ),
        (
            lambda: ops.upsample_bilinear(IMAGES[0]),
            ShapeError,
            "upsample_bilinear: expected input of rank 4 (N, H, W, C), got (4, 5, 3).",
        ),
        (
            lambda: ops.upsample_bilinear(IMAGES[:, :0]),
            ShapeError,
            "upsample_bilinear: expected input of rank 4 (N, *size, C) with no empty spatial axis for an "
            "output of (0, 10), got (2, 0, 5, 3).",
        ),
    ],
)
def test_refuses_what_means_nothing(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()
