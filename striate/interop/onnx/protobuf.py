"""Protocol buffers, the encoding of ONNX files, as far as ONNX needs it.

A message is a sequence of fields; each begins with a number that says which field it is and how its value is encoded:

    0 varint: 7 bits a byte, the lowest first · 1 eight bytes · 2 length, then as many bytes · 5 four bytes

The fields of a message are declared in its class. Fields that a class does not name are skipped. Nothing is read that
the bytes do not hold: each length is checked against what is left, and messages may nest `MAX_DEPTH` deep.

Source: https://protobuf.dev/programming-guides/encoding
"""

import struct
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

#: Messages within messages; ONNX itself needs some ten, and four more for each graph inside a graph.
MAX_DEPTH = 64
#: Fields of one file; the largest networks have some hundred thousand.
MAX_FIELDS = 400_000
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


class DamagedError(ValueError):
    """These bytes are not a message of the expected kind."""


class TooLargeError(DamagedError):
    """More fields, or deeper nesting, than any network needs."""


class Field(NamedTuple):
    """One field of a message.

    Arguments:
        name: the attribute of the message's object.
        kind: "int", "float", "double", "bytes", "text", or the class of a message.
        many: whether it may occur several times: then the attribute is a list, or an array if numbers are packed.
    """

    name: str
    kind: Any
    many: bool = False


class Message:
    """Base of all messages: a subclass declares its fields by number, and each is an attribute; None: it is missing."""

    FIELDS: ClassVar[dict[int, Field]]

    def __init__(self, **values: Any):
        for field in self.FIELDS.values():
            setattr(self, field.name, values.pop(field.name, [] if field.many else None))
        if values:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(values)}")

    @classmethod
    def parse(cls, content: bytes | memoryview) -> Self:
        """The message that these bytes hold; bytes in it are views of them.

        Raises:
            DamagedError: they do not hold one.
            TooLargeError: see there.
        """
        message: Self = _Reader().message(cls, memoryview(content), 0)
        return message

    def encode(self) -> bytes:
        """The message's bytes."""
        return b"".join(_pieces(self))


class _Reader:
    def __init__(self) -> None:
        self._fields = 0

    def message(self, cls: Any, content: memoryview, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise TooLargeError(f"messages nest more than {MAX_DEPTH} deep")
        message = cls()
        for number, wire, value in _fields(content):
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise TooLargeError(f"it has more than {MAX_FIELDS:,} fields")
            field = cls.FIELDS.get(number)
            if field is None:
                continue
            if field.many and wire == BYTES and field.kind in _PACKED:
                packed = _PACKED[field.kind](value)
                had = getattr(message, field.name)
                setattr(message, field.name, packed if not len(had) else np.concatenate([had, packed]))
                continue
            read = self._value(field, wire, value, depth)
            if field.many:
                values = getattr(message, field.name)
                if isinstance(values, np.ndarray):
                    raise DamagedError(f"{field.name} is both packed and not packed")
                values.append(read)
            else:
                setattr(message, field.name, read)
        return message

    def _value(self, field: Field, wire: int, value: Any, depth: int) -> Any:
        kind = field.kind
        expected = _WIRES.get(kind, BYTES) if isinstance(kind, str) else BYTES
        if wire != expected:
            raise DamagedError(f"{field.name} has an unexpected wire type ({wire})")
        if kind == "int":
            return value - (1 << 64) if value >> 63 else value
        if kind == "float":
            return struct.unpack("<f", value)[0]
        if kind == "double":
            return struct.unpack("<d", value)[0]
        if kind == "bytes":
            return value
        if kind == "text":
            try:
                return str(value, "utf-8")
            except UnicodeDecodeError as error:
                raise DamagedError(f"{field.name} is not UTF-8: {error}") from None
        return self.message(kind, value, depth + 1)


def _fields(content: memoryview) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field."""
    place, end = 0, len(content)
    while place < end:
        key, place = _varint(content, place)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value: Any
            value, place = _varint(content, place)
        elif wire in (EIGHT, FOUR, BYTES):
            length = 8 if wire == EIGHT else 4
            if wire == BYTES:
                length, place = _varint(content, place)
            if length > end - place:
                raise DamagedError(f"a field of {length:,} bytes where {end - place:,} are left")
            value = content[place : place + length]
            place += length
        else:
            raise DamagedError(f"a field of an unknown wire type ({wire})")
        yield number, wire, value


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number of up to 64 bits, and the position after it."""
    number = shift = 0
    while place < len(content) and shift < 70:
        byte = content[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, place
        shift += 7
    raise DamagedError("an unterminated number")


def _packed_numbers(dtype: str) -> Any:
    def numbers(content: memoryview) -> NDArray[Any]:
        if len(content) % np.dtype(dtype).itemsize:
            raise DamagedError(f"{len(content):,} bytes of packed numbers, which are {np.dtype(dtype).itemsize} each")
        return np.frombuffer(content, dtype)

    return numbers


def _packed_varints(content: memoryview) -> NDArray[np.int64]:
    """All numbers of a row of varints at once."""
    data = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(data < 0x80)
    if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
        raise DamagedError("an unterminated number")
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    if len(ends) and (ends - starts).max() >= 10:
        raise DamagedError("an unterminated number")
    place = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)  # of each byte in its number
    parts = (data & np.uint8(0x7F)).astype(np.uint64) << (7 * place).astype(np.uint64)
    sums = np.add.reduceat(parts, starts) if len(ends) else parts
    return sums.astype(np.uint64).view(np.int64)


_WIRES = {"int": VARINT, "float": FOUR, "double": EIGHT}
_PACKED = {"int": _packed_varints, "float": _packed_numbers("<f4"), "double": _packed_numbers("<f8")}


def _pieces(message: Message) -> Iterator[bytes]:
    for number, field in sorted(message.FIELDS.items()):
        value = getattr(message, field.name)
        values = value if field.many else [] if value is None else [value]
        if field.many and field.kind in _PACKED and len(values):
            if field.kind == "int":
                content = b"".join(map(_as_varint, values))
            else:
                content = np.asarray(values, "<f4" if field.kind == "float" else "<f8").tobytes()
            yield from (_key(number, BYTES), _as_varint(len(content)), content)
            continue
        for one in values:
            if field.kind == "int":
                yield from (_key(number, VARINT), _as_varint(one))
            elif field.kind == "float":
                yield from (_key(number, FOUR), struct.pack("<f", one))
            elif field.kind == "double":
                yield from (_key(number, EIGHT), struct.pack("<d", one))
            elif isinstance(one, Message):  # not joined before all is: a network's arrays are large
                pieces = list(_pieces(one))
                yield from (_key(number, BYTES), _as_varint(sum(map(len, pieces))), *pieces)
            else:
                content = one.encode() if isinstance(one, str) else bytes(one)
                yield from (_key(number, BYTES), _as_varint(len(content)), content)


def _key(number: int, wire: int) -> bytes:
    return _as_varint(number << 3 | wire)


def _as_varint(number: Any) -> bytes:
    left = int(number) & 0xFFFF_FFFF_FFFF_FFFF
    content = bytearray()
    while left > 0x7F:
        content.append(left & 0x7F | 0x80)
        left >>= 7
    content.append(left)
    return bytes(content)
