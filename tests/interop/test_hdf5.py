"""HDF5 files that h5py wrote, and what is wrong with others."""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from striate.errors import FormatError, LimitError  # noqa: E402
from striate.interop.hdf5 import Group, groups, parse_hdf5, read_hdf5, source  # noqa: E402
from striate.interop.hdf5.storage import fletcher32  # noqa: E402

VERSIONS: dict[str, Any] = {
    "as Keras": None,
    "1.8": ("earliest", "v108"),
    "new headers": ("v108", "v108"),
    "new superblock": ("v110", "v110"),
    "latest": "latest",
}


def file_with(fill: Callable[[Any], Any], libver: Any = None) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=libver) as file:
        fill(file)
    return memory.getvalue()


def parse(content: bytes) -> Group:
    return parse_hdf5(content, "memory", source.granted_to(len(content)))


def check_same(ours: Group, theirs: Any) -> None:
    """Everything that h5py shows, ours shows too, and nothing else."""
    assert {*ours.groups, *ours.arrays} == set(theirs)
    assert set(ours.attributes) == set(theirs.attrs)
    for name, value in theirs.attrs.items():
        check_same_attribute(ours.attributes[name], value)
    for name, thing in theirs.items():
        if isinstance(thing, h5py.Group):
            check_same(ours.groups[name], thing)
        else:
            array = ours.arrays[name].read()
            assert array.dtype == thing.dtype.newbyteorder("=")
            assert ours.arrays[name].shape == array.shape
            np.testing.assert_array_equal(array, thing[()])


def check_same_attribute(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, h5py.Empty):
        assert ours is None
    elif isinstance(theirs, str | bytes | np.bytes_):
        assert ours == (theirs if isinstance(theirs, str) else theirs.decode())
    elif theirs.dtype.kind in "OS":
        assert ours == [text if isinstance(text, str) else text.decode() for text in theirs.ravel()]
    else:
        np.testing.assert_array_equal(ours, theirs)


def check(fill: Callable[[Any], Any], libver: Any = None) -> Group:
    content = file_with(fill, libver)
    ours = parse(content)
    check_same(ours, h5py.File(io.BytesIO(content)))
    return ours


# What is read


@pytest.mark.parametrize("version", VERSIONS)
def test_A6_attributes(version: str) -> None:
    def fill(file: Any) -> None:
        attributes = file.create_group("here").attrs
        attributes["text"] = "häßlich ☃"
        attributes["bytes"] = b"as Keras writes it"
        attributes["fixed"] = np.bytes_("fixed")
        attributes["none"] = h5py.Empty("f4")
        attributes["texts"] = ["ä", "", "c"]
        attributes["names"] = [b"conv2d", b"dense_1"]
        attributes["numbers"] = np.arange(6, dtype=">i2").reshape(2, 3)
        attributes["flag"] = True
        file.attrs["long"] = "x" * 5000

    check(fill, VERSIONS[version])


TYPES = [
    "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f2", ">f4", ">f8", ">i2", ">i4", ">u8", "?",
]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_A6_numbers_of_every_type(version: str) -> None:
    def fill(file: Any) -> None:
        for i, kind in enumerate(TYPES):
            file.create_dataset(f"group{i % 7}/inner/{i}", data=(np.arange(24).reshape(2, 3, 4) % 2).astype(kind))
        file["group1/scalar"] = 3.5
        file["group1/no elements"] = np.zeros((0, 3), np.float32)

    check(fill, VERSIONS[version])


def test_numbers_in_one_piece_are_not_copied() -> None:
    content = file_with(lambda file: file.create_dataset("a", data=np.arange(5.0)))
    array = parse(content).arrays["a"].read()
    assert not array.flags.owndata
    assert not array.flags.writeable


CHUNKED: dict[str, dict[str, Any]] = {
    "plain": {"chunks": (10, 7)},
    "deflate": {"chunks": (10, 7), "compression": "gzip"},
    "shuffle": {"chunks": (5, 23), "compression": "gzip", "shuffle": True},
    "checksum": {"chunks": (37, 1), "fletcher32": True},
    "all": {"chunks": (10, 7), "compression": "gzip", "shuffle": True, "fletcher32": True},
    "larger than the array": {"chunks": (64, 64), "maxshape": (None, None), "compression": "gzip"},
}


@pytest.mark.parametrize("kind", ["f4", "u1", ">i8"])
@pytest.mark.parametrize("name", CHUNKED)
def test_A6_chunks(name: str, kind: str) -> None:
    numbers = (np.random.default_rng(0).random((37, 23)) * 100).astype(kind)
    check(lambda file: file.create_dataset("a", data=numbers, **CHUNKED[name]))


