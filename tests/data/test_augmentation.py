"""Augmentation: replayable, in range, and the numbers of its formulas."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from striate.data import PhotoPreprocessing
from striate.data import augmentation as aug
from striate.data.augmentation import AUGMENTATIONS, Augmentation, Draw
from striate.errors import ArgumentError

DRAW = Draw(seed=1, epoch=2, index=3)
sides = st.integers(1, 40)
draws = st.builds(Draw, st.integers(0, 2**63 - 1), st.integers(0, 2**32), st.integers(0, 2**32))


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


OF_ONE = {
    "crop": lambda image, draw: aug.random_resized_crop(image, draw, size=(12, 9)),
    "flip": aug.horizontal_flip,
    "jitter": aug.color_jitter,
    "randaugment": aug.rand_augment,
    "erasing": lambda image, draw: aug.random_erasing(image, draw, probability=1.0),
}


@pytest.mark.parametrize("name", OF_ONE)
@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, draw=draws)
def test_R1_any_picture_gives_the_same_picture_again(name, height, width, draw):
    image = picture(height, width)
    before = image.copy()
    first = OF_ONE[name](image, draw)
    assert first.dtype == np.uint8
    assert first.shape == ((12, 9, 3) if name == "crop" else image.shape)
    np.testing.assert_array_equal(first, OF_ONE[name](image, draw))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("change", [{"seed": 2}, {"epoch": 3}, {"index": 4}])
def test_another_seed_epoch_or_index_gives_another_picture(name, change):
    image = picture(30, 40)
    values = {"seed": 1, "epoch": 2, "index": 3}
    differ = [
        not np.array_equal(
            OF_ONE[name](image, Draw(**values | {"index": i})),
            OF_ONE[name](image, Draw(**values | {"index": i} | {k: v + i for k, v in change.items()})),
        )
        for i in range(20)
    ]
    assert any(differ)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 5), draw=draws, alpha=st.floats(0.001, 1.0), name=st.sampled_from(["mixup", "cutmix"]))
def test_mixed_labels_are_shares(count, draw, alpha, name):
    images = np.stack([picture(7, 9, seed) for seed in range(count)])
    labels = np.eye(4, dtype=np.float32)[np.arange(count) % 4]
    mixed, shares = getattr(aug, name)(images, labels, draw, alpha=alpha)
    assert (mixed.dtype, mixed.shape) == (np.uint8, images.shape)
    assert (shares.dtype, shares.shape) == (np.float32, labels.shape)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_mixup_by_hand():
    images = np.array([0, 200], np.uint8).reshape(2, 1, 1, 1).repeat(3, -1)
    labels = np.eye(2, dtype=np.float32)
    mixed, shares = aug.mixup(images, labels, DRAW)
    share = float(shares[0, 0])
    assert 0 < share < 1
    np.testing.assert_allclose(shares, [[share, 1 - share], [1 - share, share]], atol=1e-6)
    np.testing.assert_allclose(mixed[:, 0, 0, 0], [200 * (1 - share), 200 * share], atol=0.51)


def test_cutmix_labels_are_the_area_that_is_left():
    images = np.stack([np.zeros((20, 30, 3), np.uint8), np.full((20, 30, 3), 255, np.uint8)])
    for index in range(30):
        mixed, shares = aug.cutmix(images, np.eye(2, dtype=np.float32), Draw(0, 0, index))
        assert shares[0, 0] == pytest.approx((mixed[0, :, :, 0] == 0).mean(), abs=1e-6)
        np.testing.assert_array_equal(mixed[0], 255 - mixed[1])


def test_shares_follow_the_beta_distribution():
    """Beta(α, α) has mean 1/2 and variance 1 / (4·(2·α + 1))."""
    for alpha in (0.2, 1.0):
        shares = np.array([aug._beta(Draw(7, 0, index), "mixup", alpha) for index in range(4000)])
        assert abs(shares.mean() - 0.5) < 0.02
        assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.06)
    assert 0 <= aug._beta(DRAW, "mixup", 0.001) <= 1


def test_crop_of_everything_is_a_plain_scaling():
    image = picture(20, 20)
    whole = aug.random_resized_crop(image, DRAW, size=(10, 10), area=(1.0, 1.0), ratio=(1.0, 1.0))
    expected = np.asarray(Image.fromarray(image).resize((10, 10), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(whole, expected)


def test_crops_have_the_area_and_proportions_asked_for():
    """On a ramp, the values at the edges of a crop say where it was cut."""
    side = 240
    ramp = np.zeros((side, side, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(side)[None, :], np.arange(side)[:, None]
    areas, ratios = [], []
    for index in range(200):
        crop = aug.random_resized_crop(ramp, Draw(3, 0, index), size=(60, 60), area=(0.25, 0.5)).astype(float)
        # 60 samples are spread evenly, so they span 59/60 of the crop
        width = (crop[30, -1, 0] - crop[30, 0, 0]) * 60 / 59
        height = (crop[-1, 30, 1] - crop[0, 30, 1]) * 60 / 59
        areas.append(width * height / side**2)
        ratios.append(width / height)
    assert 0.23 < min(areas) < 0.28
    assert 0.46 < max(areas) < 0.53
    assert 0.72 < min(ratios) < 0.82
    assert 1.23 < max(ratios) < 1.39


@pytest.mark.parametrize("shape", [(1, 50, 3), (50, 1, 3), (1, 1, 3)])
def test_a_picture_too_narrow_for_any_crop_shows_its_middle(shape):
    image = np.full(shape, 90, np.uint8)
    crop = aug.random_resized_crop(image, DRAW, size=(8, 8))
    assert (crop == 90).all()
    assert crop.shape == (8, 8, 3)


def test_half_of_the_pictures_are_flipped():
    image = picture(4, 5)
    flipped = [np.array_equal(aug.horizontal_flip(image, Draw(0, 0, i)), image[:, ::-1]) for i in range(400)]
    assert 160 < sum(flipped) < 240
    np.testing.assert_array_equal(aug.horizontal_flip(image, DRAW, probability=0), image)


def test_jitter_of_one_kind_is_pillows_enhancement():
    image = picture(16, 16)
    for argument, enhancer, place in (
        ("brightness", ImageEnhance.Brightness, 0),
        ("contrast", ImageEnhance.Contrast, 1),
        ("saturation", ImageEnhance.Color, 2),
    ):
        quiet = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
        number = DRAW.uniform("color jitter", 8)[place]
        expected = enhancer(Image.fromarray(image)).enhance(1 + 0.5 * (2 * number - 1))
        expected = expected.convert("HSV").convert("RGB")  # a hue that is turned by nothing still goes through HSV
        changed = aug.color_jitter(image, DRAW, **quiet | {argument: 0.5})
        assert np.abs(changed.astype(int) - np.asarray(expected)).max() <= 8


def test_hue_turns_red_to_green_to_blue():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    for turn, colour in ((1 / 3, (0, 255, 0)), (2 / 3, (0, 0, 255)), (-1 / 3, (0, 0, 255)), (0, (255, 0, 0))):
        turned = np.asarray(aug._turn_hue(red, turn))[0, 0].astype(int)
        assert np.abs(turned - colour).max() <= 6, turn


def spread(changes):
    """Assert that changes are uniform from −1 to 1: as many one way as the other, as many small as large."""
    counts, _ = np.histogram(changes, 4, (-1.1, 1.1))
    assert counts.sum() == len(changes)
    assert counts.min() > len(changes) / 6
    assert np.min(changes) < -0.8
    assert np.max(changes) > 0.8


QUIET = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
MANY = [Draw(5, 0, index) for index in range(200)]


def test_hue_is_turned_either_way():
    """Python's own colorsys says how far."""
    green = np.zeros((1, 1, 3), np.uint8)
    green[..., 1] = 255
    turned = [aug.color_jitter(green, draw, **QUIET | {"hue": 0.2})[0, 0] / 255 for draw in MANY]
    spread([(colorsys.rgb_to_hsv(*colour)[0] - 1 / 3) / 0.2 for colour in turned])


