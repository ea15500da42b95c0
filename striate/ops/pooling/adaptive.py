"""Adaptive pooling: a given number of windows, spread evenly over the input.

Along an axis of ``size`` entries, window i of ``out`` begins at ⌊i·size / out⌋ and ends before ⌈(i + 1)·size / out⌉.
Windows may overlap, and their sizes differ by at most one.

Source: He et al., "Spatial pyramid pooling in deep convolutional networks" (2014); the rounding is PyTorch's.
"""

import itertools
import math
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.operation import Box, Index, Operation, Read, Term, Terms, known_shape, read
from striate.ops.pooling import reference
from striate.ops.pooling.window import first_largest, picked
from striate.ops.resize import Resample
from striate.ops.windows import per_axis


def bounds(size: int, out: int) -> tuple[Array, Array]:
    """Where each window begins, and the place after its end."""
    i = np.arange(out)
    return i * size // out, -(-(i + 1) * size // out)


def mean_weights(size: int, out: int) -> Array:
    """Row i averages window i: (out, size)."""
    begin, end = bounds(size, out)
    place = np.arange(size)
    inside = (place >= begin[:, None]) & (place < end[:, None])
    return np.asarray(inside / inside.sum(axis=1, keepdims=True))


class AdaptiveMaxPool(Operation):
    """y[n, i, j, c] = max of x[n, a, b, c] over the a of window i and the b of window j."""

    name = "adaptive_max_pool"
    inputs = ("x",)

    def shape(self, x: Any, *, output_size: Shape) -> Shape:
        if len(x.shape) != len(output_size) + 2 or min(x.shape[1:-1]) < 1:
            raise ShapeError(
                f"{self.name}: expected input of rank {len(output_size) + 2} (N, *size, C) with no empty spatial axis "
                f"for an output of {output_size}, got {tuple(x.shape)}."
            )
        return (x.shape[0], *output_size, x.shape[-1])

    def forward(self, x: Array, *, output_size: Shape) -> Array:
        return reference.largest([x[:, *place] for place in _places(x.shape[1:-1], output_size)])

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (ADAPTIVE_MAX_POOL_GRAD(node.inputs[0], grad_output),)

    def terms(self, index: Index, x: Array, *, output_size: Shape) -> Terms:
        reads = _reads(x, index, output_size)
        return picked("max x over the window", reads, [one.value for one in reads])

    def fan_in(self, node: Node) -> int:
        size, out = known_shape(node.inputs[0])[1:-1], node.attributes["output_size"]
        return math.prod(int(np.subtract(*bounds(n, m)[::-1]).max()) for n, m in zip(size, out, strict=True))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        size, out = known_shape(node.inputs[0])[1:-1], node.attributes["output_size"]
        return [Box(_inputs_of(box.sides, size, out))]


class AdaptiveMaxPoolGrad(Operation):
    """Each gradient number goes to the first of the largest numbers in its window, in row-major order."""

    name = "adaptive_max_pool_grad"
    inputs = ("x", "g")

    def shape(self, x: Any, g: Any) -> Shape:
        expected = (x.shape[0], x.shape[-1])
        if len(g.shape) != len(x.shape) or (g.shape[0], g.shape[-1]) != expected:
            raise ShapeError(
                f"{self.name}: expected a gradient of rank {len(x.shape)} with {expected[0]} images and {expected[1]} "
                f"channels, got {tuple(g.shape)}."
            )
        return tuple(x.shape)

    def dtype(self, x: Any, g: Any) -> Any:
        return g.dtype

    def forward(self, x: Array, g: Array) -> Array:
        places = _places(x.shape[1:-1], g.shape[1:-1])
        won = reference.winners([x[:, *place] for place in places])
        grad = np.zeros_like(x, g.dtype)
        for place, wins in zip(places, won, strict=True):
            # not +=: windows may overlap, and two of them may have the same place as the same entry
            np.add.at(grad, (slice(None), *place), np.where(wins, g, g.dtype.type(0)))
        return grad

    def terms(self, index: Index, x: Array, g: Array) -> Terms:
        n, *place, c = index
        covering = [range(*side) for side in _windows_of([(p, p + 1) for p in place], x.shape[1:-1], g.shape[1:-1])]
        summands = []
        for position in itertools.product(*covering):
            reads = _reads(x, (n, *position, c), g.shape[1:-1])
            wins = reads[first_largest([one.value for one in reads])].index == index
            back = read("g", g, (n, *position, c))
            summands.append(Term(back.value if wins else 0.0, (back, *reads)))
        return Terms("Σ g of the windows where this place won", tuple(summands))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        x, g = (known_shape(tensor)[1:-1] for tensor in node.inputs)
        windows = _windows_of(box.sides, x, g)
        return [Box(_inputs_of(windows, x, g)), Box(windows)]


