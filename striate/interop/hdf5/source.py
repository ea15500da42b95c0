"""The bytes of an HDF5 file, and how much of our memory and time it may still ask for."""

import math
import os
from typing import NoReturn

from striate.graph import Shape
from striate.interop.refusal import refuse, refuse_size

#: What the format writes where an address is not there.
UNDEFINED = (1 << 64) - 1
#: Headers, messages, links, keys and strings of a file; a network of a thousand layers with its optimizer has 100,000.
MAX_STRUCTURES = 300_000
#: What small files may ask for beyond a multiple of their size, in bytes.
SLACK = 24 << 20


def granted_to(size: int) -> int:
    """Bytes that the arrays of a file may take together, unpacked, if the file has ``size``."""
    return 2 * size + SLACK


class Source:
    """A file's content. Every structure is checked against its bounds and counted, so that work is linear in its size.

    Arguments:
        content: the whole file.
        path: for messages.
        granted: bytes that all arrays together may take.

    Attributes:
        memory_left: bytes that the arrays, as they declare themselves, may still take together.
    """

    def __init__(self, content: bytes | bytearray, path: str | os.PathLike[str], granted: int):
        self.content, self.path = memoryview(content).toreadonly(), path
        self.memory_left = granted
        self._bytes_left = 4 * len(content)
        self._structures_left = MAX_STRUCTURES

    def refuse(self, reason: str) -> NoReturn:
        """Raise FormatError: the file cannot be opened for this reason."""
        refuse(self.path, f"HDF5: {reason}")

    def count(self, structures: int = 1) -> None:
        """Count structures against the file's limit; raises LimitError where there are more."""
        self._structures_left -= structures
        if self._structures_left < 0:
            refuse_size(self.path, f"HDF5: it holds more than {MAX_STRUCTURES:,} structures")

    def at(self, offset: int, size: int, what: str) -> memoryview:
        """The bytes of one structure; raises FormatError where they lie outside of the file."""
        if offset + size > len(self.content):
            self.refuse(f"expected {what} of {size:,} bytes at {offset:,}, but the file ends at {len(self.content):,}")
        self.count()
        self._bytes_left -= size
        if self._bytes_left < 0:
            self.refuse(f"its structures overlap: with {what} at {offset:,}, they hold more bytes than the file")
        return self.content[offset : offset + size]

    def cursor(self, offset: int, size: int, what: str) -> "Cursor":
        """The same, to be read from its beginning to its end."""
        return Cursor(self, self.at(offset, size, what), what)

    def announce(self, shape: Shape, item: int, what: str) -> int:
        """The size of an array in bytes, subtracted from `memory_left`; raises LimitError where it is larger."""
        size = math.prod(shape) * item
        # An empty array may declare absurd lengths beside its 0, and NumPy refuses those.
        if len(shape) > 32 or max(size, math.prod(max(n, 1) for n in shape) * item) > self.memory_left:
            refuse_size(
                self.path,
                f"HDF5: {what} declares the shape {shape}, but only {self.memory_left:,} bytes are left for the "
                f"arrays of a file of {len(self.content):,}",
            )
        self.memory_left -= size
        return size


class Cursor:
    """Reads one structure forwards; raises FormatError where it ends too early.

    Arguments:
        source: the file.
        content: the structure's bytes.
        what: its name, for messages.
    """

    def __init__(self, source: Source, content: memoryview, what: str):
        self.source, self.content, self.what = source, content, what
        self.place = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.content) - self.place

    def take(self, size: int) -> memoryview:
        """The next bytes."""
        if size > self.left:
            self.source.refuse(f"{self.what} ends after {len(self.content):,} bytes, before all that it declares")
        self.place += size
        return self.content[self.place - size : self.place]

    def number(self, size: int = 1) -> int:
        """The next unsigned number, of this many bytes."""
        return int.from_bytes(self.take(size), "little")

    def expect(self, signature: bytes) -> None:
        """Skip a signature; raises FormatError where the bytes differ."""
        if (got := bytes(self.take(len(signature)))) != signature:
            self.source.refuse(f"expected {self.what} to begin with {signature!r}, got {got!r}")

    def version(self, *known: int) -> int:
        """The next byte, a version; raises FormatError unless we know it."""
        if (got := self.number()) not in known:
            self.source.refuse(f"{self.what} is of version {got}, which is not supported")
        return got

    def text(self, size: int) -> str:
        """The next bytes as text, up to the first NUL."""
        return decode(self.source, bytes(self.take(size)).partition(b"\0")[0], self.what)

    def align(self) -> None:
        """Skip to the next multiple of 8."""
        self.take(min(-self.place % 8, self.left))


def decode(source: Source, text: bytes, what: str) -> str:
    """Text of a file; raises FormatError where it is not UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        source.refuse(f"expected UTF-8 in {what}, got {text[:40]!r}")
