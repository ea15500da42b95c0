"""Convolution, its transpose, and products of matrices: the operators with weights."""

from typing import Any

import numpy as np

from striate import layers, ops
from striate.graph import Array, Shape
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.axes import spatial
from striate.interop.onnx.values import (
    Known,
    Symbol,
    UnsupportedError,
    Value,
    array_of,
    channels_last,
    plain,
    rank,
    size_of,
    tensor_of,
)
from striate.ops.matmul import product
from striate.ops.windows import Pads

CONV = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
DEPTHWISE = {1: layers.DepthwiseConv1D, 2: layers.DepthwiseConv2D}
TRANSPOSED = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}


def spatial_axes(node: Node, x: Value) -> int:
    """How many axes an input has besides samples and channels."""
    axes = rank(x) - 2
    if not 1 <= axes <= 3:
        raise UnsupportedError(f"expected an input of 1 to 3 spatial axes, got the shape {x.shape}")
    return axes


def per_axis(node: Node, name: str, axes: int, default: int = 1) -> Shape:
    """A setting with one number for each spatial axis."""
    numbers: Shape = node.get(name) or (default,) * axes
    if len(numbers) != axes or min(numbers) < default:
        raise UnsupportedError(f"expected {name} of {axes} numbers, each at least {default}, got {numbers}")
    return numbers


def explicit_pads(node: Node, axes: int) -> Pads:
    """The setting ``pads``, (before, after) for each spatial axis."""
    pads = node.get("pads") or (0,) * (2 * axes)
    if len(pads) != 2 * axes or min(pads) < 0:
        raise UnsupportedError(f"expected pads of {2 * axes} numbers, none negative, got {pads}")
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def padding(node: Node, axes: int) -> Any:
    """How a convolution pads, as this library's layers say it."""
    word, pads = node.get("auto_pad", "NOTSET"), explicit_pads(node, axes)
    words = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}
    if word in words:
        return words[word]
    if word != "NOTSET":
        raise UnsupportedError(f"its setting auto_pad is {word!r}")
    return "valid" if not any(sum(pads, ())) else pads


