"""Cases of the losses and of what they are made of."""

import numpy as np

from striate.graph import Array, Shape
from striate.ops.losses import (
    ABSOLUTE_ERROR,
    BINARY_CROSSENTROPY,
    CROSS_ENTROPY,
    ONE_HOT,
    SIGMOID_BINARY_CROSS_ENTROPY,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_CROSS_ENTROPY_GRAD,
    SQUARED_ERROR,
)
from tests.cases.case import Case, Maker


def between_0_and_1(shape: Shape) -> Maker:
    def make(generator: np.random.Generator) -> Array:
        return generator.uniform(0.01, 0.99, shape)

    return make


def probabilities(shape: Shape) -> Maker:
    """Numbers that sum to 1 along the last axis."""

    def make(generator: np.random.Generator) -> Array:
        return generator.dirichlet(np.ones(shape[-1]), shape[:-1])

    return make


def labels(shape: Shape, classes: int, dtype: type) -> Maker:
    def make(generator: np.random.Generator) -> Array:
        return generator.integers(0, classes, shape).astype(dtype)

    return make


CASES: list[Case] = []
for _shape in [(4, 3), (3,), (2, 3, 4, 5), (0, 3), (5, 1), (2, 37)]:
    CASES += [
        Case(SOFTMAX_CROSS_ENTROPY, (_shape, probabilities(_shape)), differentiable=(0,)),
        Case(SOFTMAX_CROSS_ENTROPY, (_shape, _shape), differentiable=(0,)),  # targets need not sum to 1
        Case(SOFTMAX_CROSS_ENTROPY_GRAD, (_shape, _shape, _shape[:-1])),
        Case(SIGMOID_BINARY_CROSS_ENTROPY, (between_0_and_1(_shape), _shape), differentiable=(1,)),
        Case(CROSS_ENTROPY, (_shape, between_0_and_1(_shape)), differentiable=(1,)),
        Case(BINARY_CROSSENTROPY, (between_0_and_1(_shape), between_0_and_1(_shape)), differentiable=(1,)),
        Case(SQUARED_ERROR, (_shape, _shape), differentiable=(1,)),
        Case(ABSOLUTE_ERROR, (_shape, _shape), differentiable=(1,)),
    ]
for _labels, _classes in [((6,), 10), ((2, 3), 3), ((0,), 4), ((), 2)]:
    CASES += [
        Case(ONE_HOT, (labels(_labels, _classes, dtype),), {"classes": _classes}, differentiable=())
        for dtype in [np.int64, np.uint8, np.float64]
    ]
