"""Operations that resize maps: upsampling and adaptive pooling."""

import math

import numpy as np

from striate.graph import Node
from striate.interop.onnx.export.writer import Order, Value, Writer, channels_first, writes
from striate.ops.operation import known_shape
from striate.ops.pooling import ADAPTIVE_AVERAGE_POOL, ADAPTIVE_MAX_POOL
from striate.ops.pooling.adaptive import bounds
from striate.ops.resize import UPSAMPLE_BILINEAR, UPSAMPLE_NEAREST, Resample


@writes(UPSAMPLE_NEAREST)
def upsample_nearest(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Resize; output i is input ⌊i / factor⌋."""
    return _resize(to, x, node.attributes["size"], "nearest", "asymmetric")


@writes(UPSAMPLE_BILINEAR)
def upsample_bilinear(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Resize where the size grows by integer factors, so that rounding a factor cannot change it."""
    size, out = known_shape(node.inputs[0])[1:-1], known_shape(node.output)[1:-1]
    if any(m % n for n, m in zip(size, out, strict=True)):
        return _resample(to, node, x, UPSAMPLE_BILINEAR)
    return _resize(to, x, [m // n for n, m in zip(size, out, strict=True)], "linear", "half_pixel")


@writes(ADAPTIVE_AVERAGE_POOL)
def adaptive_average_pool(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """AveragePool where the windows are alike, else a product with the matrix of their weights."""
    return _even_windows(to, node, x, "AveragePool") or _resample(to, node, x, ADAPTIVE_AVERAGE_POOL)


@writes(ADAPTIVE_MAX_POOL)
def adaptive_max_pool(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Axis by axis: Gather puts the entries of each window on an axis of their own; smaller ones have their last again.

    A maximum can be taken along one axis after the other.
    """
    if even := _even_windows(to, node, x, "MaxPool"):
        return even
    y = x.name
    for axis, out in enumerate(node.attributes["output_size"], start=1):
        begin, end = bounds(known_shape(node.inputs[0])[axis], out)
        entries = np.minimum(begin[:, None] + np.arange((end - begin).max()), end[:, None] - 1)  # (out, entries)
        place = x.order.index(axis)
        windows = to.add("Gather", y, to.integers("windows", entries), axis=place)
        y = to.add("ReduceMax", windows, axes=[place + 1], keepdims=0)
    return y, x.order


def _even_windows(to: Writer, node: Node, x: Value, operator: str) -> tuple[str, Order] | None:
    """Pooling with a usual window, where all windows are of one size and lie side by side; else None."""
    size, out = known_shape(node.inputs[0])[1:-1], node.attributes["output_size"]
    if any(n % m for n, m in zip(size, out, strict=True)):
        return None
    window, order = [n // m for n, m in zip(size, out, strict=True)], channels_first(len(x.shape))
    return to.add(operator, to.in_order(x, order), kernel_shape=window, strides=window), order


def _resize(to: Writer, x: Value, factors: list[int], mode: str, coordinates: str) -> tuple[str, Order]:
    order = channels_first(len(x.shape))
    scales = to.numbers("scales", [1, 1, *factors])
    settings = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": "floor"}
    return to.add("Resize", to.in_order(x, order), "", scales, **settings), order


def _resample(to: Writer, node: Node, x: Value, operation: Resample) -> tuple[str, Order]:
    """A matrix of weights from the left, axis by axis: (N, C·…, size, rest) → (N, C·…, out, rest)."""
    _, *size, channels = known_shape(node.inputs[0])
    out, order = node.attributes["output_size"], channels_first(len(x.shape))
    y = to.in_order(x, order)
    for axis, (n, m) in enumerate(zip(size, out, strict=True)):
        before, after = math.prod((channels, *out[:axis])), math.prod(size[axis + 1 :])
        y = to.add("Reshape", y, to.sizes([0, before, n, after]))
        y = to.add("MatMul", to.numbers("weights", operation.weights(n, m), x.dtype), y)
    return to.add("Reshape", y, to.sizes([0, channels, *out])), order
