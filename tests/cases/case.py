"""One case of an operation: what the tests and the benchmarks run it on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.graph import Array
from striate.ops.operation import Operation

Maker = Callable[[np.random.Generator], Array]


@dataclass(frozen=True)
class Case:
    """An operation, arrays to give it, and its attributes.

    Arguments:
        operation: what is run.
        inputs: for each input a shape, filled with standard normal numbers in float64, or a function of a generator.
        attributes: as the operation takes them.
        differentiable: which inputs the gradient check covers; default: all.
    """

    operation: Operation
    inputs: tuple[tuple[int, ...] | Maker, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    differentiable: tuple[int, ...] | None = None

    def arrays(self, seed: int = 0) -> list[Array]:
        """The inputs, float64 unless a maker says otherwise; the same for the same seed."""
        generator = np.random.default_rng(seed)
        return [make(generator) if callable(make) else generator.standard_normal(make) for make in self.inputs]

    def __str__(self) -> str:
        shapes = " ".join("×".join(map(str, array.shape)) for array in self.arrays())
        settings = " ".join(f"{name}={value}" for name, value in self.attributes.items())
        return f"{self.operation.name} {shapes} {settings}".replace(", ", ",").strip()


def random_sizes(generator: np.random.Generator, rank: int, least: int, most: int) -> tuple[int, ...]:
    """``rank`` sizes between ``least`` and ``most``."""
    return tuple(int(n) for n in generator.integers(least, most + 1, rank))
