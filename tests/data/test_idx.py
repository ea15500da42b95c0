"""A8, R3: IDX files, real, damaged and hostile."""

import contextlib
import gzip
import lzma
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import read_idx, write_idx
from striate.errors import DataError, FormatError, LimitError, StriateError

LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4])


@pytest.fixture
def save(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "array.idx"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 1, 4, 3), (0, 28, 28)])
@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
def test_A8_idx_round_trip(tmp_path, dtype, shape, name):
    array = (np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_A8_idx_is_big_endian(tmp_path):
    write_idx(tmp_path / "a", np.array([[1, -2]], np.int16))
    assert (tmp_path / "a").read_bytes() == b"\0\0\x0b\x02\0\0\0\x01\0\0\0\x02\0\x01\xff\xfe"


def test_A8_idx_gzip_has_no_time_stamp(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(9, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)


def test_A8_idx_packed_by_xz(save):
    assert read_idx(save(lzma.compress(LABELS))).tolist() == [5, 0, 4]
    with pytest.raises(FormatError, match="got more"):
        read_idx(save(lzma.compress(LABELS + bytes(64 << 20))[:-4]))


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set: no real IDX files")
def test_A8_idx_real_files():
    data = Path(os.environ["STRIATE_DATA"])
    labels = read_idx(data / "mnist" / "t10k-labels-idx1-ubyte.gz")
    assert labels.shape == (10_000,)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    voxels = read_idx(data / "modelnet_voxels32" / "monitor-32x32x32-idx4-ubyte.gz")
    assert voxels.shape[1:] == (32, 32, 32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with 00 00.* got nothing"),
        (LABELS[:3], "got 00 00 08"),
        (b"\x93NUMPY\x01\0", "got 93 4e 55 4d"),
        (bytes([0, 0, 7, 1]) + LABELS[4:], "begins with 00 00, a type"),
        (bytes([0, 0, 8, 0]), "expected 1 to 64 dimensions, got 0"),
        (bytes([0, 0, 8, 200]) + bytes(800), "expected 1 to 64 dimensions, got 200"),
        (LABELS[:6], "expected 1 dimensions of 4 bytes, got 2 bytes"),
        (LABELS[:-1], "expected 3 bytes after the header .* got 2"),
        (LABELS + b"x", "expected 3 bytes after the header .* got more"),
        (gzip.compress(LABELS, mtime=0)[:-9], "expected an intact gzip file"),
        (gzip.compress(LABELS, mtime=0)[:-8] + bytes(8), "expected an intact gzip file, got CRC check failed"),
        (gzip.compress(LABELS, mtime=0)[:10] + b"\xff" * 20, "expected an intact gzip file, got Error -3"),
    ],
)
def test_R3_idx_damaged(save, content, message):
    with pytest.raises(FormatError, match=message):
        read_idx(save(content))


def test_R3_idx_header_asks_for_too_much(save):
    huge = bytes([0, 0, 14, 3]) + b"\xff" * 12
    with pytest.raises(LimitError, match=r"expected at most 1,073,741,824 bytes, the header declares shape"):
        read_idx(save(huge))
    with pytest.raises(LimitError, match="expected at most 2 bytes"):
        read_idx(save(LABELS), max_bytes=2)
    with pytest.raises(LimitError, match="the header declares shape"):  # zero bytes, but absurd
        read_idx(save(bytes([0, 0, 8, 5]) + b"\0\0\0\0" + b"\xff" * 16))


def test_R3_idx_lie_within_the_limit_costs_no_memory(save):
    with pytest.raises(FormatError, match=r"expected 805,306,368 bytes after the header .* got 0"):
        read_idx(save(bytes([0, 0, 8, 1]) + b"\x30\0\0\0"))


def test_R3_idx_gzip_bomb_is_not_unpacked(save):
    bomb = gzip.compress(LABELS + bytes(64 << 20))
    assert len(bomb) < 70_000
    with pytest.raises(FormatError, match="got more"):
        read_idx(save(bomb))


def test_R3_idx_folder_is_no_file(tmp_path):
    with pytest.raises(FormatError, match="read_idx: expected a regular file, got a folder, pipe or device"):
        read_idx(tmp_path)


def test_R3_idx_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="pipe or device"):
        read_idx(tmp_path / "pipe")


def test_idx_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("array", [np.zeros(2, np.int64), np.zeros(2, object), np.uint8(3).reshape(())])
def test_R4_write_idx_refuses(tmp_path, array):
    with pytest.raises(DataError, match=r"write_idx: expected 1 to 64 dimensions of uint8, int8"):
        write_idx(tmp_path / "a", array)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\0\0", b"\0\0\x08\x01", b"\x1f\x8b\x08\0"]))
def test_R3_idx_random_bytes(tmp_path_factory, content, prefix):
    path = tmp_path_factory.getbasetemp() / "fuzz.idx"
    path.write_bytes(prefix + content)
    with contextlib.suppress(StriateError):
        assert read_idx(path, max_bytes=1 << 16).nbytes <= 1 << 16
