"""Arrays: where their elements lie, in one piece or in chunks, and how these are compressed."""

import itertools
import math
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.graph import Shape
from striate.interop.hdf5.headers import DATASPACE, DATATYPE, EXTERNAL_FILES, FILL, FILTERS, LAYOUT, OLD_FILL, Header
from striate.interop.hdf5.source import UNDEFINED, Cursor, Source
from striate.interop.hdf5.types import numbers, read_shape, read_type

COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL = range(4)
DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3
MAX_LEVELS = 32  # of a tree of chunks


class Chunk(NamedTuple):
    """A compressed piece of an array.

    Arguments:
        corner: the index of its first element.
        offset, size: of its bytes in the file.
        skipped: a bit for each filter that was not applied to it.
    """

    corner: Shape
    offset: int
    size: int
    skipped: int


class Filter(NamedTuple):
    """A filter applied to chunks: its number in the format's list, and its settings."""

    kind: int
    settings: tuple[int, ...]


class Dataset:
    """An array in an HDF5 file; `read` gives its numbers.

    Arguments:
        header: the object header.
        name: its path in the file, for messages.

    Attributes:
        shape, dtype: of the array.

    Raises:
        FormatError: it is damaged, or its type, storage or a filter is not supported.
        LimitError: it is larger than a file of this size may declare.
    """

    def __init__(self, header: Header, name: str):
        self.source: Source = header.source
        self.name = name
        if header[EXTERNAL_FILES]:
            self.source.refuse(f"the array {name} lies in other files; no other file is read")
        kind, shape = read_type(header.one(DATATYPE, "type")), read_shape(header.one(DATASPACE, "shape"))
        if kind.number is None or shape is None:
            self.source.refuse(
                f"expected numbers in the array {name}, got {'text' if shape is not None else 'nothing'}"
            )
        self.dtype, self.shape = kind.number, shape
        self.size = self.source.announce(shape, kind.size, f"the array {name}")
        self._fill = _fill_value(header, self.dtype)
        self._content: memoryview | None = None
        self._chunks: list[Chunk] = []
        self._chunk_shape: Shape = ()
        self._filters: list[Filter] = []
        self._place(header)

    def read(self) -> NDArray[Any]:
        """The numbers, in this machine's byte order; read-only where they are stored as they are."""
        if self._content is not None:
            return numbers(self.dtype, self.shape, self._content)
        array = np.full(self.shape, self._fill, self.dtype.newbyteorder("="))
        for chunk in self._chunks:
            piece = numbers(self.dtype, self._chunk_shape, memoryview(self._unpacked(chunk)))
            places = tuple(slice(at, at + n) for at, n in zip(chunk.corner, self._chunk_shape, strict=True))
            inside = tuple(slice(0, n - at) for at, n in zip(chunk.corner, self.shape, strict=True))
            array[places] = piece[inside]
        return array

    # Where the elements lie

    def _place(self, header: Header) -> None:
        layout = header.one(LAYOUT, "layout")
        layout.version(3, 4)
        version, storage = layout.content[0], layout.number()
        if storage == VIRTUAL:
            self.source.refuse(f"the array {self.name} is a virtual dataset, put together from other files")
        if storage == COMPACT:
            self._content = layout.take(layout.number(2))
            if len(self._content) != self.size:
                self.source.refuse(f"expected {self.size:,} bytes in the array {self.name}, got {len(self._content):,}")
        elif storage == CONTIGUOUS:
            address = layout.number(8)
            if address != UNDEFINED:
                self._content = self.source.at(address, self.size, f"the array {self.name}")
        elif storage == CHUNKED and version == 3:
            self._filters = [step for message in header[FILTERS] for step in self._pipeline(message)]
            self._place_chunks(layout)
        else:
            self.source.refuse(f"the array {self.name} has chunks in an index (libver='latest') that is not supported")

    def _place_chunks(self, layout: Cursor) -> None:
        rank, address = layout.number() - 1, layout.number(8)
        sizes = [layout.number(4) for _ in range(rank + 1)]
        item = sizes.pop() if sizes else 0
        self._chunk_shape = tuple(sizes)
        if rank != len(self.shape) or item != self.dtype.itemsize or min(sizes, default=0) < 1:
            self.source.refuse(f"the array {self.name} has chunks whose rank or type is not its own")
        # The last chunk along an axis may extend beyond the array; all are unpacked whole.
        grid = [-(-n // step) * step for n, step in zip(self.shape, self._chunk_shape, strict=True)]
        self.source.announce(tuple(grid), item, f"the chunks of {self.name}")
        self._piece = math.prod(self._chunk_shape) * item
        if address != UNDEFINED:
            self._walk_tree(address, rank)

    def _walk_tree(self, root: int, rank: int) -> None:
        """Find all chunks in a B-tree; each place of the array is filled at most once."""
        filled: set[Shape] = set()
        nodes = [(root, MAX_LEVELS)]
        while nodes:
            address, above = nodes.pop()
            head = self.source.cursor(address, 24, "a tree of chunks")
            head.expect(b"TREE")
            kind, level, used = head.number(), head.number(), head.number(2)
            if kind != 1 or level >= above:
                self.source.refuse(f"the tree of chunks of {self.name} is damaged at {address:,}")
            key = 8 + 8 * (rank + 1)
            body = self.source.cursor(address + 24, used * (key + 8), "a tree of chunks")
            for _ in range(used):
                self.source.count()
                size, skipped = body.number(4), body.number(4)
                corner = tuple(body.number(8) for _ in range(rank))
                body.take(8)
                child = body.number(8)
                if level:
                    nodes.append((child, level))
                    continue
                fits = all(
                    at < n and at % step == 0 for at, n, step in zip(corner, self.shape, self._chunk_shape, strict=True)
                )
                if corner in filled or not fits:
                    self.source.refuse(f"the array {self.name} has a chunk at {corner}, where none is expected")
                filled.add(corner)
                self.source.at(child, size, f"a chunk of {self.name}")
                self._chunks.append(Chunk(corner, child, size, skipped))

    # How chunks were packed

    def _pipeline(self, message: Cursor) -> list[Filter]:
        version, count = message.version(1, 2), message.number()
        if version == 1:
            message.take(6)
        steps: list[Filter] = []
        for _ in range(count):
            kind = message.number(2)
            named = version == 1 or kind >= 256
            length = message.number(2) if named else 0
            message.take(2)
            settings = message.number(2)
            name = message.text(length)
            if kind not in (DEFLATE, SHUFFLE, FLETCHER32) or kind in [step.kind for step in steps]:
                self.source.refuse(f"the array {self.name} has the filter {kind} {name!r}; plug-ins are not loaded")
            steps.append(Filter(kind, tuple(message.number(4) for _ in range(settings))))
            if version == 1:
                message.align()
        return steps

    def _unpacked(self, chunk: Chunk) -> bytes:
        content = bytes(self.source.content[chunk.offset : chunk.offset + chunk.size])
        for index, step in reversed([*enumerate(self._filters)]):
            if chunk.skipped >> index & 1:
                continue
            if step.kind == DEFLATE:
                content = self._inflated(content)
            elif step.kind == FLETCHER32:
                content = self._checked(content)
            else:
                content = _unshuffled(content, step.settings[0] if step.settings else self.dtype.itemsize)
        if len(content) != self._piece:
            self.source.refuse(f"expected {self._piece:,} bytes in a chunk of {self.name}, got {len(content):,}")
        return content

    def _inflated(self, content: bytes) -> bytes:
        """Deflated content, decompressed up to the size of a chunk (and a checksum behind it)."""
        unpacker = zlib.decompressobj()
        try:
            return unpacker.decompress(content, self._piece + 5)
        except zlib.error as error:
            self.source.refuse(f"a chunk of {self.name} is damaged: {error}")

    def _checked(self, content: bytes) -> bytes:
        body, checksum = content[:-4], int.from_bytes(content[-4:], "little")
        if fletcher32(body) != tuple(half % 65535 for half in (checksum & 0xFFFF, checksum >> 16)):
            self.source.refuse(f"a chunk of {self.name} has a checksum that does not match its bytes")
        return body


def fletcher32(content: bytes) -> tuple[int, int]:
    """The two sums of Fletcher's checksum over 16-bit words, each modulo 65535."""
    words = np.frombuffer(content + b"\0" * (len(content) % 2), ">u2").astype(np.uint64)
    weights = np.arange(len(words), 0, -1, dtype=np.uint64) % 65535
    return int(words.sum()) % 65535, int((words * weights % 65535).sum()) % 65535


def _unshuffled(content: bytes, item: int) -> bytes:
    """The bytes of numbers of which all first bytes were stored together, then all second ones, and so on."""
    if item < 2:
        return content
    whole = len(content) // item * item
    order = np.frombuffer(content[:whole], np.uint8).reshape(item, -1).T
    return order.tobytes() + content[whole:]


def _fill_value(header: Header, kind: np.dtype[Any]) -> Any:
    """The value where nothing was written."""
    for message in itertools.chain(header[FILL], header[OLD_FILL]):
        old = message in header[OLD_FILL]
        version = 0 if old else message.version(1, 2, 3)
        defined = True
        if version == 3:
            defined = bool(message.number() & 0x20)
        elif version:
            message.take(2)
            defined = bool(message.number()) or version == 1
        size = message.number(4) if defined and message.left >= 4 else 0
        if size == kind.itemsize:
            return np.frombuffer(message.take(size), kind)[0]
    return np.zeros((), kind)[()]
