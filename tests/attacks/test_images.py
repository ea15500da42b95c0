"""R3: pictures that are bombs, cut off, damaged, or something else, end in our error."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from itertools import product

import numpy as np
import pytest
from PIL import Image

from tests.attacks.harness import attack, refused

READER = "striate.data.images:decode_image"
MIB = 1 << 20
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
NOISE = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)


def encoded(file_format: str, pixels: np.ndarray = NOISE, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, file_format, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *others: bytes, bits: int = 8, colours: int = 0, pixels: bytes = bytes(100)) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(others) + data + chunk(b"IEND", b"")


def gif(width: int, height: int, frame: tuple[int, int, int, int], code: int = 2) -> bytes:
    """Of one frame: (left, top, width, height)."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", *frame, 0) + bytes([code]) + b"\x02\x4c\x01\0;"


def bmp(width: int, height: int, bits: int = 24, packing: int = 0, begin: int = 54, colours: int = 0) -> bytes:
    information = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 100, 0, 0, begin) + information + bytes(100)


def patched(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def jpeg(height: int, width: int) -> bytes:
    """With other sizes in its frame's header."""
    content = encoded("JPEG")
    return patched(content, content.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def webp(width: int, height: int) -> bytes:
    """An extended file with this canvas and no picture in it."""
    canvas = bytes(4) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunks = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def packed(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


BOMBS = {
    "PNG of 60,000 × 60,000": png(60_000, 60_000),
    "PNG of 7,000 × 7,000": png(7_000, 7_000),
    "PNG of 2³¹ − 1 × 1": png(2**31 - 1, 1),
    "PNG of 2³² − 1 × 2³² − 1": png(2**32 - 1, 2**32 - 1),
    "PNG with a text that unpacks to 256 MiB": png(1, 1, chunk(b"zTXt", b"a\0\0" + packed(256 * MIB))),
    "PNG with an international text that unpacks to 256 MiB": png(
        1, 1, chunk(b"iTXt", b"a\0\1\0\0\0" + packed(256 * MIB))
    ),
    "PNG with a hundred texts of 1 MiB": png(1, 1, *[chunk(b"zTXt", b"a\0\0" + packed(MIB))] * 100),
    "PNG with a colour profile that unpacks to 256 MiB": png(1, 1, chunk(b"iCCP", b"a\0\0" + packed(256 * MIB))),
    "GIF with a screen of 65,535 × 65,535": gif(65_535, 65_535, (0, 0, 1, 1)),
    "GIF with a frame far beyond its screen": gif(1, 1, (65_000, 65_000, 500, 500)),
    "BMP of 30,000 × 30,000": bmp(30_000, 30_000),
    "BMP of 2³¹ − 1 × 2³¹ − 1": bmp(2**31 - 1, 2**31 - 1),
    "BMP with 2³² − 1 colours": bmp(1, 1, bits=8, colours=2**32 - 1),
    "JPEG of 65,500 × 65,500": jpeg(65_500, 65_500),
    "WebP with a canvas of 16,384 × 16,384": webp(16_384, 16_384),
}

#: A directory whose only entry is where the next one is: there.
CIRCLE = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0"

DAMAGED = {
    "PNG without pixels": png(8, 8, pixels=b"").replace(b"IDAT", b"IDXT"),
    "PNG with too few pixels": png(100, 100),
    "PNG of no width": png(0, 8),
    "PNG with 3 bits": png(8, 8, bits=3),
    "PNG of colour type 5": png(8, 8, colours=5),
    "PNG with colours from a palette that is not there": png(8, 8, colours=3, pixels=b"\0" + bytes(8))[:40],
    "PNG with a chunk of 2 GiB": png(8, 8, struct.pack(">I", 2**31 - 1) + b"tEXt"),
    "PNG with a wrong checksum": patched(encoded("PNG"), 29, b"\0\0\0\0"),
    "PNG with pixels that do not unpack": png(8, 8).replace(b"\x78\xda", b"\xff\xff").replace(b"\x78\x9c", b"\xff\xff"),
    "GIF whose codes have 200 bits": gif(8, 8, (0, 0, 8, 8), code=200),
    "GIF without a frame": gif(8, 8, (0, 0, 8, 8))[:19] + b";",
    "BMP of −2³¹ × −2³¹": bmp(-(2**31), -(2**31)),
    "BMP with 255 bits": bmp(8, 8, bits=255),
    "BMP packed in an unknown way": bmp(8, 8, packing=77),
    "BMP whose pixels begin behind its end": bmp(8, 8, begin=2**31),
    "JPEG of no height": jpeg(0, 48),
    "JPEG with an EXIF block in circles": encoded("JPEG", exif=CIRCLE)[:-80],
    "JPEG with nothing but its beginning": b"\xff\xd8\xff\xe0" + bytes(2000),
    "WebP whose length lies": patched(encoded("WEBP"), 4, b"\xff\xff\xff\xff")[:-200],
}  # fmt: skip


def archive_of(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, encoded("PNG"))
    return stream.getvalue()


def tar_of(name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        information = tarfile.TarInfo(name)
        information.size = len(encoded("PNG"))
        archive.addfile(information, io.BytesIO(encoded("PNG")))
    return stream.getvalue()


#: What Pillow could open, or what might be opened by somebody: by its content none of our formats.
MISLABELLED = {
    "TIFF": encoded("TIFF"),
    "PPM": encoded("PPM"),
    "ICO with a PNG in it": b"\0\0\1\0\1\0\x30\x40\0\0\1\0\x18\0" + struct.pack("<II", 9000, 22) + encoded("PNG"),
    "PostScript that Ghostscript would run": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n",
    "PDF": encoded("PDF"),
    "SVG that reads a file": b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    "SVG that grows": b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><svg>&c;</svg>',
    "HTML": b"<html><script>alert(1)</script></html>",
    "a ZIP with a picture in it": archive_of("picture.png"),
    "a ZIP with a picture outside of it": archive_of("../picture.png"),
    "a tar with a picture in it": tar_of("picture.png"),
    "a packed picture": gzip.compress(encoded("PNG")),
    "a packed bomb": gzip.compress(bytes(256 * MIB)),
    "a program": b"\x7fELF\x02\x01\x01" + bytes(200),
    "a script": b"#!/bin/sh\ntouch canary\n",
    "nothing": b"",
    "text": b"a picture of a cat",
}  # fmt: skip


def test_every_class_has_its_cases():
    assert (len(BOMBS), len(DAMAGED), len(MISLABELLED)) == (15, 19, 17)


@pytest.mark.parametrize("case", [*BOMBS, *DAMAGED, *MISLABELLED])
def test_R3_pictures_that_lie(tmp_path, case):
    file = tmp_path / "picture.png"
    file.write_bytes((BOMBS | DAMAGED | MISLABELLED)[case])
    refused(READER, file)
    assert os.listdir(tmp_path) == ["picture.png"]


@pytest.mark.parametrize(("file_format", "part"), list(product(FORMATS, (0.02, 0.3, 0.6, 0.9))))
def test_R3_pictures_that_are_cut_off(tmp_path, file_format, part):
    content = encoded(file_format)
    file = tmp_path / "picture"
    file.write_bytes(content[: int(part * len(content))])
    refused(READER, file)


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device that never ends", "a link to one"])
def test_R3_what_is_no_file(tmp_path, kind):
    place = tmp_path / "picture.png"
    if kind == "a pipe":
        os.mkfifo(place)
    elif kind == "a folder":
        place.mkdir()
    else:
        place = tmp_path / "picture.png" if kind == "a link to one" else "/dev/zero"
        if kind == "a link to one":
            place.symlink_to("/dev/zero")
    outcome = attack(READER, place)
    assert (outcome.error, outcome.events) == ("FormatError", ()), outcome


@pytest.mark.parametrize("file_format", FORMATS)
def test_innocent_pictures_made_in_the_same_way_are_opened(tmp_path, file_format):
    file = tmp_path / "picture"
    file.write_bytes(encoded(file_format))
    outcome = attack(READER, file)
    assert (outcome.error, outcome.events) == ("", ()), outcome
