"""Pooling in plain NumPy: the definition.

A window slides over each channel and one number stands for it: the largest, the mean, or a norm of its entries. The
loops run over the entries of the window (four for 2×2), never over pixels: ``entries(…)[e]`` is an array
(N, *out, C) of what every window has at its entry number e.

Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning" (2016), section 1.2.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from striate.graph import Array, Shape
from striate.ops.operation import check_memory
from striate.ops.windows import Pads, crop_spatial, pad_spatial, shifted


def entries(
    x: Array, outside: float, pool_size: Shape, strides: Shape, padding: Pads, dilation: Shape, out: Shape
) -> list[Array]:
    """Views of the padded input, one for each entry of the window in row-major order."""
    padded = pad_spatial(x, padding, outside)
    return [padded[:, *shifted(entry, strides, dilation, out)] for entry in np.ndindex(*pool_size)]


def spread(
    parts: Iterable[Array], size: Shape, pool_size: Shape, strides: Shape, padding: Pads, dilation: Shape
) -> Array:
    """The adjoint of `entries`: part number e (N, *out, C) is added to the places where windows have that entry."""
    waiting = iter(parts)
    first = next(waiting)
    n, *out, c = first.shape
    grown = tuple(before + s + after for s, (before, after) in zip(size, padding, strict=True))
    check_memory("the padded input", (n, *grown, c), first.itemsize)
    padded = np.zeros((n, *grown, c), first.dtype)
    for entry, part in zip(np.ndindex(*pool_size), itertools.chain([first], waiting), strict=True):
        padded[:, *shifted(entry, strides, dilation, tuple(out))] += part
    return crop_spatial(padded, padding)


def largest(candidates: Sequence[Array]) -> Array:
    """The largest candidate at each place; NaN wins."""
    best = candidates[0].copy()
    for candidate in candidates[1:]:
        np.maximum(best, candidate, out=best)
    return best


def winners(candidates: Sequence[Array]) -> Iterator[Array]:
    """For each candidate in turn, where it is the first of the largest; where there is NaN, the first NaN."""
    best = largest(candidates)
    undecided = np.ones(best.shape, bool)
    for candidate in candidates:
        wins = (candidate == best) | np.isnan(candidate)
        wins &= undecided
        undecided ^= wins
        yield wins


def pick(candidates: Sequence[Array], won: Iterable[Array]) -> Array:
    """At each place the candidate that won there."""
    picked = np.zeros_like(candidates[0])
    for candidate, wins in zip(candidates, won, strict=True):
        np.copyto(picked, candidate, where=wins)
    return picked


def total(summands: Iterable[Array]) -> Array:
    """The sum of all summands, of which only one at a time need be in memory."""
    waiting = iter(summands)
    result = next(waiting).copy()
    for summand in waiting:
        result += summand
    return result


def norm(candidates: Sequence[Array], p: float) -> Array:
    """(Σ |x|ᵖ)^(1/p)."""
    return np.asarray(total(np.abs(candidate) ** p for candidate in candidates) ** (1 / p))
