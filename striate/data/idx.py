"""IDX, the format of MNIST, EMNIST and their relatives: an array of any dimension behind a header of a few bytes.

    0 0   dtype   ndim   dimensions, big-endian uint32 each   elements, big-endian, row-major

Source: the format's description on the MNIST page, http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from striate.data.files import GIB, read_at_most
from striate.data.packed import open_unpacked
from striate.errors import DataError, FormatError, LimitError

__all__ = ["read_idx", "write_idx"]

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CODES = {np.dtype(dtype).newbyteorder("="): code for code, dtype in DTYPES.items()}
MAX_NDIM = 64  # NumPy's


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = GIB) -> NDArray[Any]:
    """Return the array in an IDX file, plain or compressed with gzip or xz, in this machine's byte order.

    ``max_bytes`` is the largest array, in bytes, that may be read (default 1 GiB). A compressed file is never
    decompressed further than its header declares.

    EMNIST's images are stored transposed: ``read_idx(path).transpose(0, 2, 1)`` puts them upright. Its letters
    are labelled 1 to 26.

    Raises FormatError if the file is not IDX, is damaged, or is longer or shorter than its header says; LimitError if
    the array would be larger than ``max_bytes``; FileNotFoundError if there is no such file.
    """
    with open_unpacked(path, "read_idx") as stream:
        return _read(stream, path, max_bytes)


def _read(stream: IO[bytes], path: str | os.PathLike[str], max_bytes: int) -> NDArray[Any]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise FormatError(
            f"read_idx: expected an IDX file, which begins with 00 00, a type in "
            f"{{{', '.join(f'{code:02x}' for code in DTYPES)}}} and the number of dimensions, "
            f"got {magic.hex(' ') or 'nothing'}: {path}."
        )
    ndim = magic[3]
    if not 1 <= ndim <= MAX_NDIM:
        raise FormatError(f"read_idx: expected 1 to {MAX_NDIM} dimensions, got {ndim}: {path}.")
    dimensions = stream.read(4 * ndim)
    if len(dimensions) < 4 * ndim:
        raise FormatError(f"read_idx: expected {ndim} dimensions of 4 bytes, got {len(dimensions)} bytes: {path}.")
    shape = tuple(np.frombuffer(dimensions, ">u4").tolist())
    dtype = np.dtype(DTYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    # An empty array may declare absurd lengths beside its 0, and NumPy refuses those.
    if max(expected, math.prod(max(length, 1) for length in shape)) > max_bytes:
        raise LimitError(
            f"read_idx: expected at most {max_bytes:,} bytes, the header declares shape {shape} of {dtype.name}: "
            f"{path}. Raise max_bytes if you trust the file."
        )
    # One byte more than declared, so that a longer file shows without being decompressed to its end.
    content = read_at_most(stream, expected + 1)
    if len(content) != expected:
        got = "more" if len(content) > expected else f"{len(content):,}"
        raise FormatError(
            f"read_idx: expected {expected:,} bytes after the header (shape {shape}, {dtype.name}), got {got}: {path}."
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write an array as an IDX file; gzipped, without a time stamp, if the name ends in ``.gz``.

    ``array`` has 1 to 64 dimensions and one of the types uint8, int8, int16, int32, float32, float64.

    Raises DataError for another type or number of dimensions: convert the array first.
    """
    code = CODES.get(array.dtype.newbyteorder("="))
    if code is None or not 1 <= array.ndim <= MAX_NDIM:
        raise DataError(
            f"write_idx: expected 1 to {MAX_NDIM} dimensions of {', '.join(dtype.name for dtype in CODES)}, "
            f"got {array.ndim} of {array.dtype}. Convert it with astype or reshape."
        )
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(DTYPES[code]).tobytes()
    path = Path(path)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
