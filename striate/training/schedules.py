"""Learning-rate schedules: the learning rate as a function of the training step, with Keras's names.

Below, t is the step (0 for the first update) and η₀ the initial learning rate.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from striate.configurable import Names, Settings
from striate.errors import ArgumentError


class LearningRateSchedule(Settings):
    """Base of all schedules: calling one with a step returns the learning rate."""

    def __call__(self, step: int) -> float:
        """The learning rate of the update number ``step``, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__}: define __call__(self, step).")

    def _check_positive(self, **steps: float) -> None:
        for name, value in steps.items():
            if not value > 0:
                raise ArgumentError(f"{type(self).__name__}: expected {name} above 0, got {value!r}.")


@dataclass(eq=False, repr=False)
class ConstantRate(LearningRateSchedule):
    """η(t) = η₀."""

    learning_rate: float

    def __call__(self, step: int) -> float:
        return self.learning_rate


@dataclass(eq=False, repr=False)
class ExponentialDecay(LearningRateSchedule):
    """η(t) = η₀ · rate^(t / decay_steps).

    Arguments:
        initial_learning_rate: η₀.
        decay_steps: steps after which the learning rate has been multiplied by ``decay_rate`` once.
        decay_rate: rate.
        staircase: round the exponent down, so that the learning rate falls in steps.
        name: for listings.

    Raises:
        ArgumentError: ``decay_steps`` is not above 0.
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __post_init__(self) -> None:
        self._check_positive(decay_steps=self.decay_steps)

    def __call__(self, step: int) -> float:
        exponent = step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (math.floor(exponent) if self.staircase else exponent)


@dataclass(eq=False, repr=False)
class InverseTimeDecay(LearningRateSchedule):
    """η(t) = η₀ / (1 + rate · t / decay_steps). Arguments as for `ExponentialDecay`.

    Raises:
        ArgumentError: ``decay_steps`` is not above 0.
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str = "InverseTimeDecay"

    def __post_init__(self) -> None:
        self._check_positive(decay_steps=self.decay_steps)

    def __call__(self, step: int) -> float:
        time = step / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * (math.floor(time) if self.staircase else time))


@dataclass(eq=False, repr=False)
class PiecewiseConstantDecay(LearningRateSchedule):
    """η(t) = values[i], where i is the number of boundaries below t.

    Arguments:
        boundaries: increasing steps; the learning rate changes after each of them.
        values: learning rates, one more than there are boundaries.
        name: for listings.

    Raises:
        ArgumentError: the counts do not fit, or the boundaries do not increase.
    """

    boundaries: Sequence[float]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise ArgumentError(
                f"PiecewiseConstantDecay: expected one more value than boundaries, got {len(self.values)} values "
                f"and {len(self.boundaries)} boundaries."
            )
        if list(self.boundaries) != sorted(self.boundaries):
            raise ArgumentError(f"PiecewiseConstantDecay: expected increasing boundaries, got {self.boundaries!r}.")

    def __call__(self, step: int) -> float:
        return self.values[bisect_left(self.boundaries, step)]


@dataclass(eq=False, repr=False)
class PolynomialDecay(LearningRateSchedule):
    """η(t) = (η₀ − η₁) · (1 − t / decay_steps)^power + η₁, and η₁ from then on.

    Arguments:
        initial_learning_rate: η₀.
        decay_steps: steps until η₁ is reached.
        end_learning_rate: η₁.
        power: 1 is a straight line.
        cycle: instead of staying at η₁, stretch the decay to the next multiple of ``decay_steps``.
        name: for listings.

    Raises:
        ArgumentError: ``decay_steps`` is not above 0.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __post_init__(self) -> None:
        self._check_positive(decay_steps=self.decay_steps)

    def __call__(self, step: int) -> float:
        cycles = max(math.ceil(step / self.decay_steps), 1) if self.cycle else 1
        left = 1 - min(step / (self.decay_steps * cycles), 1)
        height = self.initial_learning_rate - self.end_learning_rate
        return height * math.pow(left, self.power) + self.end_learning_rate


@dataclass(eq=False, repr=False)
class CosineDecay(LearningRateSchedule):
    """Half a cosine from η to α·η, optionally after a linear warm-up.

    η(t) = η · ((1 − α) · (1 + cos(π · t / decay_steps)) / 2 + α), and α·η from then on.

    Arguments:
        initial_learning_rate: η; with a warm-up, where the warm-up starts.
        decay_steps: length of the decay, without the warm-up.
        alpha: α, the fraction of the learning rate that remains.
        name: for listings.
        warmup_target: η after the warm-up; None: no warm-up.
        warmup_steps: length of the warm-up.

    Raises:
        ArgumentError: ``decay_steps`` is not above 0, or ``warmup_steps`` is negative.

    Source: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017);
    warm-up: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour" (2017).
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        self._check_positive(decay_steps=self.decay_steps)
        if self.warmup_steps < 0:
            raise ArgumentError(f"CosineDecay: expected warmup_steps of at least 0, got {self.warmup_steps!r}.")

    def __call__(self, step: int) -> float:
        start = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return start + (self.warmup_target - start) * step / self.warmup_steps
            start, step = self.warmup_target, step - self.warmup_steps
        return start * ((1 - self.alpha) * _half_cosine(min(step / self.decay_steps, 1)) + self.alpha)


