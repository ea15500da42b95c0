"""A6, R3, R4: safetensors, as the library writes them and damaged. Hostile ones are in tests/attacks."""

import json
import os
import struct

import numpy as np
import pytest

from striate.data.safetensors import MAX_HEADER, read_metadata, read_safetensors, read_with_metadata, write_safetensors
from striate.errors import FormatError, LimitError


def file_of(header: object, content: bytes = bytes(16)) -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    return struct.pack("<Q", len(text)) + text.encode() + content


def entry(dtype="F32", shape=(4,), offsets=(0, 16)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.fixture
def save(tmp_path):
    def write(content: bytes):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


def test_A6_what_the_library_writes(tmp_path):
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    types = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", "c8")
    arrays = {f"type.{code}": rng.integers(0, 2, (2, 3)).astype(code) for code in types}
    arrays |= {"number": np.array(2.5, np.float32), "empty": np.zeros((0, 3), np.float32)}
    save_file(arrays, tmp_path / "a.safetensors", metadata={"format": "np"})
    back = read_safetensors(tmp_path / "a.safetensors")
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].flags.writeable


def test_what_is_written_the_library_reads(tmp_path):
    from safetensors.numpy import load_file, save

    rng = np.random.default_rng(0)
    types = ("f4", "f8", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", "c8")
    arrays = {f"type.{code}": rng.integers(0, 2, (3, 5)).astype(code) for code in types}
    arrays |= {"número": np.array(2.5, np.float32), "empty": np.zeros((0, 3)), "turned": np.ones((2, 3)).T}
    path, metadata = tmp_path / "a.safetensors", {"ours": '{"a": ["ü", 1]}'}
    write_safetensors(path, arrays, metadata, "save")
    for found in (load_file(path), read_safetensors(path)):
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
    assert read_metadata(path) == read_with_metadata(path)[1] == metadata
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    for name, array in arrays.items():  # so that a file can be mapped into memory and used as it is
        assert (begin + header[name]["data_offsets"][0]) % array.dtype.itemsize == 0, name
    alike = {name: np.ones((2, 3), np.float32) for name in ("b", "c", "a")}
    write_safetensors(path, alike, metadata, "save")
    assert path.read_bytes() == save(alike, metadata)


def test_A6_bfloat16_becomes_float32(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    numbers = torch.tensor([1.0, -2.5, 3e38, 1e-40, float("inf")]).to(torch.bfloat16)
    save_file({"a": numbers}, tmp_path / "a.safetensors")
    back = read_safetensors(tmp_path / "a.safetensors")["a"]
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, numbers.float().numpy())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"expected a header of 0 bytes, got 0 bytes in all"),
        (file_of("["), r"expected a header in JSON: Expecting value"),
        (file_of('{"a": NaN}'), r"expected a header in JSON: NaN is not JSON"),
        (file_of('{"a": 1, "a": 1}'), r"expected a header in JSON: a key is given twice"),
        (file_of("[" * 100_000), r"expected a header in JSON: it is nested too deeply"),
        (file_of([]), r"expected a header that names arrays, got a list"),
        (file_of({"__metadata__": {"a": 1}}), r"expected metadata that maps names to texts"),
        (file_of({"a": 1}), r"expected dtype, shape and data_offsets for 'a'"),
        (file_of({"a": entry("F8_E5M2")}), r"expected 'a' in one of the types F64, .*, got F8_E5M2"),
        (file_of({"a": entry(shape=(-4,))}), r"expected the shape of 'a' as at most 32 lengths, got \[-4\]"),
        (
            file_of({"a": entry(shape=(5,))}),
            r"expected 'a' \(F32, shape \[5\]\) to take 20 bytes, got the offsets \[0, 16\]",
        ),
        (file_of({"a": entry(offsets=(4, 20))}), r"expected arrays one after another, 'a' begins at 4, not at 0"),
        (file_of({"a": entry()}, bytes(15)), r"expected 16 bytes after the header, got 15"),
    ],
)
def test_R4_what_is_said(save, content, message):
    with pytest.raises(FormatError, match=r"read_safetensors: .*file: " + message):
        read_safetensors(save(content))


def test_R3_a_long_header_is_not_read(save):
    with pytest.raises(LimitError, match=r"expected a header of at most 4,194,304 bytes, got 4,194,305"):
        read_safetensors(save(file_of("{}" + " " * (MAX_HEADER - 1))))


def test_R4_a_file_that_becomes_shorter_while_it_is_read(save, monkeypatch):
    path = save(file_of({"a": entry()}, bytes(15)))
    monkeypatch.setattr("os.fstat", lambda _: os.stat_result([*[0] * 6, path.stat().st_size + 1, *[0] * 3]))
    with pytest.raises(FormatError, match=r"expected 16 bytes for 'a', got the end of the file"):
        read_safetensors(path)


def test_R3_a_folder_is_no_file(tmp_path):
    with pytest.raises(FormatError, match=r"read_safetensors: expected a regular file, got a folder"):
        read_safetensors(tmp_path)