def test_A6_many_chunks_and_many_links_make_trees() -> None:
    def fill(file: Any) -> None:
        file.create_dataset("a", data=np.arange(3000), chunks=(3,), compression="gzip")
        for i in range(500):
            file.create_group(f"many/{i}")

    check(fill)


def test_A6_what_was_not_written_is_the_fill_value() -> None:
    def fill(file: Any) -> None:
        file.create_dataset("none of it", (5,), "f4", fillvalue=7.0)
        file.create_dataset("zero", (5,), "i4")
        some = file.create_dataset("some of it", (50, 50), ">f4", chunks=(10, 10), fillvalue=2.5)
        some[3:14, 20:22] = 1

    check(fill)


def compact(file: Any) -> None:
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3,))
    array = h5py.h5d.create(file.id, b"a", h5py.h5t.IEEE_F32LE, space, layout)
    array.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2, 3], np.float32))


def test_A6_compact_arrays_lie_in_the_header() -> None:
    check(compact)


def test_find_goes_down_a_path() -> None:
    root = parse(file_with(lambda file: file.create_dataset("a/b/c", data=[1, 2])))
    assert root.find("a/b") is root.groups["a"].groups["b"]
    assert root.find("/a/b/c") is root.groups["a"].groups["b"].arrays["c"]
    assert root.find("a/x/c") is None
    assert root.find("") is None
    assert [array.name for array in root.walk()] == ["/a/b/c"]


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set: no real models")
def test_A6_real_models_are_read_as_h5py_reads_them() -> None:
    paths = sorted(Path(os.environ["STRIATE_DATA"], "weights").rglob("*.h5"))
    assert paths
    for path in paths:
        with h5py.File(path) as theirs:
            check_same(read_hdf5(path), theirs)


def test_fletcher32_against_a_slow_sum() -> None:
    content = np.random.default_rng(0).bytes(1001)
    low = high = 0
    for word in struct.unpack(">501H", content + b"\0"):
        low = (low + word) % 65535
        high = (high + low) % 65535
    assert fletcher32(content) == (low, high)


# What is refused, by name


def link_soft(file: Any) -> None:
    file["there"] = h5py.SoftLink("/elsewhere")


def link_external(file: Any) -> None:
    file["there"] = h5py.ExternalLink("/etc/passwd", "/")


def hard_cycle(file: Any) -> None:
    group = file.create_group("a/b")
    group["back"] = file["a"]


def two_names(file: Any) -> None:
    file["a"] = [1]
    file["b"] = file["a"]


