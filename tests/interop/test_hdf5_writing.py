"""HDF5 files that we write: h5py reads every byte back, and so do we."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

h5py = pytest.importorskip("h5py")

from striate.errors import ArgumentError  # noqa: E402
from striate.interop.hdf5 import Folder, Group, parse_hdf5, write_hdf5  # noqa: E402
from striate.interop.hdf5.source import granted_to  # noqa: E402

NUMBERS = ["<f2", "<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8"]


def written(root: Folder) -> bytes:
    file = io.BytesIO()
    write_hdf5(file, root)
    return file.getvalue()


def check(root: Folder) -> bytes:
    """What h5py, and what we, read in the file is what was written, and all of it."""
    content = written(root)
    with h5py.File(io.BytesIO(content)) as theirs:
        check_theirs(theirs, root)
    check_ours(parse_hdf5(content, "memory", granted_to(len(content))), root)
    assert written(root) == content
    return content


def check_theirs(theirs: Any, folder: Folder) -> None:
    assert set(theirs) == {*folder.groups, *folder.arrays}
    assert set(theirs.attrs) == set(folder.attributes)
    for name, value in folder.attributes.items():
        got = theirs.attrs[name]
        if isinstance(value, str):
            assert isinstance(got, str)
            assert got == value
        elif isinstance(value, np.ndarray):
            check_same(got, value)
        else:
            assert [text.decode() for text in got] == list(value)
    for name, array in folder.arrays.items():
        assert isinstance(theirs[name], h5py.Dataset)
        check_same(theirs[name][()], array)
    for name, group in folder.groups.items():
        assert isinstance(theirs[name], h5py.Group)
        check_theirs(theirs[name], group)


def check_ours(ours: Group, folder: Folder) -> None:
    assert (set(ours.groups), set(ours.arrays)) == (set(folder.groups), set(folder.arrays))
    assert set(ours.attributes) == set(folder.attributes)
    for name, value in folder.attributes.items():
        got: Any = ours.attributes[name]
        if isinstance(value, np.ndarray):
            check_same(got, value)
        else:
            assert got == (value if isinstance(value, str) else list(value))
    for name, array in folder.arrays.items():
        check_same(ours.arrays[name].read(), array)
    for name, group in folder.groups.items():
        check_ours(ours.groups[name], group)


def check_same(got: Any, expected: Any) -> None:
    got = np.asarray(got)
    assert got.dtype.newbyteorder("<") == expected.dtype.newbyteorder("<")
    assert got.shape == expected.shape
    assert got.astype(got.dtype.newbyteorder("<")).tobytes() == expected.astype(got.dtype.newbyteorder("<")).tobytes()


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name != "."
)
#: Text of fixed length loses spaces at its end when we read it: other programs fill it up with them.
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
numbers = st.sampled_from(NUMBERS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)
attributes = st.dictionaries(
    names, words | numbers | st.lists(words.map(lambda text: text.rstrip(" ")), max_size=5), max_size=4
)


@st.composite
def folders(draw: Any, depth: int = 3) -> Folder:
    folder = Folder(draw(attributes))
    for name in draw(st.sets(names, max_size=4)):
        if depth and draw(st.booleans()):
            folder.groups[name] = draw(folders(depth=depth - 1))
        else:
            folder.arrays[name] = draw(numbers)
    return folder


@settings(max_examples=100, deadline=None)
@given(folders())
def test_h5py_reads_every_byte(root: Folder) -> None:
    check(root)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 256, 257, 9000])
def test_as_many_links_as_it_takes(count: int) -> None:
    """9, 257 and 8193 are where a leaf, a node and a level of the tree are full."""
    root = Folder()
    for i in range(count):
        root.group(f"many/{i * 7919 % 10007}")
    content = check(root)
    with h5py.File(io.BytesIO(content)) as theirs:
        assert sum(1 for _ in theirs.get("many", ())) == count


def test_long_texts_and_many_of_them() -> None:
    root = Folder({"long": "ä" * 300_000, "empty": "", "names": [], "empty names": ["", ""]})
    for i in range(500):
        root.group(f"{i}").attributes["name"] = f"conv2d_{i}"
    check(root)


def test_arrays_in_another_order_of_bytes_or_axes() -> None:
    root = Folder()
    root.put("turned", np.arange(6.0).reshape(2, 3).T)
    root.put("big", np.arange(6, dtype=">i4"))
    root.put("a/b/c", np.float32(3.5) * np.ones(()))
    root.put("a/b/nothing", np.zeros((0, 3), np.float32))
    check(root)


def test_every_array_and_structure_lies_at_a_multiple_of_8() -> None:
    root = Folder()
    for i in range(1, 8):
        root.put(f"{i}", np.arange(i, dtype=np.int8))
    content = check(root)
    with h5py.File(io.BytesIO(content)) as theirs:
        assert all(theirs[name].id.get_offset() % 8 == 0 for name in theirs)
        assert len({theirs[name].id.get_offset() for name in theirs}) == 7


@pytest.mark.parametrize("name", ["", ".", "a\0b", "x" * 1024])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"expected a name of at most 1023 bytes without slash or NUL in /, got"):
        written(Folder(arrays={name: np.zeros(3)}))
    with pytest.raises(ArgumentError, match=r"expected a name of at most 1023 bytes without slash or NUL in /, got"):
        written(Folder({name: "text"}))


def test_what_cannot_be_written() -> None:
    with pytest.raises(ArgumentError, match=r"expected a name of at most .* in /a, got 'b/c'"):
        written(Folder(groups={"a": Folder(arrays={"b/c": np.zeros(3)})}))
    with pytest.raises(ArgumentError, match=r"write_hdf5: /a is the name of a group and of an array"):
        written(Folder(groups={"a": Folder()}, arrays={"a": np.zeros(3)}))
    for kind in ("c16", "?", "S3", "O", "longdouble"):
        with pytest.raises(ArgumentError, match=r"write_hdf5: expected numbers of at most 64 bits in /a/x, got"):
            written(Folder(groups={"a": Folder(arrays={"x": np.zeros(3, kind)})}))
        with pytest.raises(ArgumentError, match=r"write_hdf5: expected numbers of at most 64 bits in /a: x, got"):
            written(Folder(groups={"a": Folder({"x": np.zeros(3, kind)})}))
    with pytest.raises(ArgumentError, match=r"write_hdf5: expected text without NUL, which ends it in a file, got 'a"):
        written(Folder({"text": "a\0b"}))
    with pytest.raises(ArgumentError, match=r"at most 65,528 bytes in the attribute 'names' of /, got 66,0\d\d. Split"):
        written(Folder({"names": ["x" * 66] * 1000}))
    check(Folder({"names": ["x" * 65] * 1000}))


def test_too_many_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.interop.hdf5.writing.MOST_TEXTS", 2)
    check(Folder({"a": "1", "b": "2"}))
    with pytest.raises(ArgumentError, match=r"write_hdf5: expected at most 2 texts, got 3"):
        written(Folder({"a": "1", "b": "2", "c": "3"}))


def test_the_root_is_not_said_to_be_cached() -> None:
    """A reader may believe what is cached beside the root's address; here there is nothing, so it looks there."""
    content = check(Folder())
    _name, address, cached, _reserved, scratch = struct.unpack_from("<QQLL16s", content, 56)
    assert (cached, scratch) == (0, bytes(16))
    assert 96 <= address < len(content)
