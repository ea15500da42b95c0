"""Writing HDF5: the oldest form of the format, which every program reads, and which Keras's own files have.

A file is laid out before its first byte is written: every structure gets its place, one behind the other, and numbers
come last. Nothing in it depends on the time or the machine: the same folder gives the same bytes.

    superblock 0 · for each group: object header, B-tree of its links, local heap of their names, leaves
    for each array: object header · one global heap for all text of attributes · the arrays' numbers

Source: The HDF Group, "HDF5 File Format Specification Version 3.0".
"""

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ArgumentError
from striate.graph import Array, Shape
from striate.interop.hdf5.groups import MAGIC, MAX_NAME
from striate.interop.hdf5.headers import ATTRIBUTE, DATASPACE, DATATYPE, LAYOUT, SYMBOL_TABLE
from striate.interop.hdf5.source import UNDEFINED
from striate.interop.hdf5.storage import CONTIGUOUS
from striate.interop.hdf5.types import FLOAT, IEEE, INTEGER, TEXT, VARIABLE_LENGTH

#: Half of how many links a leaf holds, and of how many leaves or nodes a node of the tree holds; h5py has the same.
LEAF_K, NODE_K = 4, 16
#: A global heap is never smaller, and counts its entries in 16 bits.
LEAST_HEAP, MOST_TEXTS = 4096, 65535
#: Bytes of a message: its length has 16 bits, and it is a multiple of 8.
MAX_MESSAGE = 65528
UTF8 = 1  # how text is encoded


@dataclass
class Folder:
    """The content of a group to be written: attributes, arrays, and further groups.

    Attributes:
        attributes: text, lists of texts, or numbers.
    """

    attributes: dict[str, str | Sequence[str] | Array] = field(default_factory=dict)
    groups: dict[str, "Folder"] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def group(self, path: str) -> "Folder":
        """The group at a path such as "layers/conv2d/vars", created if it is missing."""
        here = self
        for name in path.split("/") if path else ():
            here = here.groups.setdefault(name, Folder())
        return here

    def put(self, path: str, array: NDArray[Any]) -> None:
        """An array at a path such as "layers/conv2d/vars/0"."""
        group, _, name = path.rpartition("/")
        self.group(group).arrays[name] = array


def write_hdf5(file: IO[bytes], root: Folder) -> None:
    """Write a folder as an HDF5 file, from the file's present position on, which becomes its beginning.

    Numbers are written little-endian and in one piece, text as UTF-8.

    Raises:
        ArgumentError: a name is empty, too long, or has a slash or NUL in it, or names both a group and an array; an
            array is not one of integers or IEEE 754 numbers of at most 64 bits; text holds NUL; or an attribute is
            larger than 64 kB (a single text may have any length).
    """
    layout = _Layout(root)
    for piece in layout.pieces():
        file.write(piece)


