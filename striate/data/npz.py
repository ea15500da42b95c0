"""NumPy's ``.npy`` and ``.npz`` files, read without trusting them: nothing is unpickled, nothing is evaluated.

An ``.npy`` file is one array: magic, version, length of the header, header, elements. An ``.npz`` file is a ZIP archive
of those.

Source: NumPy enhancement proposal 1, and ``numpy/lib/format.py``.
"""

import math
import os
import re
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from striate.data.files import GIB, open_regular, read_at_most
from striate.errors import FormatError, LimitError

__all__ = ["read_npy", "read_npz"]

MAGIC = b"\x93NUMPY"
HEADER_LENGTH = {(1, 0): "<H", (2, 0): "<I"}  # how the header's length is written, by version
MAX_HEADER = 4096
# NumPy writes this dictionary literal; matching it, rather than evaluating it, lets numbers and text through only.
HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<dtype>[<>|=][biufcSU]\d{1,9})',"
    r"\s*'fortran_order':\s*(?P<fortran>True|False),"
    r"\s*'shape':\s*\((?P<shape>(?:\d{1,19}\s*,?\s*){0,64})\),?\s*\}\s*"
)


def read_npy(path: str | os.PathLike[str], *, max_bytes: int = GIB) -> NDArray[Any]:
    """Return the array of numbers or text in an ``.npy`` file, in this machine's byte order.

    ``max_bytes`` is the largest array, in bytes, that may be read (default 1 GiB).

    A category of Quick, Draw! is (N, 784), uint8, 255 for ink: ``read_npy(path).reshape(-1, 28, 28, 1)`` are images.

    Raises FormatError if the file is not ``.npy``, is damaged, or holds Python objects or records; LimitError if the
    array would be larger than ``max_bytes``; FileNotFoundError if there is no such file.
    """
    with open_regular(path, "read_npy") as file:
        return _read_array(file, f"read_npy: {path}", max_bytes)


def read_npz(path: str | os.PathLike[str], *, max_bytes: int = GIB) -> dict[str, NDArray[Any]]:
    """Return the arrays of numbers or text in an ``.npz`` file, by name, in this machine's byte order.

    ``max_bytes`` is the most, in bytes, that all arrays together may take (default 1 GiB).

    Raises FormatError if the file is not ``.npz``, is damaged, or holds Python objects or records; LimitError if the
    arrays would be larger than ``max_bytes``; FileNotFoundError if there is no such file.
    """
    from striate.data.archives import open_archive

    where = f"read_npz: {path}"
    with open_regular(path, "read_npz") as file, open_archive(file, where, max_bytes) as archive:
        arrays = {}
        for member in archive:
            if not member.endswith(".npy"):
                raise FormatError(f"{where}: expected .npy members, got {member!r}.")
            name = member.removesuffix(".npy")
            with archive.open(member) as stream:
                arrays[name] = _read_array(stream, f"{where}, array {name!r}", max_bytes)
        return arrays


def _read_array(stream: IO[bytes], where: str, max_bytes: int) -> NDArray[Any]:
    prefix = stream.read(8)
    version = tuple(prefix[6:])
    if prefix[:6] != MAGIC or version not in HEADER_LENGTH:
        raise FormatError(
            f"{where}: expected an .npy array, version 1.0 or 2.0, got a file that begins with "
            f"{prefix.hex(' ') or 'nothing'}."
        )
    length_format = HEADER_LENGTH[version]
    length_bytes = stream.read(struct.calcsize(length_format))
    if len(length_bytes) < struct.calcsize(length_format):
        raise FormatError(f"{where}: expected the length of the header, got the end of the file.")
    (length,) = struct.unpack(length_format, length_bytes)
    if length > MAX_HEADER:
        raise LimitError(f"{where}: expected a header of at most {MAX_HEADER:,} bytes, got {length:,}.")
    header = HEADER.fullmatch(text := stream.read(length).decode("latin-1"))
    if header is None:
        raise FormatError(
            f"{where}: expected an array of numbers or text, not of Python objects or records, got the header "
            f"{text.strip()[:120]!r}. Save it as separate arrays of numbers."
        )
    shape = tuple(int(length) for length in re.findall(r"\d+", header["shape"]))
    try:
        dtype = np.dtype(header["dtype"])
    except TypeError as error:
        raise FormatError(f"{where}: expected a type that NumPy knows, got {header['dtype']!r}.") from error
    expected = math.prod(shape) * dtype.itemsize
    # An empty array may declare absurd lengths beside its 0, and NumPy refuses those.
    if max(expected, math.prod(max(length, 1) for length in shape)) > max_bytes:
        raise LimitError(
            f"{where}: expected at most {max_bytes:,} bytes, the header declares shape {shape} of {dtype}. "
            f"Raise max_bytes if you trust the file."
        )
    content = read_at_most(stream, expected + 1)
    if len(content) != expected:
        got = "more" if len(content) > expected else f"{len(content):,}"
        raise FormatError(f"{where}: expected {expected:,} bytes after the header (shape {shape}, {dtype}), got {got}.")
    array: NDArray[Any] = np.ndarray(shape, dtype, buffer=content, order="F" if header["fortran"] == "True" else "C")
    return array.astype(dtype.newbyteorder("="), copy=dtype.byteorder == ">")
