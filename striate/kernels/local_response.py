"""Local response normalization: each number against the channels around it."""

from math import prod

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel, math
from striate.codegen.values import Integer
from striate.graph import Node
from striate.kernels.broadcasting import lanes_along, tiles
from striate.kernels.plan import Plan, lowers
from striate.kernels.pointwise import Epilogue
from striate.ops.normalization import LOCAL_RESPONSE_NORMALIZATION, LOCAL_RESPONSE_NORMALIZATION_GRAD
from striate.ops.operation import known_shape

BLOCK = 2048  # numbers in one item: enough that what went to scratch has arrived there when it is read again
MOST_UNROLLED = 11  # summands of a window that are written one by one


class Neighbours:
    """Blocks of rows in scratch, with zeros before and behind each, so that no sum over a window asks where it ends.

    Arguments:
        f: the kernel.
        channels: length of a row.
        radius: channels on each side that count.
        blocks: how many there are; a block holds the rows of one item.
    """

    def __init__(self, f: Function, channels: int, radius: int, blocks: int):
        self.f, self.lanes = f, lanes_along(f, channels)
        self._radius = min(radius, channels - 1)
        self._row, self._block = _scratch_row(f.target.lanes, channels, radius), rows_in_item(channels)
        f.clear(f.scratch, blocks * self._block * self._row)

    def place(self, block: int, row: Integer, channel: Integer) -> Pointer:
        """Where a number of a block lies."""
        before = block * self._block * self._row + self._radius
        return self.f.scratch + row * self._row + channel + before

    def total(self, block: int, row: Integer, channel: Integer) -> Value:
        """Σ over the channels around, for a vector of them."""
        total = self.f.accumulator(self.f.zeros(self.lanes))
        first, count = self.place(block, row, channel) + -self._radius, 2 * self._radius + 1
        for offset in self.f.range(0, count, unroll=min(count, MOST_UNROLLED)):
            total.value = total.value + (first + offset).load(self.lanes)
        return total.value


def rows_in_item(channels: int) -> int:
    """Rows of one item."""
    return max(1, BLOCK // channels)


def _scratch_row(lanes: int, channels: int, radius: int) -> int:
    """Numbers from row to row of scratch; whole vectors are read behind the last channel."""
    return -(-(channels + 2 * min(radius, channels - 1)) // lanes) * lanes + lanes


def to_minus(f: Function, s: Value, beta: float) -> Value:
    """s^−β; by square roots where β is ¼, ½, ¾ or 1, as in the networks that have this layer."""
    if beta not in (0.25, 0.5, 0.75, 1.0):
        return math.power(f, s, f.constant(-beta, s.type))
    if beta != 1:
        root = f.sqrt(s)
        s = {0.25: f.sqrt(root), 0.5: root, 0.75: root * f.sqrt(root)}[beta]
    return 1.0 / s


@kernel
def local_response(
    f: Function,
    x: Pointer,
    y: Pointer,
    *others: Pointer,
    rows: int,
    channels: int,
    radius: int,
    bias: float,
    alpha: float,
    beta: float,
    epilogue: Epilogue,
) -> None:
    """y = x·s^−β with s = bias + α·Σ x² over the channels around; each item a block of rows."""
    squares = Neighbours(f, channels, radius, 1)
    lanes, height = squares.lanes, rows_in_item(channels)
    for item in f.items():
        start = item * height
        count = f.smaller(height, rows - start)
        for row in f.range(0, count):
            for c, ((_, real),) in tiles(f, 0, channels, channels, 1):
                value = (x + (start + row) * channels + c).load(lanes, real)
                squares.place(0, row, c).store(value * value, count=real)
        for row in f.range(0, count):
            for c, ((_, real),) in tiles(f, 0, channels, channels, 1):
                offset = (start + row) * channels + c
                s = f.fma(squares.total(0, row, c), alpha, bias)
                value = (x + offset).load(lanes, real) * to_minus(f, s, beta)
                epilogue.store(value, y, others, offset, c, real)


@kernel
def local_response_grad(
    f: Function,
    x: Pointer,
    g: Pointer,
    y: Pointer,
    *others: Pointer,
    rows: int,
    channels: int,
    radius: int,
    bias: float,
    alpha: float,
    beta: float,
    epilogue: Epilogue,
) -> None:
    """y = direct − 2αβ·x·Σ direct·x/s over the channels around, with direct = g·s^−β; each item a block of rows."""
    scratch = Neighbours(f, channels, radius, 3)
    squares, direct, products = range(3)
    lanes, height = scratch.lanes, rows_in_item(channels)
    for item in f.items():
        start = item * height
        count = f.smaller(height, rows - start)
        for row in f.range(0, count):
            for c, ((_, real),) in tiles(f, 0, channels, channels, 1):
                value = (x + (start + row) * channels + c).load(lanes, real)
                scratch.place(squares, row, c).store(value * value, count=real)
        for row in f.range(0, count):
            for c, ((_, real),) in tiles(f, 0, channels, channels, 1):
                offset = (start + row) * channels + c
                s = f.fma(scratch.total(squares, row, c), alpha, bias)
                here = (g + offset).load(lanes, real) * to_minus(f, s, beta)
                scratch.place(direct, row, c).store(here, count=real)
                scratch.place(products, row, c).store(here * (x + offset).load(lanes, real) / s, count=real)
        for row in f.range(0, count):
            for c, ((_, real),) in tiles(f, 0, channels, channels, 1):
                offset = (start + row) * channels + c
                around = scratch.total(products, row, c) * (x + offset).load(lanes, real)
                here = scratch.place(direct, row, c).load(lanes, real)
                value = f.fma(around, -2.0 * alpha * beta, here)
                epilogue.store(value, y, others, offset, c, real)


@lowers(LOCAL_RESPONSE_NORMALIZATION, LOCAL_RESPONSE_NORMALIZATION_GRAD)
def lower_local_response(plan: Plan, node: Node) -> bool | None:
    """x / (bias + α·Σ x²)^β, or its gradient."""
    shape = known_shape(node.output)
    if any(t.dtype != np.float32 or known_shape(t) != shape for t in node.inputs):
        return False
    channels = shape[-1]
    rows = prod(shape[:-1]) if channels else 0
    radius = node.attributes["depth_radius"]
    given = [plan.read(tensor) for tensor in node.inputs]
    y, epilogue, others = plan.finish(node)
    write, blocks = (local_response, 1) if len(given) == 1 else (local_response_grad, 3)
    height = rows_in_item(max(1, channels))
    plan.launch(
        write,
        *given,
        y,
        *others,
        items=-(-rows // height),
        scratch=4 * blocks * height * _scratch_row(plan.target.lanes, channels, radius),
        rows=rows,
        channels=channels,
        radius=radius,
        epilogue=epilogue,
        **{name: node.attributes[name] for name in ("bias", "alpha", "beta")},
    )
    return None
