"""Operations that move numbers without changing them: reshape, transpose, pad, slice, concatenate."""

import bisect
import itertools
import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.operation import Box, Index, Operation, Term, Terms, known_shape, read
from striate.ops.windows import Pads, as_pairs, integers, within


def moved(source: str, array: Array, index: Index) -> Terms:
    """The terms of a number that was only moved: the number itself."""
    one = read(source, array, index)
    return Terms(source, (Term(one.value, (one,)),))


class Reshape(Operation):
    """The same numbers in row-major order under another shape."""

    name = "reshape"
    inputs = ("x",)

    def shape(self, x: Any, *, shape: Shape) -> Shape:
        count = math.prod(x.shape)
        known = math.prod(n for n in shape if n != -1)
        if shape.count(-1) == 1 and known and count % known == 0:
            shape = tuple(count // known if n == -1 else n for n in shape)
        if min(shape, default=0) < 0 or math.prod(shape) != count:
            raise ShapeError(f"reshape: expected a shape of {count} numbers for {tuple(x.shape)}, got {shape}.")
        return shape

    def forward(self, x: Array, *, shape: Shape) -> Array:
        return x.reshape(shape)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (reshape(grad_output, node.inputs[0].shape),)

    def terms(self, index: Index, x: Array, *, shape: Shape) -> Terms:
        flat = np.ravel_multi_index(index, self.shape(x, shape=shape))
        return moved("x", x, tuple(int(i) for i in np.unravel_index(flat, x.shape)))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None]


class Transpose(Operation):
    """The same numbers with the axes in another order."""

    name = "transpose"
    inputs = ("x",)

    def shape(self, x: Any, *, axes: Shape) -> Shape:
        if sorted(axes) != list(range(len(x.shape))):
            raise ArgumentError(
                f"transpose: expected axes to be a permutation of 0 … {len(x.shape) - 1} (input is {tuple(x.shape)}), "
                f"got {axes}."
            )
        return tuple(x.shape[a] for a in axes)

    def forward(self, x: Array, *, axes: Shape) -> Array:
        return x.transpose(axes)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (transpose(grad_output, tuple(int(a) for a in np.argsort(node.attributes["axes"]))),)

    def terms(self, index: Index, x: Array, *, axes: Shape) -> Terms:
        return moved("x", x, tuple(index[a] for a in np.argsort(axes)))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        axes = node.attributes["axes"]
        if axes[0] != 0 or axes[-1] != len(axes) - 1:
            return [None]
        order = np.argsort(axes[1:-1])
        return [Box(tuple(box.sides[i] for i in order))]


class Pad(Operation):
    """The input with a constant put around it, (before, after) entries along each axis."""

    name = "pad"
    inputs = ("x",)

    def shape(self, x: Any, *, padding: Pads, value: float) -> Shape:
        return tuple(before + n + after for n, (before, after) in zip(x.shape, padding, strict=True))

    def forward(self, x: Array, *, padding: Pads, value: float) -> Array:
        y = np.full(self.shape(x, padding=padding, value=value), value, x.dtype)
        y[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, padding, strict=True))] = x
        return y

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        padding = node.attributes["padding"]
        return (SLICE(grad_output, cropping=padding, steps=(1,) * len(padding)),)

    def terms(self, index: Index, x: Array, *, padding: Pads, value: float) -> Terms:
        place = tuple(i - before for i, (before, _) in zip(index, padding, strict=True))
        if all(0 <= i < n for i, n in zip(place, x.shape, strict=True)):
            return moved("x", x, place)
        return Terms("padding", (Term(value, ()),))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        padding = node.attributes["padding"]
        sides = zip(box.sides, padding[1:-1], known_shape(node.inputs[0])[1:-1], strict=True)
        inner = Box(tuple(within(first - before, last - before, n) for (first, last), (before, _), n in sides))
        return [None if padding[0] != (0, 0) else inner]


