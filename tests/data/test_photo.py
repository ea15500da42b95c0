"""Photographs on their way to a network."""

import numpy as np
import pytest
from PIL import Image

from striate.data import PhotoPreprocessing
from striate.errors import ArgumentError, DataError, FormatError, LimitError


def picture(height=40, width=60, channels=3):
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_without_arguments_pixels_become_0_to_1():
    image = picture(8, 8)
    np.testing.assert_array_equal(PhotoPreprocessing((8, 8)).prepare(image), image / np.float32(255))


def test_the_middle_is_cut_out_after_the_shorter_side_is_scaled():
    """The steps as torchvision has them, done by hand with Pillow."""
    image = picture(40, 61)
    shown = PhotoPreprocessing((16, 16), shorter_side=20, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    scaled = Image.fromarray(image).resize((30, 20), Image.Resampling.BILINEAR)
    expected = np.asarray(scaled.crop((7, 2, 23, 18)), np.float32)
    expected = (expected / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(shown.prepare(image), expected, rtol=1e-5, atol=1e-6)


def test_R3_a_picture_that_would_be_huge_once_scaled_is_refused():
    """256 × 512,000,000 pixels would be 131 GB."""
    shown = PhotoPreprocessing((224, 224), shorter_side=256)
    for shape in ((1, 2_000_000, 3), (2_000_000, 1, 3)):
        with pytest.raises(LimitError, match=r"at most 40,000,000 pixels once .* scaled to 256, got 1 × 2,000,000\."):
            shown.prepare(np.zeros(shape, np.uint8))
    assert shown.prepare(np.zeros((10, 6000, 3), np.uint8)).shape == (224, 224, 3)


def test_a_picture_may_be_squeezed_into_the_input():
    image = picture(40, 60)
    expected = np.asarray(Image.fromarray(image).resize((8, 16), Image.Resampling.BICUBIC))
    shown = PhotoPreprocessing((16, 8), interpolation="bicubic", std=(1.0,))
    np.testing.assert_array_equal(shown.prepare(image), expected)


def test_blue_may_come_first_and_means_are_in_the_networks_order():
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 200  # red
    shown = PhotoPreprocessing((4, 4), colours="BGR", mean=(1.0, 2.0, 3.0), std=(1.0,)).prepare(image)
    np.testing.assert_array_equal(shown[0, 0], [-1, -2, 197])


def test_grey_is_luma_and_grey_pictures_have_three_equal_channels():
    image = picture(4, 4)
    luma = np.asarray(Image.fromarray(image).convert("L"))[:, :, None]
    np.testing.assert_array_equal(PhotoPreprocessing((4, 4), colours="grey").frame(image), luma)
    np.testing.assert_array_equal(PhotoPreprocessing((4, 4)).frame(luma), np.repeat(luma, 3, axis=2))


def test_json_gives_an_equal_object():
    shown = PhotoPreprocessing((8, 9), 12, (1.0, 2.0, 3.0), (4.0,), "BGR", "bicubic")
    assert PhotoPreprocessing.from_json(shown.to_json()) == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": (8, 0)}, r"expected sides as integers 1 to 8192, got size \(8, 0\)"),
        ({"size": (8, 8, 3)}, "expected sides as integers"),
        ({"size": (8, 8), "shorter_side": 7}, "expected shorter_side to be at least 8"),
        ({"size": (8, 8), "colours": "HSV"}, "expected colours RGB, BGR or grey, got 'HSV'"),
        ({"size": (8, 8), "interpolation": "nearest"}, "expected interpolation bilinear or bicubic, got 'nearest'"),
        ({"size": (8, 8), "mean": (1.0, 2.0)}, r"expected mean as 1 or 3 numbers, got \(1.0, 2.0\)"),
        ({"size": (8, 8), "std": (0.0,)}, r"expected std as 1 or 3 numbers, above 0, got \(0.0,\)"),
        ({"size": (8, 8), "std": (float("nan"),)}, "expected std"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        PhotoPreprocessing(**arguments)


def test_what_is_no_picture_is_refused():
    with pytest.raises(DataError, match=r"expected a picture of shape \(H, W, 3\) or \(H, W, 1\) in uint8"):
        PhotoPreprocessing((8, 8)).prepare(np.zeros((8, 8), np.uint8))


def test_json_with_other_names_or_values_is_refused():
    with pytest.raises(FormatError, match="expected exactly"):
        PhotoPreprocessing.from_json({"kind": "photo"})
    with pytest.raises(FormatError, match="shorter_side to be at least"):
        PhotoPreprocessing.from_json(PhotoPreprocessing((8, 8)).to_json() | {"shorter_side": 4})
