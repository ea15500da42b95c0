"""Cases of normalization: batch, layer, instance and group, and what nobody has named yet."""

import numpy as np

from striate.graph import Array, Shape
from striate.ops.normalization import (
    LOCAL_RESPONSE_NORMALIZATION,
    LOCAL_RESPONSE_NORMALIZATION_GRAD,
    NORMALIZE,
    NORMALIZE_GRAD_GAMMA,
    NORMALIZE_GRAD_INPUT,
    NORMALIZE_WITH,
)
from tests.cases.case import Case, Maker


def normalize_cases(x: Shape, gamma: Shape, axes: Shape, epsilon: float) -> list[Case]:
    settings = {"axes": axes, "epsilon": epsilon}
    return [
        Case(NORMALIZE, (x, gamma, gamma), settings),
        Case(NORMALIZE_GRAD_INPUT, (x, gamma, x), settings),
        Case(NORMALIZE_GRAD_GAMMA, (x, x), {"shape": gamma, **settings}),
    ]


def normalize_with_case(x: Shape, parameters: Shape, epsilon: float) -> Case:
    return Case(NORMALIZE_WITH, (x, parameters, positive(parameters), parameters, parameters), {"epsilon": epsilon})


def positive(shape: Shape) -> Maker:
    def make(generator: np.random.Generator) -> Array:
        return generator.uniform(0.5, 2, shape)

    return make


def lrn_cases(x: Shape, radius: int, bias: float, alpha: float, beta: float) -> list[Case]:
    settings = {"depth_radius": radius, "bias": bias, "alpha": alpha, "beta": beta}
    return [
        Case(LOCAL_RESPONSE_NORMALIZATION, (x,), settings),
        Case(LOCAL_RESPONSE_NORMALIZATION_GRAD, (x, x), settings),
    ]


CASES = [
    *normalize_cases((6, 4), (4,), (0,), 1e-3),  # batch
    *normalize_cases((3, 4, 5, 2), (2,), (0, 1, 2), 1e-3),
    *normalize_cases((5, 4), (4,), (1,), 1e-5),  # layer
    *normalize_cases((2, 3, 4, 6), (6,), (3,), 1e-3),
    *normalize_cases((2, 3, 4, 2), (3, 4, 2), (1, 2, 3), 1e-3),
    *normalize_cases((2, 4, 5, 3), (3,), (1, 2), 1e-5),  # instance
    *normalize_cases((2, 3, 3, 2, 3), (2, 3), (1, 2, 4), 1e-3),  # group
    *normalize_cases((2, 7, 3), (), (0, 1), 0.1),
    *normalize_cases((4, 1, 3), (1, 3), (0, 1), 0.1),
    *normalize_cases((7, 4, 3), (4, 1), (0,), 0.0),
    normalize_with_case((6, 4), (4,), 1e-3),
    normalize_with_case((2, 3, 4, 2), (2,), 1e-3),
    normalize_with_case((2, 3, 4, 2), (3, 1, 1), 1e-5),
    normalize_with_case((5, 3), (), 0.0),
    Case(NORMALIZE_WITH, ((2, 3, 2), (2,), positive((1, 2)), (), (3, 1)), {"epsilon": 0.1}),
    *lrn_cases((2, 3, 4, 8), 2, 1.0, 1.0, 0.5),
    *lrn_cases((2, 3, 4, 8), 2, 2.0, 1e-4, 0.75),
    *lrn_cases((3, 12), 5, 1.0, 1.0, 0.5),
    *lrn_cases((3, 12), 0, 1.0, 0.5, 0.75),
    *lrn_cases((5,), 9, 0.5, 1.0, 1.0),
]