class Slice(Operation):
    """Every step-th entry of each axis, without (before, after) entries at its ends; backwards if a step is negative.

    With steps of 1 it is the adjoint of padding with 0.
    """

    name = "slice"
    inputs = ("x",)

    def shape(self, x: Any, *, cropping: Pads, steps: Shape) -> Shape:
        left = tuple(n - before - after for n, (before, after) in zip(x.shape, cropping, strict=True))
        if 0 in steps or min((n for ends in cropping for n in ends), default=0) < 0:  # they can only come from a file
            raise ArgumentError(f"slice: expected cropping of at least 0 and nonzero steps, got {cropping}, {steps}.")
        if min(left, default=0) < 0:
            raise ShapeError(
                f"slice: cannot cut {cropping} off an input of {tuple(x.shape)}: there is not enough of it."
            )
        return tuple(-(-n // abs(step)) for n, step in zip(left, steps, strict=True))

    def forward(self, x: Array, *, cropping: Pads, steps: Shape) -> Array:
        return np.asarray(x[_taken(x.shape, cropping, steps)])

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        if set(node.attributes["steps"]) <= {1}:
            return (PAD(grad_output, padding=node.attributes["cropping"], value=0.0),)
        return (SLICE_GRAD(grad_output, size=known_shape(node.inputs[0]), **node.attributes),)

    def terms(self, index: Index, x: Array, *, cropping: Pads, steps: Shape) -> Terms:
        firsts = _firsts(x.shape, cropping, steps)
        return moved("x", x, tuple(first + i * step for i, first, step in zip(index, firsts, steps, strict=True)))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        cropping, steps = node.attributes["cropping"], node.attributes["steps"]
        if cropping[0] != (0, 0) or steps[0] != 1:
            return [None]
        firsts = _firsts(known_shape(node.inputs[0]), cropping, steps)[1:-1]
        sides = []
        for (begin, end), first, step in zip(box.sides, firsts, steps[1:-1], strict=True):
            ends = first + begin * step, first + max(begin, end - 1) * step
            sides.append((min(ends), max(ends) + (end > begin)))
        return [Box(tuple(sides))]


class SliceGrad(Operation):
    """Each number where `Slice` took it from, and 0 elsewhere: its adjoint, for an input of ``size``."""

    name = "slice_grad"
    inputs = ("g",)

    def shape(self, g: Any, *, size: Shape, cropping: Pads, steps: Shape) -> Shape:
        if (taken := SLICE.shape(Tensor(size), cropping=cropping, steps=steps)) != tuple(g.shape):
            raise ShapeError(
                f"slice_grad: expected a gradient of {taken} for an input of {size}, got {tuple(g.shape)}."
            )
        return size

    def forward(self, g: Array, *, size: Shape, cropping: Pads, steps: Shape) -> Array:
        x = np.zeros(size, g.dtype)
        x[_taken(size, cropping, steps)] = g
        return x

    def terms(self, index: Index, g: Array, *, size: Shape, cropping: Pads, steps: Shape) -> Terms:
        firsts = _firsts(size, cropping, steps)
        found = [divmod(i - first, step) for i, first, step in zip(index, firsts, steps, strict=True)]
        place = tuple(quotient for quotient, _ in found)
        if any(rest for _, rest in found) or not all(0 <= i < n for i, n in zip(place, g.shape, strict=True)):
            return Terms("0 where nothing was taken", (Term(0.0, ()),))
        return moved("g", g, place)

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        cropping, steps = node.attributes["cropping"], node.attributes["steps"]
        if cropping[0] != (0, 0) or steps[0] != 1:
            return [None]
        sizes = zip(box.sides, _firsts(node.attributes["size"], cropping, steps)[1:-1], steps[1:-1], strict=True)
        sides = []
        for ((begin, end), first, step), count in zip(sizes, known_shape(node.inputs[0])[1:-1], strict=True):
            near, far = (begin, end - 1) if step > 0 else (end - 1, begin)
            sides.append(within(-(-(near - first) // step), (far - first) // step + 1, count))
        return [Box(tuple(sides))]


def _firsts(size: Shape, cropping: Pads, steps: Shape) -> Shape:
    """The entry of each axis that `Slice` takes first."""
    ends = zip(size, cropping, steps, strict=True)
    return tuple(before if step > 0 else n - after - 1 for n, (before, after), step in ends)


def _taken(size: Shape, cropping: Pads, steps: Shape) -> tuple[slice, ...]:
    """The entries that `Slice` takes, as NumPy's index."""
    index = []
    for n, (before, after), step in zip(size, cropping, steps, strict=True):
        last = n - after
        if step > 0:
            index.append(slice(before, last, step))
        else:  # Python counts a negative end from the last entry, so only None can mean "before the first"
            index.append(slice(last - 1, before - 1 if before else None, step) if last > before else slice(0, 0))
    return tuple(index)


class Concatenate(Operation):
    """Any number of inputs, one after the other along an axis."""

    name = "concatenate"
    inputs = ("x0", "x1", "…")

    def input_names(self, count: int) -> tuple[str, ...]:
        return tuple(f"x{i}" for i in range(count))

    def shape(self, *xs: Any, axis: int) -> Shape:
        first, *others = (tuple(x.shape) for x in xs)
        if not 0 <= axis < len(first) or any(
            (*other[:axis], *other[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) for other in others
        ):
            shapes = ", ".join(str(tuple(x.shape)) for x in xs)
            raise ShapeError(f"concatenate: expected shapes that are equal except along axis {axis}, got {shapes}.")
        return (*first[:axis], sum(x.shape[axis] for x in xs), *first[axis + 1 :])

    def dtype(self, *xs: Any, axis: int) -> Any:
        return np.result_type(*(x.dtype for x in xs))

    def forward(self, *xs: Array, axis: int) -> Array:
        return np.concatenate(xs, axis)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, ...]:
        axis = node.attributes["axis"]
        ends = list(itertools.accumulate(known_shape(x)[axis] for x in node.inputs))
        return tuple(
            slice_axis(grad_output, axis, end - known_shape(x)[axis], end)
            for x, end in zip(node.inputs, ends, strict=True)
        )

    def terms(self, index: Index, *xs: Array, axis: int) -> Terms:
        ends = list(itertools.accumulate(x.shape[axis] for x in xs))
        number = bisect.bisect_right(ends, index[axis])
        place = index[axis] - ends[number] + xs[number].shape[axis]
        return moved(f"x{number}", xs[number], (*index[:axis], place, *index[axis + 1 :]))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        axis = node.attributes["axis"]
        if not 0 < axis < len(node.output.shape) - 1:  # channels after channels: the same places
            return [box if axis else None for _ in node.inputs]
        reached: list[Box | None] = []
        start, (first, last) = 0, box.sides[axis - 1]
        for x in node.inputs:
            n = known_shape(x)[axis]
            side = within(first - start, last - start, n)
            reached.append(Box((*box.sides[: axis - 1], side, *box.sides[axis:])))
            start += n
        return reached


RESHAPE = Reshape()
TRANSPOSE = Transpose()
PAD = Pad()
SLICE = Slice()
SLICE_GRAD = SliceGrad()
CONCATENATE = Concatenate()


def reshape(x: Any, newshape: Any) -> Any:
    """The same numbers in row-major order under another shape; one size may be −1 and is inferred.

    Raises:
        ArgumentError: ``newshape`` is not a list of integers.
        ShapeError: the new shape has another number of elements.
    """
    return RESHAPE(x, shape=integers("reshape", "newshape", newshape))


def transpose(x: Any, axes: Any = None) -> Any:
    """The same numbers with the axes in the order ``axes``; default: reversed.

    Raises:
        ArgumentError: ``axes`` is not a permutation of all axes.
    """
    (x,) = TRANSPOSE.same_kind(x)
    order = range(len(x.shape))[::-1] if axes is None else axes
    return TRANSPOSE(x, axes=integers("transpose", "axes", order))


def flatten(x: Any) -> Any:
    """Each image as one row: (N, …) → (N, product of the other sizes), in row-major order."""
    (x,) = RESHAPE.same_kind(x)
    return reshape(x, (-1, math.prod(x.shape[1:])))


def crop(x: Any, cropping: Any) -> Any:
    """Cut entries off the ends of each axis.

    Arguments:
        x: any shape.
        cropping: how many entries, in the form of ``pad_width`` of `striate.ops.pad`.

    Raises:
        ArgumentError: ``cropping`` has another form.
        ShapeError: ``x`` is smaller than what is cut off.
    """
    (x,) = SLICE.same_kind(x)
    rank = len(x.shape)
    return SLICE(x, cropping=pairs_for_each("crop", "cropping", cropping, rank), steps=(1,) * rank)


def slice_axis(x: Any, axis: int, start: int, stop: int) -> Any:
    """The entries ``start`` … ``stop`` − 1 of ``x`` along one axis.

    Arguments:
        x: any shape.
        axis: which axis; negative counts from the last.
        start, stop: integers, 0 ≤ start ≤ stop ≤ size of the axis.

    Raises:
        ArgumentError: there is no such axis, or ``start`` or ``stop`` is not an integer.
        ShapeError: ``start`` or ``stop`` is out of range, or the size of the axis is not known yet.
    """
    (x,) = SLICE.same_kind(x)
    axis = check_axis("slice_axis", axis, len(x.shape))
    start, stop = integers("slice_axis", "start and stop", (start, stop))
    size = x.shape[axis]
    if size is None:
        raise ShapeError(f"slice_axis: expected an axis of known size, got axis {axis} of {x.shape}: slice in a layer.")
    if not 0 <= start <= stop <= size:
        raise ShapeError(f"slice_axis: expected 0 ≤ start ≤ stop ≤ {size} along axis {axis}, got {start} and {stop}.")
    ends = ((0, 0),) * axis + ((start, size - stop),) + ((0, 0),) * (len(x.shape) - axis - 1)
    return SLICE(x, cropping=ends, steps=(1,) * len(ends))


def concatenate(xs: Any, axis: int = 0) -> Any:
    """The arrays or symbols in the list ``xs``, one after the other along ``axis``; −1: channels after channels.

    Raises:
        ArgumentError: it is not a list, or empty, or there is no such axis.
        ShapeError: sizes differ along another axis.
    """
    xs = CONCATENATE.same_kind(*_listed("concatenate", xs))
    return CONCATENATE(*xs, axis=check_axis("concatenate", axis, len(xs[0].shape)))


def stack(x: Any, axis: int = 0) -> Any:
    """The arrays or symbols in the list ``x``, all of one shape, side by side along a new axis.

    Raises:
        ArgumentError: it is not a list, or empty, or there is no such axis.
        ShapeError: the shapes differ.
    """
    xs = CONCATENATE.same_kind(*_listed("stack", x))
    axis = check_axis("stack", axis, len(xs[0].shape) + 1)
    return concatenate([reshape(each, (*each.shape[:axis], 1, *each.shape[axis:])) for each in xs], axis)


def _listed(where: str, xs: Any) -> tuple[Any, ...]:
    """The inputs of an operation that takes a list of them."""
    try:
        listed = tuple(xs)
    except TypeError:
        raise ArgumentError(f"{where}: expected a list of inputs, got {xs!r}.") from None
    if not listed:
        raise ArgumentError(f"{where}: expected at least one input, got an empty list.")
    return listed


def check_axis(where: str, axis: Any, rank: int) -> int:
    """An axis as an integer from 0.

    Raises:
        ArgumentError: there is no such axis.
    """
    if not isinstance(axis, int | np.integer) or not -rank <= axis < rank:
        raise ArgumentError(f"{where}: expected an axis from {-rank} to {rank - 1}, got {axis!r}.")
    return int(axis) % rank


def pairs_for_each(where: str, name: str, value: Any, rank: int) -> Pads:
    """One (before, after) pair for each axis.

    Raises:
        ArgumentError: ``value`` is not an integer, a list of integers or a list of pairs, or is negative.
    """
    pairs = as_pairs(value, rank)
    if pairs is None:
        raise ArgumentError(
            f"{where}: expected {name} as an integer, one for each of {rank} axes, or a (before, after) pair for "
            f"each, none negative; got {value!r}."
        )
    return pairs
