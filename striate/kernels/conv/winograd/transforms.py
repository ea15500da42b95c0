"""Winograd's transforms: a 3×3 convolution of small tiles becomes products of matrices, with fewer multiplications.

A convolution is a product of polynomials, and a polynomial is known by its values at enough points. So a tile of m × m
outputs is computed from the (m + 2)² inputs under it by going to values, multiplying those, and coming back:

    y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ x B) ] A

Multiplying values place by place, and adding up over the input channels, makes each of the (m + 2)² places a product of
matrices of its own, (tiles × C) · (C × K): a *plane*. For m = 4 that is 36 multiplications for 16 outputs, which
otherwise take 144.

The gradient with respect to the weights is the same formula read backwards: dw = Gᵀ [ (A g Aᵀ) ⊙ (Bᵀ x B) ] G.

Source: Lavin, Gray, "Fast algorithms for convolutional neural networks" (2015); Winograd, "Arithmetic complexity of
computations" (1980).
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from striate.codegen import Function, Pointer, Value
from striate.codegen.values import Integer
from striate.graph import Array

#: For m outputs in a row: the finite points at which polynomials are evaluated; infinity is one more. Squares that are
#: each other's inverses keep the matrices' numbers small, and so the rounding errors: ±1, ±2 would double them.
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2.0), -math.sqrt(2.0))}

#: Floats in a cache line.
LINE = 16

Grid = Sequence[Sequence[Value]]  # the numbers of one tile, row by row; each a vector over channels


class Matrices(NamedTuple):
    """The three linear maps along one axis, for tiles of m outputs.

    Arguments:
        inputs: Bᵀ, (m + 2, m + 2).
        weights: G, (m + 2, 3).
        outputs: Aᵀ, (m, m + 2).
    """

    inputs: Array
    weights: Array
    outputs: Array


@functools.cache
def matrices(m: int) -> Matrices:
    """Bᵀ, G and Aᵀ after Toom and Cook: evaluate at points, and interpolate by Lagrange's polynomials."""
    points = POINTS[m]
    others = [[q for q in points if q != p] for p in points]
    powers = np.vander(points, max(m, 3), increasing=True)  # 1, p, p², …
    lagrange = [[*np.poly(rest)[::-1], 0.0] for rest in others]  # Π (x − q), lowest power first
    scale = np.array([math.prod(p - q for q in rest) for p, rest in zip(points, others, strict=True)])
    at_infinity = np.eye(max(m, 3))
    return Matrices(
        np.array([*lagrange, np.poly(points)[::-1]], np.float32),
        np.vstack([powers[:, :3] / scale[:, None], at_infinity[2, :3]]).astype(np.float32),
        np.vstack([powers[:, :m], at_infinity[m - 1, :m]]).T.astype(np.float32),
    )


def both_ways(f: Function, matrix: Array, tile: Grid) -> Grid:
    """matrix · tile · matrixᵀ."""
    columns = [times(f, matrix, column) for column in zip(*tile, strict=True)]
    return [times(f, matrix, row) for row in zip(*columns, strict=True)]


def times(f: Function, matrix: Array, vector: Sequence[Value]) -> list[Value]:
    """matrix · vector in few operations.

    Points that come as ±p make neighbouring rows, or columns, that differ only in signs. Two such rows are the sum and
    the difference of the same two numbers; two such columns need only the sum and the difference of theirs.
    """
    vector = list(vector)
    for j in range(len(vector) - 1):
        if _differ_in_signs(matrix[:, j], matrix[:, j + 1]):
            left, right = matrix[:, j], matrix[:, j + 1]
            matrix = np.column_stack([matrix[:, :j], (left + right) / 2, (left - right) / 2, matrix[:, j + 2 :]])
            vector[j : j + 2] = vector[j] + vector[j + 1], vector[j] - vector[j + 1]
    result: list[Value] = []
    for rows in groups(matrix):
        part = matrix[rows]
        if len(part) == 1:
            result.append(_combine(f, part[0], vector))
            continue
        even, odd = (part[0] + part[1]) / 2, (part[0] - part[1]) / 2
        scale = odd[odd != 0][-1]
        a, b = _combine(f, even, vector), _combine(f, odd / scale, vector)
        result += [_add(f, a, scale, b), _add(f, a, -scale, b)]
    return result


def groups(matrix: Array) -> list[slice]:
    """The rows of a matrix, two at a time where neighbours differ only in signs."""
    found: list[slice] = []
    i = 0
    while i < len(matrix):
        pair = i + 1 < len(matrix) and _differ_in_signs(matrix[i], matrix[i + 1])
        found.append(slice(i, i + 2 if pair else i + 1))
        i = found[-1].stop
    return found


def _differ_in_signs(a: Array, b: Array) -> bool:
    return np.array_equal(abs(a), abs(b)) and not np.array_equal(a, b)


