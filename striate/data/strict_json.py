"""JSON that somebody else wrote: anything that readers disagree on, or that would exhaust memory, is refused."""

import json
import math
from typing import Any, NoReturn

#: Bytes of text; the largest networks need a quarter of it.
MAX_BYTES = 4 << 20
#: Lists and objects, which take twenty times the memory of their brackets.
MAX_CONTAINERS = 100_000
MAX_DEPTH = 100


def parse(text: str | bytes | bytearray, max_bytes: int = MAX_BYTES, max_containers: int = MAX_CONTAINERS) -> Any:
    """The value that a JSON text stands for.

    Arguments:
        text: as bytes, in UTF-8.
        max_bytes: the longest text (default 4 MiB).
        max_containers: the most lists and objects (default 100,000).

    Raises:
        ValueError: it is not JSON or not UTF-8; it has NaN, an infinity, a number beyond all floats, half a surrogate
            pair, or a duplicate key; it is longer than ``max_bytes``, has too many lists and objects, or nests
            them too deeply.
    """
    if len(text) > max_bytes:
        raise ValueError(f"it is longer than {max_bytes:,} bytes")
    if not isinstance(text, str):
        text = text.decode()
    if text.count("[") + text.count("{") > max_containers:
        raise ValueError(f"it has more than {max_containers:,} lists and objects")
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()  # half a pair cannot be encoded, and that is a ValueError
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [item for item in level if isinstance(item, list | dict)]
        level = [item for some in containers for item in (some.values() if isinstance(some, dict) else some)]
        if not level:
            return value
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(f"{number} is too large for a float")
    return value


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found