@spatial
def Conv(node: Node, x: Value, w: Value, b: Value | None = None) -> Value:
    """Convolution; depthwise where each channel is a group of its own."""
    weight, axes = array_of(w), spatial_axes(node, x)
    kernel = check_kernel(node, weight, axes)
    groups, maps = node.get("group", 1), weight.shape[0]
    channels = x.shape[1]
    bias = {} if b is None else {"bias": array_of(b)}
    shared = {
        "strides": per_axis(node, "strides", axes),
        "padding": padding(node, axes),
        "dilation_rate": per_axis(node, "dilations", axes),
        "use_bias": b is not None,
    }
    if groups == channels and groups > 1 and weight.shape[1] == 1 and axes in DEPTHWISE:
        each = weight.reshape(groups, maps // groups, *kernel)
        return _layer(
            node,
            x,
            lambda name: DEPTHWISE[axes](kernel, depth_multiplier=maps // groups, name=name, **shared),
            {"kernel": np.moveaxis(each, (0, 1), (-2, -1))} | bias,
        )
    return _layer(
        node,
        x,
        lambda name: CONV[axes](maps, kernel, groups=groups, name=name, **shared),
        {"kernel": np.moveaxis(weight, (1, 0), (-2, -1))} | bias,
    )


def check_kernel(node: Node, weight: Array, axes: int) -> Shape:
    """The sizes of the kernel, which the node may repeat."""
    kernel = weight.shape[2:]
    if len(kernel) != axes or tuple(node.get("kernel_shape", kernel)) != kernel:
        raise UnsupportedError(
            f"expected weights of {axes} spatial axes and kernel_shape {node.get('kernel_shape')}, got {weight.shape}"
        )
    return kernel


def _layer(node: Node, x: Value, make: Any, weights: dict[str, Array]) -> Value:
    order = channels_last(rank(x))
    return node.result(node.layer(make, tensor_of(x, order), weights=weights), order)


@spatial
def ConvTranspose(node: Node, x: Value, w: Value, b: Value | None = None) -> Value:
    """Transposed convolution; where the output's shape is given, padding follows from it."""
    weight, axes = array_of(w), spatial_axes(node, x)
    kernel = check_kernel(node, weight, axes)
    strides, dilations = per_axis(node, "strides", axes), per_axis(node, "dilations", axes)
    groups = node.get("group", 1)
    extra = per_axis(node, "output_padding", axes, default=0)
    pads = explicit_pads(node, axes)
    word, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if word not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise UnsupportedError(f"its setting auto_pad is {word!r}")
    size = size_of(x.shape[2:])
    if wanted is None and word.startswith("SAME"):
        wanted = tuple(n * s for n, s in zip(size, strides, strict=True))
    if wanted is not None:
        whole = (
            (n - 1) * s + d * (k - 1) + 1 + e
            for n, s, d, k, e in zip(size, strides, dilations, kernel, extra, strict=True)
        )
        totals = [n - target for n, target in zip(whole, wanted[-axes:], strict=True)]
        extra = tuple(e + max(0, -t) for e, t in zip(extra, totals, strict=True))
        halves = [(max(0, t) // 2, max(0, t) - max(0, t) // 2) for t in totals]
        pads = tuple(half if word == "SAME_UPPER" else half[::-1] for half in halves)
    # Our kernel is that of the convolution which goes the other way: (…, maps of a group, channels).
    return _layer(
        node,
        x,
        lambda name: TRANSPOSED[axes](
            weight.shape[1] * groups,
            kernel,
            strides,
            pads,
            output_padding=extra,
            dilation_rate=dilations,
            groups=groups,
            use_bias=b is not None,
            name=name,
        ),
        {"kernel": np.moveaxis(weight, (1, 0), (-2, -1))} | ({} if b is None else {"bias": array_of(b)}),
    )


def Gemm(node: Node, a: Value, b: Value, c: Value | None = None) -> Value:
    """α·A·B + β·C, with A and B optionally transposed; a dense layer where B and C are known."""
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    turned_a, turned_b = bool(node.get("transA", 0)), bool(node.get("transB", 0))
    if rank(a) != 2 or rank(b) != 2:
        raise UnsupportedError(f"expected two matrices, got {a.shape} and {b.shape}")
    if (
        isinstance(a, Symbol)
        and isinstance(b, Known)
        and (c is None or (isinstance(c, Known) and _is_bias(c, b.shape[0 if turned_b else 1])))
    ):
        weight = array_of(b).T if turned_b else array_of(b)
        weight = weight if alpha == 1 else alpha * weight
        bias = None if c is None else np.broadcast_to(beta * array_of(c), (1, weight.shape[1]))[0]
        layer = node.layer(
            lambda name: layers.Dense(weight.shape[1], use_bias=c is not None, name=name),
            tensor_of(a, (1, 0) if turned_a else (0, 1)),
            weights={"kernel": weight} | ({} if bias is None else {"bias": bias}),
        )
        return node.result(layer)
    y = _product(a, b, turned_a, turned_b)
    y = y if alpha == 1 else ops.multiply(y, alpha)
    return node.result(y if c is None else ops.add(y, ops.multiply(tensor_of(c, plain(rank(c))), beta)))


def _is_bias(c: Known, columns: int | None) -> bool:
    """Whether C is the same for each row."""
    return c.shape in [(columns,), (1, columns), (1,), (1, 1), ()]


def MatMul(node: Node, a: Value, b: Value) -> Value:
    """The product of matrices, or of stacks of them; a dense layer where the right one is one known matrix."""
    if isinstance(a, Symbol) and isinstance(b, Known) and rank(b) == 2 and rank(a) >= 2:
        weight = array_of(b)
        layer = node.layer(
            lambda name: layers.Dense(weight.shape[1], use_bias=False, name=name),
            tensor_of(a, plain(rank(a))),
            weights={"kernel": weight},
        )
        return node.result(layer)
    if min(rank(a), rank(b)) < 2:
        return node.result(ops.matmul(tensor_of(a, plain(rank(a))), tensor_of(b, plain(rank(b)))))
    return node.result(_product(a, b))


def _product(a: Value, b: Value, turned_a: bool = False, turned_b: bool = False) -> Any:
    """a · b, each optionally transposed; a factor that an unmoved Transpose left transposed needs none."""
    (left, lies_turned), (right, also) = _matrices(a), _matrices(b)
    return product(left, right, turned_a != lies_turned, turned_b != also)


def _matrices(value: Value) -> tuple[Any, bool]:
    """A factor, and whether its matrices are stored transposed: a Transpose before a product moves nothing."""
    order = plain(rank(value))
    turned = (*order[:-2], order[-1], order[-2])
    if isinstance(value, Symbol) and value.order == turned:
        return value.tensor, True
    return tensor_of(value, order), False