def _combine(f: Function, coefficients: Array, vector: Sequence[Value]) -> Value:
    """Σ coefficient · value over those that are not 0; plain values first, as they need no multiplication."""
    terms = sorted(((c, v) for c, v in zip(coefficients, vector, strict=True) if c), key=lambda term: term[0] != 1)
    (first, value), *rest = terms
    total = value if first == 1 else value * float(first)
    for coefficient, value in rest:
        total = _add(f, total, coefficient, value)
    return total


def _add(f: Function, total: Value, coefficient: float, value: Value) -> Value:
    if abs(coefficient) == 1:
        return total + value if coefficient > 0 else total - value
    return f.fma(value, float(coefficient), total)


class Axis(NamedTuple):
    """The windows of all tiles along one axis of an image.

    Arguments:
        size: of the image.
        tiles: how many.
        step: from one tile's window to the next.
        before: how far the first window begins before the image; negative where it begins inside.
        side: size of a window.
    """

    size: int
    tiles: int
    step: int
    before: int
    side: int

    def inside(self, f: Function, tile: Integer, place: int) -> Value | None:
        """Whether a place of a tile's window lies in the image; None where it does for all tiles."""
        if place >= self.before and (self.tiles - 1) * self.step - self.before + place < self.size:
            return None
        inside: Value = f.within(tile * self.step + (place - self.before), self.size)
        return inside


class Windows(NamedTuple):
    """The windows of all tiles in a batch of images (N, H, W, channels).

    Tiles are numbered row by row, image after image.
    """

    rows: Axis
    columns: Axis
    channels: int

    def locate(self, f: Function, tile: Value) -> tuple[Integer, list[list[tuple[int, Value | None]]]]:
        """Where a tile's window is: the offset of its first place, which may lie before the image, and for each place
        the distance from there, and whether the image has it (None: of course)."""
        across = self.columns.tiles
        i, j = tile // across % self.rows.tiles, tile % across
        image = tile // (across * self.rows.tiles)
        top, left = i * self.rows.step - self.rows.before, j * self.columns.step - self.columns.before
        start = ((image * self.rows.size + top) * self.columns.size + left) * self.channels
        in_row = [self.rows.inside(f, i, r) for r in range(self.rows.side)]
        in_column = [self.columns.inside(f, j, s) for s in range(self.columns.side)]
        places = [
            [
                ((r * self.columns.size + s) * self.channels, _both(in_row[r], in_column[s]))
                for s in range(self.columns.side)
            ]
            for r in range(self.rows.side)
        ]
        return start, places

    def prefetch(self, f: Function, images: Pointer, tile: Value, to_write: bool = False) -> None:
        """Bring what a tile's window shares with no earlier one into the cache, while something is computed."""
        start, places = self.locate(f, tile)
        for row in places[-self.rows.step :]:
            for offset, _ in row[-self.columns.step :]:
                for c in range(0, self.channels, LINE):
                    f.prefetch(images + start + (offset + c), to_write)


def _both(a: Value | None, b: Value | None) -> Value | None:
    return a & b if a is not None and b is not None else a if b is None else b


def to_planes(
    f: Function, matrix: Array, windows: Windows, x: Pointer, tile: Value, planes: Pointer, stride: int, zeros: Pointer
) -> None:
    """Transform the window of one tile, and store each place of the result in its plane.

    One or two rows of the result are computed at a time, for which most of the window is loaded again: all 36 numbers
    at once are more than there are registers, and going to the stack and back costs more than these loads.

    Arguments:
        matrix: Bᵀ for inputs, A for the gradient of outputs.
        x: the images.
        planes: the tile's channels in the first plane; room for whole vectors.
        stride: elements from plane to plane.
        zeros: as many as there are channels, read where the image ends.
    """
    lanes, channels = f.target.lanes, windows.channels
    start, places = windows.locate(f, tile)
    first = x + start
    window = [
        [first + offset if inside is None else f.choose(inside, first + offset, zeros) for offset, inside in row]
        for row in places
    ]
    for c in f.range(0, channels, lanes):
        count = None if channels % lanes == 0 else f.smaller(lanes, channels - c)
        for rows in groups(matrix):
            used = [any(column) for column in matrix[rows].T]  # the others would be loaded for nothing
            numbers = [
                [
                    (place + c).load(lanes, count) if use else f.zeros(lanes)
                    for place, use in zip(column, used, strict=True)
                ]
                for column in zip(*window, strict=True)
            ]
            columns = [times(f, matrix[rows], column) for column in numbers]
            results = (times(f, matrix, row) for row in zip(*columns, strict=True))
            for plane, value in enumerate(itertools.chain(*results), rows.start * len(matrix)):
                (planes + c + plane * stride).store(value)
