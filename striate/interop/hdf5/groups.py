"""Groups, and all that is in them."""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from striate.data.files import GIB, open_regular
from striate.interop.hdf5.headers import (
    ATTRIBUTE,
    ATTRIBUTE_INFO,
    LAYOUT,
    LINK,
    LINK_INFO,
    SYMBOL_TABLE,
    Header,
    not_in_a_heap,
)
from striate.interop.hdf5.source import UNDEFINED, Cursor, Source, granted_to
from striate.interop.hdf5.storage import Dataset
from striate.interop.hdf5.types import Attribute, Heaps, read_attribute
from striate.interop.refusal import refuse_size

MAGIC = b"\x89HDF\r\n\x1a\n"
#: Groups inside of groups.
MAX_DEPTH = 64
#: Levels of the tree that sorts a group's links.
MAX_LEVELS = 32
#: Bytes of a link's name, the last being NUL.
MAX_NAME = 1024
SOFT_LINK, HARD, SOFT, EXTERNAL = 2, 0, 1, 64


@dataclass
class Group:
    """A folder in an HDF5 file: groups and arrays by name, and the attributes of the group itself."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    groups: dict[str, "Group"] = field(default_factory=dict)
    arrays: dict[str, Dataset] = field(default_factory=dict)

    def walk(self) -> Iterator[Dataset]:
        """All arrays in this group and those below it."""
        waiting = [self]
        while waiting:
            group = waiting.pop()
            yield from group.arrays.values()
            waiting += group.groups.values()

    def find(self, path: str) -> "Group | Dataset | None":
        """What lies at a path such as "layers/conv2d/vars/0"; None: nothing."""
        *folders, last = [part for part in path.split("/") if part] or [""]
        here: Group | None = self
        for folder in folders:
            here = here.groups.get(folder) if here else None
        return None if here is None else here.groups.get(last) or here.arrays.get(last)


def read_hdf5(path: str | os.PathLike[str], *, max_bytes: int = 4 * GIB) -> Group:
    """Open an HDF5 file: its root group, with all that is in it; arrays are read when they are asked for.

    It reads what Keras, h5py and TensorFlow write: integers, IEEE 754 numbers, booleans and text; arrays in one
    piece or in chunks, plain or with the filters shuffle, deflate and Fletcher's checksum.

    Arguments:
        path: of the file.
        max_bytes: the largest file that is read (default 4 GiB).

    Raises:
        FormatError: it is not an HDF5 file, or is damaged; or it has links to other places or files, arrays that lie in
            other files, filters that are plug-ins, or types that are not supported.
        LimitError: it is larger than ``max_bytes``, or declares more than a file of its size may.
        FileNotFoundError: there is no such file.

    Source: The HDF Group, "HDF5 File Format Specification Version 3.0".
    """
    with open_regular(path, "read_hdf5") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            refuse_size(path, f"expected at most {max_bytes:,} bytes, got {size:,}. Raise max_bytes if you trust it")
        return parse_hdf5(file.read(size), path, granted_to(size))


def parse_hdf5(content: bytes | bytearray, path: str | os.PathLike[str], granted: int) -> Group:
    """The same for a file's content; ``path`` is for messages, ``granted`` the most bytes that its arrays may take."""
    source = Source(content, path, granted)
    heaps, seen, root = Heaps(source), set[int](), Group()
    waiting = deque([Place(_root_address(source), root, "", 0)])
    while waiting:
        address, parent, name, depth = waiting.popleft()
        if address in seen:
            source.refuse(f"more than one link leads to {name or '/'}")
        if depth > MAX_DEPTH:
            source.refuse(f"groups are nested more than {MAX_DEPTH} deep")
        seen.add(address)
        header, last = Header(source, address), name.rpartition("/")[2]
        if header[LAYOUT]:
            parent.arrays[last] = Dataset(header, name)
            continue
        group = parent.groups.setdefault(last, Group()) if depth else root
        group.attributes = _attributes(header, heaps)
        taken: set[str] = set()
        for link, target in _links(header, name):
            if link in taken or link in ("", ".", "..") or "/" in link:
                source.refuse(f"expected a unique name without slashes in {name or '/'}, got {link!r}")
            taken.add(link)
            waiting.append(Place(target, group, f"{name}/{link}", depth + 1))
    return root


