"""Cases of the reductions: every set of axes of arrays of rank 1 to 4, with and without keeping them."""

import itertools

from striate.ops.reductions import ARGMAX, MAX, MAX_GRAD, MEAN, SUM, VARIANCE, kept_shape
from tests.cases.case import Case

SHAPES: list[tuple[int, ...]] = [(5,), (3, 4), (2, 3, 4), (2, 4, 3, 2), (2, 1, 3, 1)]


def sets_of_axes(rank: int) -> list[tuple[int, ...]]:
    return [axes for count in range(rank + 1) for axes in itertools.combinations(range(rank), count)]


CASES = [
    Case(operation, (shape,), {"axes": axes, "keepdims": keepdims})
    for operation in [SUM, MEAN, VARIANCE, MAX]
    for shape in SHAPES
    for axes in sets_of_axes(len(shape))
    for keepdims in [False, True]
]
CASES += [
    Case(SUM, ((0, 3),), {"axes": (0,), "keepdims": False}),
    Case(MEAN, ((0, 3),), {"axes": (1,), "keepdims": True}),
    Case(MAX, ((0, 3),), {"axes": (1,), "keepdims": True}),
]
CASES += [
    Case(MAX_GRAD, (shape, kept_shape(shape, axes)), {"axes": axes})
    for shape in SHAPES
    for axes in sets_of_axes(len(shape))
]
CASES += [Case(ARGMAX, (shape,), {"axis": axis}, differentiable=()) for shape in SHAPES for axis in range(len(shape))]
