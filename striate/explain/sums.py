"""The exact sums behind one number of a layer's output."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from striate.explain.recording import Number, Origin, Recording
from striate.layers.layer import Layer
from striate.models.model import Model
from striate.ops.operation import Index


@dataclass(frozen=True)
class Explanation:
    """Where one number of a layer's output came from; as text, the sums written out.

    Arguments:
        layer: its name.
        index: of the number in the layer's output, with the sample.
        value: the number as the network computes it.
        sums: from the layer's last operation back to the first, as far as one number comes from one number before it.
    """

    layer: str
    index: Index
    value: float
    sums: tuple[Origin, ...]

    def __str__(self) -> str:
        lines = [f"{self.layer}{list(self.index)} = {self.value:.6g}"]
        for origin in self.sums:
            lines += [f"  {line}" for line in str(origin).splitlines()]
        return "\n".join(lines)


def explain(model: Model, x: Any, layer: str | Layer, index: Sequence[int]) -> Explanation:
    """See `Model.explain`."""
    recording = Recording(model, x)
    name = layer if isinstance(layer, str) else model.names.get(layer, layer.name)
    recording.inside(name)
    sums = unfold(recording, name, index)
    first = sums[0].number
    return Explanation(name, first.index, first.value, tuple(sums))


def unfold(recording: Recording, place: str, index: Sequence[int]) -> list[Origin]:
    """The sums behind one number: of a layer's output, back to the first operation in the layer.

    As far as one number comes from one number before it, such as relu(sum + bias); elsewhere, the number's own sum.

    Raises:
        ArgumentError: as `Recording.explain`.
    """
    sums = [recording.explain(place, index)]
    inside: Container[str] = recording.inside(place) if place in recording.layers else ()
    while (before := _before(sums[-1], inside)) is not None:
        sums.append(recording.explain(before.place, before.index))
    return sums


def _before(origin: Origin, inside: Container[str]) -> Number | None:
    """The one number inside the layer that a number came from, or among several the one at its own place."""
    reads = dict.fromkeys(read for part in origin.parts for read in part.reads if read.place in inside)
    if len(reads) == 1:
        return next(iter(reads))
    return next((read for read in reads if read.index == origin.number.index), None)
