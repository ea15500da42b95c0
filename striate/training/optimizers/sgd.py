"""Stochastic gradient descent."""

from typing import Any, Unpack

from striate.training.optimizers.optimizer import Common, Optimizer


class SGD(Optimizer):
    """Gradient descent on one batch at a time, optionally with momentum.

        p ← p − η·g                                       no momentum
        m ← µ·m − η·g,   p ← p + m                        momentum µ
        m ← µ·m − η·g,   p ← p + µ·m − η·g                Nesterov momentum

    Arguments:
        learning_rate: η.
        momentum: µ, from 0 to 1.
        nesterov: whether to use Nesterov momentum.
        common: weight_decay, clipnorm, clipvalue, global_clipnorm and name, see `Optimizer`.

    Raises:
        ArgumentError: ``momentum`` is out of range, or as `Optimizer`.

    Source: Robbins, Monro, "A stochastic approximation method" (1951); Polyak, "Some methods of speeding up the
    convergence of iteration methods" (1964); Sutskever et al., "On the importance of initialization and momentum in
    deep learning" (2013), for the form of Nesterov momentum.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self._check("momentum", momentum, 0 <= momentum <= 1, "from 0 to 1")
        self.momentum = momentum
        self.nesterov = nesterov

    def slots(self) -> dict[str, float]:
        return {"momentum": 0.0} if self.momentum else {}

    def update(self, p: Any, g: Any, rate: Any, **kept: Any) -> tuple[Any, dict[str, Any]]:
        step = -rate * g
        if not self.momentum:
            return p + step, {}
        m = self.momentum * kept["momentum"] + step
        return (p + step + self.momentum * m if self.nesterov else p + m), {"momentum": m}
