"""Receptive fields: which rectangle of the input a number depends on."""

from striate.errors import ArgumentError
from striate.models.layer_graph import layer_graph
from striate.models.model import Model
from striate.ops.operation import Box
from striate.ops.reach import Sides, input_box


def receptive_field(model: Model, layer: str, position: tuple[int, ...]) -> Sides:
    """See `Model.receptive_field`."""
    calls, graph = layer_graph(model)
    if layer not in calls:
        raise ArgumentError(f"receptive_field: no layer {layer!r}; there are {', '.join(calls)}.")
    output = calls[layer].outputs[0]
    sizes = output.shape[1:-1]
    if len(position) != len(sizes) or not all(0 <= p < n for p, n in zip(position, sizes, strict=True)):  # type: ignore[operator]
        raise ArgumentError(f"receptive_field: expected a position inside of {sizes}, got {position}.")
    return input_box(output, graph.inputs[0], Box(tuple((p, p + 1) for p in position)))
