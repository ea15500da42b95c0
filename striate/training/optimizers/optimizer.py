"""What all optimizers share: one flat vector of parameters, the learning rate, clipping, weight decay, checkpoints."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.configurable import Configurable, describe
from striate.errors import ArgumentError, FormatError, ModelError, ShapeError
from striate.graph import Graph, Tensor, Variable, trace
from striate.runtime import Executor, executor, settings
from striate.runtime.choice import Settings
from striate.training import schedules
from striate.training.schedules import LearningRateSchedule

Vector = NDArray[np.float32]


class Optimizer(Configurable):
    """Base of all optimizers: `apply` changes a flat vector of parameters in place, given its gradient.

    In the formulas of the subclasses p are the parameters, g their gradient, η the learning rate and t the number of
    the update, from 1; all are taken element by element. Before the formula, in this order: g is clipped, and the
    weights decay by p ← p − η · weight_decay · p.

    Arguments:
        learning_rate: η, a number that may be set at any time, or a schedule, or a schedule's config.
        weight_decay: share of each parameter that is taken away per unit of learning rate; None: none.
        clipnorm: longest allowed gradient of each variable (2-norm); longer ones are scaled down to it.
        clipvalue: each number of the gradient is cut to −clipvalue … clipvalue.
        global_clipnorm: longest allowed gradient of all variables together.
        name: for listings; default: the class's name.

    Raises:
        ArgumentError: a number is out of range, or several ways of clipping are asked for.

    A subclass defines `slots` and `update`, the formula; it is traced once, so all of an update is one kernel. Settings
    other than the learning rate are part of it: they count as they are when `build` is called.

    Source of the decoupled weight decay: Loshchilov, Hutter, "Decoupled weight decay regularization" (2019); of
    clipping: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """

    def __init__(
        self,
        learning_rate: Any,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ):
        self._rate: float | LearningRateSchedule = 0.0
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.name = name or type(self).__name__.lower()
        #: How many updates were made.
        self.iterations = 0
        self.built = False
        #: The vectors of `slots`.
        self.kept: dict[str, Variable] = {}
        self._parameters = Variable(np.empty(0, np.float32))
        self._rate_factors: Variable | None = None
        self._executors: dict[Settings, Executor] = {}

        for argument in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm"):
            value = getattr(self, argument)
            if value is not None:
                self._check(argument, value, value >= 0, "of at least 0, or None")
        clips = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n) is not None]
        if len(clips) > 1:
            raise ArgumentError(f"{type(self).__name__}: expected one way of clipping, got {' and '.join(clips)}.")

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update; may be set to a number at any time unless a schedule rules it."""
        return self._rate if isinstance(self._rate, float) else float(self._rate(self.iterations))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(value, LearningRateSchedule | Mapping):
            self._rate = schedules.get(value)
            return
        if isinstance(self._rate, LearningRateSchedule):
            raise ArgumentError(
                f"{type(self).__name__}: the learning rate follows {type(self._rate).__name__} and cannot be set to "
                f"{value!r}. Make the optimizer with a number as its learning rate to be able to set it."
            )
        try:
            self._rate = float(value)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"{type(self).__name__}: expected learning_rate as a number or a schedule, got {value!r}."
            ) from None
        self._check("learning_rate", self._rate, 0 <= self._rate < math.inf, "of at least 0")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data; a schedule as its own config."""
        rate = self._rate if isinstance(self._rate, float) else describe(self._rate)
        return super().get_config() | {"learning_rate": rate}

    def slots(self) -> dict[str, float]:
        """The vectors that are kept between updates: name → initial value."""
        return {}

    def update(self, p: Any, g: Any, rate: Any, **kept: Any) -> tuple[Any, dict[str, Any]]:
        """The formula: new parameters, and new vectors of `slots`.

        Arguments:
            p, g: parameters and gradient, symbols of one shape.
            rate: the symbol for `step_size`.
            kept: the vectors of `slots`, by name.
        """
        raise NotImplementedError(f"{type(self).__name__}: define update(self, p, g, rate, **kept).")

    def step_size(self, learning_rate: float) -> float:
        """The number that ``rate`` stands for in `update`, at this number of iterations."""
        return learning_rate

    def build(self, size: int, rate_factors: Vector | None = None) -> None:
        """Make room for ``size`` parameters, and forget what was kept for others.

        Arguments:
            size: how many there are.
            rate_factors: what the learning rate is multiplied by for each of them, (size,); default: 1.
        """
        self._rate_factors = None if rate_factors is None else Variable(rate_factors, "rate_factors")
        slots = self.slots().items()
        self.kept = {name: Variable(np.broadcast_to(np.float32(start), size), name) for name, start in slots}
        self._parameters.keep_in(np.empty(size, np.float32))
        self._executors = {}
        self.iterations = 0
        self.built = True

    def apply(self, parameters: Vector, gradients: Vector, sizes: Sequence[int] | None = None) -> None:
        """Make one update.

        Arguments:
            parameters: all trainable numbers, one flat float32 vector; changed in place.
            gradients: the loss's gradient by them, in the same order; changed in place where it is clipped.
            sizes: how many numbers each variable has, in order; default: all belong to one. Only clipnorm asks.

        Raises:
            ModelError: `build` was not called.
            ShapeError: a vector has another size or type than was built for, or ``sizes`` do not add up.
        """
        if not self.built:
            raise ModelError(f"{type(self).__name__}: build(size) must come before apply.")
        expected = self._parameters.shape
        for name, vector in (("parameters", parameters), ("gradients", gradients)):
            if vector.shape != expected or vector.dtype != np.float32:
                raise ShapeError(
                    f"{type(self).__name__}: expected {name} as float32 of shape {expected}, "
                    f"got {vector.dtype} of shape {vector.shape}."
                )
        self._clip(gradients, sizes)
        rate = self.learning_rate
        if not self._parameters.is_kept_in(parameters):
            self._parameters.keep_in(parameters)
        left = 1 - rate * (self.weight_decay or 0)
        self._executor().run([gradients, np.array(self.step_size(rate), np.float32), np.array(left, np.float32)])
        self.iterations += 1

    def _executor(self) -> Executor:
        if settings() not in self._executors:
            self._executors[settings()] = executor(self._trace(), training=True)
        return self._executors[settings()]

    def _trace(self) -> Graph:
        """One update as a graph of (gradients, step size, share of the weights that does not decay)."""

        def compute(g: Tensor, rate: Any, left: Any) -> list[Tensor]:
            if self._rate_factors is not None:
                rate, left = rate * self._rate_factors, 1 - (1 - left) * self._rate_factors
            p = self._parameters * left if self.weight_decay else self._parameters
            parameters, kept = self.update(p, g, rate, **self.kept)
            self._parameters.assign(parameters)
            for name, value in kept.items():
                self.kept[name].assign(value)
            return []

        return trace(compute, [Tensor(self._parameters.shape), Tensor(()), Tensor(())])

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint needs to go on with the same bits: copies of the kept vectors, and the counters.

        Raises:
            ModelError: `build` was not called.
        """
        if not self.built:
            raise ModelError(f"{type(self).__name__}: build(size) must come before state.")
        counters = {"iterations": np.array(self.iterations), "learning_rate": np.array(self.learning_rate)}
        return counters | {name: vector.numpy() for name, vector in self.kept.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises:
            ModelError: `build` was not called.
            FormatError: ``state`` has other names or sizes, so it belongs to another optimizer or network.
        """
        own = {name: array.shape for name, array in self.state().items()}
        given = {name: np.shape(array) for name, array in state.items()}
        if own != given:
            raise FormatError(f"{type(self).__name__}.load_state: expected {own}, got {given}.")
        self.iterations = int(state["iterations"])
        if isinstance(self._rate, float):
            self.learning_rate = float(state["learning_rate"])
        for name, vector in self.kept.items():
            vector.assign(state[name])

    def _clip(self, gradients: Vector, sizes: Sequence[int] | None) -> None:
        if self.clipvalue:
            np.clip(gradients, -self.clipvalue, self.clipvalue, out=gradients)
        elif self.global_clipnorm:
            _shorten(gradients, self.global_clipnorm)
        elif self.clipnorm:
            sizes = [gradients.size] if sizes is None else sizes
            if sum(sizes) != gradients.size:
                raise ShapeError(
                    f"{type(self).__name__}: expected sizes that add up to {gradients.size}, got {list(sizes)}."
                )
            for variable in np.split(gradients, np.cumsum(sizes)[:-1]):
                _shorten(variable, self.clipnorm)

    def _check(self, name: str, value: Any, holds: bool, expected: str) -> None:
        if not holds:
            raise ArgumentError(f"{type(self).__name__}: expected {name} {expected}, got {value!r}.")


def _shorten(gradient: Vector, longest: float) -> None:
    # In float64: the squares of float32 gradients overflow where the gradients themselves are still finite.
    norm = float(np.linalg.norm(gradient.astype(np.float64)))
    if norm > longest:
        gradient *= np.float32(longest / norm)
