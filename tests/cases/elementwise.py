"""Cases of element-wise arithmetic: every way of broadcasting, and for each operation the numbers it is defined for."""

import numpy as np

from striate.graph import Array
from striate.ops import elementwise as e
from striate.ops.casting import CAST
from tests.cases.case import Case, Maker

PAIRS = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 3), ()),
    ((3,), (2, 3)),
    ((2, 1, 3), (4, 1)),
    ((2, 3, 4, 2), (2,)),
    ((2, 3, 4, 2), (1, 3, 1, 1)),
    ((2, 1, 1, 2), (2, 3, 4, 2)),
    ((2, 3, 40), (2, 1, 40)),
    ((0, 3), (1, 3)),
    ((), ()),
]
SHAPES = [(), (5,), (2, 3, 4, 2), (0, 3)]


def positive(*shape: int) -> Maker:
    """Numbers from 0.2 to 3.2, where logarithms, roots and quotients are smooth."""

    def make(generator: np.random.Generator) -> Array:
        return generator.uniform(0.2, 3.2, shape)

    return make


def condition(*shape: int) -> Maker:
    """Zeros and ones."""

    def make(generator: np.random.Generator) -> Array:
        return generator.integers(0, 2, shape).astype(np.float64)

    return make


def few(*shape: int) -> Maker:
    """-1, 0 and 1, many of them equal."""

    def make(generator: np.random.Generator) -> Array:
        return generator.integers(-1, 2, shape).astype(np.float64)

    return make


CASES = [
    Case(operation, (a, b)) for operation in [e.ADD, e.SUBTRACT, e.MULTIPLY, e.MAXIMUM, e.MINIMUM] for a, b in PAIRS
]
COMPARISONS = [e.EQUAL, e.NOT_EQUAL, e.GREATER, e.GREATER_EQUAL, e.LESS, e.LESS_EQUAL]
CASES += [Case(each, (few(*a), few(*b)), differentiable=()) for each in COMPARISONS for a, b in PAIRS]
CASES += [Case(e.DIVIDE, (a, positive(*b))) for a, b in PAIRS]
CASES += [Case(e.POWER, (positive(*a), b)) for a, b in PAIRS]
CASES += [Case(operation, (shape,)) for operation in [e.NEGATIVE, e.ABSOLUTE, e.SQUARE, e.EXP] for shape in SHAPES]
CASES += [
    Case(operation, (shape,), differentiable=())
    for operation in [e.SIGN, e.FLOOR, e.CEIL, e.ROUND, e.STOP_GRADIENT]
    for shape in SHAPES
]
CASES += [Case(e.WHERE, (condition(*a), a, b), differentiable=(1, 2)) for a, b in PAIRS]
CASES += [Case(e.WHERE, (condition(3), (2, 3), ()), differentiable=(1, 2))]
CASES += [Case(operation, (positive(*shape),)) for operation in [e.SQRT, e.LOG] for shape in SHAPES]
CASES += [Case(e.SUM_TO, (a,), {"shape": b}) for a, b in PAIRS if np.broadcast_shapes(a, b) == a]
CASES += [Case(e.BROADCAST_TO, (b,), {"shape": a}) for a, b in PAIRS if np.broadcast_shapes(a, b) == a]
CASES += [Case(CAST, (shape,), {"dtype": "float64"}) for shape in SHAPES]
CASES += [Case(CAST, (shape,), {"dtype": "float32"}, differentiable=()) for shape in SHAPES]
