"""The ``.safetensors`` format, written, and read without trusting it. bfloat16, which NumPy lacks, becomes float32.

A file is the length of a header (8 bytes), the header as JSON, and the elements of all arrays, one after another::

    {"__metadata__": {"format": "pt"}, "conv.weight": {"dtype": "F32", "shape": [8, 1, 3, 3], "data_offsets": [0, 288]}}

Source: https://github.com/huggingface/safetensors
"""

import json
import math
import os
from collections.abc import Mapping
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data import strict_json
from striate.data.files import open_regular, replacing
from striate.errors import FormatError, LimitError

__all__ = ["read_metadata", "read_safetensors", "read_with_metadata", "write_safetensors"]

#: Names of element types in the header; bfloat16 is read as the 16 bits that it is.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip
#: Bytes of JSON; those of the largest models have some hundred thousand.
MAX_HEADER = 4 << 20
MAX_RANK = 32
MAX_ELEMENTS = 1 << 48  # also of an empty array, not counting the lengths that are 0


class Entry(NamedTuple):
    """What the header says about one array."""

    begin: int
    end: int
    dtype: str
    shape: tuple[int, ...]
    name: str


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.safetensors`` file by name, in the order in which they lie in the file.

    Raises:
        FormatError: the file is damaged, or its header does not describe its content exactly.
        LimitError: the header is longer than `MAX_HEADER`.
        FileNotFoundError: there is no such file.
    """
    return read_with_metadata(path)[0]


def read_with_metadata(
    path: str | os.PathLike[str], max_header: int = MAX_HEADER
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The arrays, as `read_safetensors` returns them, and the texts that come with them; raises as it does.

    Arguments:
        path: of the file.
        max_header: bytes of the longest header.
    """
    where = f"read_safetensors: {path}"
    with open_regular(path, "read_safetensors") as file:
        header, metadata, content = _header(file, where, max_header)
        entries = sorted(_entry(name, values, where) for name, values in header.items())
        expected = 0
        for entry in entries:
            if entry.begin != expected:
                raise FormatError(
                    f"{where}: expected arrays one after another, {entry.name!r} begins at {entry.begin:,}, not at "
                    f"{expected:,}."
                )
            expected = entry.end
        if expected != content:
            raise FormatError(f"{where}: expected {expected:,} bytes after the header, got {content:,}.")
        return {entry.name: _read(file, entry, where) for entry in entries}, metadata


def read_metadata(path: str | os.PathLike[str], max_header: int = MAX_HEADER) -> dict[str, str]:
    """The texts alone; raises as `read_safetensors` does for an invalid header."""
    with open_regular(path, "read_safetensors") as file:
        return _header(file, f"read_safetensors: {path}", max_header)[1]


def write_safetensors(
    path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str], operation: str
) -> None:
    """Write arrays and texts, sorted by their names, so that the same content is the same bytes; see `replacing`.

    Arguments:
        arrays: of the types in `DTYPES`.
        operation: for the message of an error.

    Raises:
        FormatError: the file cannot be written.
    """
    names = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))  # so that all are aligned
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name, array in ordered:
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path, operation) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """bfloat16, which is the upper half of float32, as float32."""
    wide = bits.astype(np.uint32, order="C")
    wide <<= 16
    return wide.view(np.float32)


def _header(file: BufferedReader, where: str, most: int) -> tuple[dict[str, Any], dict[str, str], int]:
    """What the header says of the arrays, its metadata, and how many bytes follow it."""
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > size - 8:
        raise FormatError(f"{where}: expected a header of {length:,} bytes, got {size - len(prefix):,} bytes in all.")
    if length > most:
        raise LimitError(f"{where}: expected a header of at most {most:,} bytes, got {length:,}.")
    try:
        header = strict_json.parse(file.read(length), most)
    except ValueError as error:
        raise FormatError(f"{where}: expected a header in JSON: {error}.") from None
    if not isinstance(header, dict):
        raise FormatError(f"{where}: expected a header that names arrays, got a {type(header).__name__}.")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise FormatError(f"{where}: expected metadata that maps names to texts.")
    return header, metadata, size - 8 - length


def _entry(name: str, values: Any, where: str) -> Entry:
    if not isinstance(values, dict) or values.keys() != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"{where}: expected dtype, shape and data_offsets for {name[:80]!r}.")
    dtype, shape, offsets = values["dtype"], values["shape"], values["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise FormatError(
            f"{where}: expected {name[:80]!r} in one of the types {', '.join(DTYPES)}, got {str(dtype)[:80]}."
        )
    if not _are_lengths(shape) or len(shape) > MAX_RANK or math.prod(max(n, 1) for n in shape) > MAX_ELEMENTS:
        raise FormatError(
            f"{where}: expected the shape of {name[:80]!r} as at most {MAX_RANK} lengths, got {str(shape)[:80]}."
        )
    bytes_expected = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if not _are_lengths(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != bytes_expected:
        raise FormatError(
            f"{where}: expected {name[:80]!r} ({dtype}, shape {shape}) to take {bytes_expected:,} bytes, got the "
            f"offsets {str(offsets)[:80]}."
        )
    return Entry(offsets[0], offsets[1], dtype, tuple(shape), name)


def _are_lengths(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _read(file: BufferedReader, entry: Entry, where: str) -> NDArray[Any]:
    """The next array; the file is positioned where its elements begin."""
    array: NDArray[Any] = np.empty(entry.shape, DTYPES[entry.dtype])
    if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise FormatError(f"{where}: expected {array.nbytes:,} bytes for {entry.name[:80]!r}, got the end of the file.")
    return from_bfloat16(array) if entry.dtype == "BF16" else array
