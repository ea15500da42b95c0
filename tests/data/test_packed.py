"""R3: files packed by gzip or xz, as the tools write them, damaged, and hostile."""

import contextlib
import gzip
import lzma
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.packed import XZ_MEMORY, open_unpacked
from striate.errors import FormatError, StriateError

CONTENT = bytes(range(256)) * 20
PACKED = lzma.compress(CONTENT)


def unpack(path, content: bytes, count: int = -1) -> bytes:
    path.write_bytes(content)
    with open_unpacked(path, "test") as stream:
        return stream.read(count)


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lzma.compress, lambda content: lzma.compress(content, preset=9)]
)
def test_A8_reads_what_the_tools_write(tmp_path, pack):
    assert unpack(tmp_path / "a", pack(CONTENT)) == CONTENT
    assert unpack(tmp_path / "a", pack(CONTENT), 300) == CONTENT[:300]
    assert unpack(tmp_path / "a", pack(b"")) == b""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PACKED[:-1], "test: expected an intact xz file, got a file that ends too early: .*a"),
        (PACKED[:6], "xz file, got a file that ends too early"),
        (PACKED + b"x", "xz file, got a file with more data after its end"),
        (PACKED[:20] + b"\xff" * 20 + PACKED[40:], "xz file, got Corrupt input data"),
        (gzip.compress(CONTENT)[:-1], "test: expected an intact gzip file, got Compressed file ended before"),
    ],
)
def test_R3_damaged(tmp_path, content, message):
    with pytest.raises(FormatError, match=message):
        unpack(tmp_path / "a", content)


def test_R3_xz_that_asks_for_much_memory_gets_none(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2 * XZ_MEMORY, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    with pytest.raises(FormatError, match="expected an intact xz file, got Memory usage limit exceeded"):
        unpack(tmp_path / "a", lzma.compress(b"x", filters=filters))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_R3_is_unpacked_no_further_than_read(tmp_path, pack):
    bomb = pack(CONTENT + bytes(64 << 20))
    damaged = bomb[:-4] + bytes(4)  # which nobody notices who does not read to the end
    assert unpack(tmp_path / "a", damaged, len(CONTENT)) == CONTENT


@given(st.binary(max_size=60), st.integers(0, len(PACKED)), st.sampled_from([PACKED, gzip.compress(CONTENT)]))
def test_R3_random_bytes(tmp_path_factory, junk, at, packed):
    path = tmp_path_factory.getbasetemp() / f"packed{os.getpid()}"
    with contextlib.suppress(StriateError):
        assert len(unpack(path, packed[:at] + junk + packed[at + len(junk) :], 1 << 16)) <= 1 << 16
