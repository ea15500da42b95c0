"""The arrays of an ONNX file: inside it, or in a file beside it."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.files import open_beside
from striate.errors import FormatError
from striate.graph import Array
from striate.interop.onnx.messages import TensorProto
from striate.interop.onnx.protobuf import DamagedError

FLOAT, STRING, INT64, BFLOAT16, UINT4, INT4 = 1, 8, 7, 16, 21, 22
EXTERNAL = 1

#: NumPy's type for each number of ONNX's. bfloat16 becomes float32, integers of 4 bits become those of 8.
DTYPES: dict[int | None, np.dtype[Any]] = {
    FLOAT: np.dtype("f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    4: np.dtype("u2"),
    5: np.dtype("i2"),
    6: np.dtype("i4"),
    INT64: np.dtype("i8"),
    9: np.dtype("?"),
    10: np.dtype("f2"),
    11: np.dtype("f8"),
    12: np.dtype("u4"),
    13: np.dtype("u8"),
    BFLOAT16: np.dtype("f4"),
    UINT4: np.dtype("u1"),
    INT4: np.dtype("i1"),
}
#: ONNX's number for each of NumPy's types.
NUMBERS = {dtype: number for number, dtype in reversed(DTYPES.items())}
OTHERS = {8: "text", 14: "complex64", 15: "complex128", 17: "float8", 18: "float8", 19: "float8", 20: "float8"}


def dtype_of(number: int | None) -> np.dtype[Any]:
    """NumPy's type for ONNX's number of it.

    Raises:
        DamagedError: it is not the number of a type, or of one that is not supported, such as text.
    """
    if number not in DTYPES:
        raise DamagedError(f"expected a type of numbers, got {OTHERS.get(number or 0, f'type {number}')}")
    return DTYPES[number]


def as_array(tensor: TensorProto, folder: Path) -> Array:
    """The array of a tensor; a view of the message where its numbers are stored as in memory.

    Arguments:
        tensor: from a file.
        folder: of that file, for numbers that lie in a file beside it.

    Raises:
        DamagedError: the tensor does not match its description, or asks for a file outside of the folder.
    """
    shape, dtype = tuple(int(n) for n in tensor.dims), dtype_of(tensor.data_type)
    if min(shape, default=0) < 0:
        raise DamagedError(f"a shape of {shape}")
    if tensor.segment is not None:
        raise DamagedError("it is one of several segments")
    count = math.prod(shape)
    if tensor.data_location == EXTERNAL:
        raw: Any = _external(tensor, folder, _bytes(count, tensor.data_type, dtype))
    elif tensor.raw_data is not None:
        raw = tensor.raw_data
    else:
        return _typed(tensor, dtype, count).reshape(shape)
    if len(raw) != (expected := _bytes(count, tensor.data_type, dtype)):
        raise DamagedError(f"expected {expected:,} bytes for a shape of {shape}, got {len(raw):,}")
    return _from_bytes(raw, tensor.data_type, dtype, count).reshape(shape)


def as_tensor(array: Array, name: str) -> TensorProto:
    """A tensor that holds an array."""
    little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    return TensorProto(dims=list(array.shape), data_type=NUMBERS[array.dtype], raw_data=little.tobytes(), name=name)


def _bytes(count: int, number: int | None, dtype: np.dtype[Any]) -> int:
    if number in (UINT4, INT4):
        return -(-count // 2)
    return count * (2 if number == BFLOAT16 else dtype.itemsize)


def _from_bytes(raw: Any, number: int | None, dtype: np.dtype[Any], count: int) -> Array:
    if number == BFLOAT16:
        return _bfloat16(np.frombuffer(raw, "<u2"))
    if number in (UINT4, INT4):
        return _halves(np.frombuffer(raw, np.uint8), number == INT4)[:count]
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype.newbyteorder("="), copy=False)


def _bfloat16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _halves(pairs: Array, signed: bool) -> Array:
    """Integers of 4 bits, two in a byte, the lower first."""
    numbers = np.stack([pairs & 0xF, pairs >> 4], axis=1).reshape(-1)
    return (numbers ^ 8).astype(np.int8) - np.int8(8) if signed else numbers


#: The field in which a type's numbers are stored where they are not raw bytes; the others' is ``int32_data``.
FIELDS = {
    "f4": "float_data",
    "f8": "double_data",
    "i8": "int64_data",
    "u4": "uint64_data",
    "u8": "uint64_data",
}


def _typed(tensor: TensorProto, dtype: np.dtype[Any], count: int) -> Array:
    number = tensor.data_type
    if number in (UINT4, INT4):
        pairs = np.asarray(tensor.int32_data, np.int64).astype(np.uint8)
        array = _halves(pairs, number == INT4)[:count]
    elif number == BFLOAT16:
        array = _bfloat16(np.asarray(tensor.int32_data, np.int64).astype(np.uint16))
    elif dtype.kind == "f" and dtype.itemsize == 2:
        array = np.asarray(tensor.int32_data, np.int64).astype(np.uint16).view(np.float16)
    else:
        array = np.asarray(getattr(tensor, FIELDS.get(dtype.str[1:], "int32_data"))).astype(dtype)
    if array.size != count:
        raise DamagedError(f"expected {count:,} numbers for a shape of {tuple(tensor.dims)}, got {array.size:,}")
    return array


def _external(tensor: TensorProto, folder: Path, expected: int) -> bytes:
    """The bytes of a tensor that lie in a file beside the model."""
    entries = {entry.key: entry.value or "" for entry in tensor.external_data}
    location = entries.get("location", "")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", expected))
    except ValueError:
        raise DamagedError(f"its numbers begin at {entries.get('offset')!r} of {location!r}") from None
    if length != expected or offset < 0:
        raise DamagedError(f"expected {expected:,} bytes in {location!r}, got {length:,} from byte {offset:,}")
    try:
        file = open_beside(folder, location)
    except FormatError as error:
        raise DamagedError(f"its numbers are in {error}") from None
    with file:
        size = os.fstat(file.fileno()).st_size
        if offset + length > size:
            raise DamagedError(f"expected bytes {offset:,} to {offset + length:,} of {location!r}, which has {size:,}")
        file.seek(offset)
        return file.read(length)
