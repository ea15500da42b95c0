"""Moving numbers to other places: slice, pad, concatenate and transpose."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from striate.codegen import Function, Pointer, Value, kernel
from striate.codegen.values import Integer
from striate.graph import Node, Shape
from striate.kernels.broadcasting import merge, unravel
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.pointwise import NOTHING, Epilogue
from striate.ops.operation import known_shape
from striate.ops.shape import CONCATENATE, PAD, SLICE, SLICE_GRAD, TRANSPOSE
from striate.ops.windows import Pads

#: Vectors of a run that are written one after the other; longer runs are loops.
UNROLL = 4


class View(NamedTuple):
    """Part of an array: its number i, j, … lies ``start`` + i·strides[0] + j·strides[1] + … elements from the start."""

    start: int
    strides: Shape

    def offset(self, index: Sequence[Integer]) -> Integer:
        """Where a number lies; axes that ``index`` leaves out count as 0."""
        offset: Integer = self.start
        for i, stride in zip(index, self.strides, strict=False):
            offset = offset + i * stride
        return offset


def view(shape: Shape, start: Sequence[int] | None = None) -> View:
    """An array of ``shape`` in row-major order, from the number at ``start`` on."""
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return View(sum(i * stride for i, stride in zip(start or (), strides, strict=False)), strides)


def stepping(shape: Shape, cropping: Pads, steps: Shape) -> View:
    """The entries of an array of ``shape`` that `striate.ops.shape.Slice` takes."""
    ends = zip(shape, cropping, steps, strict=True)
    whole = view(shape, [before if step > 0 else n - after - 1 for n, (before, after), step in ends])
    return View(whole.start, tuple(stride * step for stride, step in zip(whole.strides, steps, strict=True)))


@kernel
def move(
    f: Function,
    x: Pointer,
    y: Pointer,
    *others: Pointer,
    sizes: Shape,
    source: View,
    target: View,
    channel: int,
    epilogue: Epilogue,
) -> None:
    """Part of y = epilogue(part of x). An item is a run along the last axis, whose numbers are neighbours.

    Arguments:
        sizes: of both parts.
        channel: of the target's first number.
    """
    for item in f.items():
        index = unravel(item, sizes[:-1])
        start, end = source.offset(index), target.offset(index)
        for place, lanes, count in _vectors(f, sizes[-1]):
            value = (x + (start + place)).load(lanes, count)
            epilogue.store(value, y, others, end + place, place + channel, count)


@kernel
def join(
    f: Function, y: Pointer, *buffers: Pointer, inputs: int, runs: tuple[tuple[int, int], ...], epilogue: Epilogue
) -> None:
    """y = epilogue(a run of each input in turn), again and again; an item is one turn.

    Arguments:
        buffers: the inputs, then the epilogue's operands.
        runs: of each input, how many lines make a run, and the numbers of a line, the first of which is in channel 0
            or, where a run is one line, in that which follows the last run's.
    """
    xs, others = buffers[:inputs], buffers[inputs:]
    for item in f.items():
        end = item * sum(lines * length for lines, length in runs)
        behind = 0
        for x, (lines, length) in zip(xs, runs, strict=True):
            for line in f.range(0, lines):
                for place, lanes, count in _vectors(f, length):
                    value = (x + ((item * lines + line) * length + place)).load(lanes, count)
                    channel = place + (behind if lines == 1 else 0)
                    epilogue.store(value, y, others, end + (line * length + place) + behind, channel, count)
            behind += lines * length


@kernel
def fill(
    f: Function,
    y: Pointer,
    *others: Pointer,
    sizes: Shape,
    target: View,
    value: float,
    channel: int,
    epilogue: Epilogue,
) -> None:
    """Part of y = epilogue(value); arguments as `move`."""
    for item in f.items():
        end = target.offset(unravel(item, sizes[:-1]))
        for place, lanes, count in _vectors(f, sizes[-1]):
            number = f.constant(value, y.element.wide(lanes))
            epilogue.store(number, y, others, end + place, place + channel, count)


@kernel
def turn(
    f: Function, x: Pointer, y: Pointer, *others: Pointer, sizes: Shape, source: View, target: View, epilogue: Epilogue
) -> None:
    """y[…, b, …, a] = epilogue(x[…, a, …, b]), in squares that are turned in registers.

    Numbers along a are neighbours in y, those along b in x. An item is a band of squares: a vector of a, and all b.

    Arguments:
        sizes: of the other axes, then of a and b; the views' axes are in this order.
    """
    *outer, rows, columns = sizes
    lanes = f.target.lanes_for(rows)
    whole, below = rows // lanes, rows % lanes
    right = columns // lanes * lanes

    def squares(start: Integer, end: Integer, channel: Integer, height: int) -> None:
        for b in f.range(0, right, lanes):
            square(start, end, channel, height, b, lanes)
        if right < columns:
            square(start, end, channel, height, right, columns - right)

    def square(start: Integer, end: Integer, channel: Integer, height: int, b: Integer, width: int) -> None:
        lines = [(x + (start + i * source.strides[-2] + b)).load(lanes, width) for i in range(height)]
        lines += [f.constant(0, x.element.wide(lanes))] * (lanes - height)
        for i, line in enumerate(_turned(f, lines)[:width]):
            epilogue.store(line, y, others, end + (b + i) * target.strides[-1], channel, height)

    for item in f.items():
        *index, band = unravel(item, (*outer, whole + (below > 0)))
        a = band * lanes
        start, end = source.offset(index) + a * source.strides[-2], target.offset(index) + a
        if not whole or not below:
            squares(start, end, a, lanes if whole else below)
        else:
            with f.when(f.within(band, whole)):
                squares(start, end, a, lanes)
            with f.when(f.within(whole, band + 1)):
                squares(start, end, a, below)


def _turned(f: Function, lines: list[Value]) -> list[Value]:
    """The columns of a square as lines: each round interleaves the upper half of the lines with the lower half."""
    size = len(lines)
    low = [lane for i in range(size // 2) for lane in (i, size + i)]
    high = [lane + size // 2 for lane in low]
    for _ in range(size.bit_length() - 1):
        pairs = zip(lines[: size // 2], lines[size // 2 :], strict=True)
        lines = [f.shuffle(upper, lower, order) for upper, lower in pairs for order in (low, high)]
    return lines


def _vectors(f: Function, size: int) -> Iterator[tuple[Integer, int, int | None]]:
    """Loop over the vectors of a run: where each begins, its lanes, and how many of them count; None: all."""
    lanes = f.target.lanes_for(size)
    whole = size // lanes * lanes
    for place in f.range(0, whole, lanes, unroll=UNROLL):
        yield place, lanes, None
    if whole < size:
        yield whole, lanes, size - whole


def _merged(sizes: Shape, views: Sequence[View], epilogue: Epilogue) -> tuple[Shape, list[View]]:
    """Parts of arrays with as few axes as possible; the last one stays if the epilogue has numbers for each channel."""
    kinds = [0] * len(sizes)
    if kinds and "channel" in epilogue.operands:
        kinds[-1] = 1
    fewer, strides, _ = merge(sizes, [v.strides for v in views], kinds)
    if "channel" in epilogue.operands and sizes[-1] == 1:  # gone, but channels are not what comes before them
        fewer, strides = (*fewer, 1), [(*steps, 1) for steps in strides]
    return fewer, [View(v.start, steps) for v, steps in zip(views, strides, strict=True)]


def _runs(sizes: Shape, views: Sequence[View], epilogue: Epilogue) -> tuple[int, Shape, list[View]]:
    """Parts of arrays with a last axis along which numbers are neighbours, and how many runs there are."""
    sizes, views = _merged(sizes, views, epilogue)
    missing = 2 - len(sizes)
    if missing > 0:
        sizes, views = (1,) * missing + sizes, [View(v.start, (1,) * missing + v.strides) for v in views]
    if any(v.strides[-1] != 1 for v in views):
        sizes, views = (*sizes, 1), [View(v.start, (*v.strides, 1)) for v in views]
    return math.prod(sizes[:-1]) if sizes[-1] else 0, sizes, list(views)


class Result(NamedTuple):
    """Where a lowering puts numbers: an array of ``shape``, and what `Plan.finish` gave."""

    plan: Plan
    shape: Shape
    y: Buffer
    epilogue: Epilogue
    others: Sequence[Buffer]

    def take(self, x: Buffer, source: View, target: View, sizes: Shape, channel: int = 0) -> None:
        """Launch what moves part of ``x`` to a part of as many numbers; ``channel`` is that of the first."""
        items, sizes, (start, end) = _runs(sizes, [source, target], self.epilogue)
        self.plan.launch(
            move,
            x,
            self.y,
            *self.others,
            items=items,
            sizes=sizes,
            source=start,
            target=end,
            channel=channel,
            epilogue=self.epilogue,
        )

    def fill_around(self, at: Sequence[int], sizes: Shape, value: float) -> None:
        """Launch what fills everything but the box of ``sizes`` at ``at``: along each axis, before and behind it."""
        for axis, length in enumerate(self.shape):
            behind = at[axis] + sizes[axis]
            for first, last in ((0, at[axis]), (behind, length)):
                corner = (*at[:axis], first, *(0,) * (len(self.shape) - axis - 1))
                self.fill(corner, (*sizes[:axis], last - first, *self.shape[axis + 1 :]), value)

    def fill(self, at: Sequence[int], sizes: Shape, value: float) -> None:
        """Launch what fills the box of ``sizes`` at ``at``."""
        items, sizes, (target,) = _runs(sizes, [view(self.shape, at)], self.epilogue)
        self.plan.launch(
            fill,
            self.y,
            *self.others,
            items=items,
            sizes=sizes,
            target=target,
            value=value,
            channel=at[-1] if at else 0,
            epilogue=self.epilogue,
        )


def result(plan: Plan, node: Node) -> Result:
    """Where the numbers of a node go."""
    return Result(plan, known_shape(node.output), *plan.finish(node))


@lowers(SLICE)
def lower_slice(plan: Plan, node: Node) -> None:
    """Copy what is left."""
    (x,) = node.inputs
    size, steps = known_shape(x), node.attributes["steps"]
    if size == known_shape(node.output) and set(steps) <= {1}:
        plan.alias(node.output, plan.read(x))
        return
    target = result(plan, node)
    source = stepping(size, node.attributes["cropping"], steps)
    target.take(plan.read(x), source, view(target.shape), target.shape)


@lowers(SLICE_GRAD)
def lower_slice_grad(plan: Plan, node: Node) -> None:
    """Zeros, and then the numbers where they were taken."""
    (g,) = node.inputs
    size, taken = node.attributes["size"], known_shape(g)
    target = Result(plan, size, plan.write(node.output), NOTHING, ())
    target.fill((0,) * len(size), size, 0.0)
    target.take(plan.read(g), view(taken), stepping(size, node.attributes["cropping"], node.attributes["steps"]), taken)


@lowers(PAD)
def lower_pad(plan: Plan, node: Node) -> None:
    """Copy x into the middle and fill what is around it."""
    (x,) = node.inputs
    before, sizes = [first for first, _ in node.attributes["padding"]], known_shape(x)
    if sizes == known_shape(node.output):
        plan.alias(node.output, plan.read(x))
        return
    target = result(plan, node)
    target.take(plan.read(x), view(sizes), view(target.shape, before), sizes, before[-1] if before else 0)
    target.fill_around(before, sizes, node.attributes["value"])


@lowers(CONCATENATE)
def lower_concatenate(plan: Plan, node: Node) -> bool | None:
    """Copy a run of each input in turn."""
    if any(x.dtype != node.output.dtype for x in node.inputs):
        return False
    xs = [plan.read(x) for x in node.inputs]
    y, epilogue, others = plan.finish(node)
    shape, axis = known_shape(node.output), node.attributes["axis"]
    by_channel = "channel" in epilogue.operands and axis < len(shape) - 1
    sizes = [math.prod(known_shape(x)[axis:]) for x in node.inputs]
    plan.launch(
        join,
        y,
        *xs,
        *others,
        items=math.prod(shape[:axis]) if y.size else 0,
        inputs=len(xs),
        runs=tuple((size // shape[-1], shape[-1]) if by_channel else (1, size) for size in sizes),
        epilogue=epilogue,
    )
    return None


@lowers(TRANSPOSE)
def lower_transpose(plan: Plan, node: Node) -> None:
    """Copy runs where the last axis stays the last; turn squares of numbers where it moves."""
    (x,) = node.inputs
    given, shape = view(known_shape(x)), known_shape(node.output)
    source = View(0, tuple(given.strides[axis] for axis in node.attributes["axes"]))
    steps = [step for step, n in zip(source.strides, shape, strict=True) if n > 1]
    if 0 in shape or steps == sorted(steps, reverse=True):  # only axes of size 1 move
        plan.alias(node.output, plan.read(x))
        return
    target = result(plan, node)
    sizes, (start, end) = _merged(shape, [source, view(shape)], target.epilogue)
    if not sizes or start.strides[-1] == 1:
        target.take(plan.read(x), source, view(shape), shape)
        return
    near = start.strides.index(1)
    order = [*(axis for axis in range(len(sizes) - 1) if axis != near), len(sizes) - 1, near]
    sizes = tuple(sizes[axis] for axis in order)
    lanes = plan.target.lanes_for(sizes[-2])
    plan.launch(
        turn,
        plan.read(x),
        target.y,
        *target.others,
        items=math.prod(sizes[:-2]) * -(-sizes[-2] // lanes) if sizes[-1] else 0,
        sizes=sizes,
        source=View(0, tuple(start.strides[axis] for axis in order)),
        target=View(0, tuple(end.strides[axis] for axis in order)),
        epilogue=target.epilogue,
    )
