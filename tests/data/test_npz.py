"""A8, R3: NumPy's files, real, damaged and hostile."""

import contextlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import read_idx, read_npy, read_npz
from striate.errors import FormatError, LimitError, StriateError


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def with_header(header: str, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header.encode() + content


GOOD = npy(np.arange(3, dtype=np.uint8))


def npz(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def save(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_A8_npz_reads_what_numpy_writes(tmp_path, writer):
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (4, 5, 5), np.uint8),
        "fortran": np.asfortranarray(rng.normal(size=(3, 4))),
        "big_endian": np.arange(5, dtype=">i4"),
        "half": rng.normal(size=(2, 1)).astype(np.float16),
        "complex": np.array([1 + 2j]),
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 7), bool),
        "text": np.array(["cat", "dög"]),
        "folder/name": np.array([b"bytes"]),
    }
    writer(tmp_path / "a.npz", **arrays)
    back = read_npz(tmp_path / "a.npz")
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].shape == array.shape
        assert back[name].dtype == array.dtype.newbyteorder("=")
        assert back[name].dtype.isnative


def test_A8_npy_version_2(save):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.arange(6.0).reshape(2, 3), version=(2, 0))
    np.testing.assert_array_equal(read_npy(save(stream.getvalue())), np.arange(6.0).reshape(2, 3))


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set: no real .npy file")
def test_A8_npy_real_file():
    path = Path(os.environ["STRIATE_DATA"]) / "lfw_subset" / "lfw_subset.npy"
    np.testing.assert_array_equal(read_npy(path), np.load(path))


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set: no real drawings")
def test_A8_npy_of_quick_draw(tmp_path):
    apples = read_idx(Path(os.environ["STRIATE_DATA"]) / "quickdraw" / "apple.idx.gz")
    np.save(tmp_path / "apple.npy", apples.reshape(-1, 784))  # the form in which Google publishes them
    images = read_npy(tmp_path / "apple.npy").reshape(-1, 28, 28, 1)
    np.testing.assert_array_equal(images[..., 0], apples)
    assert images[:, 0, 0].mean() < 1  # paper is 0
    assert images.max() == 255


class Explodes:
    def __reduce__(self):
        return (pytest.fail, ("unpickling ran code",))


@pytest.mark.parametrize("array", [np.array([Explodes()], object), np.zeros(2, [("x", "f4"), ("y", "O")])])
def test_R3_npz_objects_and_records_are_refused(tmp_path, array):
    np.savez(tmp_path / "a.npz", x=array)
    with pytest.raises(FormatError, match="array 'x': expected an array of numbers or text, not of Python objects"):
        read_npz(tmp_path / "a.npz")


GOOD_HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an .npy array, version 1.0 or 2.0, got a file that begins with nothing"),
        (b"hello, world", "begins with 68 65 6c"),
        (GOOD[:6] + b"\x09\0" + GOOD[8:], "version 1.0 or 2.0"),
        (GOOD[:9], "expected the length of the header, got the end of the file"),
        (GOOD[:40], "expected an array of numbers or text"),
        (GOOD[:-1], r"expected 3 bytes after the header \(shape \(3,\), uint8\), got 2"),
        (GOOD + b"x", "got more"),
        (with_header("__import__('os').abort()"), 'got the header "__import__'),
        (with_header("(" * 4000), "expected an array of numbers or text"),
        (with_header(GOOD_HEADER.replace("u1", "f3"), bytes(9)), "expected a type that NumPy knows, got '|f3'"),
    ],
)
def test_R3_npy_damaged(save, content, message):
    with pytest.raises(FormatError, match=message.replace("|", r"\|")):
        read_npy(save(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_header(GOOD_HEADER.replace("3", "3" * 12)), "expected at most 1,073,741,824 bytes, the header declares"),
        (with_header(GOOD_HEADER.replace("3,", "0, 999999999999")), "the header declares shape"),
        (with_header(" " * 5000), "expected a header of at most 4,096 bytes, got 5,000"),
    ],
)
def test_R3_npy_asks_for_too_much(save, content, message):
    with pytest.raises(LimitError, match=message):
        read_npy(save(content))


def test_R3_npz_bomb_is_not_unpacked(save):
    bomb = npz({"a.npy": npy(np.zeros(32 << 20, np.uint8))})
    assert len(bomb) < 40_000
    with pytest.raises(LimitError, match=r"expected at most 1,000,000 bytes, the archive declares 33,554,560"):
        read_npz(save(bomb), max_bytes=1_000_000)


def test_R3_npz_many_members_count_together(save):
    many = npz({f"{i}.npy": npy(np.zeros(1000, np.uint8)) for i in range(20)})
    with pytest.raises(LimitError, match="the archive declares 22,560"):
        read_npz(save(many), max_bytes=20_000)


def test_R3_npz_lying_size(save):
    content = bytearray(npz({"a.npy": GOOD}))
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = (len(GOOD) - 2).to_bytes(4, "little")
    with pytest.raises(FormatError, match=r"array 'a'.* got 1|expected an intact ZIP archive"):
        read_npz(save(bytes(content)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an intact ZIP archive, got File is not a zip file"),
        (npz({"a.npy": GOOD})[:-30], "expected an intact ZIP archive"),
        (npz({"a.npy": GOOD[:-1]}), "array 'a': expected 3 bytes after the header"),
        (npz({"a.txt": b"x"}), r"expected .npy members, got 'a.txt'"),
        (npz({"a.npy": GOOD}, zipfile.ZIP_LZMA), "expected members that are stored or deflated, .* method 14"),
        (npz({"a.npy": GOOD}, zipfile.ZIP_STORED).replace(GOOD, GOOD[:-1] + b"!"), "Bad CRC-32"),
    ],
)
def test_R3_npz_damaged(save, content, message):
    with pytest.raises(FormatError, match=message):
        read_npz(save(content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_R3_npz_duplicate_names(save):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", GOOD)
        archive.writestr("a.npy", GOOD)
    with pytest.raises(FormatError, match=r"with different names, got 'a.npy' twice"):
        read_npz(save(stream.getvalue()))


def test_R3_npz_folder_is_no_file(tmp_path):
    with pytest.raises(FormatError, match="read_npz: expected a regular file"):
        read_npz(tmp_path)


ARCHIVE = npz({"a.npy": GOOD, "b.npy": GOOD})


@given(st.integers(0, len(ARCHIVE) - 1), st.integers(0, 255), st.booleans())
def test_R3_npz_random_damage(tmp_path_factory, position, byte, cut):
    path = tmp_path_factory.getbasetemp() / "fuzz.npz"
    path.write_bytes(ARCHIVE[:position] + bytes([byte]) + (b"" if cut else ARCHIVE[position + 1 :]))
    with contextlib.suppress(StriateError):
        read_npz(path, max_bytes=1 << 16)


@given(st.binary(max_size=80))
def test_R3_npy_random_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.npy"
    path.write_bytes(GOOD[: len(content) % 12] + content)
    with contextlib.suppress(StriateError):
        read_npy(path, max_bytes=1 << 16)
