"""Receptive fields: which rectangle of the input a number depends on."""

from typing import TYPE_CHECKING

from striate.errors import ArgumentError
from striate.graph import Tensor, topological_order
from striate.models.layer_outputs import layer_graph
from striate.ops.operation import Box, known_shape

if TYPE_CHECKING:
    from striate.models.model import Model

Sides = tuple[tuple[int, int], ...]


def receptive_field(model: "Model", layer: str, position: tuple[int, ...]) -> Sides:
    """See `Model.receptive_field`."""
    layers, graph = layer_graph(model, 1)
    found = [tensor for one, tensor in zip(layers, graph.outputs, strict=True) if one.name == layer]
    if not found:
        raise ArgumentError(f"receptive_field: no layer {layer!r}; there are {', '.join(one.name for one in layers)}.")
    sizes = found[0].shape[1:-1]
    if len(position) != len(sizes) or not all(0 <= p < n for p, n in zip(position, sizes, strict=True)):  # type: ignore[operator]
        raise ArgumentError(f"receptive_field: expected a position inside of {sizes}, got {position}.")
    return input_box(found[0], graph.inputs[0], Box(tuple((p, p + 1) for p in position)))


def input_box(output: Tensor, source: Tensor, box: Box) -> Sides:
    """The rectangle of ``source`` that the rectangle ``box`` of ``output`` depends on."""
    boxes: dict[Tensor, Box] = {output: box}
    for node in reversed(topological_order([output])):
        if node.output not in boxes:
            continue
        for tensor, reached in zip(node.inputs, node.operation.reach(node, boxes[node.output]), strict=True):
            clipped = _clip(tensor, reached)
            boxes[tensor] = _union(boxes[tensor], clipped) if tensor in boxes else clipped
    return boxes[source].sides if source in boxes else ()


def _clip(tensor: Tensor, box: Box | None) -> Box:
    """``box`` cut to the tensor's size; None, which means everything, as the whole of it."""
    sizes: tuple[int, ...] = known_shape(tensor)[1:-1]
    if box is None or len(box.sides) != len(sizes):
        return Box(tuple((0, n) for n in sizes))
    return Box(tuple((max(first, 0), min(last, n)) for (first, last), n in zip(box.sides, sizes, strict=True)))


def _union(a: Box, b: Box) -> Box:
    """The least rectangle that contains both."""
    return Box(tuple((min(p, r), max(q, s)) for (p, q), (r, s) in zip(a.sides, b.sides, strict=True)))
