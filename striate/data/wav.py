"""WAV sound: chunks in a RIFF container, of which ``fmt `` says how samples are encoded and ``data`` holds them.

    RIFF   size   WAVE   then chunks: four letters   size   content, padded to an even length

Python's own module ``wave`` reads integers only, no floats, and hands them out as bytes.

Source: IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (1991); Microsoft,
Multiple Channel Audio Data and WAVE Files (2007).
"""

import math
import os
import struct
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.files import CHUNK, GIB, open_regular
from striate.errors import FormatError, LimitError

__all__ = ["Sound", "read_wav"]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
#: How samples are encoded, by format and bits.
DTYPES = {(PCM, 8): "u1", (PCM, 16): "<i2", (PCM, 24): "u1", (PCM, 32): "<i4", (FLOAT, 32): "<f4", (FLOAT, 64): "<f8"}
#: What follows the format in the extensible header's 16 bytes for it.
SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")
MAX_CHANNELS = 64
MAX_CHUNKS = 1024


class Sound(NamedTuple):
    """Samples and how fast they follow one another.

    Arguments:
        samples: (T, C), float32; integers are scaled to −1…1, floats are as in the file.
        rate: samples per second.
    """

    samples: NDArray[np.float32]
    rate: int


class _Encoding(NamedTuple):
    format: int
    bits: int
    channels: int
    rate: int

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


def read_wav(path: str | os.PathLike[str], *, max_bytes: int = GIB) -> Sound:
    """Return the sound in a WAV file: PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64.

    Arguments:
        path: the file.
        max_bytes: the largest array of float32 that may be read (default 1 GiB).

    Raises:
        FormatError: the file is not WAV, is cut short, is damaged, compressed, or has samples that are not numbers.
        LimitError: the array would be larger than ``max_bytes``.
        FileNotFoundError: there is no such file.
    """
    where = f"read_wav: {path}"
    with open_regular(path, "read_wav") as file:
        encoding, size = _find_data(file, where)
        if size % encoding.frame:
            raise FormatError(f"{where}: expected samples of {encoding.frame} bytes each, got {size:,} bytes in all.")
        shape = (size // encoding.frame, encoding.channels)
        if (needed := 4 * math.prod(shape)) > max_bytes:
            raise LimitError(
                f"{where}: expected at most {max_bytes:,} bytes as float32, the file holds {needed:,}. "
                f"Raise max_bytes if you trust the file."
            )
        samples = np.empty(shape, np.float32)
        step = CHUNK // encoding.frame
        for begin in range(0, len(samples), step):
            part = samples[begin : begin + step]
            content = file.read(len(part) * encoding.frame)
            if len(content) < len(part) * encoding.frame:
                raise FormatError(f"{where}: expected {size:,} bytes of samples, the file was shortened meanwhile.")
            part[:] = _decode(content, encoding).reshape(part.shape)
            if (lost := ~np.isfinite(part)).any():
                raise FormatError(f"{where}: expected samples that are finite in float32, got {part[lost][0]}.")
    return Sound(samples, encoding.rate)


def _find_data(file: BufferedReader, where: str) -> tuple[_Encoding, int]:
    """How samples are encoded, and their size in bytes; afterwards the file is positioned at the first."""
    size = os.fstat(file.fileno()).st_size
    start = file.read(12)
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:] != b"WAVE":
        raise FormatError(f"{where}: expected RIFF, a size and WAVE, got {start.hex(' ') or 'nothing'}.")
    (announced,) = struct.unpack("<I", start[4:8])
    if announced > size - 8:
        raise FormatError(
            f"{where}: expected {announced:,} bytes, as the file declares, got {size - 8:,}: it is truncated, or the "
            f"program that recorded it never finished it."
        )
    encoding = None
    for _ in range(MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            raise FormatError(f"{where}: expected a chunk 'data', got the end of the file.")
        name, length = header[:4], int.from_bytes(header[4:], "little")
        if length > size - file.tell():
            letters, left = name.decode("latin-1"), size - file.tell()
            raise FormatError(f"{where}: expected {length:,} bytes in the chunk {letters!r}, got {left:,}.")
        ends = file.tell() + length + length % 2
        if name == b"data":
            if encoding is None:
                raise FormatError(f"{where}: expected a chunk 'fmt ' before the samples, got none.")
            return encoding, length
        if name == b"fmt ":
            encoding = _encoding(file.read(min(length, 40)), where)
        file.seek(ends)
    raise LimitError(f"{where}: expected 'data' among the first {MAX_CHUNKS:,} chunks, got other chunks only.")


def _encoding(content: bytes, where: str) -> _Encoding:
    if len(content) < 16:
        raise FormatError(f"{where}: expected at least 16 bytes in the chunk 'fmt ', got {len(content)}.")
    # Bytes per second are ignored: they follow from the rest, and some programs write nonsense there.
    format_, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", content[:16])
    if format_ == EXTENSIBLE:
        # If fewer bits are valid, they are the higher ones, so the scale is the same.
        if len(content) < 40 or content[26:] != SUBFORMAT:
            raise FormatError(
                f"{where}: expected an extensible format of 40 bytes that ends as Microsoft's, got another."
            )
        (format_,) = struct.unpack("<H", content[24:26])
    if (format_, bits) not in DTYPES:
        raise FormatError(
            f"{where}: expected PCM (format 1) of 8, 16, 24 or 32 bits or floats (format 3) of 32 or 64, got format "
            f"{format_} of {bits} bits. Convert it to 16-bit PCM."
        )
    encoding = _Encoding(format_, bits, channels, rate)
    if not 1 <= channels <= MAX_CHANNELS or rate < 1 or frame != encoding.frame:
        raise FormatError(
            f"{where}: expected 1 to {MAX_CHANNELS} channels, a rate of at least 1 and {encoding.frame} bytes per "
            f"sample of all channels, got {channels} channels, a rate of {rate} and {frame} bytes."
        )
    return encoding


def _decode(content: bytes, encoding: _Encoding) -> NDArray[np.float32]:
    numbers: NDArray[Any] = np.frombuffer(content, DTYPES[encoding.format, encoding.bits])
    if encoding.format == FLOAT:
        with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is found and refused
            return numbers.astype(np.float32)
    if encoding.bits == 8:  # the only unsigned size: silence is 128
        return (numbers.astype(np.float32) - np.float32(128)) / np.float32(128)
    if encoding.bits == 24:  # as the upper three bytes of 32 bits
        wide = np.zeros((len(numbers) // 3, 4), np.uint8)
        wide[:, 1:] = numbers.reshape(-1, 3)
        numbers = wide.reshape(-1).view("<i4")
    return numbers.astype(np.float32) / np.float32(2.0 ** (8 * numbers.itemsize - 1))
