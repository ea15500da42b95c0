"""What all pools with a sliding window share: settings, shape rule, reach, and the numbers in one window."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.graph import Array, Node, Shape
from striate.ops.operation import Box, Index, Operation, Read, Term, Terms, known_shape, read
from striate.ops.pooling import reference
from striate.ops.windows import (
    Pads,
    covering_windows,
    entries_inside,
    output_sizes,
    per_axis,
    places_in_window,
    resolve_padding,
    window_box,
)


class WindowPool(Operation):
    """What these pools share: x (N, *size, C) → (N, *out, C), each channel separately, every window touching x."""

    inputs: tuple[str, ...] = ("x",)

    def shape(self, x: Any, **attributes: Any) -> Shape:
        pool_size, strides, padding, dilation = window_of(attributes)
        axes = spatial_axes(self.name, x)
        if axes != len(pool_size):
            raise ShapeError(
                f"{self.name}: expected input of rank {len(pool_size) + 2} for pool_size={pool_size}, "
                f"got {tuple(x.shape)}."
            )
        out = output_sizes(self.name, x.shape[1:-1], pool_size, strides, padding, dilation)
        inside = entries_inside(x.shape[1:-1], pool_size, strides, padding, dilation, out)
        if any(counts.min() == 0 for counts in inside):
            raise ShapeError(
                f"{self.name}: a window of pool_size={pool_size} at strides {strides} lies entirely in the padding "
                f"{padding} (input is {tuple(x.shape)}). Use less padding."
            )
        return (x.shape[0], *out, x.shape[-1])

    def entries(self, x: Array, outside: float, window: dict[str, Any]) -> list[Array]:
        """What every window has at each of its entries (N, *out, C); ``outside`` stands in the padding."""
        out = output_sizes(self.name, x.shape[1:-1], *window_of(window))
        return reference.entries(x, outside, *window_of(window), out=out)

    def fan_in(self, node: Node) -> int:
        return math.prod(node.attributes["pool_size"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        sides = window_box(box.sides, *window_of(node.attributes), known_shape(node.inputs[0])[1:-1])
        return [Box(sides)]


class PoolGrad(Operation):
    """What the gradients of pools share: (x, g) → the shape of x."""

    inputs: tuple[str, ...] = ("x", "g")

    def __init__(self, of: WindowPool):
        self.of = of
        self.name = f"{of.name}_grad"
        super().__init__()

    def shape(self, x: Any, g: Any, **attributes: Any) -> Shape:
        expected = self.of.shape(x, **attributes)
        if tuple(g.shape) != expected:
            raise ShapeError(f"{self.name}: expected a gradient of {expected}, got {tuple(g.shape)}.")
        return tuple(x.shape)

    def dtype(self, x: Any, g: Any, **attributes: Any) -> Any:
        return g.dtype

    def fan_in(self, node: Node) -> int:
        return math.prod(node.attributes["pool_size"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        x, g = (known_shape(tensor)[1:-1] for tensor in node.inputs)
        windows = covering_windows(box.sides, *window_of(node.attributes), g)
        return [Box(window_box(windows, *window_of(node.attributes), x)), Box(windows)]


def window_settings(where: str, x: Any, pool_size: Any, strides: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    """The arguments of a pooling function as attributes: one number, or one pair, for each axis."""
    axes = spatial_axes(where, x)
    window = per_axis(where, "pool_size", pool_size, axes)
    steps = window if strides is None else per_axis(where, "strides", strides, axes)
    distances = per_axis(where, "dilation_rate", dilation, axes)
    pads = resolve_padding(where, padding, x.shape[1:-1], window, steps, distances)
    return {"pool_size": window, "strides": steps, "padding": pads, "dilation": distances}


def spatial_axes(where: str, x: Any) -> int:
    """How many dimensions a window has; raises ShapeError unless it is 1, 2 or 3."""
    axes = len(x.shape) - 2
    if not 1 <= axes <= 3:
        raise ShapeError(
            f"{where}: expected input of rank 3 (N, W, C), 4 (N, H, W, C) or 5 (N, D, H, W, C), "
            f"got rank {len(x.shape)} {tuple(x.shape)}."
        )
    return axes


def window_of(attributes: dict[str, Any]) -> tuple[Shape, Shape, Pads, Shape]:
    """The window and how it moves, in the order in which `striate.ops.windows` takes it."""
    return attributes["pool_size"], attributes["strides"], attributes["padding"], attributes["dilation"]


def to_winners(g: Array, won: Iterable[Array], size: Shape, window: dict[str, Any]) -> Array:
    """The gradient of picking: each number of ``g`` at the entry that won its window."""
    return reference.spread((np.where(wins, g, g.dtype.type(0)) for wins in won), size, **window)


def window_reads(x: Array, index: Index, window: dict[str, Any]) -> list[Read]:
    """The numbers in the window behind the output at ``index``, in row-major order, without the padding."""
    n, *position, c = index
    return [read("x", x, (n, *place, c)) for _, place in places_in_window(position, x.shape[1:-1], *window_of(window))]


def picked(formula: str, reads: list[Read], scores: list[float]) -> Terms:
    """The terms of a choice: the first read with the largest score counts, the others count 0."""
    winner = first_largest(scores)
    return Terms(formula, tuple(Term(one.value if i == winner else 0.0, (one,)) for i, one in enumerate(reads)))


def first_largest(scores: list[float]) -> int:
    """The index of the first of the largest scores; of the first NaN, if there is one."""
    return int(np.argmax(scores))