class _Layout:
    """Where everything of a file lies.

    Arguments:
        root: the folder.
    """

    def __init__(self, root: Folder):
        self._texts: list[bytes] = []
        self._structures: list[bytes] = []
        self._numbers: list[tuple[int, NDArray[Any]]] = []
        self._end = len(_superblock(0, 0))
        # Headers hold the addresses of the heap and of the numbers, which follow all headers. The lengths of headers do
        # not depend on those addresses, so a first pass with guessed addresses finds them.
        self._heap = self._data = 0
        self._root = self._group(root, "")
        self._heap = self._end
        self._data = self._heap + len(self._global_heap())
        self._texts.clear()
        self._structures.clear()
        self._numbers.clear()
        self._end = len(_superblock(0, 0))
        self._group(root, "")

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The file's bytes, in order."""
        total = self._numbers[-1][0] + _padded(self._numbers[-1][1].nbytes) if self._numbers else self._data
        yield _superblock(total, self._root)
        yield from self._structures
        yield self._global_heap()
        for _, array in self._numbers:
            yield array.reshape(-1).view(np.uint8).data
            yield bytes(-array.nbytes % 8)

    def _add(self, structure: bytes) -> int:
        """Append a structure; returns its address."""
        place = self._end
        self._structures.append(structure)
        self._end += len(structure)
        return place

    def _group(self, folder: Folder, path: str) -> int:
        """Append a group and all that is in it; returns its header's address."""
        if twice := folder.groups.keys() & folder.arrays.keys():
            raise ArgumentError(f"write_hdf5: {path}/{min(twice)} is the name of a group and of an array.")
        links = {}
        for name, inner in folder.groups.items():
            links[_name(name, path)] = self._group(inner, f"{path}/{name}")
        for name, array in folder.arrays.items():
            links[_name(name, path)] = self._array(array, f"{path}/{name}")
        names = sorted(links)
        # Names lie in the heap one after the other, each ended by NUL, from a multiple of 8 on; the first is "".
        places = [0, *itertools.accumulate((_padded(len(name) + 1) for name in names), initial=8)]
        segment = bytes(8) + b"".join(name + bytes(_padded(len(name) + 1) - len(name)) for name in names)
        heap = self._end
        head = struct.pack("<4sB3xQQQ", b"HEAP", 0, len(segment), 1, heap + 32)  # 1: no space in it is free
        self._add(head + segment)
        leaves = []
        for first in range(0, len(names), 2 * LEAF_K):
            some = range(first, min(first + 2 * LEAF_K, len(names)))
            entries = b"".join(struct.pack("<QQLL16x", places[i + 1], links[names[i]], 0, 0) for i in some)
            leaf = struct.pack("<4sBxH", b"SNOD", 1, len(some)) + entries
            leaves.append((self._add(leaf + bytes(8 + 80 * LEAF_K - len(leaf))), places[some[-1] + 1]))
        table = struct.pack("<QQ", self._tree(leaves), heap)
        return self._header([(SYMBOL_TABLE, table), *self._attributes(folder, path)])

    def _tree(self, children: list[tuple[int, int]], level: int = 0) -> int:
        """Append the tree of leaves, each given with the place of its last name; returns its root's address."""
        size = 24 + 8 * (4 * NODE_K + 1)
        parts = [children[i : i + 2 * NODE_K] for i in range(0, len(children), 2 * NODE_K)] or [[]]
        places = [self._end + size * i for i in range(len(parts))]
        before = 0
        for i, part in enumerate(parts):
            left, right = (places[j] if 0 <= j < len(parts) else UNDEFINED for j in (i - 1, i + 1))
            node = struct.pack("<4sBBHQQQ", b"TREE", 0, level, len(part), left, right, before)
            node += b"".join(struct.pack("<QQ", *child) for child in part)
            self._add(node + bytes(size - len(node)))
            before = part[-1][1] if part else 0
        if len(parts) == 1:
            return places[0]
        return self._tree([(place, part[-1][1]) for place, part in zip(places, parts, strict=True)], level + 1)

    def _array(self, array: NDArray[Any], path: str) -> int:
        """Append an array's header, and remember its numbers; returns the header's address."""
        kind = _number_type(array.dtype, path)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        place = UNDEFINED
        if array.nbytes:
            place = self._data
            if self._numbers:
                last, before = self._numbers[-1]
                place = last + _padded(before.nbytes)
            self._numbers.append((place, array))
        layout = struct.pack("<BBQQ", 3, CONTIGUOUS, place, array.nbytes)
        return self._header([(DATASPACE, _shape(array.shape)), (DATATYPE, kind), (LAYOUT, layout)])

    def _attributes(self, folder: Folder, path: str) -> Iterator[tuple[int, bytes]]:
        for name, value in folder.attributes.items():
            label = _name(name, path) + b"\0"
            kind, shape, content = self._attribute(value, f"{path}: {name}")
            # Version 3 of the message: nothing is padded, and the name is UTF-8.
            head = struct.pack("<BBHHHB", 3, 0, len(label), len(kind), len(shape), UTF8)
            message = head + label + kind + shape + content
            if len(message) > MAX_MESSAGE:
                raise ArgumentError(
                    f"write_hdf5: expected at most {MAX_MESSAGE:,} bytes in the attribute {name!r} of {path or '/'}, "
                    f"got {len(message):,}. Split it, or write it as a single text."
                )
            yield ATTRIBUTE, message

    def _attribute(self, value: str | Sequence[str] | Array, where: str) -> tuple[bytes, bytes, bytes]:
        """Type, shape and content of an attribute."""
        if isinstance(value, str):
            text = _text(value)
            self._texts.append(text)
            kind = struct.pack("<BBBBL", 0x10 | VARIABLE_LENGTH, 1, UTF8, 0, 16) + _text_type(1)
            return kind, _shape(()), struct.pack("<LQL", len(text), self._heap, len(self._texts))
        if isinstance(value, np.ndarray):
            content = value.astype(value.dtype.newbyteorder("<")).tobytes()
            return _number_type(value.dtype, where), _shape(value.shape), content
        texts = [_text(one) for one in value]
        size = max([1, *map(len, texts)])
        return _text_type(size), _shape((len(texts),)), b"".join(text.ljust(size, b"\0") for text in texts)

    def _header(self, messages: Sequence[tuple[int, bytes]]) -> int:
        """Append an object header; returns its address."""
        body = b"".join(
            struct.pack("<HHB3x", kind, _padded(len(message)), 0) + message.ljust(_padded(len(message)), b"\0")
            for kind, message in messages
        )
        return self._add(struct.pack("<BxHLL4x", 1, len(messages), 1, len(body)) + body)

    def _global_heap(self) -> bytes:
        """All text of attributes; nothing where there is none."""
        if not self._texts:
            return b""
        if len(self._texts) > MOST_TEXTS:
            raise ArgumentError(f"write_hdf5: expected at most {MOST_TEXTS:,} texts, got {len(self._texts):,}.")
        entries = b"".join(
            struct.pack("<HH4xQ", i, 0, len(text)) + text.ljust(_padded(len(text)), b"\0")
            for i, text in enumerate(self._texts, 1)
        )
        free = max(LEAST_HEAP - 16 - len(entries), 16)  # entry 0 is the free space, its own 16 bytes included
        entries += struct.pack("<HH4xQ", 0, 0, free) + bytes(free - 16)
        return struct.pack("<4sB3xQ", b"GCOL", 1, 16 + len(entries)) + entries


