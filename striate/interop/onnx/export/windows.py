"""Operations whose window slides over maps, and matrix products: convolution, pooling, dense layers."""

from dataclasses import replace
from typing import Any

import numpy as np

from striate.graph import Node
from striate.interop.onnx.export.writer import Order, Value, Writer, channels_first, natural, writes
from striate.ops.conv.op import CONV, CONV_GRAD_INPUT
from striate.ops.dense import DENSE
from striate.ops.matmul import MATMUL
from striate.ops.operation import known_shape
from striate.ops.pooling import AVERAGE_POOL, BRIGHTEST_POOL, LP_POOL, MAX_POOL


@writes(CONV)
def conv(to: Writer, node: Node, x: Value, w: Value) -> tuple[str, Order]:
    """Conv takes x (N, C, *size) and w (K, C/groups, *kernel)."""
    rank = len(x.shape)
    inputs = [to.in_order(x, channels_first(rank)), to.in_order(w, _kernels_first(rank))]
    window = _window(node, known_shape(node.inputs[1])[:-2])
    y = to.add("Conv", *inputs, *to.bias_after(node), **window, group=node.attributes["groups"])
    return y, channels_first(rank)


@writes(CONV_GRAD_INPUT)
def conv_grad_input(to: Writer, node: Node, g: Value, w: Value) -> tuple[str, Order]:
    """ConvTranspose takes the same kernels as the Conv that goes the other way; `output_padding` makes up its size."""
    rank = len(g.shape)
    kernel = known_shape(node.inputs[1])[:-2]
    window = _window(node, kernel)
    sizes = zip(
        node.attributes["size"],
        known_shape(node.inputs[0])[1:-1],
        kernel,
        *(node.attributes[name] for name in ("strides", "dilation", "padding")),
        strict=True,
    )
    missing = [size - (stride * (n - 1) + d * (k - 1) + 1 - sum(pads)) for size, n, k, stride, d, pads in sizes]
    inputs = [to.in_order(g, channels_first(rank)), to.in_order(w, _kernels_first(rank))]
    window |= {"output_padding": missing, "group": node.attributes["groups"]}
    return to.add("ConvTranspose", *inputs, *to.bias_after(node), **window), channels_first(rank)


@writes(DENSE)
def dense(to: Writer, node: Node, x: Value, w: Value) -> tuple[str, Order]:
    """Gemm for rows of features, which has a bias; MatMul for more axes."""
    order = natural(len(x.shape))
    if (columns := to.columns.get(node.inputs[0])) is not None and w.array is not None:
        w = replace(w, array=w.array[columns])
    inputs = [to.in_order(x, order), to.in_order(w, (0, 1))]
    if len(order) == 2:
        return to.add("Gemm", *inputs, *to.bias_after(node)), order
    return to.add("MatMul", *inputs), order


@writes(MATMUL)
def matmul(to: Writer, node: Node, a: Value, b: Value) -> tuple[str, Order]:
    """MatMul, after a Transpose where one is needed and the file's order does not already include it."""
    turned = node.attributes["transpose_a"], node.attributes["transpose_b"]
    names = []
    for value, is_turned in zip((a, b), turned, strict=True):
        *stack, rows, columns = natural(len(value.shape))
        names.append(to.in_order(value, (*stack, columns, rows) if is_turned else (*stack, rows, columns)))
    return to.add("MatMul", *names), natural(len(node.output.shape))


