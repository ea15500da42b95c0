"""Pooling over windows and over whole maps, and unpooling."""

import math
from typing import Any

import numpy as np

from striate import layers, ops
from striate.graph import Shape
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.axes import spatial
from striate.interop.onnx.operators.convolution import explicit_pads, per_axis, spatial_axes
from striate.interop.onnx.values import (
    UnsupportedError,
    Value,
    channels_last,
    numbers_of,
    rank,
    size_of,
    tensor_of,
)
from striate.ops.windows import Pads

MAX = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D, 3: layers.MaxPooling3D}
AVERAGE = {1: layers.AveragePooling1D, 2: layers.AveragePooling2D, 3: layers.AveragePooling3D}
ZEROS = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D, 3: layers.ZeroPadding3D}
GLOBAL_AVERAGE = {
    1: layers.GlobalAveragePooling1D,
    2: layers.GlobalAveragePooling2D,
    3: layers.GlobalAveragePooling3D,
}
GLOBAL_MAX = {1: layers.GlobalMaxPooling1D, 2: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling3D}


class Windows:
    """The windows of a pooling node.

    ``pads`` is the file's padding; ``reached`` is how far windows reach, which with ``ceil_mode`` may be more at the
    end: there the last window begins inside the padded input but extends beyond it.
    """

    def __init__(self, node: Node, x: Value):
        axes = spatial_axes(node, x)
        size = size_of(x.shape[2:])
        self.kernel: Shape = node.get("kernel_shape") or ()
        if len(self.kernel) != axes:
            raise UnsupportedError(f"expected kernel_shape of {axes} numbers, got {self.kernel}")
        self.strides = per_axis(node, "strides", axes)
        self.dilations = per_axis(node, "dilations", axes)
        word, ceil = node.get("auto_pad", "NOTSET"), node.get("ceil_mode", 0)
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        self.pads = explicit_pads(node, axes)
        if word in ("SAME_UPPER", "SAME_LOWER"):
            total = [
                max(0, (-(-n // s) - 1) * s + span - n) for n, s, span in zip(size, self.strides, spans, strict=True)
            ]
            halves = [(t // 2, t - t // 2) for t in total]
            self.pads = tuple(half if word == "SAME_UPPER" else half[::-1] for half in halves)
        elif word not in ("NOTSET", "VALID"):
            raise UnsupportedError(f"its setting auto_pad is {word!r}")
        reached = []
        for n, s, span, (before, after) in zip(size, self.strides, spans, self.pads, strict=True):
            room = n + before + after - span
            last = (-(-room // s) if ceil else room // s) * s  # where the last window begins
            if ceil and last >= n + before:
                last -= s
            reached.append((before, max(after if last <= room else 0, last + span - n - before)))
        self.reached: Pads = tuple(reached)

    def settings(self, pads: Pads) -> dict[str, Any]:
        """The arguments of our pooling layers."""
        padding: Any = pads if any(map(any, pads)) else "valid"
        return {
            "pool_size": self.kernel,
            "strides": self.strides,
            "padding": padding,
            "dilation_rate": self.dilations,
        }


@spatial
def MaxPool(node: Node, x: Value) -> Any:
    """The largest number of each window, and where it is."""
    windows, order = Windows(node, x), channels_last(rank(x))
    settings, axes = windows.settings(windows.reached), rank(x) - 2
    by_columns = bool(node.get("storage_order", 0))
    tensor = tensor_of(x, order)
    largest = node.result(node.layer(lambda name: MAX[axes](name=name, **settings), tensor), order)
    if not node.wants(1):
        return largest
    samples, channels, *size = size_of(x.shape)
    first = np.arange(samples * channels, dtype=np.float32).reshape(samples, *(1,) * axes, channels)
    found = _places(tensor, tensor_of(largest, order), windows, tuple(size), by_columns)
    return largest, node.result(ops.add(found, first * math.prod(size)), order, "i8")


def _places(x: Any, largest: Any, windows: Windows, size: Shape, by_columns: bool) -> Any:
    """Where in its map each window's largest number is, the first of several.

    Arguments:
        by_columns: whether places are numbered with the first axis running fastest, instead of the last.
    """
    axes = len(size)
    steps = [math.prod(size[:axis] if by_columns else size[axis + 1 :]) for axis in range(axes)]
    padded = ops.pad(x, ((0, 0), *windows.reached, (0, 0)), constant_values=-math.inf)
    found: Any = 0.0
    for entry in [*np.ndindex(*windows.kernel)][::-1]:
        candidate, place = padded, np.zeros((1,) * (axes + 2), np.float32)
        for axis in range(axes):
            begin = np.arange(largest.shape[axis + 1]) * windows.strides[axis] + entry[axis] * windows.dilations[axis]
            candidate = ops.take(candidate, tuple(int(i) for i in begin), axis + 1)
            column = (begin - windows.reached[axis][0]) * steps[axis]
            place = place + column.reshape(tuple(-1 if i == axis + 1 else 1 for i in range(axes + 2)))
        found = ops.where(ops.greater_equal(candidate, largest), place.astype(np.float32), found)
    return found


@spatial
def MaxUnpool(node: Node, x: Value, places: Value, output_shape: Value | None = None) -> Value:
    """Each number where the largest of its window was; 0 elsewhere."""
    windows, order = Windows(node, x), channels_last(rank(x))
    size = tuple(
        (n - 1) * s - before - after + k
        for n, s, k, (before, after) in zip(
            size_of(x.shape[2:]), windows.strides, windows.kernel, windows.pads, strict=True
        )
    )
    target = size if output_shape is None else numbers_of(output_shape)[2:]
    flat = tensor_of(places, order)
    maps = ops.floor(ops.divide(flat, float(math.prod(size))))
    within = ops.subtract(flat, ops.multiply(maps, float(math.prod(size))))
    y = ops.max_unpool(tensor_of(x, order), within, size)
    if target != size:
        ends = ((0, 0), *((0, wanted - n) for n, wanted in zip(size, target, strict=True)), (0, 0))
        y = ops.pad(y, ends)
    return node.result(y, order)


@spatial
def AveragePool(node: Node, x: Value) -> Value:
    """The mean of each window; padding counts, as zeros, only if the file says so."""
    windows, order, axes = Windows(node, x), channels_last(rank(x)), rank(x) - 2
    tensor = tensor_of(x, order)
    pads = windows.reached
    if node.get("count_include_pad", 0) and any(map(any, windows.pads)):
        # What windows reach beyond the file's own padding never counts.
        tensor = ops.pad(tensor, ((0, 0), *windows.pads, (0, 0)))
        pads = tuple((0, max(0, r[1] - p[1])) for r, p in zip(windows.reached, windows.pads, strict=True))
    settings = windows.settings(pads)
    return node.result(node.layer(lambda name: AVERAGE[axes](name=name, **settings), tensor), order)


@spatial
def LpPool(node: Node, x: Value) -> Value:
    """(Σ |x|ᵖ)^(1/p) over each window."""
    windows, order = Windows(node, x), channels_last(rank(x))
    pooled = ops.lp_pool(tensor_of(x, order), p=float(node.get("p", 2)), **windows.settings(windows.reached))
    return node.result(pooled, order)


@spatial
def GlobalAveragePool(node: Node, x: Value) -> Value:
    """The mean of each map."""
    return _whole_maps(node, x, GLOBAL_AVERAGE)


@spatial
def GlobalMaxPool(node: Node, x: Value) -> Value:
    """The largest number of each map."""
    return _whole_maps(node, x, GLOBAL_MAX)


def _whole_maps(node: Node, x: Value, kinds: dict[int, Any]) -> Value:
    order, axes = channels_last(rank(x)), spatial_axes(node, x)
    pooled = node.layer(lambda name: kinds[axes](keepdims=True, name=name), tensor_of(x, order))
    return node.result(pooled, order)


@spatial
def GlobalLpPool(node: Node, x: Value) -> Value:
    """(Σ |x|ᵖ)^(1/p) over each map."""
    order, _ = channels_last(rank(x)), spatial_axes(node, x)
    return node.result(ops.lp_pool(tensor_of(x, order), size_of(x.shape[2:]), p=float(node.get("p", 2))), order)
