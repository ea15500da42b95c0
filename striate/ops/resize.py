"""Upsampling by repeating pixels and by bilinear interpolation; and linear resampling, which pooling uses too."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate.errors import MemoryLimitError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.operation import Box, Index, Operation, Term, Terms, known_shape, read
from striate.ops.shape import moved
from striate.ops.windows import per_axis

#: Weights along one axis, all of which are in memory: those that resample 8,192 pixels to as many.
MOST_WEIGHTS = 2**26

#: (size, output size) → the weights along one axis, (output size, size), float64.
Weights = Callable[[int, int], Array]


class Resample(Operation):
    """Along each spatial axis every output is a weighted sum of inputs: y = Σ W₁[i, a] · W₂[j, b] · x[n, a, b, c].

    Arguments:
        name: the operation's name.
        weights: makes the matrix W of an axis.
    """

    inputs = ("x",)

    def __init__(self, name: str, weights: Weights):
        self.name, self.weights = name, weights
        self.adjoint = ResampleGrad(self)
        super().__init__()

    def shape(self, x: Any, *, output_size: Shape) -> Shape:
        if len(x.shape) != len(output_size) + 2 or min(x.shape[1:-1]) < 1:
            raise ShapeError(
                f"{self.name}: expected input of rank {len(output_size) + 2} (N, *size, C) with no empty spatial axis "
                f"for an output of {output_size}, got {tuple(x.shape)}."
            )
        check_weights(self.name, x.shape[1:-1], output_size)
        return (x.shape[0], *output_size, x.shape[-1])

    def forward(self, x: Array, *, output_size: Shape) -> Array:
        for axis, out in enumerate(output_size, start=1):
            x = along(axis, self.weights(x.shape[axis], out), x)
        return x

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (self.adjoint(grad_output, size=node.inputs[0].shape[1:-1]),)

    def terms(self, index: Index, x: Array, *, output_size: Shape) -> Terms:
        n, *position, c = index
        rows = [self.weights(size, out)[i] for size, out, i in zip(x.shape[1:-1], output_size, position, strict=True)]
        return weighted_terms("x", x, n, rows, c)

    def fan_in(self, node: Node) -> int:
        size, out = known_shape(node.inputs[0])[1:-1], node.attributes["output_size"]
        return math.prod(
            int((self.weights(n, m) != 0).sum(axis=1).max(initial=0)) for n, m in zip(size, out, strict=True)
        )

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        size, out = known_shape(node.inputs[0])[1:-1], node.attributes["output_size"]
        return [Box(tuple(touched(self.weights(n, m), side) for n, m, side in zip(size, out, box.sides, strict=True)))]


class ResampleGrad(Operation):
    """The adjoint of a resampling: each number of ``g`` goes back to what it was mixed from, with the same weights."""

    inputs = ("g",)

    def __init__(self, of: Resample):
        self.name, self.weights = f"{of.name}_grad", of.weights
        super().__init__()

    def shape(self, g: Any, *, size: Shape) -> Shape:
        return (g.shape[0], *size, g.shape[-1])

    def forward(self, g: Array, *, size: Shape) -> Array:
        for axis, n in enumerate(size, start=1):
            g = along(axis, self.weights(n, g.shape[axis]).T, g)
        return g

    def terms(self, index: Index, g: Array, *, size: Shape) -> Terms:
        n, *place, c = index
        columns = [self.weights(m, out)[:, i] for m, out, i in zip(size, g.shape[1:-1], place, strict=True)]
        return weighted_terms("g", g, n, columns, c)

    def multiply_adds(self, node: Node) -> int:
        batch, *size, channels = known_shape(node.output)
        out = known_shape(node.inputs[0])[1:-1]
        weights = math.prod(int(np.count_nonzero(self.weights(n, m))) for n, m in zip(size, out, strict=True))
        return batch * weights * channels

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        size, out = node.attributes["size"], known_shape(node.inputs[0])[1:-1]
        return [
            Box(tuple(touched(self.weights(n, m).T, side) for n, m, side in zip(size, out, box.sides, strict=True)))
        ]


def check_weights(where: str, size: Sequence[int], out: Sequence[int]) -> None:
    """Raise MemoryLimitError if the weights of an axis, one for each pair of input and output entries, are too many."""
    if (pair := max(zip(size, out, strict=True), key=math.prod, default=(0, 0))) and math.prod(pair) > MOST_WEIGHTS:
        raise MemoryLimitError(
            f"{where}: expected at most {MOST_WEIGHTS:,} weights along an axis, got {pair[0]:,} positions "
            f"resampled to {pair[1]:,}. Resample in several steps, or by integer factors."
        )


def along(axis: int, matrix: Array, x: Array) -> Array:
    """``matrix`` (m, n) times the axis of ``x`` that has n entries.

    Only numbers that have a weight are read, so that infinities and NaN stay where they are.
    """
    m, n = matrix.shape
    first = (matrix != 0).argmax(axis=1)
    last = n - 1 - (matrix[:, ::-1] != 0).argmax(axis=1)
    column = (slice(None),) + (None,) * (x.ndim - axis - 1)  # lines up with the axis
    y = np.zeros((*x.shape[:axis], m, *x.shape[axis + 1 :]), x.dtype)
    for place in first + np.arange((last - first).max(initial=-1) + 1)[:, None]:  # place: (m,), one entry of each row
        inner = np.minimum(place, n - 1)
        weight = np.where(place < n, matrix[np.arange(m), inner], 0).astype(x.dtype)[column]
        y += np.multiply(x.take(inner, axis), weight, out=np.zeros_like(y), where=weight != 0)
    return y


def touched(matrix: Array, side: tuple[int, int]) -> tuple[int, int]:
    """From the first to the last column that some row of ``side`` gives a weight to."""
    columns = np.flatnonzero(matrix[slice(*side)].any(axis=0))
    return (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 0)


def weighted_terms(source: str, array: Array, n: int, rows: list[Array], c: int) -> Terms:
    """The summands of one output: image ``n``, channel ``c``, and the weights along each spatial axis."""
    summands = []
    for place in itertools.product(*(np.flatnonzero(row).tolist() for row in rows)):
        one = read(source, array, (n, *place, c))
        weight = math.prod(float(row[i]) for row, i in zip(rows, place, strict=True))
        summands.append(Term(weight * one.value, (one,)))
    return Terms(f"Σ weight·{source}", tuple(summands))


def bilinear_weights(size: int, out: int) -> Array:
    """Weights of the two nearest pixels: output i looks at (i + ½)·size/out − ½, never beyond the outermost pixels."""
    place = np.clip((np.arange(out) + 0.5) * size / out - 0.5, 0, size - 1)  # (out,)
    return np.asarray(np.maximum(1 - np.abs(place[:, None] - np.arange(size)), 0))  # (out, size)


class UpsampleNearest(Operation):
    """y[n, i, j, c] = x[n, ⌊i / factor⌋, ⌊j / factor⌋, c]: every pixel becomes a block."""

    name = "upsample_nearest"
    inputs = ("x",)

    def shape(self, x: Any, *, size: Shape) -> Shape:
        if len(x.shape) != len(size) + 2:
            raise ShapeError(
                f"{self.name}: expected input of rank {len(size) + 2} (N, *size, C) for factors {size}, "
                f"got rank {len(x.shape)} {tuple(x.shape)}."
            )
        return (x.shape[0], *(n * factor for n, factor in zip(x.shape[1:-1], size, strict=True)), x.shape[-1])

    def forward(self, x: Array, *, size: Shape) -> Array:
        for axis, factor in enumerate(size, start=1):
            x = np.repeat(x, factor, axis)
        return x

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (UPSAMPLE_NEAREST_GRAD(grad_output, size=node.attributes["size"]),)

    def terms(self, index: Index, x: Array, *, size: Shape) -> Terms:
        n, *position, c = index
        return moved("x", x, (n, *(i // factor for i, factor in zip(position, size, strict=True)), c))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        sides = zip(box.sides, node.attributes["size"], strict=True)
        return [Box(tuple((first // factor, -(-last // factor)) for (first, last), factor in sides))]


class UpsampleNearestGrad(Operation):
    """The sum of each block: the adjoint of repeating pixels."""

    name = "upsample_nearest_grad"
    inputs = ("g",)

    def shape(self, g: Any, *, size: Shape) -> Shape:
        return (g.shape[0], *(n // factor for n, factor in zip(g.shape[1:-1], size, strict=True)), g.shape[-1])

    def forward(self, g: Array, *, size: Shape) -> Array:
        split = [part for n, factor in zip(g.shape[1:-1], size, strict=True) for part in (n // factor, factor)]
        within = tuple(range(2, 2 * len(size) + 1, 2))
        return np.asarray(g.reshape(g.shape[0], *split, g.shape[-1]).sum(axis=within))  # (N, H, fh, W, fw, C) → …

    def terms(self, index: Index, g: Array, *, size: Shape) -> Terms:
        n, *place, c = index
        block = [range(i * factor, (i + 1) * factor) for i, factor in zip(place, size, strict=True)]
        reads = (read("g", g, (n, *position, c)) for position in itertools.product(*block))
        return Terms("Σ g over the block", tuple(Term(one.value, (one,)) for one in reads))

    def fan_in(self, node: Node) -> int:
        return math.prod(node.attributes["size"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        sides = zip(box.sides, node.attributes["size"], strict=True)
        return [Box(tuple((first * factor, last * factor) for (first, last), factor in sides))]


UPSAMPLE_BILINEAR = Resample("upsample_bilinear", bilinear_weights)
UPSAMPLE_NEAREST = UpsampleNearest()
UPSAMPLE_NEAREST_GRAD = UpsampleNearestGrad()


def upsample_nearest(x: Any, size: Any = 2) -> Any:
    """Repeat every pixel: x (N, *size, C) in 1, 2 or 3 dimensions → (N, *size · factor, C).

    Arguments:
        x: series, images or volumes, channels-last.
        size: the factor along each axis; one integer or one for each axis.

    Raises:
        ArgumentError: ``size`` is not an integer of at least 1.
        ShapeError: ``x`` has no spatial axis.
    """
    (x,) = UPSAMPLE_NEAREST.same_kind(x)
    return UPSAMPLE_NEAREST(x, size=_factors("upsample_nearest", x, size))


def upsample_bilinear(x: Any, size: Any = 2) -> Any:
    """Enlarge images by bilinear interpolation of the four nearest pixels: x (N, H, W, C) → (N, H·factor, W·factor, C).

    Pixel centres are at ½, 3⁄2, …, as in Keras's ``UpSampling2D(interpolation="bilinear")``.

    Arguments:
        x: images, channels-last.
        size: the factor along each axis; one integer or (height, width).

    Raises:
        ArgumentError: ``size`` is not an integer of at least 1.
        ShapeError: ``x`` is not of rank 4, or empty.
    """
    (x,) = UPSAMPLE_BILINEAR.same_kind(x)
    if len(x.shape) != 4:
        raise ShapeError(f"upsample_bilinear: expected input of rank 4 (N, H, W, C), got {tuple(x.shape)}.")
    factors = _factors("upsample_bilinear", x, size)
    return UPSAMPLE_BILINEAR(x, output_size=tuple(n * f for n, f in zip(x.shape[1:-1], factors, strict=True)))


def _factors(where: str, x: Any, size: Any) -> Shape:
    axes = len(x.shape) - 2
    if axes < 1:
        raise ShapeError(f"{where}: expected input of rank 3 or more (N, *size, C), got {tuple(x.shape)}.")
    return per_axis(where, "size", size, axes)