def external_storage(file: Any) -> None:
    file.create_dataset("a", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", shape=(4,))
    file.create_virtual_dataset("a", layout)


def committed_type(file: Any) -> None:
    file["type"] = np.dtype("f4")


def of_committed_type(file: Any) -> None:
    file["type"] = np.dtype("f4")
    file.create_dataset("a", (3,), file["type"])


def attribute_of_committed_type(file: Any) -> None:
    file["group/type"] = np.dtype("f4")
    file.attrs.create("a", 3, dtype=file["group/type"])


def bfloat16(file: Any) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    h5py.h5d.create(file.id, b"a", kind, h5py.h5s.create_simple((3,)))


def odd_integer(file: Any) -> None:
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(24)
    h5py.h5d.create(file.id, b"a", kind, h5py.h5s.create_simple((3,)))


def deep(file: Any) -> None:
    file.create_group("/".join("x" * 70))


def dense_links(file: Any) -> None:
    for i in range(20):
        file.create_group(f"g{i}")


def dense_attributes(file: Any) -> None:
    for i in range(20):
        file.attrs[f"a{i}"] = i


def data(kind: Any, **settings: Any) -> Callable[[Any], Any]:
    return lambda file: file.create_dataset("a", (4,), kind, **settings)


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "soft link": (link_soft, r"/there is a soft link; links are not followed"),
    "external link": (link_external, r"/there is a link to another file; links are not followed"),
    "cycle": (hard_cycle, r"more than one link leads to /a(/b/back)?"),
    "two names": (two_names, r"more than one link leads to /b"),
    "external storage": (external_storage, r"the array /a lies in other files; no other file is read"),
    "virtual": (virtual, r"the array /a is a virtual dataset, put together from other files"),
    "committed type": (committed_type, r"expected a group or an array as /type, got a committed type"),
    "of a committed type": (of_committed_type, r"a committed type or shared message \(kind 3\) is not"),
    "attribute of a committed type": (attribute_of_committed_type, r"an attribute of a committed type is not"),
    "references": (data(h5py.ref_dtype), r"references are not supported"),
    "records": (data([("x", "f4"), ("y", "i4")]), r"records are not supported"),
    "opaque bytes": (data("V3"), r"opaque bytes are not supported"),
    "array elements": (data("(2,)f4"), r"array elements are not supported"),
    "bfloat16": (bfloat16, r"expected IEEE 754 numbers of 16, 32 or 64 bits, got another kind of 2 bytes"),
    "24 bits": (odd_integer, r"expected integers of 8, 16, 32 or 64 bits, got 4 bytes"),
    "lists": (data(h5py.vlen_dtype("f4")), r"expected numbers or text, got a type of kind 9 and 16 bytes"),
    "enumeration": (data(h5py.enum_dtype({"RED": 0, "BLUE": 1}, "i1")), r"booleans are the only supported"),
    "three values": (data(h5py.enum_dtype({"A": 0, "B": 1, "C": 2}, "i1")), r"booleans are the only supported"),
    "text": (data("S3"), r"expected numbers in the array /a, got text"),
    "nothing": (
        lambda file: file.create_dataset("a", data=h5py.Empty("f4")),
        r"expected numbers in the array /a, got nothing",
    ),
    "plug-in": (data("f4", compression="lzf"), r"the array /a has the filter 32000 'lzf'; plug-ins are not loaded"),
    "scale and offset": (data("i4", scaleoffset=4), r"the array /a has the filter 6 .*; plug-ins are not loaded"),
    "depth": (deep, r"groups are nested more than 64 deep"),
    "shape": (
        lambda file: file.create_dataset("a", (2**40, 2**20), "f4", chunks=(1, 1)),
        r"the array /a declares the shape \(1099511627776, 1048576\), but only [\d,]+ bytes are left",
    ),
    "chunks": (
        lambda file: file.create_dataset("a", (2, 2), "f4", chunks=(2**14, 2**14), maxshape=(None, None)),
        r"the chunks of /a declares the shape \(16384, 16384\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_R3_what_is_not_read_is_refused_by_name(name: str) -> None:
    fill, message = REFUSED[name]
    with pytest.raises(FormatError, match=r"^open_model: cannot open memory: HDF5: (" + message + ")"):
        parse(file_with(fill))


NEW: dict[str, tuple[Callable[[Any], Any], str]] = {
    "soft link": REFUSED["soft link"],
    "external link": REFUSED["external link"],
    "links in a heap": (dense_links, r"links in a fractal heap \(libver='latest'\) are not supported; save it without"),
    "attributes in a heap": (dense_attributes, r"attributes in a fractal heap \(libver='latest'\) are not supported"),
    "chunks in an index": (
        data("f4", chunks=(2,)),
        r"the array /a has chunks in an index \(libver='latest'\) that is not supported",
    ),
}


@pytest.mark.parametrize("name", NEW)
def test_R3_what_is_not_read_of_new_files_is_refused_by_name(name: str) -> None:
    fill, message = NEW[name]
    with pytest.raises(FormatError, match=message):
        parse(file_with(fill, "latest"))


# Damage


def small(file: Any) -> None:
    file.attrs["text"] = "in the heap"
    file["a"] = np.arange(8, dtype=np.float32)
    file.create_dataset("c", data=np.arange(64).reshape(8, 8), chunks=(4, 4), compression="gzip", fletcher32=True)


SMALL = file_with(small)
NEW_SMALL = file_with(lambda file: file.create_group("a"), "latest")


def patched(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def at(signature: bytes, offset: int, new: bytes, which: int = 0) -> Callable[[], bytes]:
    """The small file with other bytes so far behind the which-th occurrence of a signature."""

    def damaged() -> bytes:
        place = -1
        for _ in range(which + 1):
            place = SMALL.index(signature, place + 1)
        return patched(SMALL, place + offset, new)

    return damaged


def first_entry(offset: int, new: bytes) -> Callable[[], bytes]:
    return at(b"SNOD", 8 + offset, new)


def chunk_tree() -> int:
    return next(i for i in range(len(SMALL)) if SMALL[i : i + 5] == b"TREE\x01")


def in_chunk_tree(offset: int, new: bytes) -> Callable[[], bytes]:
    return lambda: patched(SMALL, chunk_tree() + offset, new)


def header_of(name: str) -> int:
    """Where the object header of a member of the small file lies."""
    entry = SMALL.index(b"SNOD") + 8 + 40 * sorted(["a", "c"]).index(name)
    return int(struct.unpack_from("<Q", SMALL, entry + 8)[0])


def message_of(name: str, kind: int) -> int:
    """Where a message of this kind begins in the object header of a member."""
    place = header_of(name) + 16
    while (found := struct.unpack_from("<HH", SMALL, place))[0] != kind:
        place += 8 + found[1]
    return place + 8


def in_message(name: str, kind: int, offset: int, new: bytes) -> Callable[[], bytes]:
    return lambda: patched(SMALL, message_of(name, kind) + offset, new)


FAR = struct.pack("<Q", 1 << 50)

DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", r"the superblock ends after 0 bytes, before all that it declares"),
    "no HDF5": (lambda: b"GIF89a" * 20, r"expected the superblock to begin with b'\\x89HDF.*got b'GIF89aGI'"),
    "superblock": (lambda: patched(SMALL, 8, b"\x09"), r"the superblock is of version 9, which is not supported"),
    "addresses": (lambda: patched(SMALL, 13, b"\x04"), r"expected addresses and lengths of 8 bytes, got \(4, 8\)"),
    "base": (lambda: patched(SMALL, 24, b"\x80"), r"expected addresses counted from the file's beginning, got 128"),
    "cut off": (lambda: SMALL[:1500], r"expected .* of [\d,]+ bytes at [\d,]+, but the file ends at 1,500"),
    "heap": (at(b"HEAP", 0, b"HEAQ"), r"expected a local heap to begin with b'HEAP', got b'HEAQ'"),
    "leaf": (at(b"SNOD", 4, b"\x07"), r"a leaf of links is of version 7, which is not supported"),
    "links": (at(b"TREE", 4, b"\x03"), r"the tree of links of / is damaged at [\d,]+"),
    "level": (at(b"TREE", 5, b"\x60"), r"the tree of links of / is damaged at [\d,]+"),
    "name": (first_entry(0, FAR), r"a link in / has an unterminated name, or one longer than 1024"),
    "same name": (first_entry(40, SMALL[SMALL.index(b"SNOD") + 8 :][:8]), r"expected a unique name .* got 'a'"),
    "address": (first_entry(8, FAR), r"expected an object header of 4 bytes at 1,125,899,906,842,624, but"),
    "no header": (first_entry(8, struct.pack("<Q", 0)), r"an object header is of version 137, which is not supported"),
    "circle": (first_entry(8, SMALL[64:72]), r"more than one link leads to /a"),
    "UTF-8": (lambda: SMALL.replace(b"in the heap", b"in the h\xff\xff\xff"), r"expected UTF-8 in text, got b'in the"),
    "global heap": (at(b"GCOL", 0, b"GCOK"), r"expected a global heap to begin with b'GCOL'"),
    "heap's size": (at(b"GCOL", 8, FAR), r"expected a global heap of 1,125,899,906,842,624 bytes"),
    "heap's entry": (at(b"GCOL", 16, b"\x07"), r"expected 11 bytes of text as entry 1 of the heap at [\d,]+"),
    "number": (in_message("a", 3, 12, b"\x07"), r"expected IEEE 754 numbers of 16, 32 or 64 bits"),
    "type": (in_message("a", 3, 0, b"\xf1"), r"a type is of version 15, which is not supported"),
    "times": (in_message("a", 3, 0, b"\x12"), r"times are not supported"),
    "shared": (in_message("a", 3, -4, b"\x02"), r"a committed type or shared message \(kind 3\) is not supported"),
    "no type": (in_message("a", 3, -8, b"\x00"), r"expected one type in the object header at [\d,]+, got 0"),
    "dataspace": (in_message("a", 1, 0, b"\x05"), r"a message \(kind 1\) of an object header is of version 5"),
    "shape": (in_message("a", 1, 8, FAR), r"the array /a declares the shape \(1125899906842624,\)"),
    "empty and absurd": (
        in_message("c", 1, 8, struct.pack("<QQ", 0, 1 << 62)),
        r"the array /c declares the shape \(0, 4611686018427387904\)",
    ),
    "array's place": (in_message("a", 8, 2, FAR), r"expected the array /a of 32 bytes at 1,125,899,906,842,624"),
    "layout": (in_message("a", 8, 0, b"\x02"), r"a message \(kind 8\) of an object header is of version 2"),
    "message": (in_message("a", 1, -6, b"\xff\xff"), r"an object header ends after [\d,]+ bytes, before all that it"),
    "chunks' rank": (in_message("c", 8, 2, b"\x02"), r"the array /c has chunks whose rank or type is not its own"),
    "chunks of no rank": (in_message("c", 8, 2, b"\x00"), r"the array /c has chunks whose rank or type is not its"),
    "chunk of nothing": (in_message("c", 8, 11, bytes(4)), r"the array /c has chunks whose rank or type is not its"),
    "chunks": (in_chunk_tree(4, b"\x00"), r"the tree of chunks of /c is damaged at [\d,]+"),
    "chunk's corner": (in_chunk_tree(32, b"\x02"), r"the array /c has a chunk at \(2, 0\), where none is expected"),
    "chunk outside": (in_chunk_tree(32, b"\x08"), r"the array /c has a chunk at \(8, 0\), where none is expected"),
    "same chunk": (in_chunk_tree(24 + 40 + 16, b"\x00"), r"the array /c has a chunk at \(0, 0\), where none is"),
    "chunk's place": (in_chunk_tree(24 + 32, FAR), r"expected a chunk of /c of [\d,]+ bytes at 1,125,899,906,842,624"),
    "unpacked": (
        in_chunk_tree(24, struct.pack("<II", 20, 2)),
        r"expected 128 bytes in a chunk of /c, got \d+|has another checksum",
    ),
}  # fmt: skip


def read_all(content: bytes) -> None:
    for array in parse(content).walk():
        array.read()


@pytest.mark.parametrize("name", DAMAGED)
def test_R3_damage_is_named(name: str) -> None:
    make, message = DAMAGED[name]
    with pytest.raises(FormatError, match=r"^open_model: cannot open memory: HDF5: (" + message + ")"):
        read_all(make())


def test_R3_what_deflate_packed_is_damaged() -> None:
    content = file_with(lambda file: file.create_dataset("a", data=np.zeros(999), chunks=(999,), compression="gzip"))
    place = content.rindex(b"\x78\x5e")
    with pytest.raises(FormatError, match=r"a chunk of /a is damaged: Error -3"):
        read_all(patched(content, place, b"\xff\xff"))


def test_R3_two_attributes_of_one_name() -> None:
    def fill(file: Any) -> None:
        file.attrs["one"], file.attrs["two"] = 1, 2

    with pytest.raises(FormatError, match=r"there are two attributes 'one'"):
        parse(file_with(fill).replace(b"two\0", b"one\0"))


def test_R3_a_compact_array_of_another_size() -> None:
    content = file_with(compact)
    place = content.index(struct.pack("<BBH3f", 3, 0, 12, 1, 2, 3))
    with pytest.raises(FormatError, match=r"expected 12 bytes in the array /a, got 4"):
        parse(patched(content, place + 2, b"\x04"))


def test_R3_checksums_of_chunks_are_checked() -> None:
    content = file_with(lambda file: file.create_dataset("a", data=np.full(99, 7777), chunks=(99,), fletcher32=True))
    place = content.index((7777).to_bytes(8, "little") * 3)
    array = parse(patched(content, place, b"\x62")).arrays["a"]
    with pytest.raises(FormatError, match=r"a chunk of /a has a checksum that does not match its bytes"):
        array.read()


def test_R3_headers_that_go_on_in_a_circle() -> None:
    place = header_of("a") + 16
    circle = struct.pack("<HHB3xQQ", 16, 16, 0, place, 24)
    with pytest.raises(FormatError, match=r"the object header at [\d,]+ continues in a cycle"):
        parse(patched(SMALL, place, circle))


def test_R3_structures_that_lie_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand names that all end in the same place would be read in full each."""
    content = file_with(lambda file: [file.create_group(f"{i:03}") for i in range(20)])
    small_source = source.Source(content, "memory", 0)
    for _ in range(4):
        small_source.at(0, len(content), "all of it")
    with pytest.raises(
        FormatError, match=r"its structures overlap: with one more at 0, they hold more bytes than the file"
    ):
        small_source.at(0, 1, "one more")


def test_R3_too_many_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_STRUCTURES", 100)
    with pytest.raises(LimitError, match=r"it holds more than 100 structures"):
        parse(file_with(lambda file: [file.create_group(str(i)) for i in range(50)]))


def test_R3_too_large_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(SMALL)
    with pytest.raises(LimitError, match=r"expected at most 1,000 bytes, got [\d,]+. Raise max_bytes if you trust it"):
        read_hdf5(path, max_bytes=1000)
    assert set(read_hdf5(path).arrays) == {"a", "c"}
    with pytest.raises(FormatError, match=r"read_hdf5: expected a regular file"):
        read_hdf5(tmp_path)


def test_R3_the_depth_of_groups_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_DEPTH", 2)
    parse(file_with(lambda file: file.create_group("a/b")))
    with pytest.raises(FormatError, match=r"groups are nested more than 2 deep"):
        parse(file_with(lambda file: file.create_group("a/b/c")))
