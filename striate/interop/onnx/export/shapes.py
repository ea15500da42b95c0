"""Operations that move numbers without changing them."""

import math
from collections.abc import Sequence

import numpy as np

from striate.graph import Node
from striate.interop.onnx.export.writer import Order, UnwritableError, Value, Writer, channels_first, natural, writes
from striate.interop.onnx.tensors import NUMBERS
from striate.ops.dense import DENSE
from striate.ops.elementwise import BROADCAST_TO
from striate.ops.operation import known_shape
from striate.ops.selection import MAX_UNPOOL, TAKE
from striate.ops.shape import CONCATENATE, PAD, RESHAPE, SLICE, TRANSPOSE

#: Along an axis, what stands for its end.
END = np.iinfo(np.int64).max

#: Axes of the input and axes of the result that hold the same numbers in the same order.
Block = tuple[list[int], list[int]]


@writes(TRANSPOSE)
def transpose(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Nothing is moved: only the order of the axes changes."""
    return x.name, tuple(node.attributes["axes"].index(axis) for axis in x.order)


@writes(RESHAPE)
def reshape(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """In the file's order of axes where it only splits and joins axes that lie side by side there; else in ours.

    A `Flatten` that only dense layers follow keeps the file's order too: the rows of their weights are permuted.
    """
    before, after = known_shape(node.inputs[0]), known_shape(node.output)
    if before == after:
        return x.name, x.order
    if 0 in after:  # all empty shapes hold equally many numbers
        raise UnwritableError("its result is empty")
    order = _order_after(x.order, before, _blocks(before, after))
    if order is None and after == (before[0], math.prod(before[1:])) and to.only_multiplied(node.output, DENSE):
        places = np.arange(after[1]).reshape(before[1:])
        to.columns[node.output] = places.transpose([axis - 1 for axis in x.order[1:]]).ravel()
        return to.add("Flatten", x.name, axis=1), natural(2)
    name, first = x.name, x.order[0]
    if order is None:
        name, first, order = to.in_order(x, natural(len(before))), 0, natural(len(after))
    shape = to.shapes[node.output]
    sizes = [shape[axis] for axis in order]
    if sizes and sizes[0] is None and x.shape[first] is None and before[first] == after[order[0]]:
        sizes[0] = 0  # as the input's, which is the batch size
    if len(sizes) == 2 and sizes[0] == 0:
        return to.add("Flatten", name, axis=1), order
    return to.add("Reshape", name, to.sizes(sizes)), order


def _blocks(before: Sequence[int], after: Sequence[int]) -> list[Block]:
    """The axes of two shapes of equal count, in the smallest blocks that hold equally many numbers.

    (N, H, W, C) → (N, H·W, G, C/G): N is N, H and W become H·W, C becomes G and C/G.
    """
    blocks: list[Block] = []
    i = j = 0
    while i < len(before) or j < len(after):
        begin = i, j
        i, j = min(i + 1, len(before)), min(j + 1, len(after))
        while (a := math.prod(before[begin[0] : i])) != (b := math.prod(after[begin[1] : j])):
            i, j = (i + 1, j) if a < b else (i, j + 1)
        blocks.append((list(range(begin[0], i)), list(range(begin[1], j))))
    return blocks


def _order_after(order: Order, before: Sequence[int], blocks: list[Block]) -> Order | None:
    """The order of the result's axes, if each block lies in one piece in the file; axes of size 1 lie anywhere."""
    place = {axis: i for i, axis in enumerate(axis for axis in order if before[axis] != 1)}
    found: list[tuple[int, list[int]]] = []
    last = 0
    for old, new in blocks:
        places = [place[axis] for axis in old if axis in place]
        if places and places != list(range(places[0], places[0] + len(places))):
            return None
        last = places[0] if places else last
        found.append((last, new))
    return tuple(axis for _, new in sorted(found, key=lambda block: block[0]) for axis in new)


@writes(PAD)
def pad(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Pad, in whatever order the axes are."""
    sides = [node.attributes["padding"][axis] for axis in x.order]
    pads = to.integers("pads", [*(before for before, _ in sides), *(after for _, after in sides)])
    return to.add("Pad", x.name, pads, to.numbers("value", node.attributes["value"], x.dtype)), x.order


@writes(SLICE)
def sliced(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Slice along the axes that are not taken whole."""
    cropping, steps = node.attributes["cropping"], node.attributes["steps"]
    cut = [(place, *cropping[axis], steps[axis]) for place, axis in enumerate(x.order)]
    cut = [each for each in cut if each[1:] != (0, 0, 1)]
    if not cut:
        return x.name, x.order
    places, starts, ends, by = zip(*(_cut(*each) for each in cut), strict=True)
    inputs = [to.integers("starts", starts), to.integers("ends", ends), to.integers("axes", places)]
    if set(by) != {1}:
        inputs.append(to.integers("steps", by))
    return to.add("Slice", x.name, *inputs), x.order


def _cut(place: int, before: int, after: int, step: int) -> tuple[int, int, int, int]:
    """Axis, start, end and step of a Slice without (before, after) entries; backwards, the last entry comes first."""
    if step > 0:
        return place, before, -after if after else END, step
    return place, -after - 1, before - 1 if before else -END, step


@writes(TAKE)
def take(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Gather."""
    indices = to.integers("indices", node.attributes["indices"])
    return to.add("Gather", x.name, indices, axis=x.order.index(node.attributes["axis"])), x.order


@writes(MAX_UNPOOL)
def max_unpool(to: Writer, node: Node, x: Value, places: Value) -> tuple[str, Order]:
    """ScatterElements into a row of zeros for each map, which has one more place for numbers that belong nowhere.

    ONNX's own MaxUnpool counts places over the whole batch.
    """
    order, size = channels_first(len(x.shape)), node.attributes["size"]
    rows = to.sizes([0, x.shape[-1], math.prod(known_shape(node.inputs[0])[1:-1])])
    numbers, indices = (to.add("Reshape", to.in_order(value, order), rows) for value in (x, places))
    indices = to.add("Cast", indices, to=NUMBERS[np.dtype(np.int64)])
    zero, count, axes = (to.integers(*pair) for pair in (("zero", [0]), ("count", [math.prod(size)]), ("axes", [2])))
    indices = to.add("Min", to.add("Where", to.add("Less", indices, zero), count, indices), count)
    nothing = to.add("Slice", numbers, zero, zero, axes)
    zeros = to.add("Pad", nothing, to.integers("pads", [0, 0, 0, 0, 0, math.prod(size) + 1]))
    filled = to.add("ScatterElements", zeros, indices, numbers, axis=2)
    maps = to.add("Slice", filled, zero, count, axes)
    return to.add("Reshape", maps, to.sizes([0, x.shape[-1], *size])), order


@writes(CONCATENATE)
def concatenate(to: Writer, node: Node, *xs: Value) -> tuple[str, Order]:
    """Concat, in the order of the first input that is computed."""
    order = next(x.order for x in xs if x.array is None)
    return to.add("Concat", *(to.in_order(x, order) for x in xs), axis=order.index(node.attributes["axis"])), order


@writes(BROADCAST_TO)
def broadcast_to(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Expand; the batch size stays as it is."""
    shape = to.shapes[node.output]
    given = (1,) * (len(shape) - len(x.shape)) + x.shape
    if any(n is None and m is not None for n, m in zip(shape, given, strict=True)):
        raise UnwritableError("how often it repeats numbers depends on the batch size")
    order = x.order if len(x.shape) == len(shape) else natural(len(shape))
    sizes = to.integers("shape", [1 if shape[axis] is None else shape[axis] for axis in order])
    return to.add("Expand", to.broadcast(x, order), sizes), order
