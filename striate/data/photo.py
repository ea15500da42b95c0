"""How a photograph becomes a network's input."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from striate.data.images import MAX_PIXELS
from striate.errors import ArgumentError, DataError, FormatError, LimitError

KIND = "photo"  # tells its JSON from that of drawings
MAX_SIDE = 8192
COLOURS = {"RGB": 3, "BGR": 3, "grey": 1}


@dataclass(frozen=True)
class PhotoPreprocessing:
    """How a photograph becomes a network's input; its values are saved with the model.

    The picture's shorter side is scaled to ``shorter_side``, its centre is cropped to ``size``, and each pixel,
    0 … 255, is normalized:

        x = (pixel − mean) / std

    Arguments:
        size: (height, width) of the input, in pixels.
        shorter_side: what the picture's shorter side is scaled to before the centre is cropped; None: the whole
            picture is scaled to ``size``, whatever its proportions.
        mean, std: one number for each channel, or one for all, in units of 0 … 255; default: x = pixel / 255.
        colours: the order of the channels: "RGB", "BGR", or "grey" for one channel of luma.
        interpolation: "bilinear" or "bicubic", both antialiased when scaling down.

    Raises:
        ArgumentError: values out of range.
    """

    size: tuple[int, int]
    shorter_side: int | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (255.0,)
    colours: Literal["RGB", "BGR", "grey"] = "RGB"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        for name in ("size", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        sides = (*self.size, *([] if self.shorter_side is None else [self.shorter_side]))
        if len(self.size) != 2 or not all(type(side) is int and 1 <= side <= MAX_SIDE for side in sides):
            raise ArgumentError(
                f"PhotoPreprocessing: expected sides as integers 1 to {MAX_SIDE}, got size {self.size!r} and "
                f"shorter_side {self.shorter_side!r}."
            )
        if self.shorter_side is not None and self.shorter_side < max(self.size):
            raise ArgumentError(
                f"PhotoPreprocessing: expected shorter_side to be at least {max(self.size)}, or {self.size} "
                f"cannot be cropped from it; got {self.shorter_side}."
            )
        if self.colours not in COLOURS:
            raise ArgumentError(f"PhotoPreprocessing: expected colours RGB, BGR or grey, got {self.colours!r}.")
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ArgumentError(
                f"PhotoPreprocessing: expected interpolation bilinear or bicubic, got {self.interpolation!r}."
            )
        for name in ("mean", "std"):
            values = getattr(self, name)
            numbers = all(type(v) in (int, float) and np.isfinite(v) and (name == "mean" or v > 0) for v in values)
            if len(values) not in (1, self.channels) or not numbers:
                raise ArgumentError(
                    f"PhotoPreprocessing: expected {name} as 1 or {self.channels} numbers"
                    f"{', above 0' if name == 'std' else ''}, got {values!r}."
                )

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return COLOURS[self.colours]

    def frame(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of a picture that the network sees, at its size: (height, width, channels), 0 … 255, RGB or grey.

        Arguments:
            image: (H, W, 3) or (H, W, 1).

        Raises:
            DataError: it is not such a picture.
            LimitError: it is so long and narrow that it would be very large once its shorter side is scaled.
        """
        from PIL import Image

        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
            raise DataError(
                f"prepare: expected a picture of shape (H, W, 3) or (H, W, 1) in uint8, got {image.shape} in "
                f"{image.dtype}."
            )
        picture = Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0])
        picture = picture.convert("L" if self.colours == "grey" else "RGB")
        height, width = self.size
        method = Image.Resampling.BILINEAR if self.interpolation == "bilinear" else Image.Resampling.BICUBIC
        if self.shorter_side is None:
            picture = picture.resize((width, height), method)
        else:
            shorter, longer = sorted(picture.size)
            scaled = {shorter: self.shorter_side, longer: int(self.shorter_side * longer / shorter)}
            if math.prod(scaled.values()) > max(MAX_PIXELS, 2 * self.shorter_side**2):
                raise LimitError(
                    f"prepare: expected a picture of at most {MAX_PIXELS:,} pixels once its shorter side is scaled to "
                    f"{self.shorter_side}, got {shorter:,} × {longer:,}. Crop the part that matters."
                )
            picture = picture.resize((scaled[picture.width], scaled[picture.height]), method)
            left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)
            picture = picture.crop((left, top, left + width, top + height))
        return np.asarray(picture).reshape(height, width, self.channels)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A picture as the network takes it: float32 of shape (height, width, channels).

        Arguments, errors: as `frame`.
        """
        return self.of_frame(self.frame(image))

    def of_frame(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The input for the part of a picture that `frame` gave."""
        return self.normalized(frame[:, :, ::-1] if self.colours == "BGR" else frame)

    def normalized(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(pixel − mean) / std of pixels whose channels are in the network's order; any shape that ends in them."""
        mean, std = (np.asarray(values, np.float32) for values in (self.mean, self.std))
        return np.ascontiguousarray((pixels.astype(np.float32) - mean) / std)

    def describe(self) -> str:
        """What the network sees of a picture, in words."""
        height, width = self.size
        if self.shorter_side is None:
            part = f"the whole picture, scaled to {height}×{width}"
        else:
            part = f"the shorter side scaled to {self.shorter_side}, the middle {height}×{width} cut out"
        mean, std = map(_listed, (self.mean, self.std))
        number = f"pixel − {mean}" if any(self.mean) else "pixel"
        if any(value != 1 for value in self.std):
            number = f"({number}) / {std}" if any(self.mean) else f"{number} / {std}"
        return f"{part}. In {self.colours}, each number is {number}."

    def to_json(self) -> dict[str, Any]:
        """The values as a dictionary that JSON can hold."""
        return {"kind": KIND} | asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The PhotoPreprocessing that ``to_json`` described.

        Raises:
            FormatError: names are unknown or missing, or values out of range.
        """
        expected = {"kind", *(field.name for field in fields(cls))}
        if set(values) != expected:
            raise FormatError(
                f"PhotoPreprocessing.from_json: expected exactly {sorted(expected)}, got {sorted(map(str, values))}."
            )
        try:
            return cls(**{name: value for name, value in values.items() if name != "kind"})
        except (ArgumentError, TypeError) as error:
            raise FormatError(f"PhotoPreprocessing.from_json: {error}") from error


def _listed(values: tuple[float, ...]) -> str:
    text = ", ".join(f"{value:g}" for value in values)
    return text if len(values) == 1 else f"({text})"
