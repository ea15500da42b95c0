"""JSON as other people write it."""

import json

import pytest

from striate.data import strict_json


def test_what_is_json_is_parsed() -> None:
    value = {"a": [1, -2.5, 1e10, True, None, "ä\u2028😀"], "b": {"c": []}}
    assert strict_json.parse(json.dumps(value)) == value
    assert strict_json.parse(json.dumps(value, ensure_ascii=False).encode()) == value
    assert strict_json.parse(bytearray(b"3")) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[NaN]", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[1e999]", "1e999 is too large for a float"),
        ('{"a": 1, "a": 1}', "a key is given twice"),
        (b'"\xff"', "can't decode byte 0xff"),
        ('"\\uD800"', "surrogates not allowed"),
        ("[1,]", "Expecting value|Illegal trailing comma"),
        ("[" * 200 + "]" * 200, "it is nested more than 100 deep"),
        ("[" * 100_000 + "]" * 100_000, "it is nested too deeply"),
        ("[" + "{}," * 100_000 + "0]", "it has more than 100,000 lists and objects"),
        (" " * (4 << 20) + "0", "it is longer than 4,194,304 bytes"),
    ],
)
def test_R3_what_readers_disagree_on_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        strict_json.parse(text)


def test_the_limit_is_an_argument() -> None:
    assert strict_json.parse("12345", 5) == 12345
    with pytest.raises(ValueError, match="it is longer than 4 bytes"):
        strict_json.parse("12345", 4)
