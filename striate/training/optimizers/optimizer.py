"""What all optimizers share: one flat vector of parameters, the learning rate, clipping, weight decay, checkpoints."""

import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from striate.configurable import Configurable, ConstructorSignature, describe
from striate.errors import ArgumentError, FormatError, ModelError
from striate.graph import Array, Graph, Tensor, Variable, trace
from striate.ops import absolute, clip, maximum, sqrt, square
from striate.ops import max as reduce_max
from striate.ops import sum as reduce_sum
from striate.runtime.choice import Settings, WholeExecutor, executor, settings
from striate.training import schedules
from striate.training.parameters import ParameterVector
from striate.training.schedules import LearningRateSchedule

#: Used as the largest gradient where all are 0.
SMALLEST = 1e-30


class Clipping(TypedDict, total=False):
    """Arguments of every optimizer, documented at `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    name: str | None


class Common(Clipping, total=False):
    """Arguments of every optimizer that has no other default for the weight decay."""

    weight_decay: float | None


class Optimizer(Configurable):
    """Base of all optimizers: how parameters change in a training step, given the gradient of the loss.

    In the formulas of the subclasses p are the parameters, g their gradient, η the learning rate and t the number of
    the update, from 1; all operations are element-wise. Before the formula, in this order: g is clipped, and the
    weights decay by p ← p − η · weight_decay · p.

    Arguments:
        learning_rate: η, a number that may be set at any time, or a schedule, or a schedule's config.
        weight_decay: fraction of each parameter subtracted per unit of learning rate; None: none.
        clipnorm: largest allowed 2-norm of each variable's gradient; larger gradients are scaled down to it.
        clipvalue: each number of the gradient is clipped to −clipvalue … clipvalue.
        global_clipnorm: largest allowed 2-norm of the gradient of all variables together.
        name: for listings; default: the class's name.

    Raises:
        ArgumentError: a number is out of range, or there are several ways of clipping.

    A subclass defines `slots` and `update`, the formula; it is traced once, so all of an update is one kernel. Settings
    other than the learning rate are part of it: they are fixed when training begins.

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
        #: The number of updates so far.
        self.iterations = 0
        self.built = False
        #: The vectors of `slots`.
        self.kept: dict[str, Variable] = {}
        self._selection: list[tuple[int, float]] = []
        self._vector = ParameterVector([])
        #: The vectors, as the update's graph knows them, and the `Variable.rate_factor` of each number if any is not 1.
        self._parameters = Variable(np.empty(0, np.float32), "parameters")
        self._gradients = Variable(np.empty(0, np.float32), "gradients")
        self._rates: Variable | None = None
        self._executors: dict[Settings, WholeExecutor] = {}
        #: By id, what was kept for variables that are not trained now: how many updates, and their parts of `kept`.
        self._aside: dict[int, tuple[int, dict[str, Array]]] = {}

        for argument in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm"):
            value = getattr(self, argument)
            if value is not None:
                self._check(argument, value, value >= 0, "of at least 0, or None")
        clips = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n) is not None]
        if len(clips) > 1:
            raise ArgumentError(f"{type(self).__name__}: expected one way of clipping, got {' and '.join(clips)}.")

    __signature__ = ConstructorSignature(__init__)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update; may be set to a number at any time unless it follows a schedule."""
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
        """The vectors kept between updates: name → initial value."""
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

    def build(self, variables: Sequence[Variable]) -> ParameterVector:
        """Take over the variables to train: their values move into one vector.

        What is kept for a variable stays with it. When others are selected, as when layers are frozen, those that were
        trained before continue from their own state and number of updates, and new ones start from the initial state.

        Arguments:
            variables: each once.

        Returns:
            The vector of values, and the one in which `updater` expects their gradients.
        """
        selection = [(id(variable), variable.rate_factor) for variable in variables]
        changed = selection != self._selection or not self.built
        if changed or not self._vector.holds_values():
            if changed:
                self._put_aside()
                self._take_up(variables)
                self._selection, self._executors, self.built = selection, {}, True
            self._vector = ParameterVector(variables)
            self._parameters.keep_in(self._vector.values)
            self._gradients.keep_in(self._vector.gradients)
            factors = self._vector.rate_factors()
            self._rates = None if factors is None else Variable(factors, "rates", copy=False)
        return self._vector

    def clip(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """The gradients of all variables, clipped as configured; symbols of a step's graph."""
        if self.clipvalue:
            return [clip(g, -self.clipvalue, self.clipvalue) for g in gradients]
        if self.clipnorm:
            return [g * (self.clipnorm / maximum(_norm([g]), self.clipnorm)) for g in gradients]
        if self.global_clipnorm:
            share = self.global_clipnorm / maximum(_norm(gradients), self.global_clipnorm)
            return [g * share for g in gradients]
        return list(gradients)

    def updater(self) -> WholeExecutor:
        """The executor of one update, in place, of the vectors that `build` returned, given `numbers`."""
        if settings() not in self._executors:
            self._executors[settings()] = executor(self._trace(), training=True)
        return self._executors[settings()]

    def numbers(self) -> list[Array]:
        """For the next update: the step size, and the factor that weight decay multiplies the weights by."""
        rate = self.learning_rate
        left = 1 - rate * (self.weight_decay or 0)
        return [np.array(self.step_size(rate), np.float32), np.array(left, np.float32)]

    def _trace(self) -> Graph:
        def compute(rate: Any, left: Any) -> list[Tensor]:
            if self._rates is not None:
                rate, left = rate * self._rates, 1 - (1 - left) * self._rates
            p = self._parameters * left if self.weight_decay else self._parameters
            parameters, kept = self.update(p, self._gradients, rate, **self.kept)
            self._parameters.assign(parameters)
            for name, value in kept.items():
                self.kept[name].assign(value)
            return []

        return trace(compute, [Tensor(()), Tensor(())])

    def _put_aside(self) -> None:
        """Keep the state of each variable until it is taken up again, or the variable is deleted."""
        ends = np.cumsum(self._vector.sizes)
        for variable, size, end in zip(self._vector.variables, self._vector.sizes, ends, strict=True):
            parts = {name: vector.array[end - size : end].copy() for name, vector in self.kept.items()}
            if id(variable) not in self._aside:
                weakref.finalize(variable, self._aside.pop, id(variable), None)
            self._aside[id(variable)] = self.iterations, parts

    def _take_up(self, variables: Sequence[Variable]) -> None:
        """Make the vectors of `slots` for these variables, from what was put aside for them, or initial values."""
        nothing: tuple[int, dict[str, Array]] = (0, {})
        known = [self._aside.get(id(variable), nothing) for variable in variables]
        self.kept = {}
        for name, start in self.slots().items():
            parts = [
                parts.get(name, np.full(variable.array.size, start, np.float32))
                for variable, (_, parts) in zip(variables, known, strict=True)
            ]
            self.kept[name] = Variable(np.concatenate(parts or [np.empty(0, np.float32)]), name, copy=False)
        self.iterations = max((updates for updates, _ in known), default=0) if self.built else self.iterations

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint needs to continue with the same bits: copies of the kept vectors, and the counters.

        Raises:
            ModelError: `build` was not called.
        """
        if not self.built:
            raise ModelError(f"{type(self).__name__}: build(variables) must come before state.")
        counters = {"iterations": np.array(self.iterations), "learning_rate": np.array(self.learning_rate)}
        return counters | {name: vector.numpy() for name, vector in self.kept.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned.

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

    def _check(self, name: str, value: Any, holds: bool, expected: str) -> None:
        if not holds:
            raise ArgumentError(f"{type(self).__name__}: expected {name} {expected}, got {value!r}.")


def _norm(gradients: Sequence[Tensor]) -> Any:
    """√Σg² over all of them; divided by the largest before squaring, as squares overflow where gradients do not."""
    largest: Any = SMALLEST
    for g in gradients:
        largest = maximum(largest, reduce_max(absolute(g)))
    total: Any = 0.0
    for g in gradients:
        total = total + reduce_sum(square(g / largest))
    return largest * sqrt(total)
