"""A training step: a loss, its gradients and the update of what is trained, compiled into one native call."""

from collections.abc import Callable
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Tensor, Variable, gradients
from striate.graph.tensor import tensors_in
from striate.graph.trace import Trace
from striate.layers.layer import Layer
from striate.random import get_seed
from striate.runtime.budget import ExecutorCache
from striate.runtime.chain import Chain
from striate.runtime.choice import WholeExecutor, executor, settings
from striate.runtime.function import as_arrays, filled, signature, symbols_for
from striate.training import optimizers
from striate.training.optimizers import Optimizer


class Step:
    """A custom training step: a loss, its gradient with respect to some variables and their update, in one native call.

        θ ← update(θ, ∂ loss(inputs; θ) / ∂θ)

    ``fit`` makes its steps with this class. Use it for others: two networks that train each other, a network that
    learns from another one, a custom loss.

    Arguments:
        loss: a function of symbols that returns the loss, a scalar; or a tuple of the loss and other results. Layers
            that it calls are in training mode, unless they are told otherwise. What layers add to a loss, such as
            weight penalties, it adds itself: ``sum(model.losses)``.
        variables: what is trained: layers or models, whose trainable weights are meant, or variables; one or several.
        optimizer: a name such as "adam", or an optimizer. What it keeps belongs to each variable, so several steps may
            share one.

    Raises:
        ArgumentError: an unknown optimizer, or something that cannot be trained; in calls: the loss does not depend on
            what is trained.
        ShapeError: in calls: the loss is not a scalar.
        DataError: in calls: an input does not consist of numbers.

    Examples:
        >>> import numpy as np
        >>> import striate
        >>> from striate import layers, ops
        >>> striate.set_seed(0)
        >>> model = striate.Sequential([striate.Input((2,)), layers.Dense(1)])
        >>> step = striate.Step(lambda x, y: ops.mean((model(x) - y) ** 2.0), model, striate.optimizers.SGD(0.1))
        >>> x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [2.0]])
        >>> losses = [step(x, y) for _ in range(100)]
        >>> losses[-1] < 1e-3 * losses[0]
        True
    """

    def __init__(self, loss: Callable[..., Any], variables: Any, optimizer: Any = "adam"):
        if not callable(loss):
            raise ArgumentError(f"Step: expected loss as a function of symbols, got {loss!r}.")
        self.loss = loss
        self.optimizer: Optimizer = optimizers.get(optimizer)
        self._given = [variables] if isinstance(variables, Layer | Variable) else list(variables)
        for item in self._given:
            if not isinstance(item, Layer) and not (isinstance(item, Variable) and item.trainable):
                raise ArgumentError(f"Step: expected layers and trainable variables to train, got {item!r}.")
        self._looked_at: tuple[int, int] | None = None
        self._variables: tuple[Variable, ...] = ()
        self._compiled = ExecutorCache()

    def __call__(self, *inputs: Any) -> Any:
        """Run one step.

        Arguments:
            inputs: arrays, or lists and dictionaries of arrays; the loss is traced with symbols in their places.

        Returns:
            The loss before the update, a float; or, where the loss returns more, a tuple of it and of arrays.
        """
        arrays, nested = as_arrays(inputs)
        key = (signature(nested), settings(), *map(id, self.variables(nested)))
        compiled: _Compiled = self._compiled.get(key, lambda: self._compile(symbols_for(nested)))
        optimizer = self.optimizer
        vector = optimizer.build(self._variables)
        into = dict(enumerate(vector.gradient_parts, compiled.results))
        chain = compiled.chain_to(optimizer.updater())
        results = chain.run(arrays, get_seed(), optimizer.iterations, into, optimizer.numbers())
        optimizer.iterations += 1
        found = filled(compiled.result, results)
        return (float(found[0]), *found[1:]) if isinstance(found, tuple) else float(found)

    def variables(self, nested: Any) -> tuple[Variable, ...]:
        """The variables trained now; layers that have none yet get them in a trace for arrays such as ``nested``."""
        if self._looked_at != (Layer.changes, Variable.selections):
            if not all(item.built for item in self._given if isinstance(item, Layer)):
                with Trace(training=True).recording():
                    self.loss(*symbols_for(nested))
            found = [v for item in self._given for v in (item.trainable_weights if isinstance(item, Layer) else [item])]
            self._variables = tuple(dict.fromkeys(found))
            self._looked_at = (Layer.changes, Variable.selections)
        return self._variables

    @property
    def executors(self) -> list[WholeExecutor]:
        """The executors of losses and gradients, one for each combination of shapes so far."""
        return [compiled.runner for compiled in self._compiled.values()]

    def forget(self) -> None:
        """Discard what was traced: what the loss calls has changed."""
        self._compiled.clear()

    def _compile(self, symbols: Any) -> "_Compiled":
        with Trace(training=True).recording() as scope:
            result = self.loss(*symbols)
            total = result[0] if isinstance(result, tuple) else result
            if not isinstance(total, Tensor):
                raise ArgumentError(
                    f"Step: expected the loss to be computed from its inputs and variables, got {total!r}."
                )
            if total.shape != ():
                raise ShapeError(
                    f"Step: expected the loss as a scalar, got shape {total.shape}. Take its mean: ops.mean(loss)."
                )
            found = self._gradients(scope, total)
            graph = scope.graph(tensors_in(symbols), [*tensors_in(result), *self.optimizer.clip(found)])
        return _Compiled(executor(graph, training=True), result)

    def _gradients(self, scope: Trace, loss: Tensor) -> list[Tensor]:
        """The gradient of the loss with respect to each variable: the sum over all symbols that it was read as."""
        reads = [(variable, symbol) for variable in self._variables for symbol in scope.reads.get(variable, ())]
        found: dict[Variable, Any] = {}
        for (variable, _), grad in zip(reads, gradients(loss, [symbol for _, symbol in reads]), strict=True):
            if grad is not None:
                found[variable] = found[variable] + grad if variable in found else grad
        if self._variables and not found:
            names = ", ".join(variable.name for variable in self._variables)
            raise ArgumentError(f"Step: the loss does not depend on any of the variables to train: {names}.")
        zeros = {v: Tensor.constant(np.zeros(v.shape, scope.dtype)) for v in self._variables if v not in found}
        return [zeros[v] if v in zeros else found[v] for v in self._variables]


class _Compiled:
    """A step for one combination of shapes: what computes results and gradients, and the update behind it."""

    def __init__(self, runner: WholeExecutor, result: Any):
        self.runner, self.result = runner, result
        self.results = len(tensors_in(result))
        self._chain: Chain | None = None

    def chain_to(self, updater: WholeExecutor) -> Chain:
        """Both in one call."""
        if self._chain is None or self._chain.second is not updater:
            self._chain = Chain(self.runner, updater)
        return self._chain
