"""Augmentation: other pictures that show the same thing, so that a network cannot learn its examples by heart.

Each function takes a picture, uint8 of shape (H, W, 3), and a `Draw`, which says which example of which epoch this is.
The random numbers are a pure function of it, so a picture can be made again, in any order and in any process.

Colours are changed as Pillow does: a factor f turns a picture x into the blend f·x + (1 − f)·x₀, where x₀ has none of
the property: a black picture for brightness, a grey one for saturation.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from striate import random
from striate.data.photo import PhotoPreprocessing
from striate.errors import ArgumentError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Draw",
    "color_jitter",
    "cutmix",
    "horizontal_flip",
    "mixup",
    "rand_augment",
    "random_erasing",
    "random_resized_crop",
]

Picture = NDArray[np.uint8]
Labels = NDArray[np.float32]


@dataclass(frozen=True)
class Draw:
    """The random numbers of one example, or one batch, in one epoch.

    Arguments:
        seed: see `striate.set_seed`.
        epoch: from 0.
        index: the example's number in the data set, or the batch's in the epoch.
    """

    seed: int
    epoch: int
    index: int

    def uniform(self, purpose: str, count: int) -> list[float]:
        """``count`` numbers from [0, 1), independent for each purpose."""
        drawn = random.uniform((count,), seed=self.seed, purpose=purpose, step=self.epoch, stream=self.index)
        return [float(number) for number in drawn]

    def bytes(self, purpose: str, shape: tuple[int, ...]) -> Picture:
        """Random bytes of this shape."""
        count = math.prod(shape)
        drawn = random.bits(-(-count // 4), seed=self.seed, purpose=purpose, step=self.epoch, stream=self.index)
        return drawn.astype("<u4").view(np.uint8)[:count].reshape(shape)


def random_resized_crop(
    image: Picture,
    draw: Draw,
    *,
    size: tuple[int, int],
    area: tuple[float, float] = (0.35, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Picture:
    """A random part of the picture, scaled to ``size``.

    The part's share of the picture's area is uniform, its width : height log-uniform. Ten are tried; if none fits
    into the picture, the largest central part with allowed proportions is taken.

    Arguments:
        image: (H, W, 3).
        draw: the random numbers to use.
        size: (height, width) of the result.
        area: smallest and largest share. The paper's 0.08 is for a million photographs; the default suits thousands.
        ratio: smallest and largest width : height.

    Source: Szegedy et al., "Going deeper with convolutions" (2015), section 6.
    """
    from PIL import Image

    height, width = image.shape[:2]
    numbers = draw.uniform("random resized crop", 40)
    left, top, w, h = _middle(width, height, ratio)
    for share, proportion, x, y in zip(*[iter(numbers)] * 4, strict=True):
        pixels = height * width * (area[0] + share * (area[1] - area[0]))
        aspect = math.exp(math.log(ratio[0]) + proportion * math.log(ratio[1] / ratio[0]))
        tried_w, tried_h = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < tried_w <= width and 0 < tried_h <= height:
            w, h = tried_w, tried_h
            left, top = int(x * (width - w + 1)), int(y * (height - h + 1))
            break
    box = (left, top, left + w, top + h)
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR, box=box))


def _middle(width: int, height: int, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the largest central part with allowed proportions."""
    w = min(width, max(1, round(height * ratio[1])))
    h = min(height, max(1, round(width / ratio[0])))
    return (width - w) // 2, (height - h) // 2, w, h


def horizontal_flip(image: Picture, draw: Draw, *, probability: float = 0.5) -> Picture:
    """The picture mirrored, or as it is: (H, W, 3) → (H, W, 3).

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012),
    section 4.1.
    """
    (number,) = draw.uniform("horizontal flip", 1)
    return image[:, ::-1] if number < probability else image


