"""The training loop: compile, fit, evaluate, predict.

One training step is one graph: the network, its loss, and the gradients of the loss. It is traced once for each shape
of batch, then run by an executor; the optimizer changes the flat parameter vector.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from striate.configurable import Configurable, describe
from striate.errors import ArgumentError, ModelError
from striate.graph import Array, Graph, Shape, Tensor, Variable, active_trace, gradients, trace
from striate.graph.tensor import tensors_in
from striate.ops import add, multiply
from striate.random import get_seed, permutation
from striate.runtime import Executor, executor, predicting_executor, settings
from striate.training import optimizers
from striate.training.batches import ArrayData, Batch, IterableData, as_data, as_inputs, input_dtypes
from striate.training.callbacks import Callback, CallbackList, History, ProgbarLogger
from striate.training.objective import Objective
from striate.training.parameters import ParameterVector


class Step(NamedTuple):
    """A graph for one shape of batch, its executor, and how many of its outputs are losses and predictions."""

    executor: Executor
    outputs: int

    def run(self, batch: Batch, step: int, gradients: Sequence[Array] = ()) -> tuple[float, list[float], list[Array]]:
        """Total loss, each output's loss, and predictions; the graph's gradients are put ``into`` those arrays."""
        first = 1 + 2 * self.outputs
        into = dict(enumerate(gradients, first))
        results = self.executor.run([*batch.inputs, *batch.targets, *batch.weights], get_seed(), step, into)
        losses, predictions = results[1 : 1 + self.outputs], results[1 + self.outputs : first]
        return float(results[0]), [float(loss) for loss in losses], predictions


class Trainer:
    """The part of a model that trains it; `striate.models.Model` is the other part."""

    optimizer: Any = None
    objective: Objective | None = None
    stop_training = False
    history: History | None = None
    _compiled_with: dict[str, Any] | None = None
    built: bool
    _steps: dict[Any, Any]
    _parameters: ParameterVector | None = None

    # What the model brings

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def input_specs(self) -> list[tuple[Shape, Any]]:
        raise NotImplementedError

    @property
    def is_graph(self) -> bool:
        raise NotImplementedError

    @property
    def input_names(self) -> list[str]:
        raise NotImplementedError

    @property
    def output_names(self) -> list[str]:
        raise NotImplementedError

    @property
    def output(self) -> Any:
        raise NotImplementedError

    @property
    def trainable_weights(self) -> list[Variable]:
        raise NotImplementedError

    changes: int

    # Compiling

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        **ignored: Any,
    ) -> None:
        """Choose how the model is trained.

        Arguments:
            optimizer: a name such as "adam", or an optimizer.
            loss: a name such as "sparse_categorical_crossentropy", or a loss; for several outputs a list or dictionary.
            metrics: names or metrics, reported but not minimised.
            loss_weights: for several outputs, a weight for each loss.
            ignored: ``run_eagerly``, ``steps_per_execution``, ``jit_compile``, ``auto_scale_loss`` of Keras: they
                change how Keras computes, not what.

        Raises:
            ArgumentError: an unknown name or argument.
        """
        for name in ignored:
            if name not in ("run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss"):
                raise ArgumentError(f"compile: unknown argument {name!r}.")
        self.optimizer = optimizers.get(optimizer)
        self._compiled_with = {
            "optimizer": self.optimizer,
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
        }
        self.objective = None
        self._parameters = None
        self.forget_plans()

    def compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given as plain data; None if not compiled, or with functions that are no data."""
        return None if self._compiled_with is None else _as_data_or_none(self._compiled_with)

    def _ready(self, where: str) -> dict[str, Any]:
        if self._compiled_with is None:
            raise ModelError(f"{where}: the model is not compiled. Call model.compile(optimizer, loss, metrics) first.")
        if self._compiled_with["loss"] is None:
            raise ModelError(f"{where}: the model was compiled without a loss. Give compile a loss.")
        return self._compiled_with

    def _callbacks(
        self,
        callbacks: Callback | Iterable[Callback] | None,
        verbose: int,
        epochs: int,
        steps: int | None,
        history: History | None = None,
    ) -> CallbackList:
        """The user's callbacks, then what shows and records the logs that they may have added to."""
        own = [*([ProgbarLogger()] if verbose else []), *([history] if history else [])]
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        given = [callbacks] if isinstance(callbacks, Callback) else callbacks or []
        return CallbackList([*given, *own], self, params)  # type: ignore[arg-type]

    # Training

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train for some epochs.

        Arguments:
            x: inputs (N, …), several in a list or dictionary, or an iterable of (x, y) or (x, y, weight) batches.
            y: targets (N, …).
            batch_size: samples in one step; default 32.
            epochs: train until this epoch.
            verbose: 0 silent, 1 a progress bar, 2 a line for each epoch, "auto" 1.
            callbacks: objects that are told what happens.
            validation_split: share of the samples, the last ones, kept for validation.
            validation_data: (x, y) or (x, y, weight), or an iterable of batches (no tuple or list).
            shuffle: take the samples in another order each epoch, a function of seed and step alone.
            class_weight: weight of each label in the loss; in training, not in validation.
            sample_weight: weight of each sample in the loss, (N,); for several outputs one for all, or a list or
                dictionary of one each.
            initial_epoch: number of the first epoch.
            steps_per_epoch: batches in one epoch; default all.
            validation_steps, validation_batch_size, validation_freq: the same for validation; every how many epochs.

        Returns:
            The history: ``history.history["loss"]`` has one number for each epoch, and so on.

        Raises:
            ModelError: not compiled.
            ArgumentError, DataError, ShapeError: arguments and data that do not fit.
        """
        self._ready("fit")
        if not isinstance(validation_split, int | float | np.number) or not 0 <= validation_split < 1:
            raise ArgumentError(f"fit: expected validation_split from 0 to below 1, got {validation_split!r}.")
        for name, count in (
            ("epochs", epochs),
            ("validation_freq", validation_freq),
            ("steps_per_epoch", steps_per_epoch),
            ("validation_steps", validation_steps),
        ):
            if count is not None and (not isinstance(count, int | np.integer) or count < 1):
                raise ArgumentError(f"fit: expected {name} of at least 1, got {count!r}.")
        data = as_data("fit", self, x, y, sample_weight, class_weight, batch_size, steps_per_epoch)
        validation: ArrayData | IterableData | None = None
        if validation_data is not None:
            given = validation_data if isinstance(validation_data, tuple | list) else (validation_data,)
            if len(given) > 3:
                raise ArgumentError(f"fit: expected validation_data of x, y and sample_weight, got {len(given)} items.")
            val_x, val_y, val_weight = (*given, None, None)[:3]
            size = validation_batch_size or batch_size
            validation = as_data("fit: validation_data", self, val_x, val_y, val_weight, None, size, validation_steps)
        elif validation_split:
            if not isinstance(data, ArrayData):
                raise ArgumentError("fit: validation_split needs arrays; give validation_data beside an iterable.")
            first = int(data.samples * (1 - validation_split))
            if first == 0:
                raise ArgumentError(
                    f"fit: validation_split={validation_split} leaves none of {data.samples} samples to train on."
                )
            data, validation = data.split(first)

        steps = len(data) if isinstance(data, ArrayData) else data.steps
        if steps_per_epoch is not None and isinstance(data, ArrayData):
            steps = min(steps_per_epoch, len(data))
        verbosity = _verbosity("fit", verbose)
        self.history = History()
        calls = self._callbacks(callbacks, verbosity, epochs, steps, self.history)
        self.stop_training = False
        logs: dict[str, Any] = {}
        calls.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            calls.on_epoch_begin(epoch)
            logs = self._train_epoch(data, calls, shuffle, steps)
            if validation is not None and (epoch + 1) % validation_freq == 0:
                results = self._evaluate(validation, calls, validation_steps)
                logs.update({f"val_{name}": value for name, value in results.items()})
            calls.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        calls.on_train_end(logs)
        return self.history

    def _train_epoch(
        self, data: ArrayData | IterableData, calls: CallbackList, shuffle: bool, steps: int | None
    ) -> dict[str, Any]:
        order = None
        if shuffle and isinstance(data, ArrayData):
            order = permutation(data.samples, seed=get_seed(), purpose="shuffle", step=self.optimizer.iterations)
        if self.objective is not None:
            self.objective.reset()
        logs: dict[str, Any] = {}
        for number, batch in enumerate(data.batches(order)):
            if number == steps:
                break
            calls.on_train_batch_begin(number)
            logs = self._train_batch(batch)
            calls.on_train_batch_end(number, logs)
            if self.stop_training:
                break
        return logs

    def _train_batch(self, batch: Batch) -> dict[str, Any]:
        step = self._step("train", batch)
        vector = self._parameter_vector()
        loss, output_losses, predictions = step.run(batch, self.optimizer.iterations, vector.gradient_parts)
        self.optimizer.apply(vector.values, vector.gradients, vector.sizes)
        return self._report(loss, output_losses, batch, predictions)

    def _parameter_vector(self) -> ParameterVector:
        """What is trained, in one vector, for which the optimizer is built."""
        variables = self._trained()
        if self._parameters is None or self._parameters.variables != variables:
            self._parameters = ParameterVector(variables)
            self.optimizer.build(self._parameters.values.size, self._parameters.rate_factors())
        elif not self._parameters.holds_values():  # another model that shares layers has trained in between
            self._parameters = ParameterVector(variables)
        return self._parameters

    def load_optimizer_state(self, state: Mapping[str, Any]) -> None:
        """Have the optimizer go on from what ``model.optimizer.state()`` returned, as a resumed training does.

        Raises:
            ModelError: not compiled.
            FormatError: ``state`` belongs to another optimizer or network.
        """
        self._ready("load_optimizer_state")
        self._parameter_vector()
        self.optimizer.load_state(state)

    def _report(
        self, loss: float, output_losses: list[float], batch: Batch, predictions: list[Array]
    ) -> dict[str, Any]:
        assert self.objective is not None  # noqa: S101 (tracing a step made it)
        self.objective.update(loss, output_losses, batch.targets, predictions, batch.weights)
        return self.objective.logs()

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One optimizer step on one batch; returns the loss, or [loss, metrics …] if there are metrics.

        Arguments as `fit`; ``return_dict``: results by name. Errors as `fit`.
        """
        batch = self._one_batch("train_on_batch", x, y, sample_weight, class_weight)
        if self.objective is not None:
            self.objective.reset()
        return _as_returned(self._train_batch(batch), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics on one batch, without training; arguments and errors as `train_on_batch`."""
        batch = self._one_batch("test_on_batch", x, y, sample_weight)
        if self.objective is not None:
            self.objective.reset()
        return _as_returned(self._test_batch(batch), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The model's outputs for one batch; errors as `predict`."""
        arrays = as_inputs("predict_on_batch", self, x)
        kinds = input_dtypes(self, len(arrays))
        batch = Batch([array.astype(kind, copy=False) for array, kind in zip(arrays, kinds, strict=True)])
        return self._as_outputs(self._predict_step(batch).run(batch.inputs))

    def predictor(self, batch_size: int = 1) -> Callable[..., Any]:
        """A function from batches of one size to the model's outputs, for programs that want an answer at once.

        What `predict_on_batch` finds out at each call is found out now. The function takes one array (N, …) for each of
        the model's inputs. It follows when weights change, not when layers do, and does not look for NaN.

        Arguments:
            batch_size: samples of each batch.

        Raises:
            ArgumentError: ``batch_size`` below 1.
            ModelError: a model that has no graph, and has not said what its inputs are.
            ShapeError: by the function: other shapes than those.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ArgumentError(f"predictor: expected batch_size of at least 1, got {batch_size!r}.")
        if not self.is_graph:
            raise ModelError("predictor: this model has no graph of layers to say what its inputs are. Use predict.")
        batch = Batch([np.zeros((int(batch_size), *shape), dtype) for shape, dtype in self.input_specs()])
        step = self._predict_step(batch)

        def predict(*inputs: Array) -> Any:
            return self._as_outputs(step.run(inputs))

        return predict

    def _one_batch(self, where: str, x: Any, y: Any, weight: Any, class_weight: Any = None) -> Batch:
        self._ready(where)
        data = ArrayData(where, self, x, y, weight, class_weight)
        data.batch_size = data.samples
        return next(data.batches())

    # Evaluation

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on some data; returns the loss, or [loss, metrics …] if there are metrics.

        Arguments as `fit`; ``return_dict``: results by name. Errors as `fit`.
        """
        self._ready("evaluate")
        data = as_data("evaluate", self, x, y, sample_weight, None, batch_size, steps)
        count = len(data) if isinstance(data, ArrayData) else data.steps
        verbosity = _verbosity("evaluate", verbose)
        calls = self._callbacks(callbacks, verbosity, 1, count)
        return _as_returned(self._evaluate(data, calls, steps), return_dict)

    def _evaluate(self, data: ArrayData | IterableData, calls: CallbackList, steps: int | None) -> dict[str, Any]:
        if self.objective is not None:
            self.objective.reset()
        logs: dict[str, Any] = {}
        calls.on_test_begin()
        for number, batch in enumerate(data.batches()):
            if number == steps:
                break
            calls.on_test_batch_begin(number)
            logs = self._test_batch(batch)
            calls.on_test_batch_end(number, logs)
        calls.on_test_end(logs)
        return logs

    def _test_batch(self, batch: Batch) -> dict[str, Any]:
        loss, output_losses, predictions = self._step("test", batch).run(batch, 0)
        return self._report(loss, output_losses, batch, predictions)

    # Prediction

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        deterministic: bool = False,
    ) -> Any:
        """The model's outputs for some inputs.

        Arguments:
            x: (N, …), or several inputs in a list or dictionary, or an iterable of batches.
            batch_size: samples computed at once; default 32.
            verbose: 1 shows a progress bar; "auto" 0.
            steps: batches at most.
            callbacks: objects that are told what happens.
            deterministic: compute sample by sample, so that the bits of a result do not depend on its neighbours.

        Returns:
            (N, …), or a list of them for several outputs, or a dictionary where the model's outputs are one.

        Raises:
            DataError, ShapeError: data that the model does not take.
        """
        data = as_data("predict", self, x, batch_size=1 if deterministic else batch_size, steps=steps)
        count = len(data) if isinstance(data, ArrayData) else data.steps
        calls = self._callbacks(callbacks, _verbosity("predict", verbose, auto=0), 1, count)
        calls.on_predict_begin()
        parts: list[list[Array]] = []
        for number, batch in enumerate(data.batches()):
            if number == steps:
                break
            calls.on_predict_batch_begin(number)
            for part in _singles(batch) if deterministic else [batch]:
                parts.append(self._predict_step(part).run(part.inputs))
            calls.on_predict_batch_end(number, {})
        calls.on_predict_end()
        return self._as_outputs([np.concatenate(arrays) for arrays in zip(*parts, strict=True)])

    def _as_outputs(self, arrays: list[Array]) -> Any:
        if self.is_graph and isinstance(self.output, dict):
            return dict(zip(self.output_names, arrays, strict=True))
        return arrays[0] if len(arrays) == 1 else arrays

    # Graphs

    def forget_plans(self) -> None:
        """Trace anew from now on: the network has changed."""
        self._steps = {}

    def plan(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` returned the first time it was asked for under this key."""
        plans, key = self.__dict__.setdefault("_steps", {}), (key, settings())
        if key not in plans:
            plans[key] = make()
        return plans[key]

    def _predict_step(self, batch: Batch) -> Executor:
        def traced(samples: int) -> Graph:
            symbols = [Tensor((samples, *x.shape[1:]), x.dtype, name="x") for x in batch.inputs]
            return trace(lambda *x: self._outputs(x, training=False), symbols)

        key = ("predict", _signature(batch.inputs))
        step: Executor = self.plan(key, lambda: predicting_executor(traced, len(batch.inputs[0])))
        return step

    def _trained(self) -> list[Variable]:
        """`trainable_weights`, looked for again only when the parts of some layer have changed."""
        version = (self.changes, Variable.selections)
        if self.__dict__.get("_trained_at") != version:
            self.__dict__.update(_trained_at=version, _trained_variables=self.trainable_weights)
        variables: list[Variable] = self.__dict__["_trained_variables"]
        return variables

    def _outputs(self, inputs: Sequence[Tensor], training: bool) -> list[Tensor]:
        return tensors_in(self(inputs[0] if len(inputs) == 1 else list(inputs), training=training))

    def _step(self, mode: str, batch: Batch) -> Step:
        shapes = tuple(map(_signature, (batch.inputs, batch.targets, batch.weights)))
        if not self.built:  # the first trace makes the variables, and what is trained is part of the key
            self._predict_step(batch)
        variables = tuple(self._trained())
        step: Step = self.plan((mode, variables, *shapes), lambda: self._trace_step(batch, training=mode == "train"))
        return step

    def _trace_step(self, batch: Batch, training: bool) -> Step:
        inputs, targets = _symbols("x", batch.inputs), _symbols("y", batch.targets)
        weights = _symbols("weight", batch.weights)
        outputs = 0

        def compute(*_: Tensor) -> list[Any]:
            nonlocal outputs
            scope = active_trace()
            assert scope is not None  # noqa: S101 (trace calls this)
            predictions = self._outputs(inputs, training)
            outputs = len(predictions)
            objective = self._objective(outputs)
            losses = objective.loss(targets, predictions, weights)
            total = losses[0] if objective.loss_weights[0] == 1 else multiply(losses[0], objective.loss_weights[0])
            for loss, weight in zip(losses[1:], objective.loss_weights[1:], strict=True):
                total = add(total, multiply(loss, weight))
            penalties = [v.regularizer(v) for v in self.trainable_weights if v.regularizer]
            for penalty in (*scope.losses, *penalties):
                total = add(total, penalty)
            if not training:
                return [total, *losses, *predictions]
            symbols = [scope.symbol(variable) for variable in self.trainable_weights]
            grads = [
                Tensor.constant(np.zeros(variable.shape, symbol.dtype)) if grad is None else grad
                for grad, symbol, variable in zip(
                    gradients(total, symbols), symbols, self.trainable_weights, strict=True
                )
            ]
            return [total, *losses, *predictions, *grads]

        graph: Graph = trace(compute, [*inputs, *targets, *weights], training)
        return Step(executor(graph, training=training), outputs)

    def _objective(self, outputs: int) -> Objective:
        if self.objective is None:
            settings = self._ready("fit")
            names = self.output_names or [f"output_{i}" for i in range(outputs)]
            self.objective = Objective(settings["loss"], settings["metrics"], settings["loss_weights"], names)
        return self.objective


def _verbosity(where: str, verbose: int | str, auto: int = 1) -> int:
    if verbose not in ("auto", 0, 1, 2):
        raise ArgumentError(f"{where}: expected verbose 'auto', 0, 1 or 2, got {verbose!r}.")
    return auto if verbose == "auto" else int(verbose)


def _symbols(name: str, arrays: Sequence[Array]) -> list[Tensor]:
    return [Tensor(array.shape, array.dtype, name=name) for array in arrays]


def _signature(arrays: Sequence[Array]) -> tuple[Any, ...]:
    return tuple((array.shape, array.dtype.kind) for array in arrays)


def _singles(batch: Batch) -> Iterator[Batch]:
    for i in range(batch.size):
        yield Batch([array[i : i + 1] for array in batch.inputs])


def _as_returned(logs: dict[str, Any], return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _as_data_or_none(value: Any) -> Any:
    """Names, numbers and configurable objects as plain data; None if anything else is among them."""

    def convert(item: Any) -> Any:
        if isinstance(item, Configurable):
            return describe(item)
        if isinstance(item, Mapping):
            return {key: convert(inner) for key, inner in item.items()}
        if isinstance(item, list | tuple):
            return [convert(inner) for inner in item]
        if item is None or isinstance(item, str | int | float):
            return item
        raise TypeError

    try:
        return convert(value)
    except TypeError:
        return None