class Place(NamedTuple):
    """Where an object lies, and where it belongs."""

    address: int
    parent: Group
    name: str
    depth: int


def _root_address(source: Source) -> int:
    """Where the root group's header lies, from the superblock."""
    block = source.cursor(0, min(96, len(source.content)), "the superblock")
    block.expect(MAGIC)
    version = block.version(0, 2, 3)
    if version == 0:
        block.take(4)
    sizes = block.number(), block.number()
    if sizes != (8, 8):
        source.refuse(f"expected addresses and lengths of 8 bytes, got {sizes}")
    block.take(9 if version == 0 else 1)
    if base := block.number(8):
        source.refuse(f"expected addresses counted from the file's beginning, got {base}")
    block.take(32 if version == 0 else 16)
    return block.number(8)


def _attributes(header: Header, heaps: Heaps) -> dict[str, Attribute]:
    for info in header[ATTRIBUTE_INFO]:
        not_in_a_heap(info, "attributes", 2)
    found: dict[str, Attribute] = {}
    for message in header[ATTRIBUTE]:
        name, value = read_attribute(message, heaps)
        if name in found:
            header.source.refuse(f"there are two attributes {name!r}")
        found[name] = value
    return found


def _links(header: Header, name: str) -> Iterator[tuple[str, int]]:
    """Name and address of each member of a group."""
    for info in header[LINK_INFO]:
        not_in_a_heap(info, "links", 8)
    for message in header[LINK]:
        yield _link(message, name)
    for message in header[SYMBOL_TABLE]:
        yield from _symbols(header.source, message.number(8), message.number(8), name)
    if not (header[LINK_INFO] or header[SYMBOL_TABLE]):
        header.source.refuse(f"expected a group or an array as {name or '/'}, got a committed type")


def _link(message: Cursor, group: str) -> tuple[str, int]:
    message.version(1)
    flags = message.number()
    kind = message.number() if flags & 0x8 else HARD
    message.take(8 * bool(flags & 0x4) + bool(flags & 0x10))  # when it was made; ASCII or UTF-8
    name = message.text(message.number(1 << (flags & 3)))
    if kind != HARD:
        what = {SOFT: "a soft link", EXTERNAL: "a link to another file"}.get(kind, f"a link of kind {kind}")
        message.source.refuse(f"{group}/{name} is {what}; links are not followed")
    return name, message.number(8)


def _symbols(source: Source, root: int, heap: int, group: str) -> Iterator[tuple[str, int]]:
    """The links of a group in an old-style file: leaves of a tree, with their names in a heap."""
    head = source.cursor(heap, 32, "a local heap")
    head.expect(b"HEAP")
    head.version(0)
    head.take(3)
    length, _, start = head.number(8), head.take(8), head.number(8)
    names = source.content[start : start + length]
    nodes = [(root, MAX_LEVELS)]
    while nodes:
        address, above = nodes.pop()
        head = source.cursor(address, 24, "a tree of links")
        head.expect(b"TREE")
        kind, level, used = head.number(), head.number(), head.number(2)
        if kind != 0 or level >= above:
            source.refuse(f"the tree of links of {group or '/'} is damaged at {address:,}")
        body = source.cursor(address + 24, used * 16, "a tree of links")
        children = []
        for _ in range(used):
            body.take(8)
            children.append(body.number(8))
        if level:
            nodes += [(child, level) for child in reversed(children)]
            continue
        for child in children:
            yield from _leaf(source, child, names, group)


def _leaf(source: Source, address: int, names: memoryview, group: str) -> Iterator[tuple[str, int]]:
    head = source.cursor(address, 8, "a leaf of links")
    head.expect(b"SNOD")
    head.version(1)
    head.take(1)
    count = head.number(2)
    entries = source.cursor(address + 8, 40 * count, "a leaf of links")
    for _ in range(count):
        place, target, cached = entries.number(8), entries.number(8), entries.number(4)
        entries.take(20)
        piece = bytes(names[place : place + MAX_NAME])
        source.count()
        name = Cursor(source, memoryview(piece), "a link's name").text(len(piece))
        if b"\0" not in piece:
            source.refuse(f"a link in {group or '/'} has an unterminated name, or one longer than {MAX_NAME}")
        if cached == SOFT_LINK or target == UNDEFINED:
            source.refuse(f"{group}/{name} is a soft link; links are not followed")
        yield name, target