def test_light_is_changed_either_way():
    """Of grey 100 and 200: brightness is a factor; contrast spreads them from their mean; saturation leaves grey."""
    greys = np.array([100, 200], np.uint8).reshape(1, 2, 1).repeat(3, -1)
    for argument, number in (
        ("brightness", lambda dark, bright: dark / 100),
        ("contrast", lambda dark, bright: (bright - dark) / 100),
    ):
        changed = [aug.color_jitter(greys, draw, **QUIET | {argument: 0.2})[0, :, 0].astype(float) for draw in MANY]
        spread([(number(*pair) - 1) / 0.2 for pair in changed])
    brown = np.array([[[150, 100, 100]]], np.uint8)
    changed = [aug.color_jitter(brown, draw, **QUIET | {"saturation": 0.2})[0, 0].astype(float) for draw in MANY]
    spread([((red - green) / 50 - 1) / 0.2 for red, green, _ in changed])


def test_randaugment_takes_every_operation_and_goes_either_way():
    image = picture(12, 13)
    ways = {
        (name, sign): aug.RAND_AUGMENT[name](Image.fromarray(image), sign * 0.5)
        for name in aug.RAND_AUGMENT
        for sign in (1, -1)
    }
    found = dict.fromkeys(ways, 0)
    for draw in (Draw(5, 1, index) for index in range(600)):
        changed = aug.rand_augment(image, draw, operations=1, magnitude=15)
        for way, expected in ways.items():
            found[way] += np.array_equal(changed, expected)
    assert min(found.values()) > 7  # of some 21


