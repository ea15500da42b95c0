"""Preset filters: their textbook forms, what they answer to, and strokes of handwritten fours."""

import numpy as np
import pytest

from striate import datasets, ops, random
from striate.errors import ArgumentError
from striate.layers.filters import PRESETS, preset_filter, preset_filters
from striate.layers.initializers import PresetFilters

FIXED = tuple(name for name in PRESETS if name != "random")

TEXTBOOK = {
    "sobel_x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel_y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "box_blur": [[1 / 9] * 3] * 3,
    "gaussian_blur": [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "vertical_stripes": [[-1, 2, -1]] * 3,
    "vertical_stripes_dark": [[1, -2, 1]] * 3,
    "horizontal_stripes": [[-1] * 3, [2] * 3, [-1] * 3],
    "horizontal_stripes_dark": [[1] * 3, [-2] * 3, [1] * 3],
}

#: A 4 with strokes one pixel wide, far enough apart for a window of 5. # is ink.
FOUR = """
................
...#............
...#........#...
...#........#...
...#........#...
...#........#...
...#........#...
...##########...
............#...
............#...
............#...
............#...
............#...
............#...
................
"""


def drawn(picture: str) -> np.ndarray:
    """A picture of # and . as an image (1, H, W, 1), bright ink."""
    rows = [[character == "#" for character in row] for row in picture.split()]
    return np.array(rows, np.float32)[None, :, :, None]


def answer(image: np.ndarray, name: str, size: int = 3) -> np.ndarray:
    """What a filter and a ReLU answer at each pixel: (H, W)."""
    return np.maximum(ops.conv2d(image, preset_filters(name, size=size), padding="same")[0, :, :, 0], 0)


@pytest.mark.parametrize("name", FIXED)
def test_O14_textbook_forms(name: str) -> None:
    np.testing.assert_allclose(preset_filter(name), TEXTBOOK[name], rtol=1e-7)


def test_O14_larger_forms() -> None:
    np.testing.assert_array_equal(preset_filter("vertical_stripes", 5)[0], [2, -3, 2, -3, 2])
    np.testing.assert_array_equal(preset_filter("sobel_x", 5)[2], [-6, -12, 0, 12, 6])
    np.testing.assert_array_equal(preset_filter("laplacian", 5)[2], [1, 1, -8, 1, 1])


@pytest.mark.parametrize("size", [3, 5, 7, 9])
@pytest.mark.parametrize("name", FIXED)
def test_O14_answer_to_a_plain_area(name: str, size: int) -> None:
    """Edges and stripes answer 0 to a plain area; the others leave it as it is."""
    keeps = name in ("sharpen", "box_blur", "gaussian_blur", "emboss")
    assert preset_filter(name, size).shape == (size, size)
    assert preset_filter(name, size).sum() == pytest.approx(1 if keeps else 0, abs=1e-5)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_O14_sobel_measures_the_slope(size: int) -> None:
    rows, columns = np.indices((15, 15)).astype(np.float32)
    for name, along, across in (("sobel_x", columns, rows), ("sobel_y", rows, columns)):
        kernel = preset_filters(name, size=size)
        strength = ops.conv2d(along[None, :, :, None], kernel)
        assert strength.min() == strength.max() > 0
        assert not ops.conv2d(across[None, :, :, None], kernel).any()


@pytest.mark.parametrize("size", [3, 5])
def test_O14_vertical_line_filter_on_a_drawn_4(size: int) -> None:
    image = drawn(FOUR)
    ink = image[0, :, :, 0] > 0
    vertical, horizontal = np.zeros_like(ink), np.zeros_like(ink)
    vertical[3:5, 3] = vertical[4, 12] = vertical[10:12, 12] = True  # the strokes without ends and corners
    horizontal[7, 6:10] = True
    assert ink[vertical].all()
    assert ink[horizontal].all()
    for name, strong, weak in (
        ("vertical_stripes", vertical, horizontal),
        ("horizontal_stripes", horizontal, vertical),
    ):
        answers = answer(image, name, size)
        assert answers[strong].mean() > 0
        assert answers[strong].mean() >= 3 * answers[weak].mean()


def test_O14_vertical_line_filter_on_handwritten_fours() -> None:
    (images, labels), _ = datasets.mnist.load_data()
    fours = images[labels == 4][:300].astype(np.float32) / 255
    # The direction of a stroke is told without any filter of ours: by the structure tensor, the mean over 5 × 5 pixels
    # of the products of slopes, whose strongest direction is across the stroke.
    down, right = np.gradient(fours, axis=(1, 2))
    xx, yy, xy = (around(product) for product in (right * right, down * down, right * down))
    across = 0.5 * np.arctan2(2 * xy, xx - yy)
    one_direction = np.hypot(xx - yy, 2 * xy) > 0.7 * (xx + yy)
    strokes = (fours > 0.5) & one_direction
    vertical = strokes & (np.abs(across) < np.deg2rad(20))
    horizontal = strokes & (np.abs(across) > np.deg2rad(70))
    assert min(vertical.sum(), horizontal.sum()) > 500

    for name, strong, weak in (
        ("vertical_stripes", vertical, horizontal),
        ("horizontal_stripes", horizontal, vertical),
    ):
        answers = np.maximum(ops.conv2d(fours[..., None], preset_filters(name), padding="same")[..., 0], 0)
        assert answers[strong].mean() >= 3 * answers[weak].mean()


def around(maps: np.ndarray) -> np.ndarray:
    """The mean over the 5 × 5 pixels around each pixel: (N, H, W) → (N, H, W)."""
    padded = np.pad(maps, ((0, 0), (2, 2), (2, 2)))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (1, 2)).mean((-1, -2)))


