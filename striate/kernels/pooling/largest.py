"""Max pooling and adaptive max pooling, and their gradients.

Where windows lie side by side, the gradient finds the winner of each window again: that costs nothing, because it reads
or writes all of x in any case. Where they overlap, a plan that will need the gradient has the forward pass note the
winner's number, one byte for each window, and the gradient gathers: each place asks the windows above it who won.
"""

import math

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel
from striate.codegen.values import BIT, FLOAT, INT, Integer, Type
from striate.graph import Node, Shape
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.pointwise import Epilogue
from striate.kernels.pooling.axes import Axes, adaptive, sliding
from striate.kernels.pooling.loops import MOST_ENTRIES, launch, places, windows
from striate.kernels.shape import result
from striate.ops.operation import known_shape
from striate.ops.pooling import ADAPTIVE_MAX_POOL, ADAPTIVE_MAX_POOL_GRAD, MAX_POOL, MAX_POOL_GRAD


@kernel
def largest(
    f: Function, x: Pointer, y: Pointer, *others: Pointer, axes: Axes, channels: int, epilogue: Epilogue
) -> None:
    """y = the largest number of each window; NaN if there is one."""
    for window in windows(f, axes, channels):
        best = f.accumulator(-math.inf, FLOAT.wide(window.lanes))
        spoilt = f.accumulator(0, BIT.wide(window.lanes))
        for _, offsets in window.entries():
            row = [(x + offset).load(window.lanes, window.count) for offset in offsets]
            for value in row:
                best.value = f.select(value > best.value, value, best.value)
            for first, second in zip(row[::2], row[1::2] + row[-1:], strict=False):
                spoilt.value = spoilt.value | first.compare("ne", "uno", second)  # one comparison for two numbers
        y_value = f.select(spoilt.value, math.nan, best.value)
        epilogue.store(y_value, y, others, window.offset, window.channel, window.count)


@kernel
def tile_grad(
    f: Function, x: Pointer, g: Pointer, y: Pointer, *others: Pointer, axes: Axes, channels: int, epilogue: Epilogue
) -> None:
    """For windows that lie side by side: at the winner of each window its number of g, at the other entries 0."""
    for window in windows(f, axes, channels):
        offsets = [offset for _, row in window.entries() for offset in row]
        first, *following = [(x + offset).load(window.lanes, window.count) for offset in offsets]
        best, leads = first, []
        for value in following:
            leads.append(_leads(value, best))
            best = f.select(leads[-1], value, best)
        left = (g + window.offset).load(window.lanes, window.count)
        for offset, lead in zip(offsets[:0:-1], leads[::-1], strict=True):  # the last one in the lead has won
            mine, left = f.select(lead, left, 0.0), f.select(lead, 0.0, left)
            epilogue.store(mine, y, others, offset, window.channel, window.count)
        epilogue.store(left, y, others, offsets[0], window.channel, window.count)


@kernel
def winners(
    f: Function, x: Pointer, numbers: Pointer, *result: Pointer, axes: Axes, channels: int, row: int, epilogue: Epilogue
) -> None:
    """The number of the entry that wins each window: the first of the largest, or the first NaN.

    Arguments:
        result: where the winners themselves go, if anywhere, and the epilogue's operands.
        row: numbers of one window in memory.
    """
    for window in windows(f, axes, channels):
        best = f.accumulator(-math.inf, FLOAT.wide(window.lanes))
        number = f.accumulator(0, INT.wide(window.lanes))
        for first, offsets in window.entries():
            for entry, offset in enumerate(offsets):
                value = (x + offset).load(window.lanes, window.count)
                lead = _leads(value, best.value)
                best.value = f.select(lead, value, best.value)
                number.value = f.select(lead, _index(f, first + entry, INT), number.value)
        # Whole vectors: rows are long enough.
        (numbers + (window.number * row + window.channel)).store(f.convert(number.value, numbers.element))
        if result:
            y, *others = result
            epilogue.store(best.value, y, others, window.offset, window.channel, window.count)


@kernel
def route(
    f: Function,
    g: Pointer,
    numbers: Pointer,
    y: Pointer,
    *others: Pointer,
    axes: Axes,
    channels: int,
    row: int,
    shared: bool,
    epilogue: Epilogue,
) -> None:
    """At each place the sum of g over the windows that it won.

    Arguments:
        row: numbers of one window in memory.
        shared: whether the first number is that of all channels.
    """
    for place in places(f, axes, channels):
        total = f.accumulator(f.zeros(place.lanes))
        for window, _, entry in place.windows():
            if shared:
                number = (numbers + window * row).load()
            else:
                number = (numbers + (window * row + place.channel)).load(place.lanes)
            won = number.equals(_index(f, entry, numbers.element))
            back = (g + (window * channels + place.channel)).load(place.lanes, place.count)
            total.value = f.select(won, total.value + back, total.value)
        epilogue.store(total.value, y, others, place.offset, place.channel, place.count)


