"""Pictures that people upload: decoded by Pillow, within our limits."""

import io
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from striate.data.files import open_regular
from striate.errors import ArgumentError, FormatError, LimitError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FORMATS", "decode_image", "is_picture", "picture_format"]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
#: How the names of each format's files end.
SUFFIX_OF = {
    "PNG": {".png", ".apng"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "WEBP": {".webp"},
}
#: How their content begins; that of BMP has the length of its second header at byte 14.
BEGINNING = re.compile(
    rb"(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<JPEG>\xff\xd8\xff)|(?P<GIF>GIF8[79]a)|"
    rb"(?P<BMP>BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3})|(?P<WebP>RIFF.{4}WEBP)",
    re.DOTALL,
)
LONGEST_BEGINNING = 18
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
MAX_PIXELS = 40_000_000  # a large camera's photograph; 160 MB while it is RGBA


def picture_format(head: bytes) -> str | None:
    """The name of the format of a picture with this beginning, such as "WebP"; None if it is not a picture."""
    found = BEGINNING.match(head)
    return found and found.lastgroup


def decode_image(
    source: bytes | str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, channels: Literal[1, 3, 4] = 3
) -> NDArray[np.uint8]:
    """Return a PNG, JPEG, GIF, BMP or WebP picture as uint8 of shape (H, W, ``channels``).

    ``source`` is the content of a file, or a path; the format is told from the content, not from the name.
    ``max_pixels`` is the largest H × W that is decoded (default 40 million). ``channels``: 1 is grey (luma,
    0.299 R + 0.587 G + 0.114 B), 3 is RGB (default), 4 is RGBA. With 1 and 3, transparent pixels are composited on
    white paper. A photograph is turned upright as its EXIF orientation says; of an animation the first frame is
    taken; of 16 bits per pixel the high 8 are kept.

    Raises ArgumentError for other ``channels``; FormatError if the content is none of the formats or is damaged;
    LimitError if the picture is larger than ``max_pixels``; FileNotFoundError if there is no such file.
    """
    if channels not in MODES:
        raise ArgumentError(f"decode_image: expected channels 1, 3 or 4, got {channels!r}.")
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), f"{len(source):,} bytes", max_pixels, channels)
    with open_regular(source, "decode_image") as file:
        return _decode(file, str(source), max_pixels, channels)


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file is, or says that it is, a picture that `decode_image` reads.

    Its content begins like one, whatever its name is; or its name ends like one, which may turn out to be damaged.
    """
    if any(Path(path).suffix.lower() in suffixes for suffixes in SUFFIX_OF.values()):
        return True
    try:
        with open_regular(path, "is_picture") as file:
            return picture_format(file.read(LONGEST_BEGINNING)) is not None
    except (OSError, FormatError):
        return False


def _decode(stream: IO[bytes], name: str, max_pixels: int, channels: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(stream, formats=FORMATS) as image:  # reads the header only
            if image.width * image.height > max_pixels:
                raise LimitError(
                    f"decode_image: expected at most {max_pixels:,} pixels, got {image.width} × {image.height}: "
                    f"{name}. Scale the picture down first."
                )
            upright = ImageOps.exif_transpose(_eight_bits(image))
            if channels != 4 and upright.has_transparency_data:
                ink = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", ink.size, "white"), ink)
            pixels = np.array(upright.convert(MODES[channels]))
    except LimitError:
        raise
    except UnidentifiedImageError as error:
        raise FormatError(
            f"decode_image: expected a picture ({', '.join(FORMATS)}), got something else: {name}."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LimitError(f"decode_image: expected at most {max_pixels:,} pixels, got {error}: {name}.") from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged content
        raise FormatError(
            f"decode_image: expected an intact picture, got {error or type(error).__name__}: {name}."
        ) from error
    return pixels.reshape(*pixels.shape[:2], channels)


def _eight_bits(image: "Image") -> "Image":
    # Pillow itself would clip 16 bits to 255 rather than scale them.
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
