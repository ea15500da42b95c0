"""Object headers: the messages that say what a group or an array is made of."""

from collections import defaultdict
from typing import NamedTuple

from striate.interop.hdf5.source import UNDEFINED, Cursor, Source

DATASPACE, LINK_INFO, DATATYPE, OLD_FILL, FILL, LINK, EXTERNAL_FILES, LAYOUT = 1, 2, 3, 4, 5, 6, 7, 8
FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 11, 12, 16, 17, 21
SHARED = 0x2


class Block(NamedTuple):
    """A piece of an object header."""

    address: int
    size: int


class Header(defaultdict[int, list[Cursor]]):
    """The messages of one object by kind.

    Raises:
        FormatError: the header is damaged, or one of its messages is shared (a committed type).
    """

    def __init__(self, source: Source, address: int):
        super().__init__(list)
        self.source, self.address = source, address
        self._seen: set[int] = set()
        start = source.at(address, 4, "an object header")
        self._second = bytes(start) == b"OHDR"
        blocks = [self._first_block_v2() if self._second else self._first_block_v1()]
        while blocks:
            blocks += self._read(blocks.pop(0))

    def one(self, kind: int, what: str) -> Cursor:
        """The only message of a kind; raises FormatError where there is none, or several."""
        if len(self[kind]) != 1:
            self.source.refuse(f"expected one {what} in the object header at {self.address:,}, got {len(self[kind])}")
        return self[kind][0]

    def _first_block_v1(self) -> Block:
        prefix = self.source.cursor(self.address, 16, "an object header")
        prefix.version(1)
        prefix.take(7)  # how many messages, and how many links lead here: the blocks end by themselves
        return Block(self.address + 16, prefix.number(4))

    def _first_block_v2(self) -> Block:
        prefix = self.source.cursor(self.address, min(34, len(self.source.content) - self.address), "an object header")
        prefix.take(4)
        prefix.version(2)
        flags = prefix.number()
        prefix.take(16 * bool(flags & 0x20) + 4 * bool(flags & 0x10))  # times; when attributes move to a heap
        self._ordered = bool(flags & 0x4)
        size = prefix.number(1 << (flags & 3))
        return Block(self.address + prefix.place, size)

    def _read(self, block: Block) -> list[Block]:
        """Read a block's messages; returns the blocks in which it continues."""
        if block.address in self._seen:
            self.source.refuse(f"the object header at {self.address:,} continues in a cycle")
        self._seen.add(block.address)
        cursor = self.source.cursor(block.address, block.size, "an object header")
        if self._second and len(self._seen) > 1:
            cursor.expect(b"OCHK")
        more = []
        length = 4 + 2 * self._ordered if self._second else 8
        checksum = 4 if self._second and len(self._seen) > 1 else 0  # the first block's stands behind it
        while cursor.left >= length + checksum:
            self.source.count()
            kind = cursor.number(1 if self._second else 2)
            size, flags = cursor.number(2), cursor.number()
            cursor.take(length - 4 if self._second else 3)
            message = Cursor(self.source, cursor.take(size), f"a message (kind {kind}) of an object header")
            if kind == CONTINUATION:
                more.append(Block(message.number(8), message.number(8)))
            elif kind in KNOWN:
                if flags & SHARED:
                    self.source.refuse(f"a committed type or shared message (kind {kind}) is not supported")
                self[kind].append(message)
        return more


KNOWN = {
    DATASPACE, LINK_INFO, DATATYPE, OLD_FILL, FILL, LINK, EXTERNAL_FILES, LAYOUT, FILTERS, ATTRIBUTE, SYMBOL_TABLE,
    ATTRIBUTE_INFO,
}  # fmt: skip


def not_in_a_heap(info: Cursor, what: str, counter: int) -> None:
    """Raise FormatError if links or attributes lie in a fractal heap, as those of large objects in new files do."""
    info.version(0)
    info.take(counter * (info.number() & 1))  # the largest number given so far
    if info.number(8) != UNDEFINED:
        info.source.refuse(f"{what} in a fractal heap (libver='latest') are not supported; save it without libver")