def test_O14_a_sparse_curve_filter_gives_exactly_0_where_nothing_overlaps() -> None:
    curve = drawn(
        """
        .......
        .....#.
        ....#..
        ...#...
        ...#...
        ...#...
        .......
        """
    )[0]
    image = np.zeros((1, 7, 14, 1), np.float32)
    image[0, :, :7] = curve  # the curve itself on the left, its mirror image without common pixels on the right
    image[0, :, 7:] = curve[:, ::-1] * (curve == 0)
    answers = ops.conv2d(image, curve[..., None])[0, 0, :, 0]
    assert answers[0] == curve.sum() == 5
    assert answers[7] == 0


def test_O14_random_filters_have_a_seed() -> None:
    np.testing.assert_array_equal(preset_filter("random", 5, seed=3), preset_filter("random", 5, seed=3))
    assert not np.array_equal(preset_filter("random", seed=3), preset_filter("random", seed=4))
    first, second = np.moveaxis(preset_filters("random", "random", seed=3)[:, :, 0], -1, 0)
    assert not np.array_equal(first, second)
    random.set_seed(7)
    np.testing.assert_array_equal(preset_filter("random"), preset_filter("random", seed=7))
    many = preset_filter("random", 201, seed=0)
    assert abs(many.mean()) < 0.02
    assert many.std() == pytest.approx(1, abs=0.02)


def test_O14_several_filters_are_one_kernel() -> None:
    kernel = preset_filters(*PRESETS, size=5, seed=1)
    assert kernel.shape == (5, 5, 1, len(PRESETS))
    assert kernel.dtype == np.float32
    for i, name in enumerate(FIXED):
        np.testing.assert_array_equal(kernel[:, :, 0, i], preset_filter(name, 5))


def test_O14_the_filters_are_weights_of_a_layer() -> None:
    kernel = PresetFilters(["sobel_x", "sobel_y"])((3, 3, 2, 2))
    for channel in range(2):
        np.testing.assert_array_equal(kernel[:, :, channel], preset_filters("sobel_x", "sobel_y")[:, :, 0])


def test_what_cannot_be() -> None:
    with pytest.raises(
        ArgumentError, match=r"preset_filter: expected one of sobel_x, sobel_y, .*, random; got 'sobel'"
    ):
        preset_filter("sobel")
    for size in (1, 4, 3.0, True):
        with pytest.raises(ArgumentError, match=r"preset_filter: expected an odd size of at least 3, got"):
            preset_filter("sobel_x", size)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"preset_filters: expected at least one of sobel_x, .*; got none"):
        preset_filters()
