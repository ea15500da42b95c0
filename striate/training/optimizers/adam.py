"""Adam, and Adam with weight decay."""

import math
from typing import Any, Unpack

from striate.ops import maximum, sqrt, square
from striate.training.optimizers.optimizer import Clipping, Common, Optimizer


class Adam(Optimizer):
    """Momentum divided by the root of the recent mean square, both corrected for having started at 0.

        m ← m + (1 − β₁)·(g − m)
        v ← v + (1 − β₂)·(g² − v),   u ← v                amsgrad: u ← max(u, v)
        p ← p − η · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√u + ε)

    Arguments:
        learning_rate: η.
        beta_1: β₁, from 0 to below 1: decay rate of the mean.
        beta_2: β₂, from 0 to below 1: decay rate of the mean square.
        epsilon: ε, the "ε̂" of the paper's section 2, as in Keras (PyTorch adds it after the correction).
        amsgrad: whether to divide by the largest mean square so far, so that updates never grow again.
        common: weight_decay, clipnorm, clipvalue, global_clipnorm and name, see `Optimizer`.

    Raises:
        ArgumentError: a number is out of range, or as `Optimizer`.

    Source: Kingma, Ba, "Adam: a method for stochastic optimization" (2015); amsgrad: Reddi, Kale, Kumar, "On the
    convergence of Adam and beyond" (2018).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self._check("beta_1", beta_1, 0 <= beta_1 < 1, "from 0 to below 1")
        self._check("beta_2", beta_2, 0 <= beta_2 < 1, "from 0 to below 1")
        self._check("epsilon", epsilon, epsilon >= 0, "of at least 0")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def slots(self) -> dict[str, float]:
        return {"momentum": 0.0, "velocity": 0.0} | ({"velocity_peak": 0.0} if self.amsgrad else {})

    def step_size(self, learning_rate: float) -> float:
        t = self.iterations + 1
        return learning_rate * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

    def update(self, p: Any, g: Any, rate: Any, **kept: Any) -> tuple[Any, dict[str, Any]]:
        m = kept["momentum"] + (1 - self.beta_1) * (g - kept["momentum"])
        v = kept["velocity"] + (1 - self.beta_2) * (square(g) - kept["velocity"])
        new = {"momentum": m, "velocity": v}
        if self.amsgrad:
            v = new["velocity_peak"] = maximum(kept["velocity_peak"], v)
        return p - rate * (m / (sqrt(v) + self.epsilon)), new


class AdamW(Adam):
    """Adam with decoupled weight decay: at each update p ← p − η · weight_decay · p, then as `Adam`.

    Arguments:
        weight_decay: fraction of each parameter subtracted per unit of learning rate.
        learning_rate, beta_1, beta_2, epsilon, amsgrad: see `Adam`.
        common: clipnorm, clipvalue, global_clipnorm and name, see `Optimizer`.

    Raises:
        ArgumentError: as `Adam`.

    Source: Loshchilov, Hutter, "Decoupled weight decay regularization" (2019).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        amsgrad: bool = False,
        **common: Unpack[Clipping],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common)
