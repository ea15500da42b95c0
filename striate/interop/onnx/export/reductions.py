"""Reductions: many numbers become one."""

from collections.abc import Sequence

from striate.graph import Node
from striate.interop.onnx.export.writer import Order, Value, Writer, natural, writes
from striate.ops.elementwise import SUM_TO
from striate.ops.losses import ONE_HOT
from striate.ops.reductions import ARGMAX, MAX, MEAN, SUM, VARIANCE

OPERATORS = {MAX: "ReduceMax", MEAN: "ReduceMean", SUM: "ReduceSum"}


@writes(*OPERATORS)
def reduction(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """The operator that `OPERATORS` names, along the axes where the file has them."""
    return _reduce(to, node, OPERATORS[node.operation], x)


@writes(VARIANCE)
def variance(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """The mean of (x − mean)², in two passes."""
    places = [x.order.index(axis) for axis in node.attributes["axes"]]
    centred = to.add("Sub", x.name, reduced(to, "ReduceMean", x.name, places))
    squares = Value(to.add("Mul", centred, centred), x.shape, x.dtype, x.order)
    return _reduce(to, node, "ReduceMean", squares)


@writes(ARGMAX)
def argmax(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """ArgMax; of equal numbers the first, as here."""
    axis = node.attributes["axis"]
    return to.add("ArgMax", x.name, axis=x.order.index(axis), keepdims=0), _without(x.order, (axis,))


@writes(SUM_TO)
def sum_to(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Axes that broadcasting added in front are removed; those that it expanded stay with size 1."""
    rank = len(node.output.shape)
    front = len(x.shape) - rank
    stretched = [axis for axis in range(rank) if node.output.shape[axis] != node.inputs[0].shape[front + axis]]
    y = to.in_order(x, natural(len(x.shape)))
    y = reduced(to, "ReduceSum", y, range(front), keepdims=False)
    return reduced(to, "ReduceSum", y, stretched), natural(rank)


@writes(ONE_HOT)
def one_hot(to: Writer, node: Node, labels: Value) -> tuple[str, Order]:
    """OneHot of integers of 64 bits; the classes become the last axis, in the file too."""
    whole = to.cast(labels, ARGMAX.dtype(labels, axis=0))
    depth, values = to.integers("depth", node.attributes["classes"]), to.numbers("values", [0, 1])
    return to.add("OneHot", whole.name, depth, values, axis=-1), (*labels.order, len(labels.order))


def reduced(to: Writer, operator: str, x: str, places: Sequence[int], keepdims: bool = True) -> str:
    """One number for all along some axes of the file; ReduceSum takes them as an input, the others as a setting."""
    if not places:  # to ONNX that means all
        return x
    if operator == "ReduceSum":
        return to.add(operator, x, to.integers("axes", list(places)), keepdims=int(keepdims))
    return to.add(operator, x, axes=places, keepdims=int(keepdims))


def _reduce(to: Writer, node: Node, operator: str, x: Value) -> tuple[str, Order]:
    axes, keepdims = node.attributes["axes"], node.attributes["keepdims"]
    y = reduced(to, operator, x.name, [x.order.index(axis) for axis in axes], keepdims)
    return y, x.order if keepdims else _without(x.order, axes)


def _without(order: Order, axes: Sequence[int]) -> Order:
    """The order of the remaining axes, renumbered."""
    left = [axis for axis in order if axis not in axes]
    return tuple(sorted(left).index(axis) for axis in left)
