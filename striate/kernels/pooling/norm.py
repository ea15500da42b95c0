"""Pooling with the p-norm, and its gradient."""

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel, math
from striate.graph import Node
from striate.kernels.plan import Plan, lowers
from striate.kernels.pointwise import Epilogue
from striate.kernels.pooling.axes import Axes, sliding
from striate.kernels.pooling.loops import Window, launch, places, windows
from striate.ops.operation import known_shape
from striate.ops.pooling import LP_POOL, LP_POOL_GRAD


@kernel
def norm(
    f: Function, x: Pointer, y: Pointer, *others: Pointer, axes: Axes, channels: int, p: float, epilogue: Epilogue
) -> None:
    """y = (Σ |x|ᵖ)^(1/p) over each window."""
    for window in windows(f, axes, channels):
        result = _norm(f, window, x, p)
        epilogue.store(result, y, others, window.offset, window.channel, window.count)


@kernel
def parts(f: Function, x: Pointer, g: Pointer, y: Pointer, *, axes: Axes, channels: int, p: float) -> None:
    """y = g·norm^(1 − p) for each window; 0 where the norm is."""
    for window in windows(f, axes, channels):
        size = _norm(f, window, x, p)
        part = (g + window.offset).load(window.lanes, window.count) / _power(f, size, p - 1)
        (y + window.offset).store(f.select(size.equals(0.0), 0.0, part), count=window.count)


@kernel
def norm_grad(
    f: Function,
    x: Pointer,
    part: Pointer,
    y: Pointer,
    *others: Pointer,
    axes: Axes,
    channels: int,
    p: float,
    epilogue: Epilogue,
) -> None:
    """At each place sign(x)·|x|^(p − 1) times the sum of ``part`` over the windows that cover it."""
    for place in places(f, axes, channels):
        sum_ = f.accumulator(f.zeros(place.lanes))
        for window, _, _ in place.windows():
            sum_.value = sum_.value + (part + (window * channels + place.channel)).load(place.lanes, place.count)
        here = (x + place.offset).load(place.lanes, place.count)
        slope = f.call("copysign", _power(f, f.absolute(here), p - 1), here)
        slope = f.select(here.equals(0.0), here, slope)  # also for p = 1, where the power is 1
        epilogue.store(slope * sum_.value, y, others, place.offset, place.channel, place.count)


def _norm(f: Function, window: Window, x: Pointer, p: float) -> Value:
    sum_ = f.accumulator(f.zeros(window.lanes))
    for _, offsets in window.entries():
        for offset in offsets:
            value = (x + offset).load(window.lanes, window.count)
            sum_.value = sum_.value + _power(f, f.absolute(value), p)
    return _power(f, sum_.value, 1 / p)


def _power(f: Function, base: Value, exponent: float) -> Value:
    """A power of numbers that are not negative, without the general formula where possible."""
    simple = {0.0: base * 0.0 + 1.0, 0.5: f.sqrt(base), 1.0: base, 2.0: base * base}
    return simple[exponent] if exponent in simple else math.power(f, base, f.constant(exponent, base.type))


@lowers(LP_POOL)
def lower_lp_pool(plan: Plan, node: Node) -> bool | None:
    """y = the p-norm of each window."""
    (x,) = node.inputs
    if x.dtype != np.float32:
        return False
    axes = sliding(x, node.output, node.attributes)
    launch(plan, node, norm, plan.read(x), axes=axes, p=node.attributes["p"])
    return None


@lowers(LP_POOL_GRAD)
def lower_lp_pool_grad(plan: Plan, node: Node) -> bool | None:
    """Each number of g goes to all of its window, in proportion to their part in the norm."""
    if any(tensor.dtype != np.float32 for tensor in node.inputs):
        return False
    x, g = map(plan.read, node.inputs)
    axes, p = sliding(node.inputs[0], node.inputs[1], node.attributes), node.attributes["p"]
    batch, *_, channels = known_shape(node.output)
    part = plan.temporary(*known_shape(node.inputs[1]))
    rows = batch * axes[0].out * axes[1].out
    plan.launch(parts, x, g, part, items=rows, axes=axes, channels=channels, p=p)
    launch(plan, node, norm_grad, x, part, axes=axes, p=p)
    return None