@writes(MAX_POOL)
def max_pool(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """MaxPool."""
    inputs = to.in_order(x, channels_first(len(x.shape)))
    if not _pads_fit(node):
        inputs = _padded(to, node, inputs, -np.inf)
    return to.add("MaxPool", inputs, **_pool(node)), channels_first(len(x.shape))


@writes(AVERAGE_POOL)
def average_pool(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """AveragePool has no dilation before operator set 19: then a sum, divided by the count of numbers summed."""
    order = channels_first(len(x.shape))
    include = node.attributes["count_include_pad"]
    if _pads_fit(node) and max(node.attributes["dilation"]) == 1:
        window = _pool(node)
        del window["dilations"]
        return to.add("AveragePool", to.in_order(x, order), **window, count_include_pad=int(include)), order
    size, out = known_shape(node.inputs[0])[1:-1], known_shape(node.output)[1:-1]
    counts = AVERAGE_POOL.counts(size, out, include, node.attributes)
    total = _window_sum(to, node, to.in_order(x, order))
    return to.add("Div", total, to.numbers("counts", counts, x.dtype)), order


@writes(LP_POOL)
def lp_pool(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """LpPool has no dilation before operator set 18, and p is an integer: else the formula in parts."""
    order = channels_first(len(x.shape))
    inputs, p = to.in_order(x, order), node.attributes["p"]
    if _pads_fit(node) and max(node.attributes["dilation"]) == 1 and p == int(p):
        window = _pool(node)
        del window["dilations"]
        return to.add("LpPool", inputs, **window, p=int(p)), order
    powers = to.add("Pow", to.add("Abs", inputs), to.numbers("p", p, x.dtype))
    return to.add("Pow", _window_sum(to, node, powers), to.numbers("root", 1 / p, x.dtype)), order


@writes(BRIGHTEST_POOL)
def brightest_pool(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """MaxPool gives the index, in the batch, of the brightest pixel of each window; Gather fetches all its channels."""
    rank, channels = len(x.shape), x.shape[-1]
    pixels = to.in_order(x, natural(rank))
    weights = to.numbers("weights", [[weight] for weight in node.attributes["weights"]], x.dtype)
    bright = to.add("MatMul", pixels, weights)  # (N, H, W, 1)
    size = x.shape[1:-1]
    bright = to.add("Reshape", bright, to.sizes([0, 1, *size]))
    if not _pads_fit(node):
        pixels = _padded(to, node, pixels, 0.0, first=1)
        bright = _padded(to, node, bright, -np.inf)
    _, places = to.add_several("MaxPool", [bright], 2, **_pool(node))  # (N, 1, OH, OW)
    rows = to.add("Reshape", pixels, to.sizes([None, channels]))
    picked = to.add("Gather", rows, places, axis=0)  # (N, 1, OH, OW, C)
    return to.add("Squeeze", picked, to.integers("axes", [1])), natural(rank)


def _kernels_first(rank: int) -> Order:
    """(*kernel, C/groups, K) → K, C/groups, *kernel."""
    return (rank - 1, rank - 2, *range(rank - 2))


def _window(node: Node, kernel: tuple[int, ...]) -> dict[str, Any]:
    """How the window moves, under ONNX's names."""
    before, after = zip(*node.attributes["padding"], strict=True)
    return {
        "kernel_shape": kernel,
        "strides": node.attributes["strides"],
        "dilations": node.attributes["dilation"],
        "pads": [*before, *after],
    }


def _pads_fit(node: Node) -> bool:
    """Whether the padding is smaller than the window, as ONNX Runtime's pools need it."""
    sizes = zip(node.attributes["padding"], node.attributes["pool_size"], strict=True)
    return all(max(pads) < size for pads, size in sizes)


def _pool(node: Node) -> dict[str, Any]:
    """The settings of a pool; padding that does not fit is left to `_padded`."""
    window = _window(node, node.attributes["pool_size"])
    return window if _pads_fit(node) else window | {"pads": [0] * len(window["pads"])}


def _padded(to: Writer, node: Node, x: str, value: float, first: int = 2) -> str:
    """The padding of a pool as a node of its own; ``first`` is the first spatial axis."""
    before, after = zip(*node.attributes["padding"], strict=True)
    front, back = [0] * first, [0] * (2 - first)
    pads = to.integers("pads", [*front, *before, *back, *front, *after, *back])
    return to.add("Pad", x, pads, to.numbers("outside", value, node.output.dtype))


def _window_sum(to: Writer, node: Node, x: str) -> str:
    """Σ over each window, channel by channel: a convolution with ones."""
    channels, pool_size = known_shape(node.output)[-1], node.attributes["pool_size"]
    ones = to.numbers("ones", np.ones((channels, 1, *pool_size)), node.output.dtype)
    return to.add("Conv", x, ones, **_window(node, pool_size), group=channels)
