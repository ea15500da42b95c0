"""RMSprop."""

from typing import Any, Unpack

from striate.ops import sqrt, square
from striate.training.optimizers.optimizer import Common, Optimizer


class RMSprop(Optimizer):
    """Each gradient divided by the root of its recent mean square.

        v ← ρ·v + (1 − ρ)·g²
        a ← ρ·a + (1 − ρ)·g                               centered only, else a = 0
        m ← µ·m + η·g / √(v − a² + ε),   p ← p − m

    Arguments:
        learning_rate: η.
        rho: ρ, from 0 to 1: decay rate of the means.
        momentum: µ, from 0 to 1.
        epsilon: ε, inside the root as in Keras (PyTorch adds it outside).
        centered: whether the mean is subtracted, so that v − a² is the gradient's variance.
        common: weight_decay, clipnorm, clipvalue, global_clipnorm and name, see `Optimizer`.

    Raises:
        ArgumentError: a number is out of range, or as `Optimizer`.

    Source: Tieleman, Hinton, "Lecture 6.5: RMSProp" (2012); centered: Graves, "Generating sequences with recurrent
    neural networks" (2013), section 4.2.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self._check("rho", rho, 0 <= rho <= 1, "from 0 to 1")
        self._check("momentum", momentum, 0 <= momentum <= 1, "from 0 to 1")
        self._check("epsilon", epsilon, epsilon >= 0, "of at least 0")
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def slots(self) -> dict[str, float]:
        asked = {"velocity": True, "average_gradient": self.centered, "momentum": self.momentum > 0}
        return {name: 0.0 for name, needed in asked.items() if needed}

    def update(self, p: Any, g: Any, rate: Any, **kept: Any) -> tuple[Any, dict[str, Any]]:
        v = self.rho * kept["velocity"] + (1 - self.rho) * square(g)
        new, variance = {"velocity": v}, v
        if self.centered:
            a = new["average_gradient"] = self.rho * kept["average_gradient"] + (1 - self.rho) * g
            variance = v - square(a)
        step = rate * (g / sqrt(variance + self.epsilon))
        if self.momentum:
            step = new["momentum"] = self.momentum * kept["momentum"] + step
        return p - step, new
