"""The messages between page and server.

A drawing is JSON text, with points in 0…1 from the top left corner and the width as a share of the square's side::

    {"id": 17, "width": 0.08, "strokes": [[[0.5, 0.2], [0.48, 0.3]], …]}

An answer is one binary frame, because it holds every number of every layer::

    uint32   H, the length of the header
    H bytes  JSON, padded with spaces to a multiple of 4: {"drawing": 17 or null, "sure": true}
    float32  the input, then each layer's output; their shapes are those of /api/model

The answer to a photograph is laid out in the same way::

    JSON     {"picture": "1f0c…", "sure": true}
    float32  the probability of each class; none if the outputs are not classes

and so are some maps of one of its layers, whose colour scale is that of all the layer's maps::

    JSON     {"first": 32, "shape": [55, 55, 32], "least": -3.1, "greatest": 7.9}
    float32  an array of that shape, the maps from number 32 on

Everything is little-endian. A refusal is JSON text: ``{"error": "drawing: expected …"}``.
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from striate.errors import ArgumentError, FormatError, LimitError
from striate.graph import Array
from striate.studio.photographs import Photographs, Sight
from striate.studio.recognition import Answer, Recogniser

MAX_MESSAGE_BYTES = 1 << 20
MAX_STROKES = 1000


@dataclass(frozen=True)
class Drawing:
    """Strokes of one brush; `render` checks their values."""

    id: int
    width: float
    strokes: list[list[tuple[float, float]]]


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
    return Drawing(identity, width, strokes)


def encode_answer(answer: Answer, *, drawing: int | None = None) -> bytes:
    """Write an answer, with the id of its drawing."""
    return _frame({"drawing": drawing, "sure": answer.sure}, *answer.tensors)


def encode_sight(sight: Sight) -> bytes:
    """Write the answer to a photograph."""
    return _frame({"picture": sight.picture, "sure": sight.sure}, sight.probabilities)


def encode_maps(tensor: Array, first: int, count: int) -> bytes:
    """Write some maps of a layer's output, of shape (…, channels).

    Raises ArgumentError if it does not have them.
    """
    channels = tensor.shape[-1]
    if not (0 <= first < channels and count >= 1):
        raise ArgumentError(
            f"maps: expected the first of them from 0 to {channels - 1} and at least one, got {first} and {count}."
        )
    maps = tensor[..., first : first + count]
    finite = tensor[np.isfinite(tensor)]
    scale = {"least": float(finite.min(initial=0)), "greatest": float(finite.max(initial=0))}
    return _frame({"first": first, "shape": maps.shape} | scale, maps)


def _frame(header: dict[str, Any], *tensors: Array) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    values = (np.ascontiguousarray(tensor, "<f4").tobytes() for tensor in tensors)
    return b"".join((struct.pack("<I", len(text)), text, *values))


def encode_model(recogniser: Recogniser | Photographs) -> dict[str, Any]:
    """Describe the network, so that the page can be laid out before the first picture."""
    return {
        "name": recogniser.name,
        "classes": recogniser.classes,
        "layers": [asdict(layer) for layer in recogniser.layers],
        "notes": recogniser.notes,
    }


def encode_error(error: Exception) -> dict[str, str]:
    """Say what was wrong."""
    return {"error": str(error)}
