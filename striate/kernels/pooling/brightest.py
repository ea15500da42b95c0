"""Pooling by brightness: how bright each pixel is, which one wins each window, and the winner with all its channels."""

import math

import numpy as np

from striate.codegen import Function, Pointer, kernel
from striate.codegen.values import LONG
from striate.graph import Node, Tensor
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.pointwise import Epilogue
from striate.kernels.pooling.axes import Axes, sliding
from striate.kernels.pooling.largest import find_winners, route
from striate.kernels.pooling.loops import launch, vectors, windows
from striate.ops.operation import known_shape
from striate.ops.pooling import BRIGHTEST_POOL, BRIGHTEST_POOL_GRAD


@kernel
def brightness(f: Function, x: Pointer, weights: Pointer, y: Pointer, *, channels: int) -> None:
    """y = Σ weight · x over the channels of each pixel; an item is a pixel."""
    for pixel in f.items():
        sum_ = f.accumulator(f.zeros(f.target.lanes_for(channels)))
        for channel, lanes, count in vectors(f, channels):
            value = (x + (pixel * channels + channel)).load(lanes, count)
            sum_.value = f.fma(value, (weights + channel).load(lanes, count), sum_.value)
        (y + pixel).store(f.sum_lanes(sum_.value))


@kernel
def pick(
    f: Function,
    x: Pointer,
    numbers: Pointer,
    y: Pointer,
    *others: Pointer,
    axes: Axes,
    channels: int,
    row: int,
    epilogue: Epilogue,
) -> None:
    """y = the entry of each window that has the number of its winner; 0 if that lies in the padding.

    Arguments:
        row: numbers of one window in memory, of which the first counts.
    """
    for window in windows(f, axes, channels):
        number = f.convert((numbers + window.number * row).load(), LONG)
        offset, inside = window.entry(number)
        count = f.select(inside, window.count or window.lanes, f.constant(0, LONG))
        value = (x + offset).load(window.lanes, count)
        epilogue.store(value, y, others, window.offset, window.channel, window.count)


@lowers(BRIGHTEST_POOL)
def lower_brightest_pool(plan: Plan, node: Node) -> bool | None:
    """y = the brightest pixel of each window, with all channels."""
    (x,) = node.inputs
    if x.dtype != np.float32:
        return False
    axes = sliding(x, node.output, node.attributes)
    numbers, row = _brightest(plan, x, node, axes)
    launch(plan, node, pick, plan.read(x), numbers, axes=axes, row=row)
    return None


@lowers(BRIGHTEST_POOL_GRAD)
def lower_brightest_pool_grad(plan: Plan, node: Node) -> bool | None:
    """Each pixel of g goes to the brightest of its window."""
    x, g = node.inputs
    if not x.dtype == g.dtype == np.float32:
        return False
    axes = sliding(x, g, node.attributes)
    numbers, row = _brightest(plan, x, node, axes)
    launch(plan, node, route, plan.read(g), numbers, axes=axes, row=row, shared=True)
    return None


def _brightest(plan: Plan, x: Tensor, node: Node, axes: Axes) -> tuple[Buffer, int]:
    """Launch what finds the brightest pixel of each window."""
    *places, channels = known_shape(x)
    weights = plan.constant(np.asarray(node.attributes["weights"], np.float32))
    bright = plan.temporary(*places)
    plan.launch(brightness, plan.read(x), weights, bright, items=math.prod(places), channels=channels)
    return find_winners(plan, bright, axes, (places[0], *(axis.out for axis in axes), 1))
