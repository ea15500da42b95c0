"""Selecting numbers by index: entries of an axis, and the inverse of max pooling."""

import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor, Variable
from striate.ops.operation import Box, Index, Operation, Term, Terms, check_rank, read
from striate.ops.shape import check_axis, moved, reshape
from striate.ops.windows import integers


class Take(Operation):
    """y[…, i, …] = x[…, indices[i], …] along an axis; entries may be left out, repeated, and in any order."""

    name = "take"
    inputs = ("x",)

    def shape(self, x: Any, *, indices: Shape, axis: int) -> Shape:
        if not 0 <= axis < len(x.shape):
            raise ArgumentError(f"take: expected an axis from 0 to {len(x.shape) - 1}, got {axis}.")
        size = x.shape[axis]
        if indices and not 0 <= min(indices) <= max(indices) < size:
            raise ArgumentError(f"take: expected indices from 0 to {size - 1} along axis {axis} of {tuple(x.shape)}.")
        return (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])

    def forward(self, x: Array, *, indices: Shape, axis: int) -> Array:
        return x.take(np.array(indices, np.int64), axis)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (TAKE_GRAD(grad_output, size=node.inputs[0].shape[node.attributes["axis"]], **node.attributes),)

    def terms(self, index: Index, x: Array, *, indices: Shape, axis: int) -> Terms:
        return moved("x", x, (*index[:axis], indices[index[axis]], *index[axis + 1 :]))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        axis, indices = node.attributes["axis"], node.attributes["indices"]
        if axis == len(node.output.shape) - 1:  # other channels of the same places
            return [box]
        if axis == 0:
            return [None]
        first, last = box.sides[axis - 1]
        seen = indices[first:last] or (0,)
        return [Box((*box.sides[: axis - 1], (min(seen), max(seen) + 1), *box.sides[axis:]))]


class TakeGrad(Operation):
    """x[…, j, …] = Σ g[…, i, …] over all i with indices[i] = j: the adjoint of `Take`."""

    name = "take_grad"
    inputs = ("g",)

    def shape(self, g: Any, *, size: int, indices: Shape, axis: int) -> Shape:
        return (*g.shape[:axis], size, *g.shape[axis + 1 :])

    def forward(self, g: Array, *, size: int, indices: Shape, axis: int) -> Array:
        x = np.zeros(self.shape(g, size=size, indices=indices, axis=axis), g.dtype)
        np.add.at(np.moveaxis(x, axis, 0), np.array(indices, np.int64), np.moveaxis(g, axis, 0))
        return x

    def terms(self, index: Index, g: Array, *, size: int, indices: Shape, axis: int) -> Terms:
        taken = [i for i, j in enumerate(indices) if j == index[axis]]
        reads = [read("g", g, (*index[:axis], i, *index[axis + 1 :])) for i in taken]
        return Terms("Σ g over the places that x was taken to", tuple(Term(one.value, (one,)) for one in reads))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [box if node.attributes["axis"] == len(node.output.shape) - 1 else None]


class MaxUnpool(Operation):
    """y[n, places[n, i, c], c] = x[n, i, c], and 0 elsewhere: each number goes back to where it was the largest.

    Places are indices into the flattened map; those outside of the map are ignored, and of several numbers for one
    place the last wins.
    """

    name = "max_unpool"
    inputs = ("x", "places")

    def shape(self, x: Any, places: Any, *, size: Shape) -> Shape:
        check_rank(self.name, "input", x, len(size) + 2, "(N, *size, C)")
        if tuple(places.shape) != tuple(x.shape):
            raise ShapeError(f"max_unpool: expected places of {tuple(x.shape)}, got {tuple(places.shape)}.")
        return (x.shape[0], *size, x.shape[-1])

    def dtype(self, x: Any, places: Any, *, size: Shape) -> Any:
        return x.dtype

    def forward(self, x: Array, places: Array, *, size: Shape) -> Array:
        n, c = x.shape[0], x.shape[-1]
        y = np.zeros((n, math.prod(size) + 1, c), x.dtype)  # the last row takes what is left out
        np.put_along_axis(y, _rows(places, math.prod(size)), x.reshape(n, math.prod(x.shape[1:-1]), c), axis=1)
        return y[:, :-1].reshape(n, *size, c)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, None]:
        return MAX_UNPOOL_GRAD(node.inputs[1], grad_output), None

    def terms(self, index: Index, x: Array, places: Array, *, size: Shape) -> Terms:
        n, *place, c = index
        row = int(np.ravel_multi_index(tuple(place), size))
        found = np.flatnonzero(_rows(places, math.prod(size))[n, :, c] == row)
        if not len(found):
            return Terms("0 where no number belongs", (Term(0.0, ()),))
        return moved("x", x, (n, *(int(i) for i in np.unravel_index(found[-1], x.shape[1:-1])), c))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None, None]