ADAPTIVE_AVERAGE_POOL = Resample("adaptive_average_pool", mean_weights)
ADAPTIVE_MAX_POOL = AdaptiveMaxPool()
ADAPTIVE_MAX_POOL_GRAD = AdaptiveMaxPoolGrad()


def adaptive_average_pool(x: Any, output_size: Any) -> Any:
    """The mean of each of ``output_size`` windows spread evenly over the input, so that the output's size is fixed.

    Arguments:
        x: series (N, W, C), images (N, H, W, C) or volumes (N, D, H, W, C).
        output_size: how many windows along each axis; one number or one for each axis.

    Returns:
        (N, *output_size, C).

    Raises:
        ShapeError: ``x`` has no spatial axis, or an empty one.
        ArgumentError: ``output_size`` is not an integer of at least 1.

    Source: He et al., "Spatial pyramid pooling in deep convolutional networks" (2014).
    """
    (x,) = ADAPTIVE_AVERAGE_POOL.same_kind(x)
    return ADAPTIVE_AVERAGE_POOL(x, output_size=_output_size("adaptive_average_pool", x, output_size))


def adaptive_max_pool(x: Any, output_size: Any) -> Any:
    """The largest number of each of ``output_size`` windows spread evenly over the input.

    Arguments, Returns, Raises, Source: as `adaptive_average_pool`. Ties as in `max_pool`.
    """
    (x,) = ADAPTIVE_MAX_POOL.same_kind(x)
    return ADAPTIVE_MAX_POOL(x, output_size=_output_size("adaptive_max_pool", x, output_size))


def _output_size(where: str, x: Any, output_size: Any) -> Shape:
    axes = len(x.shape) - 2
    if axes < 1:
        raise ShapeError(f"{where}: expected input of rank 3 or more (N, *size, C), got {tuple(x.shape)}.")
    return per_axis(where, "output_size", output_size, axes)


def _places(size: Shape, out: Shape) -> list[tuple[Any, ...]]:
    """For each entry of the largest window, where all windows have it; smaller windows repeat their last one."""
    ends = [bounds(n, m) for n, m in zip(size, out, strict=True)]
    entries = itertools.product(*(range(int((end - begin).max())) for begin, end in ends))
    return [
        np.ix_(*(np.minimum(begin + a, end - 1) for a, (begin, end) in zip(entry, ends, strict=True)))
        for entry in entries
    ]


def _reads(x: Array, index: Index, out: Shape) -> list[Read]:
    """The numbers in the window behind the output at ``index``, in row-major order."""
    n, *position, c = index
    sides = _inputs_of(tuple((i, i + 1) for i in position), x.shape[1:-1], out)
    return [read("x", x, (n, *place, c)) for place in itertools.product(*(range(*side) for side in sides))]


def _inputs_of(windows: Any, size: Shape, out: Shape) -> tuple[tuple[int, int], ...]:
    """The input rectangle that a rectangle of windows looks at."""
    return tuple((first * n // m, -(-last * n // m)) for (first, last), n, m in zip(windows, size, out, strict=True))


def _windows_of(places: Any, size: Shape, out: Shape) -> tuple[tuple[int, int], ...]:
    """The rectangle of windows that look at an input rectangle."""
    sides = []
    for (first, last), n, m in zip(places, size, out, strict=True):
        begin, end = bounds(n, m)
        sides.append((int(np.searchsorted(end, first, side="right")), int(np.searchsorted(begin, last))))
    return tuple(sides)
