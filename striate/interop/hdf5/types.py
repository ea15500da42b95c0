"""Types and shapes of arrays and attributes, and how their bytes become numbers and text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.graph import Shape
from striate.interop.hdf5.source import UNDEFINED, Cursor, Source, decode

#: What an attribute may be: text, several texts, numbers, or nothing (an empty dataspace).
Attribute = str | list[str] | NDArray[Any] | None

INTEGER, FLOAT, TEXT, ENUMERATION, VARIABLE_LENGTH = 0, 1, 3, 8, 9
REFUSED = {2: "times", 4: "bit fields", 5: "opaque bytes", 6: "records", 7: "references", 10: "array elements"}
#: Places and widths of exponent and mantissa, and the exponent's bias, of IEEE 754 by size in bytes.
IEEE = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}
#: h5py's booleans: an enumeration of these, as bytes 0 and 1.
BOOLEAN = (("FALSE", 0), ("TRUE", 1))


@dataclass(frozen=True)
class Type:
    """The type of an array's elements.

    Arguments:
        size: bytes of one element.
        number: what it is to NumPy; None: text.
        variable: text that lies in the global heap, the element being its place there.
    """

    size: int
    number: np.dtype[Any] | None = None
    variable: bool = False


def read_type(cursor: Cursor) -> Type:
    """The type that a datatype message describes.

    Raises:
        FormatError: it is damaged, or none of integers, IEEE 754 numbers, booleans and text.
    """
    refuse = cursor.source.refuse
    head = cursor.number()
    kind, version, bits, size = head & 15, head >> 4, cursor.number(3), cursor.number(4)
    if version not in (1, 2, 3, 4, 5):
        refuse(f"a type is of version {version}, which is not supported")
    if kind in REFUSED:
        refuse(f"{REFUSED[kind]} are not supported")
    order = ">" if bits & 1 else "<"
    if kind == INTEGER:
        if size not in (1, 2, 4, 8) or (cursor.number(2), cursor.number(2)) != (0, 8 * size):
            refuse(f"expected integers of 8, 16, 32 or 64 bits, got {size} bytes")
        return Type(size, np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"))
    if kind == FLOAT:
        cursor.take(4)
        if IEEE.get(size) != (*cursor.take(4), cursor.number(4)) or bits & 0x40:
            refuse(f"expected IEEE 754 numbers of 16, 32 or 64 bits, got another kind of {size} bytes")
        return Type(size, np.dtype(f"{order}f{size}"))
    if kind == ENUMERATION:
        return _boolean(cursor, version, bits & 0xFFFF)
    if kind == VARIABLE_LENGTH and bits & 15 == 1 and size == 16:
        return Type(size, variable=True)
    if kind == TEXT and size:
        return Type(size)
    refuse(f"expected numbers or text, got a type of kind {kind} and {size} bytes")


def _boolean(cursor: Cursor, version: int, members: int) -> Type:
    base = read_type(cursor)
    found = []
    if members == len(BOOLEAN) and base.size == 1:
        for _ in range(members):
            end = bytes(cursor.content[cursor.place :]).find(b"\0") + 1
            name = cursor.text(end if version >= 3 else -(-end // 8) * 8)
            found.append(name)
    if tuple(zip(found, bytes(cursor.take(len(found))), strict=True)) != BOOLEAN:
        cursor.source.refuse("booleans are the only supported enumerations")
    return Type(1, np.dtype(bool))


def read_shape(cursor: Cursor) -> Shape | None:
    """The shape that a dataspace message describes; None: no elements at all."""
    version = cursor.version(1, 2)
    rank, _, kind = cursor.number(), cursor.number(), cursor.number()
    if version == 1:
        cursor.take(4)
    elif kind == 2:
        return None
    return tuple(cursor.number(8) for _ in range(rank))


class Heaps:
    """The global heaps of a file, where text of any length lies; each is parsed once."""

    def __init__(self, source: Source):
        self.source = source
        self._places: dict[int, dict[int, tuple[int, int]]] = {}

    def text(self, element: bytes) -> str:
        """The text whose length and place an element gives.

        Raises:
            FormatError: there is none.
        """
        length, address, index = (int.from_bytes(element[a:b], "little") for a, b in ((0, 4), (4, 12), (12, 16)))
        self.source.count()
        if address in (0, UNDEFINED):
            return ""
        place = self._heap(address).get(index)
        if place is None or length > place[1]:
            self.source.refuse(f"expected {length:,} bytes of text as entry {index} of the heap at {address:,}")
        return decode(self.source, bytes(self.source.at(place[0], length, "text")).partition(b"\0")[0], "text")

    def _heap(self, address: int) -> dict[int, tuple[int, int]]:
        """(offset, size) of each entry of a heap."""
        if address not in self._places:
            head = self.source.cursor(address, 16, "a global heap")
            head.expect(b"GCOL")
            head.version(1)
            head.take(3)
            cursor = self.source.cursor(address, head.number(8), "a global heap")
            cursor.take(16)
            places: dict[int, tuple[int, int]] = {}
            while cursor.left >= 16:
                self.source.count()
                index, _, size = cursor.number(2), cursor.take(6), cursor.number(8)
                if index == 0:
                    break  # the free space at the end
                places[index] = (address + cursor.place, size)
                cursor.take(size)
                cursor.align()
            self._places[address] = places
        return self._places[address]


def numbers(kind: np.dtype[Any], shape: Shape, content: memoryview) -> NDArray[Any]:
    """Elements as an array, without copying where the byte order is this machine's."""
    array = np.frombuffer(content, kind).reshape(shape)
    return array.astype(kind.newbyteorder("="), copy=False)


def read_attribute(cursor: Cursor, heaps: Heaps) -> tuple[str, Attribute]:
    """Name and value of an attribute message."""
    version = cursor.version(1, 2, 3)
    if cursor.number() and version > 1:
        cursor.source.refuse("an attribute of a committed type is not supported")
    sizes = [cursor.number(2) for _ in range(3)]
    if version == 3:
        cursor.take(1)  # ASCII or UTF-8, of which ASCII is a subset
    parts = []
    for size in sizes:
        parts.append(Cursor(cursor.source, cursor.take(size), "an attribute"))
        if version == 1:
            cursor.align()
    name = parts[0].text(sizes[0])
    kind, shape = read_type(parts[1]), read_shape(parts[2])
    if shape is None:
        return name, None
    content = cursor.take(cursor.source.announce(shape, kind.size, f"the attribute {name!r}"))
    if kind.number is not None:
        return name, numbers(kind.number, shape, content)
    return name, _texts(cursor.source, heaps, kind, shape, bytes(content))


def _texts(source: Source, heaps: Heaps, kind: Type, shape: Shape, content: bytes) -> str | list[str]:
    elements = [content[at : at + kind.size] for at in range(0, len(content), kind.size)]
    source.count(len(elements))
    if kind.variable:
        texts = [heaps.text(element) for element in elements]
    else:
        texts = [decode(source, element.partition(b"\0")[0].rstrip(b" "), "text") for element in elements]
    return texts if shape else texts[0]