def _superblock(end: int, root: int) -> bytes:
    """The file's beginning: versions, sizes of addresses and lengths, where it ends and where the root group lies."""
    versions = struct.pack("<8sBBBxBBBxHHL", MAGIC, 0, 0, 0, 0, 8, 8, LEAF_K, NODE_K, 0)
    return versions + struct.pack("<QQQQ", 0, UNDEFINED, end, UNDEFINED) + struct.pack("<QQLL16x", 0, root, 0, 0)


def _shape(shape: Shape) -> bytes:
    return struct.pack(f"<BBBB4x{len(shape)}Q", 1, len(shape), 0, 0, *shape)


def _number_type(kind: np.dtype[Any], where: str) -> bytes:
    """The message that describes little-endian integers or IEEE 754 numbers."""
    size = kind.itemsize
    if kind.kind not in "fiu" or size > 8:
        raise ArgumentError(f"write_hdf5: expected numbers of at most 64 bits in {where}, got {kind}.")
    if kind.kind != "f":
        return struct.pack("<BBBBLHH", 0x10 | INTEGER, 8 * (kind.kind == "i"), 0, 0, size, 0, 8 * size)
    *places, bias = IEEE[size]
    # Bits of the class: the mantissa's first 1 is not stored; where the sign is.
    return struct.pack("<BBBBLHH4BL", 0x10 | FLOAT, 0x20, 8 * size - 1, 0, size, 0, 8 * size, *places, bias)


def _text_type(size: int) -> bytes:
    """The message that describes UTF-8 text of this many bytes, padded with NUL."""
    return struct.pack("<BBBBL", 0x10 | TEXT, 0x01 | UTF8 << 4, 0, 0, size)


def _text(text: str) -> bytes:
    if "\0" in text:
        raise ArgumentError(f"write_hdf5: expected text without NUL, which ends it in a file, got {text!r:.80}.")
    return text.encode()


def _padded(size: int) -> int:
    return size + -size % 8


def _name(name: str, path: str) -> bytes:
    label = name.encode()
    if name in ("", ".") or "/" in name or "\0" in name or len(label) >= MAX_NAME:
        raise ArgumentError(
            f"write_hdf5: expected a name of at most {MAX_NAME - 1} bytes without slash or NUL in {path or '/'}, "
            f"got {name!r:.80}."
        )
    return label