@dataclass(eq=False, repr=False)
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after the other, each ``t_mul`` times as long and ``m_mul`` times as high as the one before.

    Arguments:
        initial_learning_rate: where the first decay starts.
        first_decay_steps: its length.
        t_mul, m_mul: see above; ``t_mul`` is at least 1.
        alpha: the fraction of the initial learning rate that remains at the end of each decay.
        name: for listings.

    Raises:
        ArgumentError: ``first_decay_steps`` is not above 0, or ``t_mul`` is below 1.

    Source: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __post_init__(self) -> None:
        self._check_positive(first_decay_steps=self.first_decay_steps)
        if self.t_mul < 1:
            raise ArgumentError(f"CosineDecayRestarts: expected t_mul of at least 1, got {self.t_mul!r}.")

    def __call__(self, step: int) -> float:
        time, length, height = step / self.first_decay_steps, 1.0, 1.0
        while time >= length:
            time, length, height = time - length, length * self.t_mul, height * self.m_mul
        return self.initial_learning_rate * ((1 - self.alpha) * height * _half_cosine(time / length) + self.alpha)


@dataclass(eq=False, repr=False)
class OneCycle(LearningRateSchedule):
    """Up from a low learning rate to a high one and down to almost nothing, both along half a cosine.

    Arguments:
        max_learning_rate: the peak.
        total_steps: steps of the whole training, at least 2; from then on the learning rate stays where it ended.
        warmup_share: the fraction of the steps in which the learning rate rises.
        start_divisor: the start is the peak divided by this.
        end_divisor: the end is the start divided by this.

    Raises:
        ArgumentError: ``total_steps`` is below 2, ``warmup_share`` is not between 0 and 1, or a divisor not above 0.

    Source: Smith, "A disciplined approach to neural network hyper-parameters" (2018), section 4; cosine arcs as in
    PyTorch's OneCycleLR.
    """

    max_learning_rate: float
    total_steps: int
    warmup_share: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4

    def __post_init__(self) -> None:
        self._check_positive(start_divisor=self.start_divisor, end_divisor=self.end_divisor)
        if self.total_steps < 2:
            raise ArgumentError(f"OneCycle: expected total_steps of at least 2, got {self.total_steps!r}.")
        if not 0 < self.warmup_share < 1:
            raise ArgumentError(f"OneCycle: expected warmup_share between 0 and 1, got {self.warmup_share!r}.")

    def __call__(self, step: int) -> float:
        start = self.max_learning_rate / self.start_divisor
        last = self.total_steps - 1
        peak = self.warmup_share * self.total_steps - 1
        if step < peak:
            return _arc(start, self.max_learning_rate, step / peak)
        return _arc(self.max_learning_rate, start / self.end_divisor, min((step - peak) / (last - peak), 1))


def _half_cosine(share: float) -> float:
    """1 at share 0, 0 at share 1, along a cosine."""
    return (1 + math.cos(math.pi * share)) / 2


def _arc(first: float, last: float, share: float) -> float:
    return last + (first - last) * _half_cosine(share)


NAMES: Names[LearningRateSchedule] = Names(
    "schedules.get",
    [
        ConstantRate,
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        OneCycle,
        PiecewiseConstantDecay,
        PolynomialDecay,
    ],
)


def get(identifier: Any) -> LearningRateSchedule:
    """A schedule from ``{"class_name": …, "config": …}``, from a number (a constant one), or the schedule itself.

    Raises:
        ArgumentError: the class or its arguments are unknown.
    """
    if isinstance(identifier, LearningRateSchedule):
        return identifier
    if isinstance(identifier, int | float) and not isinstance(identifier, bool):
        return ConstantRate(float(identifier))
    return NAMES.make(identifier)