class MaxUnpoolGrad(Operation):
    """x[n, i, c] = g[n, places[n, i, c], c]; 0 for a place outside of the map."""

    name = "max_unpool_grad"
    inputs = ("places", "g")

    def shape(self, places: Any, g: Any) -> Shape:
        return tuple(places.shape)

    def dtype(self, places: Any, g: Any) -> Any:
        return g.dtype

    def forward(self, places: Array, g: Array) -> Array:
        n, *size, c = g.shape
        rows = np.concatenate([g.reshape(n, math.prod(size), c), np.zeros((n, 1, c), g.dtype)], axis=1)
        return np.take_along_axis(rows, _rows(places, math.prod(size)), axis=1).reshape(places.shape)

    def terms(self, index: Index, places: Array, g: Array) -> Terms:
        n, *_, c = index
        row = _rows(places, math.prod(g.shape[1:-1])).reshape(places.shape)[index]
        if row == math.prod(g.shape[1:-1]):
            return Terms("0 outside of the map", (Term(0.0, (read("places", places, index),)),))
        one = read("g", g, (n, *(int(i) for i in np.unravel_index(row, g.shape[1:-1])), c))
        return Terms("g", (Term(one.value, (one, read("places", places, index))),))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [box, None]


TAKE = Take()
TAKE_GRAD = TakeGrad()
MAX_UNPOOL = MaxUnpool()
MAX_UNPOOL_GRAD = MaxUnpoolGrad()


def _rows(places: Array, count: int) -> Array:
    """Places as integers (N, P, C), ``count`` where they lie outside of the map."""
    rows = places.reshape(len(places), math.prod(places.shape[1:-1]), places.shape[-1])
    return np.where((rows >= 0) & (rows < count), rows, count).astype(np.int64)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Entries of one axis by their indices; they may be left out, repeated, and in any order.

    Arguments:
        x: any shape.
        indices: integers from −size to size − 1 of the axis, negative ones counted from its end, in a list or an array
            of any shape, which takes the axis's place in the result; known when the network is built.
        axis: which axis; negative counts from the last. None: the flattened x.

    Raises:
        ArgumentError: ``indices`` are not integers or out of range, or there is no such axis.
        ShapeError: the size of the axis is not known yet.
    """
    (x,) = TAKE.same_kind(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = check_axis("take", axis, len(x.shape))
    size = x.shape[axis]
    if size is None:
        raise ShapeError(f"take: expected an axis of known size, got axis {axis} of {x.shape}: take in a layer.")
    numbers = _integers(indices)
    if numbers.size and not -size <= numbers.min() <= numbers.max() < size:
        raise ArgumentError(
            f"take: expected indices from {-size} to {size - 1} along axis {axis} of {tuple(x.shape)}, got "
            f"{numbers.min()} to {numbers.max()}."
        )
    taken = TAKE(x, indices=tuple((numbers.reshape(-1) % max(size, 1)).tolist()), axis=axis)
    if numbers.ndim == 1:
        return taken
    shape = (*x.shape[:axis], *numbers.shape, *x.shape[axis + 1 :])
    return reshape(taken, tuple(-1 if n is None else n for n in shape))


def _integers(indices: Any) -> Array:
    """Indices as an array of int64."""
    numbers = np.asarray(None if isinstance(indices, Tensor | Variable) else indices)
    if not numbers.size:
        numbers = numbers.astype(np.int64)  # NumPy makes an empty list floating
    if numbers.dtype.kind not in "iu":
        raise ArgumentError(
            f"take: expected indices as integers that are known when the network is built, got {indices!r}."
        )
    return numbers.astype(np.int64)


def max_unpool(x: Any, places: Any, size: Any) -> Any:
    """The inverse of max pooling: each number where it was the largest of its window, and 0 elsewhere.

    Arguments:
        x: the result of the pooling, (N, *, C).
        places: the index of each number in the flattened map; of the shape of x.
        size: of the maps, one number for each axis.

    Returns:
        (N, *size, C).

    Raises:
        ShapeError: shapes do not fit.

    Source: Zeiler, Fergus, "Visualizing and understanding convolutional networks" (2014), section 2.1.
    """
    return MAX_UNPOOL(x, places, size=integers("max_unpool", "size", size))
