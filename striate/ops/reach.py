"""Which rectangle of a graph's input a rectangle of some result depends on: a walk back through the operations."""

from striate.graph import Tensor, topological_order
from striate.ops.operation import Box, known_shape

Sides = tuple[tuple[int, int], ...]


def input_box(output: Tensor, source: Tensor, box: Box) -> Sides:
    """The rectangle of ``source`` that the rectangle ``box`` of ``output`` depends on."""
    boxes: dict[Tensor, Box] = {output: box}
    for node in reversed(topological_order([output])):
        for tensor, reached in zip(node.inputs, node.operation.reach(node, boxes[node.output]), strict=True):
            clipped = _clip(tensor, reached)
            boxes[tensor] = _union(boxes[tensor], clipped) if tensor in boxes else clipped
    return boxes[source].sides if source in boxes else ()


def _clip(tensor: Tensor, box: Box | None) -> Box:
    """``box`` cut to the tensor's size; all of it if ``box`` is None."""
    sizes: tuple[int, ...] = known_shape(tensor)[1:-1]
    if box is None or len(box.sides) != len(sizes):
        return Box(tuple((0, n) for n in sizes))
    return Box(tuple((max(first, 0), min(last, n)) for (first, last), n in zip(box.sides, sizes, strict=True)))


def _union(a: Box, b: Box) -> Box:
    """The smallest rectangle that contains both."""
    return Box(tuple((min(p, r), max(q, s)) for (p, q), (r, s) in zip(a.sides, b.sides, strict=True)))
