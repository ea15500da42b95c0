"""What the page and the server say to each other.

A drawing is JSON text, its points in 0…1 from the top left corner, its width a share of the square's side::

    {"id": 17, "width": 0.08, "strokes": [[[0.5, 0.2], [0.48, 0.3]], …]}

An answer is one binary frame, because it holds every number of every layer::

    uint32   H, the length of the header
    H bytes  JSON, padded with spaces to a multiple of 4: {"drawing": 17 or null, "sure": true}
    float32  the input, then each layer's output; their shapes are those of /api/model

Everything is little-endian. A refusal is JSON text: ``{"error": "drawing: expected …"}``.
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from striate.errors import FormatError, LimitError
from striate.studio.recognition import Answer, Recogniser

MAX_MESSAGE_BYTES = 1 << 20
MAX_STROKES = 1000


@dataclass(frozen=True)
class Drawing:
    """Strokes of one brush, as yet in any numbers: `render` checks those."""

    id: int
    width: float
    strokes: list[list[tuple[float, float]]]


def parse_drawing(message: str | bytes) -> Drawing:
    """Read a drawing from anyone.

    Raises FormatError for what is no drawing; LimitError for one that is larger than a hand would draw.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise LimitError(f"drawing: expected at most {MAX_MESSAGE_BYTES:,} bytes, got {len(message):,}.")
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"drawing: expected JSON, got something else ({error}).") from None
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
    """Write an answer, naming the drawing it is for."""
    header = json.dumps({"drawing": drawing, "sure": answer.sure}).encode()
    header += b" " * (-len(header) % 4)
    values = (np.ascontiguousarray(tensor, "<f4").tobytes() for tensor in answer.tensors)
    return b"".join((struct.pack("<I", len(header)), header, *values))


def encode_model(recogniser: Recogniser) -> dict[str, Any]:
    """Describe the network, so that the page can be laid out before the first drawing."""
    return {
        "name": recogniser.name,
        "classes": list(recogniser.classes),
        "layers": [asdict(layer) for layer in recogniser.layers],
    }


def encode_error(error: Exception) -> dict[str, str]:
    """Say what was wrong."""
    return {"error": str(error)}
