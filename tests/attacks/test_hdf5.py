"""R3: HDF5 files that lead elsewhere, lie, hang or explode end in our error."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

h5py = pytest.importorskip("h5py")

from tests.attacks.harness import attack, refused  # noqa: E402

READER = "tests.attacks.test_hdf5:read_everything"
UNDEFINED = (1 << 64) - 1
MILLION = 1_000_000


def read_everything(path: str) -> None:
    """What a reader of models may at most do with a file."""
    from striate.interop.hdf5 import read_hdf5

    for array in read_hdf5(path).walk():
        array.read()


def written(fill: Callable[[Any], Any], libver: Any = None) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=libver) as file:
        fill(file)
    return memory.getvalue()


# Files put together by hand


def message(kind: int, content: bytes) -> bytes:
    return struct.pack("<BHB", kind, len(content), 0) + content


def header(messages: bytes) -> bytes:
    """An object header of version 2, whose size may be large."""
    return b"OHDR\x02\x03" + struct.pack("<Q", len(messages)) + messages + bytes(4)


def superblock(root: int) -> bytes:
    return b"\x89HDF\r\n\x1a\n\x02\x08\x08\0" + struct.pack("<QQQQ", 0, UNDEFINED, 1 << 40, root) + bytes(4)


def link(name: bytes, address: int) -> bytes:
    return message(6, b"\x01\x00" + bytes([len(name)]) + name + struct.pack("<Q", address))


IN_NO_HEAP = message(2, b"\0\0" + struct.pack("<QQ", UNDEFINED, UNDEFINED))
ROOT = 48


def of_root(messages: bytes) -> bytes:
    return superblock(ROOT) + header(IN_NO_HEAP + messages)


def million_links() -> bytes:
    """Each leads to a place of its own."""
    return of_root(b"".join(link(b"%d" % i, i) for i in range(MILLION)))


def million_empty_messages() -> bytes:
    return of_root(message(0, b"") * MILLION)


def million_groups() -> bytes:
    """A group for each of them, in the group before."""
    content, place = [superblock(ROOT)], ROOT
    for _ in range(MILLION // 10):
        size = len(header(IN_NO_HEAP + link(b"a", 0)))
        place += size
        content.append(header(IN_NO_HEAP + link(b"a", place)))
    return b"".join(content) + header(IN_NO_HEAP)


def group_in_itself() -> bytes:
    return of_root(link(b"again", ROOT))


def header_in_a_circle() -> bytes:
    return of_root(message(16, struct.pack("<QQ", ROOT + 14, 60)))


def headers_on_each_other() -> bytes:
    """A thousand continuations of an old header, each of nearly the whole file."""
    pieces = b"".join(struct.pack("<HHB3xQQ", 16, 16, 0, 30_000 + i, 20_000) for i in range(1000))
    return superblock(ROOT) + struct.pack("<BBHII4x", 1, 0, 1000, 1, len(pieces)) + pieces + bytes(30_000)


def one_text_many_times() -> bytes:
    """An attribute of 4,000 texts, all of them the same 50,000 bytes of a heap."""
    kind = b"\x19\x01\x00\x00" + struct.pack("<I", 16) + b"\x13\0\0\0\x01\0\0\0"
    space = b"\x02\x01\x00\x01" + struct.pack("<Q", 4000)
    sizes = struct.pack("<HHH", 2, len(kind), len(space))

    def with_heap_at(place: int) -> bytes:
        texts = struct.pack("<IQI", 50_000, place, 1) * 4000
        return of_root(message(12, b"\x03\0" + sizes + b"\0" + b"a\0" + kind + space + texts))

    heap = b"GCOL\x01\0\0\0" + struct.pack("<QHH4xQ", 50_048, 1, 1, 50_000) + b"x" * 50_000 + bytes(16)
    return with_heap_at(len(with_heap_at(0))) + heap


def array_of(shape: tuple[int, ...], layout: bytes) -> bytes:
    """A file with one array of bytes."""
    space = message(1, bytes([2, len(shape), 0, 1]) + struct.pack(f"<{len(shape)}Q", *shape))
    kind = message(3, b"\x10\x00\x00\x00" + struct.pack("<IHH", 1, 0, 8))
    place = ROOT + len(header(IN_NO_HEAP + link(b"a", 0)))
    return of_root(link(b"a", place)) + header(space + kind + message(8, layout)) + bytes(64)


def contiguous(address: int, size: int) -> bytes:
    return b"\x03\x01" + struct.pack("<QQ", address, size)


def tree_in_itself() -> bytes:
    """A tree of chunks whose only node is its own child."""
    content = array_of((4,), b"\x03\x02\x02" + struct.pack("<QII", 0, 2, 1))
    place = len(content)
    content = array_of((4,), b"\x03\x02\x02" + struct.pack("<QII", place, 2, 1))
    key = struct.pack("<IIQQ", 2, 0, 0, 0)
    return content + b"TREE\x01\x05" + struct.pack("<HQQ", 1, UNDEFINED, UNDEFINED) + key + struct.pack("<Q", place)


def wide_tree() -> bytes:
    """65,535 children, all of them the same node, five levels deep: 10 to the 24th leaves."""
    content = array_of((4,), b"\x03\x02\x02" + struct.pack("<QII", 0, 2, 1))
    place = len(content)
    content = array_of((4,), b"\x03\x02\x02" + struct.pack("<QII", place, 2, 1))
    for level in (5, 4, 3, 2, 1):
        size = 24 + 65_535 * 32
        head = b"TREE\x01" + bytes([level]) + struct.pack("<HQQ", 65_535, UNDEFINED, UNDEFINED)
        content += head + (struct.pack("<IIQQ", 2, 0, 0, 0) + struct.pack("<Q", len(content) + size)) * 65_535
    return content + bytes(64)


# Files that h5py writes


def external_link(file: Any) -> None:
    file["weights"] = h5py.ExternalLink("/etc/passwd", "/")


def external_link_beside(file: Any) -> None:
    file["weights"] = h5py.ExternalLink("other.h5", "/weights")


def soft_link(file: Any) -> None:
    file["weights"] = h5py.SoftLink("/nowhere/else")


def soft_link_to_itself(file: Any) -> None:
    file["weights"] = h5py.SoftLink("/weights")


def external_storage(file: Any) -> None:
    file.create_dataset("weights", (64,), "u1", external=[("/etc/passwd", 0, 64)])


def virtual_dataset(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/elsewhere/other.h5", "a", shape=(4,))
    file.create_virtual_dataset("weights", layout)


def plug_in(file: Any) -> None:
    """A filter by a number that a plug-in may have; marked optional, so that it can be written without one."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((4,))
    plan.set_filter(32_768, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"weights", h5py.h5t.IEEE_F32LE, space, plan)


