"""Cases of dropout: number by number, and whole maps."""

from typing import Any

import numpy as np

from striate.graph import Array, Shape
from striate.ops.dropout import DROPOUT
from tests.cases.case import Case


def seed_and_step(generator: np.random.Generator) -> Array:
    return generator.integers(0, 2**40, 2).astype(np.uint64)


def dropout_case(shape: Shape, rate: float, stream: int = 0, noise_shape: Any = None) -> Case:
    return Case(DROPOUT, (shape, seed_and_step), {"rate": rate, "stream": stream, "noise_shape": noise_shape})


CASES = [
    dropout_case((6, 5), 0.5),
    dropout_case((6, 5), 0.25, stream=3),
    dropout_case((2, 3, 4, 5), 0.1),
    dropout_case((2, 3, 4, 5), 0.0),
    dropout_case((5, 411), 0.5),
    dropout_case((0, 3), 0.5),
    dropout_case((), 0.5, stream=1),
    dropout_case((2, 3, 4, 5), 0.5, noise_shape=(None, 1, 1, None)),
    dropout_case((2, 3, 4, 5), 0.5, noise_shape=(2, 1, 1, 5)),
    dropout_case((4, 3, 2), 0.7, noise_shape=(1, 3, 1)),
]