def _index(f: Function, number: Integer, type: Type) -> Value | int:
    """An index as a number of another type."""
    return f.convert(number, type) if isinstance(number, Value) else number


def _leads(value: Value, best: Value) -> Value:
    """Whether ``value`` is larger than the best so far, or the first NaN."""
    return value.compare("sgt", "ugt", best) & best.compare("eq", "ord", best)


def find_winners(
    plan: Plan,
    x: Buffer,
    axes: Axes,
    shape: Shape,
    *result: Buffer,
    epilogue: Epilogue | None = None,
) -> tuple[Buffer, int]:
    """Launch `winners`: the numbers, and how many each window has room for.

    Arguments:
        shape: of the pool's result.
        result, epilogue: as `winners`.
    """
    *leading, width, channels = shape
    lanes = plan.target.lanes_for(channels)
    row = -(-channels // lanes) * lanes
    rows = math.prod(leading)
    small = math.prod(axis.kernel for axis in axes) <= 128  # numbers from 0 to 127 are the same with and without sign
    numbers = plan.temporary(rows * width, row, dtype=np.uint8 if small else np.int32)
    plan.launch(
        winners, x, numbers, *result, items=rows, axes=axes, channels=channels, row=row, epilogue=epilogue or Epilogue()
    )
    return numbers, row


def _lower(plan: Plan, node: Node, axes: Axes) -> bool | None:
    (x,) = node.inputs
    if x.dtype != np.float32:
        return False
    later = any(other.name == f"{node.name}_grad" and other.inputs[0] is x for other in plan.graph.nodes)
    if later and not _tiles(axes):
        given = plan.read(x)
        y, epilogue, others = plan.finish(node)
        found = find_winners(plan, given, axes, known_shape(node.output), y, *others, epilogue=epilogue)
        plan.shared["winners", x, axes] = found
    else:
        launch(plan, node, largest, plan.read(x), axes=axes)
    return None


def _lower_grad(plan: Plan, node: Node, axes: Axes) -> bool | None:
    x, g = node.inputs
    if not x.dtype == g.dtype == np.float32:
        return False
    if not _tiles(axes):
        found = plan.shared.get(("winners", x, axes)) or find_winners(plan, plan.read(x), axes, known_shape(g))
        numbers, row = found
        launch(plan, node, route, plan.read(g), numbers, axes=axes, row=row, shared=False)
        return None
    batch, *_, channels = known_shape(x)
    given = plan.read(x), plan.read(g)
    grad = result(plan, node)
    plan.launch(
        tile_grad,
        *given,
        grad.y,
        *grad.others,
        items=batch * axes[0].out * axes[1].out,
        axes=axes,
        channels=channels,
        epilogue=grad.epilogue,
    )
    covered = tuple(axis.out * axis.kernel for axis in axes[-len(grad.shape) + 2 :])
    grad.fill_around((0,) * len(grad.shape), (batch, *covered, channels), 0.0)
    return None


def _tiles(axes: Axes) -> bool:
    """Whether `tile_grad` can be used: windows lie side by side, and are small."""
    return all(axis.tiles for axis in axes) and math.prod(axis.kernel for axis in axes) <= MOST_ENTRIES


@lowers(MAX_POOL)
def lower_max_pool(plan: Plan, node: Node) -> bool | None:
    """y = the largest number of each window."""
    return _lower(plan, node, sliding(node.inputs[0], node.output, node.attributes))


@lowers(MAX_POOL_GRAD)
def lower_max_pool_grad(plan: Plan, node: Node) -> bool | None:
    """Each number of g goes to the winner of its window."""
    return _lower_grad(plan, node, sliding(node.inputs[0], node.inputs[1], node.attributes))


@lowers(ADAPTIVE_MAX_POOL)
def lower_adaptive_max_pool(plan: Plan, node: Node) -> bool | None:
    """y = the largest number of each of the windows spread evenly over x."""
    return _lower(plan, node, adaptive(node.inputs[0], node.output))


@lowers(ADAPTIVE_MAX_POOL_GRAD)
def lower_adaptive_max_pool_grad(plan: Plan, node: Node) -> bool | None:
    """Each number of g goes to the winner of its window."""
    return _lower_grad(plan, node, adaptive(node.inputs[0], node.inputs[1]))
