"""Sums over windows and their adjoint: average pooling, repeated pixels, and the gradients of both."""

import numpy as np

from striate.codegen import Function, Kernel, Pointer, kernel
from striate.graph import Array, Node, Tensor
from striate.kernels.plan import Plan, lowers
from striate.kernels.pointwise import Epilogue
from striate.kernels.pooling.axes import Axes, Sliding, sliding, three
from striate.kernels.pooling.loops import launch, places, windows
from striate.ops.operation import known_shape
from striate.ops.pooling import AVERAGE_POOL, AVERAGE_POOL_GRAD
from striate.ops.resize import UPSAMPLE_NEAREST, UPSAMPLE_NEAREST_GRAD


@kernel
def total(
    f: Function,
    x: Pointer,
    scales: Pointer,
    y: Pointer,
    *others: Pointer,
    axes: Axes,
    channels: int,
    one_scale: bool,
    epilogue: Epilogue,
) -> None:
    """y = the sum over each window, times a scale.

    Arguments:
        one_scale: whether ``scales`` holds one number, or one for each window of an image.
    """
    for window in windows(f, axes, channels):
        sum_ = f.accumulator(f.zeros(window.lanes))
        for _, offsets in window.entries():
            for offset in offsets:
                sum_.value = sum_.value + (x + offset).load(window.lanes, window.count)
        scaled = sum_.value * (scales + (0 if one_scale else window.inside)).load()
        epilogue.store(scaled, y, others, window.offset, window.channel, window.count)


@kernel
def spread(
    f: Function,
    g: Pointer,
    scales: Pointer,
    y: Pointer,
    *others: Pointer,
    axes: Axes,
    channels: int,
    one_scale: bool,
    epilogue: Epilogue,
) -> None:
    """The adjoint of `total`: at each place the sum of scale · g over the windows that cover it."""
    for place in places(f, axes, channels):
        sum_ = f.accumulator(f.zeros(place.lanes))
        for window, inside, _ in place.windows():
            part = (g + (window * channels + place.channel)).load(place.lanes, place.count)
            sum_.value = f.fma(part, (scales + (0 if one_scale else inside)).load(), sum_.value)
        epilogue.store(sum_.value, y, others, place.offset, place.channel, place.count)


@lowers(AVERAGE_POOL)
def lower_average_pool(plan: Plan, node: Node) -> bool | None:
    """y = the mean of each window."""
    (x,) = node.inputs
    return _lower(plan, node, total, sliding(x, node.output, node.attributes), _shares(x, node.output, node))


@lowers(AVERAGE_POOL_GRAD)
def lower_average_pool_grad(plan: Plan, node: Node) -> bool | None:
    """Each number of g goes to all that were averaged, in equal parts."""
    (g,) = node.inputs
    return _lower(plan, node, spread, sliding(node.output, g, node.attributes), _shares(node.output, g, node))


@lowers(UPSAMPLE_NEAREST)
def lower_upsample_nearest(plan: Plan, node: Node) -> bool | None:
    """Every pixel becomes a block: the adjoint of a sum over blocks."""
    return _lower(plan, node, spread, _blocks(node.output, node.inputs[0], node), np.ones(1))


@lowers(UPSAMPLE_NEAREST_GRAD)
def lower_upsample_nearest_grad(plan: Plan, node: Node) -> bool | None:
    """The sum of each block."""
    return _lower(plan, node, total, _blocks(node.inputs[0], node.output, node), np.ones(1))


def _lower(plan: Plan, node: Node, kernel: Kernel, axes: Axes, scales: Array) -> bool | None:
    if node.output.dtype != np.float32:
        return False
    table = plan.constant(scales.astype(np.float32))
    launch(plan, node, kernel, plan.read(node.inputs[0]), table, axes=axes, one_scale=scales.size == 1)
    return None


def _shares(x: Tensor, y: Tensor, node: Node) -> Array:
    """1 / how many numbers of ``x`` each number of ``y`` averages: one for each window, or one for all."""
    window = {name: node.attributes[name] for name in ("pool_size", "strides", "padding", "dilation")}
    size, out = known_shape(x)[1:-1], known_shape(y)[1:-1]
    counts = AVERAGE_POOL.counts(size, out, node.attributes["count_include_pad"], window)
    return np.asarray(1 / (counts.ravel()[:1] if counts.min() == counts.max() else counts))


def _blocks(large: Tensor, small: Tensor, node: Node) -> Axes:
    """The blocks of the large map that the pixels of the small one stand for, as windows."""
    along = zip(known_shape(large)[1:-1], known_shape(small)[1:-1], node.attributes["size"], strict=True)
    return three([Sliding(n, m, factor, factor) for n, m, factor in along])