def test_erased_rectangles_have_any_proportions_and_places():
    image = np.zeros((60, 60, 3), np.uint8)
    tops, lefts, ratios, areas = [], [], [], []
    for draw in MANY:
        erased = aug.random_erasing(image, draw, probability=1.0, area=(0.1, 0.2), ratio=2.0).any(axis=2)
        rows, columns = np.flatnonzero(erased.any(axis=1)), np.flatnonzero(erased.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        tops.append(2 * rows[0] / (60 - height) - 1)
        lefts.append(2 * columns[0] / (60 - width) - 1)
        ratios.append(np.log2(height / width))
        areas.append((height * width / 3600 - 0.15) / 0.05)
    for changes in (tops, lefts, ratios, areas):
        spread(changes)


@pytest.mark.parametrize("name", aug.RAND_AUGMENT)
@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_every_operation_of_randaugment_keeps_size_and_mode(name, strength):
    image = Image.fromarray(picture(15, 22))
    changed = aug.RAND_AUGMENT[name](image, strength)
    assert (changed.size, changed.mode) == (image.size, "RGB")
    keeps = strength == 0 and name not in ("autocontrast", "equalize")
    assert not keeps or np.array_equal(np.asarray(changed), np.asarray(image))


def test_randaugment_of_nothing_and_of_much():
    image = picture(15, 22)
    np.testing.assert_array_equal(aug.rand_augment(image, DRAW, operations=0), image)
    much = [aug.rand_augment(image, Draw(0, 0, i), operations=2, magnitude=30) for i in range(10)]
    assert sum(not np.array_equal(one, image) for one in much) >= 8


def test_erasing_replaces_a_rectangle_with_noise_and_nothing_else():
    image = np.full((40, 50, 3), 77, np.uint8)
    for index in range(50):
        erased = aug.random_erasing(image, Draw(5, 0, index), probability=1.0)
        rows, columns = np.nonzero((erased != 77).any(-1))
        box = erased[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert 0.01 < box.size / image.size < 0.4
        assert (box != 77).any(-1).mean() > 0.99
        assert box.size < 300 or 100 < box.mean() < 155
    np.testing.assert_array_equal(aug.random_erasing(image, DRAW, probability=0.0), image)


@pytest.mark.parametrize("names", [(), ("crop",), ("flip", "jitter"), AUGMENTATIONS])
def test_any_choice_gives_the_networks_size_and_is_plain_data(names):
    chosen = Augmentation(names)
    assert Augmentation.from_json(chosen.to_json()) == chosen
    preprocessing = PhotoPreprocessing((16, 24), shorter_side=24)
    images = np.stack([chosen.picture(picture(33, 29, i), Draw(0, 0, i), preprocessing) for i in range(3)])
    assert (images.shape, images.dtype) == ((3, 16, 24, 3), np.uint8)
    mixed, labels = chosen.batch(images, np.eye(3, dtype=np.float32), DRAW)
    assert mixed.shape == images.shape
    assert ("mixup" in names) == (not np.array_equal(labels, np.eye(3)))
    if not names:
        np.testing.assert_array_equal(images[0], preprocessing.frame(picture(33, 29, 0)))


def test_mixup_and_cutmix_take_turns():
    images = np.stack([picture(8, 8, i) for i in range(2)])
    both = Augmentation(("mixup", "cutmix"))
    found = {"mixup": 0, "cutmix": 0}
    for index in range(60):
        mixed, _ = both.batch(images, np.eye(2, dtype=np.float32), Draw(0, 0, index))
        for name in found:
            found[name] += np.array_equal(mixed, Augmentation((name,)).batch(images, np.eye(2), Draw(0, 0, index))[0])
    assert min(found.values()) > 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ("crop", "zoom")}, "expected names among crop, flip, .*; got crop, zoom"),
        ({"names": ("crop", "crop")}, "each once; got crop, crop"),
        ({"crop_area": 0}, "expected crop_area from 0.0001 to 1.0, got 0"),
        ({"jitter": 1.5}, "expected jitter from 0.0 to 1.0, got 1.5"),
        ({"operations": 1.5}, "expected operations from 0 to 14, got 1.5"),
        ({"magnitude": 31}, "expected magnitude from 0 to 30, got 31"),
        ({"erasing": float("nan")}, "expected erasing from 0.0 to 1.0, got nan"),
        ({"mixup_alpha": 2.0}, "expected mixup_alpha from 0.001 to 1.0, got 2.0"),
        ({"cutmix_alpha": 0.0}, "expected cutmix_alpha from 0.001 to 1.0, got 0.0"),
    ],
)
def test_R4_arguments(options, message):
    with pytest.raises(ArgumentError, match=f"Augmentation: {message}|{message}"):
        Augmentation(**options)


