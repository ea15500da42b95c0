"""Reductions: many numbers become one."""

from typing import Any

import numpy as np

from striate import ops
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.shapes import checked_axes, without
from striate.interop.onnx.values import Known, Symbol, Value, fold, numbers_of, plain, rank, size_of, tensor_of


def _reduced(sentence: str, function: Any, known: Any) -> Any:
    """An operator from its docstring, its function of symbols, and that of arrays: (x, axes, keepdims) → reduced x."""

    def operator(node: Node, x: Value, axes: Value | None = None) -> Value:
        keep, numbers = bool(node.get("keepdims", 1)), node.get("axes") if axes is None else numbers_of(axes)
        if not numbers:
            if node.get("noop_with_empty_axes", 0):
                return x
            numbers = range(rank(x))
        along = checked_axes(tuple(numbers), rank(x))
        if isinstance(x, Known):
            return fold(lambda a: known(a, axis=along, keepdims=keep), x, dtype=x.dtype)
        places = tuple(sorted(x.order.index(axis) for axis in along))
        tensor = function(x.tensor, places, True)
        return node.result(tensor, x.order) if keep else without(node, x, along, tensor)

    operator.__doc__ = sentence
    return operator


def _least(x: Any, axes: Any, keepdims: bool) -> Any:
    return ops.negative(ops.max(ops.negative(x), axes, keepdims))


def _known_mean(a: Any, **where: Any) -> Any:
    if not np.size(a):
        raise ValueError("the mean of no numbers")  # as NumPy's maximum and minimum of none
    return np.mean(a, **where)


def _sum_of(inner: Any) -> Any:
    return lambda x, axes, keepdims: ops.sum(inner(x), axes, keepdims)


def _log_sum_exp(x: Any, axes: Any, keepdims: bool) -> Any:
    most = ops.max(x, axes, True)
    return ops.add(ops.log(ops.sum(ops.exp(ops.subtract(x, most)), axes, keepdims)), most)


ReduceSum = _reduced("Σ x.", ops.sum, np.sum)
ReduceMean = _reduced("The mean of x.", ops.mean, _known_mean)
ReduceMax = _reduced("The largest x.", ops.max, np.max)
ReduceMin = _reduced("The least x.", _least, np.min)
ReduceL1 = _reduced("Σ |x|.", _sum_of(ops.absolute), lambda a, **where: np.abs(a).sum(**where))
ReduceSumSquare = _reduced("Σ x².", _sum_of(ops.square), lambda a, **where: np.square(a).sum(**where))
ReduceL2 = _reduced(
    "√Σ x².",
    lambda x, axes, keepdims: ops.sqrt(ops.sum(ops.square(x), axes, keepdims)),
    lambda a, **where: np.sqrt(np.square(a).sum(**where)),
)
ReduceLogSum = _reduced(
    "ln Σ x.",
    lambda x, axes, keepdims: ops.log(ops.sum(x, axes, keepdims)),
    lambda a, **where: np.log(a.sum(**where)),
)
ReduceLogSumExp = _reduced("ln Σ exp(x).", _log_sum_exp, lambda a, **where: np.log(np.exp(a).sum(**where)))


def ArgMax(node: Node, x: Value) -> Value:
    """Where the largest number is along an axis; the first of equal ones, or the last."""
    return _place(node, x, lambda tensor: tensor)


def ArgMin(node: Node, x: Value) -> Value:
    """Where the least number is along an axis; the first of equal ones, or the last."""
    return _place(node, x, ops.negative)


def _place(node: Node, x: Value, seen: Any) -> Value:
    (axis,) = checked_axes((node.get("axis", 0),), rank(x))
    keep, last = bool(node.get("keepdims", 1)), bool(node.get("select_last_index", 0))
    (size,) = size_of(x.shape[axis : axis + 1])
    order = x.order if isinstance(x, Symbol) else plain(rank(x))
    tensor, place = seen(tensor_of(x, order)), order.index(axis)
    # 1 where the largest number is; of these places, counted from the end that loses, the largest.
    largest = ops.greater_equal(tensor, ops.max(tensor, place, keepdims=True))
    counted = np.arange(1, size + 1, dtype=np.float32) if last else np.arange(size, 0, -1, dtype=np.float32)
    column = counted.reshape(tuple(size if i == place else 1 for i in range(rank(x))))
    most = ops.max(ops.multiply(largest, column), place, keepdims=True)
    found = node.result(ops.subtract(most, 1.0) if last else ops.subtract(float(size), most), order, "i8")
    if keep:
        return found
    return without(node, found, (axis,)) if isinstance(found, Symbol) else fold(lambda a: a.squeeze(axis), found)
