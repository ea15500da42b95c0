"""Lion."""

from typing import Any, Unpack

from striate.ops import sign
from striate.training.optimizers.optimizer import Common, Optimizer


class Lion(Optimizer):
    """Only the sign of the momentum counts, so every parameter moves by the same amount.

        p ← p − η · sign(β₁·m + (1 − β₁)·g)
        m ← β₂·m + (1 − β₂)·g

    Arguments:
        learning_rate: η; for Lion, 3 to 10 times smaller than for Adam.
        beta_1: β₁, above 0 and up to 1: the momentum's weight in the update.
        beta_2: β₂, from 0 up to 1: decay rate of the momentum.
        common: weight_decay, clipnorm, clipvalue, global_clipnorm and name, see `Optimizer`.

    Raises:
        ArgumentError: a number is out of range, or as `Optimizer`.

    Source: Chen et al., "Symbolic discovery of optimization algorithms" (2023).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self._check("beta_1", beta_1, 0 < beta_1 <= 1, "above 0 and up to 1")
        self._check("beta_2", beta_2, 0 <= beta_2 <= 1, "from 0 to 1")
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def slots(self) -> dict[str, float]:
        return {"momentum": 0.0}

    def update(self, p: Any, g: Any, rate: Any, **kept: Any) -> tuple[Any, dict[str, Any]]:
        m = kept["momentum"]
        direction = sign(m + (1 - self.beta_1) / self.beta_1 * g)  # a sum divided by β₁ > 0 keeps its sign
        return p - rate * direction, {"momentum": self.beta_2 * m + (1 - self.beta_2) * g}