def test_R4_unknown_values():
    with pytest.raises(ArgumentError, match=r"Augmentation: expected values among .*, got \['blur'\]"):
        Augmentation.from_json({"blur": 1})


class Fixed:
    """A draw of numbers that a test chooses."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def uniform(self, purpose, count):
        return [*self.numbers, *[0.0] * (count - len(self.numbers))]


def test_the_first_crop_that_fits_is_taken():
    image = picture(40, 40)
    largest, small = (1.0, 1.0, 0.0, 0.0), (0.0, 0.5, 0.99, 0.99)  # all of its area but too wide; square, lower right
    cropped = aug.random_resized_crop(image, Fixed(*largest, *small, 0.0, 0.5, 0.0, 0.0), size=(20, 20), area=(0.25, 1))
    np.testing.assert_array_equal(cropped, image[20:40, 20:40])


@pytest.mark.parametrize("name", ["flip", "jitter", "randaugment", "erasing"])
def test_what_is_not_named_is_left_out(name):
    image, preprocessing = picture(16, 16), PhotoPreprocessing((16, 16), shorter_side=16)
    pictures = [Augmentation((name,), erasing=1.0).picture(image, Draw(0, 0, i), preprocessing) for i in range(8)]
    changed = [not np.array_equal(one, image) for one in pictures]
    assert any(changed)
    if name == "flip":
        assert not all(changed)
        assert all(np.array_equal(one, image) or np.array_equal(one, image[:, ::-1]) for one in pictures)
