"""Adagrad."""

from typing import Any, Unpack

from striate.ops import sqrt, square
from striate.training.optimizers.optimizer import Common, Optimizer


class Adagrad(Optimizer):
    """Each gradient divided by the root of the sum of all its squares so far: rare features keep large updates.

        v ← v + g²
        p ← p − η·g / √(v + ε)

    Arguments:
        learning_rate: η.
        initial_accumulator_value: v before the first update.
        epsilon: ε, inside the root as in Keras (PyTorch adds it outside).
        common: weight_decay, clipnorm, clipvalue, global_clipnorm and name, see `Optimizer`.

    Raises:
        ArgumentError: a number is negative, or as `Optimizer`.

    Source: Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self._check(
            "initial_accumulator_value", initial_accumulator_value, initial_accumulator_value >= 0, "of at least 0"
        )
        self._check("epsilon", epsilon, epsilon >= 0, "of at least 0")
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def slots(self) -> dict[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def update(self, p: Any, g: Any, rate: Any, **kept: Any) -> tuple[Any, dict[str, Any]]:
        v = kept["accumulator"] + square(g)
        return p - rate * (g / sqrt(v + self.epsilon)), {"accumulator": v}
