"""Operations that move numbers without changing them: reshape, transpose, pad, crop, repeat, concatenate."""

import bisect
import itertools
import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.operation import Box, Index, Operation, Term, Terms, as_number, known_shape, read
from striate.ops.windows import Pads, as_pairs, whole_numbers, within


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
                f"transpose: expected axes to be an order of 0 … {len(x.shape) - 1} (input is {tuple(x.shape)}), "
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
        return (CROP(grad_output, cropping=node.attributes["padding"]),)

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


class Crop(Operation):
    """The input without (before, after) entries at the ends of each axis: the adjoint of padding with 0."""

    name = "crop"
    inputs = ("x",)

    def shape(self, x: Any, *, cropping: Pads) -> Shape:
        left = tuple(n - before - after for n, (before, after) in zip(x.shape, cropping, strict=True))
        if min(left, default=0) < 0:
            raise ShapeError(
                f"crop: cannot cut {cropping} off an input of {tuple(x.shape)}: there is not enough of it."
            )
        return left

    def forward(self, x: Array, *, cropping: Pads) -> Array:
        return np.asarray(
            x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, cropping, strict=True))]
        )

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (PAD(grad_output, padding=node.attributes["cropping"], value=0.0),)

    def terms(self, index: Index, x: Array, *, cropping: Pads) -> Terms:
        return moved("x", x, tuple(i + before for i, (before, _) in zip(index, cropping, strict=True)))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        cropping = node.attributes["cropping"]
        moved_sides = zip(box.sides, cropping[1:-1], strict=True)
        inner = Box(tuple((first + before, last + before) for (first, last), (before, _) in moved_sides))
        return [None if cropping[0] != (0, 0) else inner]


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
CROP = Crop()
CONCATENATE = Concatenate()


def reshape(x: Any, shape: Any) -> Any:
    """The same numbers in row-major order under another shape; one size may be −1 and is worked out.

    Raises:
        ArgumentError: ``shape`` is no list of whole numbers.
        ShapeError: the new shape holds another count of numbers.
    """
    return RESHAPE(x, shape=whole_numbers("reshape", "shape", shape))


def transpose(x: Any, axes: Any = None) -> Any:
    """The same numbers with the axes in the order ``axes``; default: reversed.

    Raises:
        ArgumentError: ``axes`` is not an order of all axes.
    """
    (x,) = TRANSPOSE.same_kind(x)
    order = range(len(x.shape))[::-1] if axes is None else axes
    return TRANSPOSE(x, axes=whole_numbers("transpose", "axes", order))


def flatten(x: Any) -> Any:
    """Each image as one row: (N, …) → (N, product of the other sizes), in row-major order."""
    (x,) = RESHAPE.same_kind(x)
    return reshape(x, (-1, math.prod(x.shape[1:])))


def pad(x: Any, pad_width: Any, constant_values: float = 0.0) -> Any:
    """Put a constant around ``x``.

    Arguments:
        x: any shape.
        pad_width: whole numbers, none negative: one for all sides, one for each axis, or a (before, after) pair for
            each axis.
        constant_values: what to put there.

    Raises:
        ArgumentError: ``pad_width`` is none of these, or ``constant_values`` is no number.
    """
    (x,) = PAD.same_kind(x)
    value = as_number("pad", "constant_values", constant_values)
    return PAD(x, padding=_pairs("pad", "pad_width", pad_width, len(x.shape)), value=value)


def crop(x: Any, cropping: Any) -> Any:
    """Cut entries off the ends of each axis.

    Arguments:
        x: any shape.
        cropping: how many; as ``pad_width`` of `pad`.

    Raises:
        ArgumentError: ``cropping`` has another form.
        ShapeError: ``x`` is smaller than what is cut off.
    """
    (x,) = CROP.same_kind(x)
    return CROP(x, cropping=_pairs("crop", "cropping", cropping, len(x.shape)))


def slice_axis(x: Any, axis: int, start: int, stop: int) -> Any:
    """The entries ``start`` … ``stop`` − 1 of ``x`` along one axis.

    Arguments:
        x: any shape.
        axis: which axis; negative counts from the last.
        start, stop: whole numbers, 0 ≤ start ≤ stop ≤ size of the axis.

    Raises:
        ArgumentError: there is no such axis, or ``start`` or ``stop`` is no whole number.
        ShapeError: there are no such entries, or the size of the axis is not known yet.
    """
    (x,) = CROP.same_kind(x)
    axis = _axis("slice_axis", axis, len(x.shape))
    start, stop = whole_numbers("slice_axis", "start and stop", (start, stop))
    size = x.shape[axis]
    if size is None:
        raise ShapeError(f"slice_axis: expected an axis of known size, got axis {axis} of {x.shape}: slice in a layer.")
    if not 0 <= start <= stop <= size:
        raise ShapeError(f"slice_axis: expected 0 ≤ start ≤ stop ≤ {size} along axis {axis}, got {start} and {stop}.")
    ends = ((0, 0),) * axis + ((start, size - stop),) + ((0, 0),) * (len(x.shape) - axis - 1)
    return CROP(x, cropping=ends)


def concatenate(xs: Any, axis: int = -1) -> Any:
    """The arrays or symbols in the list ``xs``, one after the other along ``axis``; default: channels after channels.

    Raises:
        ArgumentError: it is no list or an empty one, or there is no such axis.
        ShapeError: sizes differ along another axis.
    """
    xs = CONCATENATE.same_kind(*_listed("concatenate", xs))
    return CONCATENATE(*xs, axis=_axis("concatenate", axis, len(xs[0].shape)))


def stack(xs: Any, axis: int = 0) -> Any:
    """The arrays or symbols in the list ``xs``, all of one shape, side by side along a new axis.

    Raises:
        ArgumentError: it is no list or an empty one, or there is no such axis.
        ShapeError: the shapes differ.
    """
    xs = CONCATENATE.same_kind(*_listed("stack", xs))
    axis = _axis("stack", axis, len(xs[0].shape) + 1)
    return concatenate([reshape(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in xs], axis)


def _listed(where: str, xs: Any) -> tuple[Any, ...]:
    """The inputs of an operation that takes a list of them."""
    try:
        listed = tuple(xs)
    except TypeError:
        raise ArgumentError(f"{where}: expected a list of inputs, got {xs!r}.") from None
    if not listed:
        raise ArgumentError(f"{where}: expected at least one input, got an empty list.")
    return listed


def _axis(where: str, axis: Any, rank: int) -> int:
    """The number of an axis, counted from the first."""
    if not isinstance(axis, int | np.integer) or not -rank <= axis < rank:
        raise ArgumentError(f"{where}: expected an axis from {-rank} to {rank - 1}, got {axis!r}.")
    return int(axis) % rank


def _pairs(where: str, name: str, value: Any, rank: int) -> Pads:
    """One (before, after) pair for each axis."""
    pairs = as_pairs(value, rank)
    if pairs is None:
        raise ArgumentError(
            f"{where}: expected {name} as a whole number, one for each of {rank} axes, or a (before, after) pair for "
            f"each, none negative; got {value!r}."
        )
    return pairs
