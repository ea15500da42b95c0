"""Cases of the dense product and its two gradients."""

import numpy as np

from striate.ops.dense import DENSE, DENSE_GRAD_INPUT, DENSE_GRAD_WEIGHT
from tests.cases.case import Case, random_sizes


def dense_cases(rows: tuple[int, ...], features: int, outputs: int) -> list[Case]:
    x, w, g = (*rows, features), (features, outputs), (*rows, outputs)
    return [Case(DENSE, (x, w)), Case(DENSE_GRAD_INPUT, (g, w)), Case(DENSE_GRAD_WEIGHT, (x, g))]


_generator = np.random.default_rng(0)

CASES = [
    *dense_cases((3,), 4, 5),
    *dense_cases((), 4, 5),
    *dense_cases((0,), 4, 5),
    *dense_cases((1,), 1, 1),
    *dense_cases((4, 5), 3, 16),
    *dense_cases((2, 3, 4), 5, 2),
]
for _ in range(40):
    _rows = random_sizes(_generator, int(_generator.integers(0, 4)), 1, 4)
    CASES += dense_cases(_rows, *random_sizes(_generator, 2, 1, 6))
