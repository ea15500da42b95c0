"""Numbers of 8 bits (or 4, or 16) that stand for real ones: real = (number − zero point) · scale.

Quantized numbers are computed in float32, in which sums of products of 8 bits are exact up to 2²⁴.
"""

from typing import Any

import numpy as np

from striate import ops
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.axes import spatial
from striate.interop.onnx.operators.convolution import Conv, MatMul
from striate.interop.onnx.operators.elementwise import elementwise
from striate.interop.onnx.tensors import dtype_of
from striate.interop.onnx.values import Known, UnsupportedError, Value, array_of, rank, size_of


def QuantizeLinear(node: Node, x: Value, scale: Value, zero: Value | None = None) -> Value:
    """round(x / scale) + zero point, within the type's range; halves go to the even number."""
    node.get("saturate", 1)
    kind = zero.dtype if zero is not None else dtype_of(node.get("output_dtype") or 2)
    steps, origin = _for_axis(node, x, scale, zero)
    return _quantized(node, x, steps, origin, kind)


def _quantized(node: Node, x: Value, steps: Known, origin: Known, kind: Any) -> Value:
    if kind.kind not in "iu":
        raise UnsupportedError(f"quantizing to {kind}")
    range_ = np.iinfo(kind)

    def quantized(t: Any, step: Any, zero: Any) -> Any:
        return ops.clip(ops.add(ops.round(ops.divide(t, step)), zero), float(range_.min), float(range_.max))

    return elementwise(node, quantized, x, steps, origin, dtype=kind)


def DequantizeLinear(node: Node, x: Value, scale: Value, zero: Value | None = None) -> Value:
    """(x − zero point) · scale."""
    steps, origin = _for_axis(node, x, scale, zero)
    wanted = node.get("output_dtype")
    kind = dtype_of(wanted) if wanted else scale.dtype

    def real(t: Any, step: Any, z: Any) -> Any:
        return ops.multiply(ops.subtract(t, z), step)

    return elementwise(node, real, x, steps, origin, dtype=kind)


def _for_axis(node: Node, x: Value, scale: Value, zero: Value | None) -> tuple[Known, Known]:
    """Scale and zero point in a shape that broadcasts to x: one for all, one for each entry of an axis, or blocks."""
    block, axis = node.get("block_size", 0), node.get("axis", 1)
    steps = array_of(scale)
    origin = np.zeros(steps.shape, np.float32) if zero is None else array_of(zero)
    if steps.ndim == 0 or steps.size == 1:
        return Known(steps.reshape(())), Known(origin.reshape(()))
    axis += rank(x) if axis < 0 else 0
    if block:
        (size,) = size_of(x.shape[axis : axis + 1])
        return Known(np.repeat(steps, block, axis).take(range(size), axis)), Known(
            np.repeat(origin, block, axis).take(range(size), axis)
        )
    if steps.ndim != 1 or steps.shape[0] != x.shape[axis]:
        raise UnsupportedError(f"scales of shape {steps.shape} for axis {axis} of {x.shape}")
    column = tuple(-1 if i == axis else 1 for i in range(rank(x)))
    return Known(steps.reshape(column)), Known(origin.reshape(column))


def _centred(node: Node, x: Value, zero: Value | None, axis: int | None = None) -> Value:
    """x − zero point, in float32."""
    if zero is None:
        return elementwise(node, lambda t: t, x, dtype=np.float32)
    origin = array_of(zero).astype(np.float32)
    if origin.ndim == 1 and axis is not None and origin.size > 1:
        origin = origin.reshape(tuple(-1 if i == axis else 1 for i in range(rank(x))))
    elif origin.size == 1:
        origin = origin.reshape(())
    return elementwise(node, ops.subtract, x, Known(origin), dtype=np.float32)


@spatial
def ConvInteger(node: Node, x: Value, w: Value, x_zero: Value | None = None, w_zero: Value | None = None) -> Value:
    """Convolution of integers."""
    y = Conv(node, _centred(node, x, x_zero), _centred(node, w, w_zero, axis=0))
    return _as(node, y, np.int32)


def MatMulInteger(node: Node, a: Value, b: Value, a_zero: Value | None = None, b_zero: Value | None = None) -> Value:
    """A product of matrices of integers."""
    y = MatMul(node, _centred(node, a, a_zero, rank(a) - 2), _centred(node, b, b_zero, rank(b) - 1))
    return _as(node, y, np.int32)


def _as(node: Node, y: Value, dtype: Any) -> Value:
    return elementwise(node, lambda t: t, y, dtype=np.dtype(dtype))


@spatial
def QLinearConv(
    node: Node,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    w: Value,
    w_scale: Value,
    w_zero: Value,
    y_scale: Value,
    y_zero: Value,
    b: Value | None = None,
) -> Value:
    """Convolution of quantized numbers, quantized again."""
    bias = None if b is None else Known(array_of(b).astype(np.float32))
    sums = Conv(node, _centred(node, x, x_zero), _centred(node, w, w_zero, axis=0), bias)
    factors = array_of(x_scale).reshape(-1) * array_of(w_scale).reshape(-1) / array_of(y_scale).reshape(-1)
    column = factors.reshape(-1, *(1,) * (rank(x) - 2)).astype(np.float32)
    return _requantized(node, sums, column, y_zero)


def QLinearMatMul(
    node: Node,
    a: Value,
    a_scale: Value,
    a_zero: Value,
    b: Value,
    b_scale: Value,
    b_zero: Value,
    y_scale: Value,
    y_zero: Value,
) -> Value:
    """A product of quantized matrices, quantized again."""
    sums = MatMul(node, _centred(node, a, a_zero, rank(a) - 2), _centred(node, b, b_zero, rank(b) - 1))
    factors = array_of(a_scale).astype(np.float32) * array_of(b_scale).astype(np.float32) / array_of(y_scale)
    return _requantized(node, sums, factors.astype(np.float32), y_zero)


def _requantized(node: Node, sums: Value, factors: Any, zero: Value) -> Value:
    kind = zero.dtype
    range_ = np.iinfo(kind)
    origin = array_of(zero).astype(np.float32).reshape(())

    def quantized(t: Any, factor: Any, z: Any) -> Any:
        return ops.clip(ops.add(ops.round(ops.multiply(t, factor)), z), float(range_.min), float(range_.max))

    return elementwise(node, quantized, sums, Known(factors), Known(origin), dtype=kind)
