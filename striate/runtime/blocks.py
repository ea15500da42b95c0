"""Blocks of memory in which graphs are computed: a run borrows one, so that all graphs share those few.

A process that runs one graph at a time has one block, as large as the largest graph needs that it has run lately.
"""

import contextlib
import ctypes
import mmap
from typing import Any, NamedTuple

import numpy as np

from striate.graph import Array, Shape
from striate.runtime.arena import ALIGNMENT

#: Runs in a row that need less than half of a block until its memory goes back to the system. Writing to new memory for
#: the first time takes about as long as a pass over it, so once in so many runs it costs next to nothing.
PATIENCE = 64
#: A forked process gets a copy.
_OWN: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
_FREE: "list[Block]" = []


class Block:
    """Bytes, and how often in a row most of them were not needed."""

    __slots__ = ("address", "array", "idle", "size")

    def __init__(self, size: int):
        self.array, self.size, self.idle = own_pages(size), size, 0
        self.address = address_of(self.array)


class View(NamedTuple):
    """A place in a block: its first byte, and what array is there."""

    start: int
    shape: Shape
    dtype: Any

    def on(self, block: Block) -> Array:
        """The array in this block."""
        return np.ndarray(self.shape, self.dtype, block.array.data, self.start)


def borrow(size: int) -> Block:
    """A block of at least ``size`` bytes for the caller alone, until it is given back; its contents are undefined."""
    try:
        block = _FREE.pop()
    except IndexError:
        return Block(size)
    if block.size >= size:
        return block
    for other in _FREE.copy():
        if other.size >= size:
            with contextlib.suppress(ValueError):  # another thread was quicker
                _FREE.remove(other)
                _FREE.append(block)
                return other
    del block
    return Block(size)


def give_back(block: Block, used: int) -> None:
    """Let others borrow a block, of which ``used`` bytes were needed."""
    block.idle = block.idle + 1 if 2 * used < block.size else 0
    if block.idle < PATIENCE:
        _FREE.append(block)


def free_bytes() -> int:
    """Bytes of all blocks that are not borrowed."""
    return sum(block.size for block in _FREE.copy())


def own_pages(size: int) -> Array:
    """Bytes on pages of their own, all zero.

    They come from the system and go back to it: in malloc's heap, blocks that grow leave gaps that nobody else can use.
    """
    pages = mmap.mmap(-1, max(1, size), **_OWN)
    if hasattr(mmap, "MADV_HUGEPAGE"):  # as NumPy asks for its own large arrays
        with contextlib.suppress(OSError):  # a system that has none
            pages.madvise(mmap.MADV_HUGEPAGE)
    array: Array = np.frombuffer(pages, np.uint8)
    return array


def aligned(size: int) -> Array:
    """Bytes from a multiple of `ALIGNMENT`, with undefined contents."""
    block = np.empty(size + ALIGNMENT, np.uint8)
    start = -address_of(block) % ALIGNMENT
    return block[start : start + size]


def address_of(array: Any) -> int:
    """Where an array begins."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # much quicker than asking NumPy
    except (TypeError, ValueError):  # one that must not be written, or that is empty
        return int(array.__array_interface__["data"][0])