def cycle(file: Any) -> None:
    inner = file.create_group("a/b/c")
    inner["up"] = file["a"]


def deep_groups(file: Any) -> None:
    file.create_group("/".join(["x"] * 1500))


def bomb(file: Any) -> None:
    """1 GB of zeros in 1 MB."""
    array = file.create_dataset("weights", (1 << 30,), "u1", chunks=(1 << 24,), compression="gzip")
    packed = packed_zeros(1 << 24)
    for i in range(64):
        array.id.write_direct_chunk((i << 24,), packed)


def bomb_in_a_chunk(file: Any) -> None:
    """A chunk of four bytes that unpacks to 1 GB."""
    array = file.create_dataset("weights", (4,), "u1", chunks=(4,), compression="gzip")
    array.id.write_direct_chunk((0,), packed_zeros(1 << 30))


def packed_zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(count >> 20)]
    return b"".join([*pieces, packer.flush()])


def chunk_larger_than_memory(file: Any) -> None:
    file.create_dataset("weights", (4, 4), "f8", chunks=(1 << 14, 1 << 14), maxshape=(None, None), compression="gzip")


def nothing_but_a_shape(file: Any) -> None:
    """Chunks of which none is there: all of it would be the fill value."""
    file.create_dataset("weights", (1 << 40,), "f4", chunks=(1 << 10,))


def heap_in_a_heap() -> bytes:
    """A heap whose entries are larger than itself."""
    content = bytearray(written(lambda file: file.attrs.__setitem__("names", ["abc", "d"])))
    place = content.index(b"GCOL")
    content[place + 16 + 8 : place + 16 + 16] = struct.pack("<Q", 1 << 62)
    return bytes(content)


def endless_name() -> bytes:
    """A link whose name goes on to the end of a heap of 16 MB."""
    content = bytearray(written(lambda file: file.create_group("a")))
    heap = content.index(b"HEAP")
    content[heap + 8 : heap + 16] = struct.pack("<Q", 16 << 20)
    content[heap + 24 : heap + 32] = struct.pack("<Q", len(content))
    return bytes(content) + b"x" * (16 << 20)


ATTACKS: dict[str, Callable[[], bytes]] = {
    "external link": lambda: written(external_link),
    "external link, new form": lambda: written(external_link, "latest"),
    "external link to a file beside": lambda: written(external_link_beside),
    "soft link": lambda: written(soft_link),
    "soft link to itself": lambda: written(soft_link_to_itself),
    "external storage": lambda: written(external_storage),
    "virtual dataset": lambda: written(virtual_dataset),
    "filter plug-in": lambda: written(plug_in),
    "groups in a circle": lambda: written(cycle),
    "group in itself": group_in_itself,
    "header in a circle": header_in_a_circle,
    "headers on each other": headers_on_each_other,
    "tree in itself": tree_in_itself,
    "tree of 10 to the 24th leaves": wide_tree,
    "deep groups": lambda: written(deep_groups),
    "a hundred thousand groups deep": million_groups,
    "a million links": million_links,
    "a million messages": million_empty_messages,
    "chunk bomb": lambda: written(bomb),
    "bomb in a small chunk": lambda: written(bomb_in_a_chunk),
    "chunk larger than memory": lambda: written(chunk_larger_than_memory),
    "a shape without chunks": lambda: written(nothing_but_a_shape),
    "array beyond the end": lambda: array_of((100_000,), contiguous(0, 100_000)),
    "array without bytes": lambda: array_of((1 << 40,), contiguous(UNDEFINED, 0)),
    "array at the end of all addresses": lambda: array_of((8,), contiguous(UNDEFINED - 4, 8)),
    "shape that overflows": lambda: array_of((1 << 63, 2), contiguous(0, 0)),
    "shape that overflows to 0": lambda: array_of((1 << 32, 1 << 32), contiguous(0, 0)),
    "empty and absurd": lambda: array_of((0, 1 << 62), contiguous(0, 0)),
    "two hundred axes": lambda: array_of((1,) * 200, contiguous(0, 1)),
    "one text many times": one_text_many_times,
    "entries larger than their heap": heap_in_a_heap,
    "endless name": endless_name,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_R3_hdf5(name: str, tmp_path: Path) -> None:
    path = tmp_path / "attack.h5"
    path.write_bytes(ATTACKS[name]())
    refused(READER, path)


def test_files_put_together_by_hand_are_otherwise_sound(tmp_path: Path) -> None:
    """Or what is refused above might be the hand's mistakes."""
    path = tmp_path / "sound.h5"
    for content in (of_root(b""), array_of((8,), contiguous(8, 8)), array_of((8,), contiguous(UNDEFINED, 0))):
        path.write_bytes(content)
        assert attack(READER, path).error == ""
