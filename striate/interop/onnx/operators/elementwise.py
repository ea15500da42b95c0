"""Element-wise arithmetic, with broadcasting."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate import layers, ops
from striate.graph import Array
from striate.interop.onnx.node import Node
from striate.interop.onnx.values import (
    BATCHES,
    Known,
    Order,
    Symbol,
    UnsupportedError,
    Value,
    all_known,
    array_of,
    fold,
    plain,
    rank,
    tensor_of,
)
from striate.ops.operation import check_memory


def aligned(values: Sequence[Value]) -> tuple[list[Any], Order]:
    """The values as operations take them, so that they broadcast as in the file, and the order of the result's axes.

    The order is that of the first symbol of the highest rank, so that large maps are not moved.
    """
    most = max(map(rank, values))
    symbols = [value for value in values if isinstance(value, Symbol) and rank(value) == most]
    order = symbols[0].order if symbols else plain(most)
    return [_raised(value, most, order) for value in values], order


def _raised(value: Value, most: int, order: Order) -> Any:
    """A value with sizes of 1 before its axes."""
    if rank(value) == most:
        return tensor_of(value, order)
    missing = most - rank(value)
    if isinstance(value, Known):
        array = array_of(value)
        if array.size == 1:
            return np.float32(array.reshape(()))
        raised = array.reshape((1,) * missing + array.shape)
        return np.ascontiguousarray(raised.transpose(order), np.float32)
    sizes = (1,) * missing + tuple(-1 if n is None else n for n in value.shape)
    tensor = ops.reshape(tensor_of(value, plain(rank(value))), sizes)
    return tensor if order == plain(most) else ops.transpose(tensor, order)


def elementwise(
    node: Node,
    function: Callable[..., Any],
    *values: Value,
    known: Callable[..., Any] | None = None,
    dtype: Any = None,
) -> Value:
    """An element-wise function.

    Arguments:
        function: of symbols, or of arrays in float32.
        known: the same of arrays in the file's type; default: ``function``.
        dtype: of the result; default: that of the first value.
    """
    kind = values[0].dtype if dtype is None else dtype
    if all_known(values):
        shapes = (tuple(n or BATCHES[-1] for n in value.shape) for value in values)
        check_memory(node.op, np.broadcast_shapes(*shapes), np.dtype(kind).itemsize)
        if known is not None:
            return fold(known, *values, dtype=kind)
        return fold(lambda *arrays: function(*(a.astype(np.float32) for a in arrays)), *values, dtype=kind)
    tensors, order = aligned(values)
    return node.result(function(*tensors), order, kind, values)


def _merged(node: Node, layer: Any, function: Any, known: Any, values: Sequence[Value]) -> Value:
    """A layer of several inputs where all are maps of one shape, as at the end of a shortcut; else an operation."""
    if not all_known(values) and all(isinstance(v, Symbol) and v.shape == values[0].shape for v in values):
        tensors, order = aligned(values)
        return node.result(node.layer(lambda name: layer(name=name), tensors), order)
    return elementwise(
        node, lambda *ts: functools.reduce(function, ts), *values, known=lambda *arrays: functools.reduce(known, arrays)
    )


def Add(node: Node, a: Value, b: Value) -> Value:
    """a + b."""
    _no_axis(node)
    return _merged(node, layers.Add, ops.add, np.add, (a, b))


def Sum(node: Node, *xs: Value) -> Value:
    """The sum of all inputs."""
    return _merged(node, layers.Add, ops.add, np.add, xs)


def Mul(node: Node, a: Value, b: Value) -> Value:
    """a · b."""
    _no_axis(node)
    return _merged(node, layers.Multiply, ops.multiply, np.multiply, (a, b))


def Max(node: Node, *xs: Value) -> Value:
    """The largest of all inputs."""
    return _merged(node, layers.Maximum, ops.maximum, np.maximum, xs)


def Min(node: Node, *xs: Value) -> Value:
    """The least of all inputs."""
    return _merged(node, layers.Minimum, ops.minimum, np.minimum, xs)


def Mean(node: Node, *xs: Value) -> Value:
    """The mean of all inputs."""
    total = Sum(node, *xs)
    node.given = [total]
    return elementwise(node, lambda t: ops.divide(t, float(len(xs))), total)


def Sub(node: Node, a: Value, b: Value) -> Value:
    """a − b."""
    _no_axis(node)
    return elementwise(node, ops.subtract, a, b, known=np.subtract)


def Div(node: Node, a: Value, b: Value) -> Value:
    """a / b; of integers, towards 0."""
    _no_axis(node)
    if a.dtype.kind in "iu":
        return elementwise(node, lambda s, t: truncated(ops.divide(s, t)), a, b, known=_whole_division)
    return elementwise(node, ops.divide, a, b, known=np.divide)


def _whole_division(a: Array, b: Array) -> Array:
    quotient = np.floor_divide(a, np.where(b == 0, 1, b))
    return np.asarray(quotient + ((quotient < 0) & (quotient * b != a)))


def truncated(t: Any) -> Any:
    """The integer part, rounded towards 0."""
    return ops.multiply(ops.sign(t), ops.floor(ops.absolute(t)))


def _no_axis(node: Node) -> None:
    if node.opset < 7:
        raise UnsupportedError("broadcasting as it was before version 7")


def Mod(node: Node, a: Value, b: Value) -> Value:
    """The remainder of a division, with b's sign; with ``fmod`` a's."""
    if node.get("fmod", 0):
        return elementwise(
            node, lambda s, t: ops.subtract(s, ops.multiply(truncated(ops.divide(s, t)), t)), a, b, known=np.fmod
        )
    return elementwise(
        node, lambda s, t: ops.subtract(s, ops.multiply(ops.floor(ops.divide(s, t)), t)), a, b, known=np.mod
    )


def Pow(node: Node, a: Value, b: Value) -> Value:
    """a to the power b."""
    return elementwise(node, ops.power, a, b, known=np.power)


def Where(node: Node, condition: Value, a: Value, b: Value) -> Value:
    """a where the condition holds, b elsewhere."""
    return elementwise(node, ops.where, condition, a, b, known=np.where, dtype=a.dtype)


def _of_one(sentence: str, function: Any, known: Any = None) -> Any:
    def operator(node: Node, x: Value) -> Value:
        return elementwise(node, function, x, known=known)

    operator.__doc__ = sentence
    return operator


Neg = _of_one("−x.", ops.negative, np.negative)
Abs = _of_one("|x|.", ops.absolute, np.abs)
Sign = _of_one("−1, 0 or 1.", ops.sign, np.sign)
Sqrt = _of_one("√x.", ops.sqrt, np.sqrt)
Exp = _of_one("exp(x).", ops.exp, np.exp)
Log = _of_one("ln x.", ops.log, np.log)
Floor = _of_one("⌊x⌋.", ops.floor, np.floor)
Ceil = _of_one("⌈x⌉.", ops.ceil, np.ceil)
Round = _of_one("The nearest integer; halves go to the even one.", ops.round, np.rint)
Erf = _of_one("The error function.", ops.erf)
Reciprocal = _of_one("1 / x.", lambda x: ops.divide(1.0, x), np.reciprocal)


def _compared(sentence: str, function: Any, known: Any) -> Any:
    def operator(node: Node, a: Value, b: Value) -> Value:
        return elementwise(node, function, a, b, known=known, dtype=bool)

    operator.__doc__ = sentence
    return operator


Equal = _compared("a = b.", ops.equal, np.equal)
GreaterOrEqual = _compared("a ≥ b.", ops.greater_equal, np.greater_equal)
LessOrEqual = _compared("a ≤ b.", ops.less_equal, np.less_equal)
Greater = _compared("a > b.", ops.greater, np.greater)
Less = _compared("a < b.", ops.less, np.less)
And = _compared("Whether both hold.", ops.multiply, np.logical_and)
Or = _compared("Whether at least one holds.", ops.maximum, np.logical_or)


def Not(node: Node, x: Value) -> Value:
    """Whether x does not hold."""
    return elementwise(node, ops.logical_not, x, known=np.logical_not)
