"""Linear resampling: every number of the result is a weighted sum of a few neighbours along each axis.

Bilinear upsampling, adaptive average pooling and the gradients of both. Repeated pixels are in `pooling.mean`.
"""

import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel
from striate.codegen.values import Integer
from striate.graph import Array, Node, Shape
from striate.kernels.plan import Plan, lowers
from striate.kernels.pointwise import Epilogue
from striate.kernels.pooling.loops import launch
from striate.ops.operation import known_shape
from striate.ops.pooling import ADAPTIVE_AVERAGE_POOL
from striate.ops.resize import UPSAMPLE_BILINEAR, Resample, ResampleGrad

#: Vectors of channels that are computed together.
VECTORS = 4


@kernel
def resample(
    f: Function,
    x: Pointer,
    bands: Pointer,
    weights: Pointer,
    y: Pointer,
    *others: Pointer,
    size: Shape,
    out: Shape,
    widest: Shape,
    channels: int,
    epilogue: Epilogue,
) -> None:
    """y[n, i, j, k] = Σ over a, b, c of W₁[i, a]·W₂[j, b]·W₃[k, c]·x[n, a, b, c]; an item is a row of y.

    Only numbers that have a weight are read.

    Arguments:
        bands: for each row of W₁, of W₂, and of W₃, the first column that has a weight, and the one behind the last.
        weights: the weights from there on, ``widest`` numbers for each row.
        size, out: of x and y along depth, height and width.
    """
    depth, height, width = (
        _Bands(bands + 2 * sum(out[:axis]), weights + sum(map(operator.mul, out[:axis], widest[:axis])), widest[axis])
        for axis in range(3)
    )
    for item in f.items():
        image, i, j = item // (out[0] * out[1]), item // out[1] % out[0], item % out[1]
        planes, rows = depth.columns(i), height.columns(j)
        for k in f.range(0, out[2]):
            columns = width.columns(k)
            for channel, lanes, counts in _groups(f, channels):
                totals = [f.accumulator(f.zeros(lanes)) for _ in counts]
                for a in f.range(*planes):
                    of_plane = depth.weight(i, a, planes)
                    for b in f.range(*rows):
                        of_row = of_plane * height.weight(j, b, rows)
                        line = ((image * size[0] + a) * size[1] + b) * size[2]
                        for c in f.range(*columns):
                            weight = of_row * width.weight(k, c, columns)
                            pixel = x + ((line + c) * channels + channel)
                            for number, (total, count) in enumerate(zip(totals, counts, strict=True)):
                                value = (pixel + number * lanes).load(lanes, count)
                                total.value = f.fma(value, weight, total.value)
                offset = (item * out[2] + k) * channels + channel
                for number, (total, count) in enumerate(zip(totals, counts, strict=True)):
                    place = number * lanes
                    epilogue.store(total.value, y, others, offset + place, channel + place, count)


def _groups(f: Function, channels: int) -> Iterator[tuple[Integer, int, list[int]]]:
    """Loop over groups of vectors of channels: first channel, lanes, and how many of each vector's lanes are channels.

    What is looked up for a place, such as its weight, serves a whole group.
    """
    lanes = f.target.lanes_for(channels)
    whole = channels // (VECTORS * lanes) * VECTORS * lanes
    for channel in f.range(0, whole, VECTORS * lanes):
        yield channel, lanes, [lanes] * VECTORS
    if whole < channels:
        yield whole, lanes, [min(lanes, channels - channel) for channel in range(whole, channels, lanes)]


class _Bands(NamedTuple):
    """The tables of one axis, as `resample` has them."""

    bands: Pointer
    weights: Pointer
    widest: int

    def columns(self, row: Integer) -> tuple[Value, Value]:
        """First and behind the last column that the row has a weight for."""
        return self.bands[row * 2], self.bands[row * 2 + 1]

    def weight(self, row: Integer, column: Integer, columns: tuple[Value, Value]) -> Value:
        """One of them."""
        return self.weights[row * self.widest + (column - columns[0])]


def tables(matrix: Array) -> tuple[Array, Array]:
    """A matrix whose rows have their weights side by side, as (row, 2) columns and (row, widest) weights."""
    first = (matrix != 0).argmax(axis=1)
    bands = np.stack([first, first + (matrix != 0).sum(axis=1)], axis=1)
    place = first[:, None] + np.arange((bands[:, 1] - first).max(initial=0))
    inside = np.minimum(place, matrix.shape[1] - 1)
    return bands, np.where(place < bands[:, 1:], np.take_along_axis(matrix, inside, axis=1), 0).astype(np.float32)


def _lower(plan: Plan, node: Node, matrices: Sequence[Array]) -> bool | None:
    if node.output.dtype != np.float32:
        return False
    axes = [np.ones((1, 1))] * (3 - len(matrices)) + list(matrices)
    bands, weights = zip(*map(tables, axes), strict=True)
    launch(
        plan,
        node,
        resample,
        plan.read(node.inputs[0]),
        plan.constant(np.concatenate(bands)),
        plan.constant(np.concatenate([table.ravel() for table in weights])),
        size=tuple(matrix.shape[1] for matrix in axes),
        out=tuple(matrix.shape[0] for matrix in axes),
        widest=tuple(table.shape[1] for table in weights),
    )
    return None


@lowers(ADAPTIVE_AVERAGE_POOL, UPSAMPLE_BILINEAR)
def lower_resample(plan: Plan, node: Node) -> bool | None:
    """y = the weights of each axis times x."""
    along = zip(known_shape(node.inputs[0])[1:-1], known_shape(node.output)[1:-1], strict=True)
    return _lower(plan, node, [cast(Resample, node.operation).weights(n, m) for n, m in along])


@lowers(ADAPTIVE_AVERAGE_POOL.adjoint, UPSAMPLE_BILINEAR.adjoint)
def lower_resample_grad(plan: Plan, node: Node) -> bool | None:
    """The same weights, transposed, times g."""
    along = zip(known_shape(node.output)[1:-1], known_shape(node.inputs[0])[1:-1], strict=True)
    return _lower(plan, node, [cast(ResampleGrad, node.operation).weights(n, m).T for n, m in along])
