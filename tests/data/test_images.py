"""A8, R3: pictures, real, damaged and hostile."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.data import decode_image
from striate.errors import ArgumentError, FormatError, LimitError, StriateError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def encoded(pixels: np.ndarray, file_format: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, file_format, **options)
    return stream.getvalue()


PNG = encoded(RGB)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_size(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "WEBP"])
def test_A8_image_lossless_formats(file_format):
    options = {"lossless": True} if file_format == "WEBP" else {}
    np.testing.assert_array_equal(decode_image(encoded(RGB, file_format, **options)), RGB)


@pytest.mark.parametrize("file_format", ["JPEG", "GIF"])
def test_A8_image_lossy_formats(file_format):
    flat = np.full((16, 16, 3), 120, np.uint8)
    assert np.abs(decode_image(encoded(flat, file_format)).astype(int) - 120).max() <= 2


def test_A8_image_from_path_whatever_its_name(tmp_path):
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(PNG)
    np.testing.assert_array_equal(decode_image(path), RGB)
    np.testing.assert_array_equal(decode_image(str(path)), RGB)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_A8_image_channels(channels):
    pixels = decode_image(PNG, channels=channels)
    assert pixels.shape == (5, 7, channels)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    luma = RGB @ [0.299, 0.587, 0.114]
    expected = {1: luma[:, :, None], 3: RGB, 4: np.dstack([RGB, np.full((5, 7), 255)])}[channels]
    assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize(("channels", "expected"), [(1, 255), (3, 255), (4, 0)])
def test_A8_image_transparency_is_white_paper(channels, expected):
    transparent = np.zeros((2, 2, 4), np.uint8)
    assert (decode_image(encoded(transparent), channels=channels)[..., 0] == expected).all()


def test_A8_image_sixteen_bits_are_scaled():
    pixels = np.array([[0, 256, 32768, 65535]], np.uint16)
    assert decode_image(encoded(pixels), channels=1).ravel().tolist() == [0, 1, 128, 255]


def test_A8_image_exif_orientation():
    picture = Image.fromarray(RGB)
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    stream = io.BytesIO()
    picture.save(stream, "PNG", exif=exif)
    np.testing.assert_array_equal(decode_image(stream.getvalue()), np.rot90(RGB, -1))


def test_R4_image_channels():
    with pytest.raises(ArgumentError, match="decode_image: expected channels 1, 3 or 4, got 2"):
        decode_image(PNG, channels=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"expected a picture \(PNG, JPEG, GIF, BMP, WEBP\), got something else: 0 bytes"),
        (b"just text, called .png", "got something else"),
        (PNG[:60], "expected an intact picture"),
        (encoded(RGB, "JPEG")[:-60], "expected an intact picture, got image file is truncated"),
        (PNG.replace(b"IDAT", b"IDXT"), "got something else"),
        (encoded(RGB, "TIFF"), "got something else"),
        (encoded(RGB, "PPM"), "got something else"),
    ],
)
def test_R3_image_damaged_or_mislabelled(content, message):
    with pytest.raises(FormatError, match=message):
        decode_image(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [7_000, 12_000, 60_000])
def test_R3_image_bomb(side):
    with pytest.raises(LimitError, match="decode_image: expected at most 40,000,000 pixels, got"):
        decode_image(png_of_size(side, side))


def test_R3_image_bomb_where_warnings_are_errors():
    with pytest.raises(LimitError, match="decompression bomb"):
        decode_image(png_of_size(12_000, 12_000))


def test_R3_image_limit_is_exact():
    assert decode_image(PNG, max_pixels=35).shape == (5, 7, 3)
    with pytest.raises(LimitError, match="expected at most 34 pixels, got 7 × 5"):
        decode_image(PNG, max_pixels=34)


def test_R3_image_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="decode_image: expected a regular file"):
        decode_image(tmp_path / "pipe")


FILES = [encoded(RGB, name) for name in ("PNG", "JPEG", "GIF", "BMP", "WEBP")]


@settings(deadline=None)
@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(FILES), st.integers(0, 400), st.binary(min_size=1, max_size=4), st.booleans())
def test_R3_image_random_damage(content, position, noise, cut):
    position %= len(content)
    with contextlib.suppress(StriateError):
        decode_image(content[:position] + noise + (b"" if cut else content[position + len(noise) :]), max_pixels=10_000)


def test_A3_importing_data_does_not_import_pillow():
    program = "import sys, striate.data, striate.datasets; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