def color_jitter(
    image: Picture,
    draw: Draw,
    *,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.1,
) -> Picture:
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Arguments:
        image: (H, W, 3).
        draw: the random numbers to use.
        brightness, contrast, saturation: factors are uniform from 1 − this to 1 + this, but not negative.
        hue: the hue is turned by up to this share of the circle, either way.

    Source: Howard, "Some improvements on deep convolutional neural network based image classification" (2013),
    section 2.2; hue: Szegedy et al., "Going deeper with convolutions" (2015), section 6.
    """
    numbers = draw.uniform("color jitter", 8)
    strengths = (brightness, contrast, saturation)
    factors = [max(0.0, 1 + strength * (2 * u - 1)) for strength, u in zip(strengths, numbers[:3], strict=True)]
    turn = hue * (2 * numbers[3] - 1)
    steps: list[Callable[[Image], Image]] = [
        lambda picture: _enhanced(picture, "Brightness", factors[0]),
        lambda picture: _enhanced(picture, "Contrast", factors[1]),
        lambda picture: _enhanced(picture, "Color", factors[2]),
        lambda picture: _turn_hue(picture, turn),
    ]
    picture = _as_image(image)
    for step in np.argsort(numbers[4:]):
        picture = steps[step](picture)
    return np.asarray(picture)


def _as_image(image: Picture) -> "Image":
    from PIL import Image

    return Image.fromarray(image)


def _enhanced(picture: "Image", what: str, factor: float) -> "Image":
    from PIL import ImageEnhance

    changed: Image = getattr(ImageEnhance, what)(picture).enhance(factor)
    return changed


def _turn_hue(picture: "Image", turn: float) -> "Image":
    from PIL import Image

    hue, saturation, value = picture.convert("HSV").split()
    shift = round(turn * 256)  # a whole circle is 256 steps
    turned = hue.point([(h + shift) % 256 for h in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


GREY = (128, 128, 128)  # fills in what lies outside the picture


def _moved(
    picture: "Image", *, angle: float = 0.0, shear: tuple[float, float] = (0, 0), by: tuple[float, float] = (0, 0)
) -> "Image":
    """Turned by an angle in degrees, sheared, or shifted by a share of its sides."""
    from PIL.Image import Resampling, Transform

    if angle:
        return picture.rotate(angle, Resampling.BILINEAR, fillcolor=GREY)
    matrix = (1, shear[0], by[0] * picture.width, shear[1], 1, by[1] * picture.height)
    return picture.transform(picture.size, Transform.AFFINE, matrix, Resampling.BILINEAR, fillcolor=GREY)


def _tones(picture: "Image", what: str, *number: int) -> "Image":
    from PIL import ImageOps

    changed: Image = getattr(ImageOps, what)(picture, *number)
    return changed


#: RandAugment's operations, functions of a picture and a strength from −1 to 1 (some use only its magnitude).
RAND_AUGMENT: dict[str, Callable[["Image", float], "Image"]] = {
    "identity": lambda picture, s: picture,
    "autocontrast": lambda picture, s: _tones(picture, "autocontrast"),
    "equalize": lambda picture, s: _tones(picture, "equalize"),
    "rotate": lambda picture, s: _moved(picture, angle=30 * s),
    "solarize": lambda picture, s: _tones(picture, "solarize", round(256 * (1 - abs(s)))),
    "color": lambda picture, s: _enhanced(picture, "Color", 1 + 0.9 * s),
    "posterize": lambda picture, s: _tones(picture, "posterize", 8 - round(4 * abs(s))),
    "contrast": lambda picture, s: _enhanced(picture, "Contrast", 1 + 0.9 * s),
    "brightness": lambda picture, s: _enhanced(picture, "Brightness", 1 + 0.9 * s),
    "sharpness": lambda picture, s: _enhanced(picture, "Sharpness", 1 + 0.9 * s),
    "shear_x": lambda picture, s: _moved(picture, shear=(0.3 * s, 0)),
    "shear_y": lambda picture, s: _moved(picture, shear=(0, 0.3 * s)),
    "translate_x": lambda picture, s: _moved(picture, by=(0.33 * s, 0)),
    "translate_y": lambda picture, s: _moved(picture, by=(0, 0.33 * s)),
}
STRONGEST = 30


def rand_augment(image: Picture, draw: Draw, *, operations: int = 2, magnitude: int = 9) -> Picture:
    """``operations`` of the 14 in `RAND_AUGMENT` at random, one after the other, all equally strong.

    Arguments:
        image: (H, W, 3).
        draw: the random numbers to use.
        operations: the paper's N.
        magnitude: the paper's M, 0 to 30; which way an operation goes is random.

    Source: Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space" (2020).
    """
    numbers = draw.uniform("rand augment", 2 * operations)
    picture = _as_image(image)
    for which, direction in zip(numbers[::2], numbers[1::2], strict=True):
        operation = list(RAND_AUGMENT.values())[int(which * len(RAND_AUGMENT))]
        strength = magnitude / STRONGEST
        picture = operation(picture, strength if direction < 0.5 else -strength)
    return np.asarray(picture)


def random_erasing(
    image: Picture,
    draw: Draw,
    *,
    probability: float = 0.25,
    area: tuple[float, float] = (0.02, 0.33),
    ratio: float = 3.3,
) -> Picture:
    """A rectangle of the picture replaced by noise, with some probability: (H, W, 3) → (H, W, 3).

    Arguments:
        image: (H, W, 3).
        draw: the random numbers to use.
        probability: of erasing anything.
        area: smallest and largest share of the picture.
        ratio: height : width is log-uniform from 1 / ``ratio`` to ``ratio``.

    Source: Zhong et al., "Random erasing data augmentation" (2020), with random values (RE-R).
    """
    height, width = image.shape[:2]
    chance, share, proportion, x, y = draw.uniform("random erasing", 5)
    if chance >= probability:
        return image
    pixels = height * width * (area[0] + share * (area[1] - area[0]))
    aspect = ratio ** (2 * proportion - 1)
    h, w = min(height, round(math.sqrt(pixels * aspect))), min(width, round(math.sqrt(pixels / aspect)))
    top, left = int(y * (height - h + 1)), int(x * (width - w + 1))
    erased = image.copy()
    erased[top : top + h, left : left + w] = draw.bytes("random erasing noise", (h, w, 3))
    return erased


def mixup(images: Picture, labels: Labels, draw: Draw, *, alpha: float = 0.2) -> tuple[Picture, Labels]:
    """Each picture of a batch blended with the next one, and their labels with it.

        x ← λ·x + (1 − λ)·x′,   y ← λ·y + (1 − λ)·y′,   λ ~ Beta(α, α)

    Arguments:
        images: (N, H, W, 3).
        labels: (N, K), rows that sum to 1.
        draw: the random numbers to use; its index is the batch's.
        alpha: α, above 0 and at most 1.

    Source: Zhang et al., "mixup: beyond empirical risk minimization" (2018).
    """
    share = _beta(draw, "mixup", alpha)
    mixed = share * images + (1 - share) * np.roll(images, 1, axis=0).astype(np.float64)
    return np.rint(mixed).astype(np.uint8), _mixed(labels, share)


def cutmix(images: Picture, labels: Labels, draw: Draw, *, alpha: float = 1.0) -> tuple[Picture, Labels]:
    """A rectangle of each picture of a batch replaced by that of the next one; labels are mixed by area.

    The rectangle has the share 1 − λ of the area, λ ~ Beta(α, α), and its middle anywhere; what lies outside of the
    picture is cut off, and λ becomes the share that is actually left.

    Arguments:
        images: (N, H, W, 3).
        labels: (N, K), rows that sum to 1.
        draw: the random numbers to use; its index is the batch's.
        alpha: α, above 0 and at most 1.

    Source: Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features" (2019).
    """
    height, width = images.shape[1:3]
    side = math.sqrt(1 - _beta(draw, "cutmix", alpha))
    x, y = draw.uniform("cutmix place", 2)
    left, right = _around(x, side, width)
    top, bottom = _around(y, side, height)
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = np.roll(images, 1, axis=0)[:, top:bottom, left:right]
    return mixed, _mixed(labels, 1 - (bottom - top) * (right - left) / (height * width))


def _around(middle: float, share: float, length: int) -> tuple[int, int]:
    """First and last of ``share`` of a length around ``middle``, clipped to the length."""
    centre, half = int(middle * length), int(share * length) // 2
    return max(centre - half, 0), min(centre + half, length)


def _mixed(labels: Labels, share: float) -> Labels:
    return np.float32(share) * labels + (np.float32(1) - np.float32(share)) * np.roll(labels, 1, axis=0)


def _beta(draw: Draw, purpose: str, alpha: float) -> float:
    """A number from Beta(α, α), 0 < α ≤ 1.

    u^(1/α) / (u^(1/α) + v^(1/α)) for the first uniform u, v whose denominator is at most 1. At least every second pair
    is, so of 64 pairs one always is.

    Source: Jöhnk, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen" (1964).
    """
    numbers = iter(draw.uniform(purpose, 128))
    for u, v in zip(numbers, numbers, strict=True):
        # Powers of such numbers leave the range of floats; their logarithms do not.
        x, y = (math.log(max(number, 2**-25)) / alpha for number in (u, v))
        if np.logaddexp(x, y) <= 0:
            return float(np.exp(x - np.logaddexp(x, y)))
    return 0.5


#: What `Augmentation` can do, in the order in which it is applied.
AUGMENTATIONS = ("crop", "flip", "jitter", "randaugment", "erasing", "mixup", "cutmix")


@dataclass(frozen=True)
class Augmentation:
    """Which augmentations of this module are applied, and how strongly.

    Arguments:
        names: some of `AUGMENTATIONS`. If both mixup and cutmix are given, each batch gets one, at random.
        crop_area: smallest share of the picture that a crop shows.
        jitter: how much brightness, contrast and saturation change; hue changes by a quarter of it.
        operations, magnitude: of RandAugment.
        erasing: probability.
        mixup_alpha, cutmix_alpha: α of the two.

    Raises:
        ArgumentError: a name is unknown or given twice, or a number is out of range.
    """

    names: tuple[str, ...] = ("crop", "flip", "jitter")
    crop_area: float = 0.35
    jitter: float = 0.2
    operations: int = 2
    magnitude: int = 9
    erasing: float = 0.25
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if not set(self.names) <= set(AUGMENTATIONS) or len(set(self.names)) < len(self.names):
            raise ArgumentError(
                f"Augmentation: expected names among {', '.join(AUGMENTATIONS)}, each once; "
                f"got {', '.join(self.names)}."
            )
        for name, least, most in (
            ("crop_area", 1e-4, 1.0),
            ("jitter", 0.0, 1.0),
            ("operations", 0, len(RAND_AUGMENT)),
            ("magnitude", 0, STRONGEST),
            ("erasing", 0.0, 1.0),
            ("mixup_alpha", 1e-3, 1.0),
            ("cutmix_alpha", 1e-3, 1.0),
        ):
            value = getattr(self, name)
            if type(value) not in (int, type(least)) or not least <= value <= most:
                raise ArgumentError(f"Augmentation: expected {name} from {least} to {most}, got {value!r}.")

    def picture(self, image: Picture, draw: Draw, preprocessing: PhotoPreprocessing) -> Picture:
        """The part of a photograph (H, W, 3) that the network sees, at its size, augmented: RGB, 0 … 255."""
        if "crop" in self.names:
            image = random_resized_crop(image, draw, size=preprocessing.size, area=(self.crop_area, 1.0))
        else:
            image = preprocessing.frame(image)
        if "flip" in self.names:
            image = horizontal_flip(image, draw)
        if "jitter" in self.names:
            strength = self.jitter
            image = color_jitter(
                image, draw, brightness=strength, contrast=strength, saturation=strength, hue=strength / 4
            )
        if "randaugment" in self.names:
            image = rand_augment(image, draw, operations=self.operations, magnitude=self.magnitude)
        if "erasing" in self.names:
            image = random_erasing(image, draw, probability=self.erasing)
        return image

    def batch(self, images: Picture, labels: Labels, draw: Draw) -> tuple[Picture, Labels]:
        """Pictures (N, H, W, 3) and labels (N, K) mixed if so configured; ``draw.index`` is the batch's."""
        (number,) = draw.uniform("mixup or cutmix", 1)
        asked = [name for name in ("mixup", "cutmix") if name in self.names]
        if not asked:
            return images, labels
        if asked[int(number * len(asked))] == "mixup":
            return mixup(images, labels, draw, alpha=self.mixup_alpha)
        return cutmix(images, labels, draw, alpha=self.cutmix_alpha)

    def to_json(self) -> dict[str, Any]:
        """The values as a dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The Augmentation that `to_json` described.

        Raises:
            ArgumentError: names are unknown, or values out of range.
        """
        known = {one.name for one in fields(cls)}
        if not set(values) <= known:
            raise ArgumentError(f"Augmentation: expected values among {sorted(known)}, got {sorted(values)}.")
        return cls(**values)
