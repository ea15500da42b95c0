"""R3: safetensors files that lie end in our error."""

import json
import struct

import pytest

from tests.attacks.harness import attack, refused

READER = "striate.interop.states:read_state"
MIB = 1 << 20


def file_of(header: str | bytes, content: bytes = bytes(16), length: int | None = None) -> bytes:
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + content


def entry(dtype="F32", shape=(4,), offsets=(0, 16)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def named(**entries: object) -> bytes:
    return file_of(json.dumps(entries))


GOOD = json.dumps({"a": entry()})
CASES = {
    "a header longer than the file": file_of(GOOD, length=1 << 20),
    "a header of 8 EiB": file_of(GOOD, length=(1 << 63) - 1),
    "a header of 16 EiB": file_of(GOOD, length=(1 << 64) - 1),
    "a header of nothing": file_of(GOOD, length=0),
    "a header cut": file_of(GOOD, length=len(GOOD) - 5),
    "a header with bytes behind": file_of(GOOD + "x"),
    "a header of 100 MiB": file_of(GOOD + " " * (100 * MIB)),
    "a header of small containers": file_of('{"a": [' + ",".join(["{}"] * MIB) + "]}"),
    "a length cut": b"\x01\0\0\0\0\0\0\0{"[:8] + b"{",
    "a list": file_of("{}".replace("{}", '{"a"}')),
    "no arrays": file_of("{}", b""),
    "content of no array": file_of("{}"),
    "an entry that is a list": named(a=[1]),
    "an entry that is null": named(a=None),
    "an entry without a shape": named(a={"dtype": "F32", "data_offsets": [0, 16]}),
    "an entry with more": named(a=entry() | {"code": "import os"}),
    "metadata that is a list": named(a=entry(), __metadata__=[]),
    "metadata with numbers": named(a=entry(), __metadata__={"x": 1}),
    "an unknown type": named(a=entry("F8_E4M3", (16,))),
    "a type of objects": named(a=entry("O")),
    "a type that is a number": named(a=entry(4)),
    "a type that is a list": named(a=entry(["F32"])),
    "offsets beyond the end": named(a=entry(shape=(8,), offsets=(0, 32))),
    "offsets that begin beyond the end": named(a=entry(offsets=(100, 116))),
    "offsets the other way": named(a=entry(offsets=(16, 0))),
    "negative offsets": named(a=entry(offsets=(-16, 0))),
    "offsets with fractions": named(a=entry(offsets=(0.0, 16.0))),
    "offsets that are true": named(a=entry("U8", (1,), (False, True))),
    "three offsets": named(a=entry(offsets=(0, 8, 16))),
    "offsets that overlap": named(a=entry(), b=entry(shape=(2,), offsets=(8, 16))),
    "offsets that are the same": named(a=entry(), b=entry()),
    "offsets with a hole": named(a=entry(shape=(1,), offsets=(0, 4)), b=entry(shape=(2,), offsets=(8, 16))),
    "content that belongs to nobody": named(a=entry(shape=(2,), offsets=(0, 8))),
    "a shape of other size": named(a=entry(shape=(5,))),
    "a negative shape": named(a=entry(shape=(-2, -2))),
    "a shape that overflows": named(a=entry(shape=(1 << 32, 1 << 32))),
    "a shape that overflows to the right size": named(a=entry(shape=((1 << 62) + 1, 4))),
    "an empty shape that overflows": named(a=entry(shape=(0, 1 << 62, 1 << 62), offsets=(0, 0))),
    "a shape of a thousand lengths": named(a=entry(shape=(1,) * 999 + (4,))),
    "a shape that is a number": named(a={"dtype": "F32", "shape": 4, "data_offsets": [0, 16]}),
    "a shape of texts": named(a=entry(shape=("4",))),
    "a key twice": file_of(GOOD[:-1] + ", " + GOOD[1:]),
    "a key of an entry twice": file_of(GOOD.replace('"shape": [4]', '"shape": [4], "shape": [4]')),
    "bad UTF-8": file_of(GOOD.encode().replace(b'"a"', b'"\xff"')),
    "a byte order mark": file_of(b"\xef\xbb\xbf" + GOOD.encode()),
    "NaN": file_of(GOOD.replace("[4]", "[NaN]")),
    "Infinity": file_of(GOOD.replace("16", "Infinity")),
    "1e999": file_of(GOOD.replace("16", "1e999")),
    "a number of 100,000 digits": file_of(GOOD.replace("16", "9" * 100_000)),
    "nested lists": file_of('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "nested objects": file_of('{"a": ' * 100_000 + "1" + "}" * 100_000),
    "cut in an array": file_of(GOOD)[:-3],
    "bytes behind": file_of(GOOD) + b"x",
}  # fmt: skip


def test_every_class_has_its_cases():
    assert len(CASES) == 53


@pytest.mark.parametrize("case", CASES)
def test_R3_safetensors_that_lie(tmp_path, case):
    file = tmp_path / "file"
    file.write_bytes(CASES[case])
    refused(READER, file)


def test_an_innocent_file_made_in_the_same_way_is_opened(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(file_of(GOOD))
    outcome = attack(READER, file)
    assert (outcome.error, outcome.events) == ("", ()), outcome
