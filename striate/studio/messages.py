"""The messages between page and server.

A drawing is JSON text, with points in 0…1 from the top left corner and the width as a share of the square's side, and
the maps that the page shows: for a layer's number, the first map and how many::

    {"id": 17, "width": 0.08, "strokes": [[[0.5, 0.2], [0.48, 0.3]], …], "maps": [[0, 0, 1], [1, 32, 32]]}

The answer to a drawing or a picture is one binary frame. Its key is its name in addresses::

    uint32   H, the length of the header
    H bytes  JSON, padded with spaces to a multiple of 4: {"input": "1f0c…", "drawing": 17 or null, "sure": true,
             "maps": [{"layer": 1, "first": 32, "shape": [55, 55, 32], "least": -3.1, "greatest": 7.9}]}
    float32  the probability of each class, none if the outputs are not classes; then the maps, of these shapes

The ends of a colour scale, ``least`` and ``greatest``, are those of all the layer's maps. Maps that are asked for later
come in a frame of the same form, without probabilities. Everything is little-endian.

Where a number came from is JSON. A number is its place in a recording, its index there, and its value; its ``terms``
are the largest first, each with its value and the numbers that were multiplied for it, and ``rest`` is the sum of those
that were left out::

    {"steps": [{"number": ["conv", [0, 5, 3, 2], 1.7], "operation": "relu", "formula": "max(x, 0)", "total": 1.7,
                "count": 1, "terms": [[1.7, [["conv/add", [0, 5, 3, 2], 1.7]]]], "rest": 0.0}]}

And who reads it: ``{"uses": [[["pool", [0, 2, 1, 2], 1.7], 1.7, [["conv", [0, 5, 3, 2], 1.7]]]], "more": false}``: the
later number, its term that reads this one, and what is multiplied in that term.

A refusal is JSON text: ``{"error": "drawing: expected …"}``.
"""

import itertools
import json
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from striate.errors import ArgumentError, FormatError, LimitError
from striate.explain import Number, Origin, Use
from striate.graph import Array
from striate.studio.network import Network, Trace

MAX_MESSAGE_BYTES = 1 << 20
MAX_STROKES = 1000
MAX_MAPS = 100  # parts of layers in one answer


@dataclass(frozen=True)
class Drawing:
    """Strokes of one brush, whose values `render` checks, and the maps that the page shows."""

    id: int
    width: float
    strokes: list[list[tuple[float, float]]]
    maps: list[tuple[int, int, int]]


class Maps(NamedTuple):
    """Some maps of a layer's output, and the ends of all of them."""

    layer: int
    first: int
    numbers: Array
    least: float
    greatest: float


def parse_drawing(message: str | bytes) -> Drawing:
    """Read a drawing from an untrusted message.

    Raises FormatError if it is not a drawing; LimitError if it is larger than a hand would draw.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise LimitError(f"drawing: expected at most {MAX_MESSAGE_BYTES:,} bytes, got {len(message):,}.")
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"drawing: expected JSON ({error}).") from None
    match fields:
        case {"id": int(identity), "width": int() | float() as width, "strokes": list() as strokes}:
            pass
        case _:
            raise FormatError("drawing: expected an object with an integer id, a width and a list of strokes.")
    if len(strokes) > MAX_STROKES:
        raise LimitError(f"drawing: expected at most {MAX_STROKES:,} strokes, got {len(strokes):,}. Clear the paper.")
    if not all(isinstance(stroke, list) for stroke in strokes):
        raise FormatError("drawing: expected every stroke to be a list of points [x, y].")
    maps = fields.get("maps", [])
    match maps:
        case list() if len(maps) <= MAX_MAPS and all(_is_window(window) for window in maps):
            return Drawing(identity, width, strokes, maps)
        case _:
            raise FormatError(f"drawing: expected at most {MAX_MAPS} maps, each [layer, first, count].")


def _is_window(window: object) -> bool:
    return isinstance(window, list) and len(window) == 3 and all(type(number) is int for number in window)


def encode_trace(trace: Trace, maps: Iterable[Maps] = (), *, drawing: int | None = None) -> bytes:
    """Write the answer to an input, with the id of its drawing and some maps."""
    said = {"input": trace.key, "drawing": drawing, "sure": trace.sure}
    return _frame(said, trace.probabilities, maps=list(maps))


def encode_maps(maps: Maps) -> bytes:
    """Write some maps of a layer's output."""
    return _frame({}, maps=[maps])


def maps_of(network: Network, trace: Trace, layer: int, first: int, count: int) -> Maps:
    """Some maps of a layer's output, of shape (…, channels).

    Raises:
        ArgumentError: there is no such layer, or it does not have them.
    """
    if not 0 <= layer < len(network.layers):
        raise ArgumentError(f"layer: expected a number from 0 to {len(network.layers) - 1}, got {layer}.")
    numbers = trace.output(network.layers[layer].name)
    channels = numbers.shape[-1]
    if not (0 <= first < channels and count >= 1):
        raise ArgumentError(
            f"maps: expected the first of them from 0 to {channels - 1} and at least one, got {first} and {count}."
        )
    finite = numbers[np.isfinite(numbers)]
    ends = float(finite.min(initial=0)), float(finite.max(initial=0))
    return Maps(layer, first, numbers[..., first : first + count], *ends)


def encode_origins(origins: Iterable[Origin], most: int) -> dict[str, Any]:
    """Describe where a number came from, with at most so many terms of each sum."""
    return {
        "steps": [
            {
                "number": _number(origin.number),
                "operation": origin.operation,
                "formula": origin.formula,
                "total": _plain(origin.total),
                "count": len(origin.parts),
                "terms": [[_plain(part.value), list(map(_number, part.reads))] for part in origin.parts[:most]],
                "rest": _plain(math.fsum(part.value for part in origin.parts[most:])),
            }
            for origin in origins
        ]
    }


def encode_uses(uses: Iterable[Use], most: int) -> dict[str, Any]:
    """Describe what was computed from a number, at most so many of them."""
    found = list(itertools.islice(uses, most + 1))
    shown = [[_number(use.number), _plain(use.part.value), list(map(_number, use.part.reads))] for use in found[:most]]
    return {"uses": shown, "more": len(found) > most}


def _number(number: Number) -> list[Any]:
    return [number.place, number.index, _plain(number.value)]


def _plain(value: float) -> float | str:
    """JSON has no infinities and no NaN."""
    return value if math.isfinite(value) else str(value)


def _frame(header: dict[str, Any], *tensors: Array, maps: Sequence[Maps] = ()) -> bytes:
    said = [
        {
            "layer": one.layer,
            "first": one.first,
            "shape": one.numbers.shape,
            "least": one.least,
            "greatest": one.greatest,
        }
        for one in maps
    ]
    text = json.dumps(header | {"maps": said}).encode()
    text += b" " * (-len(text) % 4)
    values = (np.ascontiguousarray(t, "<f4").tobytes() for t in (*tensors, *(one.numbers for one in maps)))
    return b"".join((struct.pack("<I", len(text)), text, *values))


def encode_network(network: Network) -> dict[str, Any]:
    """Describe the network, so that the page can be laid out before the first input."""
    return {
        "name": network.name,
        "classes": network.classes,
        "draws": network.draws,
        "layers": [asdict(layer) for layer in network.layers],
        "notes": network.notes,
    }


def encode_error(error: Exception) -> dict[str, str]:
    """Say what was wrong."""
    return {"error": str(error)}
