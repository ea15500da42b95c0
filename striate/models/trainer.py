"""The training loop: compile, fit, evaluate, predict.

One training step is one graph: the network, its loss, and the gradients of the loss. `striate.training.Step` traces it
once for each shape of batch, and runs it together with the optimizer's update.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from striate.configurable import Configurable, describe
from striate.errors import ArgumentError, ModelError
from striate.graph import Array, Graph, Tensor, trace
from striate.graph.tensor import tensors_in
from striate.models.network import Network
from striate.ops import add, multiply
from striate.random import get_seed, next_run, permutation
from striate.runtime import Executor, ExecutorCache, predicting_executor, settings
from striate.runtime.function import Function
from striate.training import optimizers
from striate.training.batches import ArrayData, Batch, IterableData, as_data, as_inputs
from striate.training.callbacks import Callback, CallbackList, History, ProgbarLogger
from striate.training.feed import Feed, with_validation
from striate.training.metrics import Metric
from striate.training.objective import Objective
from striate.training.step import Step

#: Methods that subclasses of Keras's models may define and Keras's loop calls, but that ours does not support.
OF_OTHER_LOOPS = {
    **dict.fromkeys(("fit", "train_on_batch"), ("train_step", "make_train_function")),
    **dict.fromkeys(("evaluate", "test_on_batch"), ("test_step", "make_test_function")),
    **dict.fromkeys(("predict", "predict_on_batch"), ("make_predict_function",)),
}


class Trainer(Network, abstract=True):
    """A network that can be trained, evaluated and used to predict. Arguments: see `striate.models.Model`."""

    optimizer: Any = None
    objective: Objective | None = None
    stop_training = False
    history: History | None = None
    _compiled_with: dict[str, Any] | None = None
    _step: Step | None = None
    _test: Function | None = None
    #: The losses of all outputs, as `compute_loss` traced them last.
    _output_losses: list[Any]

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
                None: what layers add with ``add_loss``, or what an overridden `compute_loss` returns.
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
        self._step = Step(partial(self._losses_and_predictions, True), self, self.optimizer)
        self._test = Function(partial(self._losses_and_predictions, False))
        self.forget_compiled()

    def compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, as plain data; None if not compiled, or with functions that are not data."""
        return None if self._compiled_with is None else _as_data_or_none(self._compiled_with)

    @property
    def training_step(self) -> Step:
        """The step that `fit` runs for each batch.

        Raises:
            ModelError: the model is not compiled.
        """
        return self._ready("training_step")[0]

    def _ready(self, where: str) -> tuple[Step, Function]:
        """The training step and the compiled evaluation.

        Raises:
            ModelError: the model is not compiled, or defines steps that would never run.
        """
        if self._step is None or self._test is None:
            raise ModelError(f"{where}: the model is not compiled. Call model.compile(optimizer, loss, metrics) first.")
        self._refuse_steps_of_other_loops(where)
        return self._step, self._test

    def _refuse_steps_of_other_loops(self, where: str) -> None:
        for name in OF_OTHER_LOOPS.get(where, ()):
            if hasattr(type(self), name):
                raise ModelError(
                    f"{where}: {type(self).__name__} defines {name}, which is not supported and would never run. "
                    "Override compute_loss, or write the training step as striate.Step(loss, variables, optimizer)."
                )

    def _callbacks(
        self,
        callbacks: Callback | Iterable[Callback] | None,
        verbose: int,
        epochs: int,
        steps: int | None,
        history: History | None = None,
    ) -> CallbackList:
        """The user's callbacks, then those that show and record the logs, to which the user's may have added."""
        own = [*([ProgbarLogger()] if verbose else []), *([history] if history else [])]
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        given = [callbacks] if isinstance(callbacks, Callback) else callbacks or []
        return CallbackList([*given, *own], self, params)

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
            callbacks: `Callback` objects, whose hooks are called.
            validation_split: fraction of the samples, the last ones, kept for validation.
            validation_data: (x, y) or (x, y, weight), or an iterable of batches (no tuple or list).
            shuffle: take the samples in a new order each epoch, which depends on seed and step alone.
            class_weight: weight of each label in the loss; in training, not in validation.
            sample_weight: weight of each sample in the loss, (N,); for several outputs one for all, or a list or
                dictionary of one each.
            initial_epoch: number of the first epoch.
            steps_per_epoch: batches in one epoch, which continues where the last one ended; default all.
            validation_steps, validation_batch_size, validation_freq: the same for validation; every how many epochs.

        Returns:
            The history: ``history.history["loss"]`` has one number for each epoch, and so on.

        Raises:
            ModelError: not compiled.
            ArgumentError, DataError, ShapeError: arguments and data that do not fit.
        """
        self._ready("fit")
        for name, count in (
            ("epochs", epochs),
            ("validation_freq", validation_freq),
            ("steps_per_epoch", steps_per_epoch),
            ("validation_steps", validation_steps),
        ):
            if count is not None and (not isinstance(count, int | np.integer) or count < 1):
                raise ArgumentError(f"fit: expected {name} of at least 1, got {count!r}.")
        data = as_data("fit", self.signature, x, y, sample_weight, class_weight, batch_size)
        size = validation_batch_size or batch_size
        data, validation = with_validation(data, self.signature, validation_data, validation_split, size)
        steps = data.steps if steps_per_epoch is None else steps_per_epoch
        feed = Feed(lambda: self._one_pass(data, shuffle), steps_per_epoch)
        verbosity = _verbosity("fit", verbose)
        self.history = History()
        calls = self._callbacks(callbacks, verbosity, epochs, steps, self.history)
        self.stop_training = False
        logs: dict[str, Any] = {}
        calls.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            calls.on_epoch_begin(epoch)
            logs = self._train_epoch(feed.epoch(), calls)
            if validation is not None and (epoch + 1) % validation_freq == 0:
                results = self._evaluate(validation, calls, validation_steps)
                logs.update({f"val_{name}": value for name, value in results.items()})
            calls.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        calls.on_train_end(logs)
        return self.history

    def _one_pass(self, data: ArrayData | IterableData, shuffle: bool) -> Iterator[Batch]:
        """All batches once; shuffled in an order that depends on the seed and the number of updates so far."""
        order = None
        if shuffle and isinstance(data, ArrayData):
            order = permutation(data.samples, seed=get_seed(), purpose="shuffle", step=self.optimizer.iterations)
        return data.batches(order)

    def _train_epoch(self, batches: Iterable[Batch], calls: CallbackList) -> dict[str, Any]:
        self.reset_metrics()
        logs: dict[str, Any] = {}
        for number, batch in enumerate(batches):
            calls.on_train_batch_begin(number)
            logs = self._train_batch(batch)
            calls.on_train_batch_end(number, logs)
            if self.stop_training:
                break
        return logs

    def _train_batch(self, batch: Batch) -> dict[str, Any]:
        step, _ = self._ready("fit")
        return self._report(batch, *step(batch.inputs, batch.targets, batch.weights))

    def load_optimizer_state(self, state: Mapping[str, Any]) -> None:
        """Let the optimizer continue from what ``model.optimizer.state()`` returned, to resume training.

        Raises:
            ModelError: not compiled.
            FormatError: ``state`` belongs to another optimizer or network.
        """
        self._ready("load_optimizer_state")
        self.optimizer.build(self.trainable_weights)
        self.optimizer.load_state(state)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of a batch, a scalar: the weighted losses that `compile` was given, plus `losses` of all layers.

        A subclass may override it. All arguments are symbols, so it is traced once for each shape and compiled.

        Arguments:
            x: inputs; several as a list.
            y: targets; several as a list, or a dictionary where the outputs are one.
            y_pred: the model's outputs, likewise.
            sample_weight: one for all outputs, or a list of one each; None: all weigh the same.
            training: whether this is a training step.

        Raises:
            ModelError: there is no loss, or there are not as many targets as outputs.
        """
        predictions = tensors_in(y_pred)
        objective = self._objective(len(predictions))
        self._output_losses = objective.loss(tensors_in(y), predictions, tensors_in(sample_weight))
        total: Any = None
        for loss, weight in zip(self._output_losses, objective.loss_weights, strict=False):
            weighted = loss if weight == 1 else multiply(loss, weight)
            total = weighted if total is None else add(total, weighted)
        for loss in self.losses:
            total = loss if total is None else add(total, loss)
        if total is None:
            raise ModelError("fit: the model was compiled without a loss, and no layer adds one. Give compile a loss.")
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Update the metrics with a batch of arrays, and return all results so far by name; a subclass may add its own.

        Arguments:
            x, y, y_pred, sample_weight: as `compute_loss`, but arrays.
        """
        objective = self._objective(len(_leaves(y_pred)))
        objective.update_metrics(_leaves(y), _leaves(y_pred), _leaves(sample_weight))
        return objective.logs()

    @property
    def metrics(self) -> list[Metric]:
        """The metrics given to `compile`, once data was seen, and those among this model's attributes."""
        compiled = [] if self.objective is None else self.objective.all_metrics()
        return [*compiled, *(value for value in vars(self).values() if isinstance(value, Metric))]

    def reset_metrics(self) -> None:
        """Reset all metrics, as at the beginning of an epoch."""
        if self.objective is not None:
            self.objective.reset()
        for metric in self.metrics:
            metric.reset_state()

    def _losses_and_predictions(
        self, training: bool, inputs: list[Tensor], targets: list[Tensor], weights: list[Tensor]
    ) -> tuple[Any, list[Any], list[Tensor]]:
        """What a step computes: the loss, the losses of the outputs if they are known, and predictions."""
        outputs = self(_one_or_all(inputs), training=training)
        predictions = tensors_in(outputs)
        self._output_losses = []
        y = dict(zip(outputs, targets, strict=False)) if isinstance(outputs, dict) else _one_or_all(targets)
        if len(targets) not in (0, len(predictions)):
            y = targets  # which compute_loss refuses
        loss = self.compute_loss(
            x=_one_or_all(inputs), y=y, y_pred=outputs, sample_weight=_one_or_all(weights), training=training
        )
        return loss, self._output_losses, predictions

    def _report(self, batch: Batch, loss: Any, output_losses: list[Array], predictions: list[Array]) -> dict[str, Any]:
        objective = self._objective(len(predictions))
        objective.update(float(loss), [float(one) for one in output_losses], len(predictions[0]))
        x, y, weights = _one_or_all(batch.inputs), _one_or_all(batch.targets), _one_or_all(batch.weights)
        return self.compute_metrics(x, y, self._as_outputs(predictions), weights)

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
        self.reset_metrics()
        return _as_returned(self._train_batch(batch), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics on one batch, without training; arguments and errors as `train_on_batch`."""
        batch = self._one_batch("test_on_batch", x, y, sample_weight)
        self.reset_metrics()
        return _as_returned(self._test_batch(batch), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The model's outputs for one batch; errors as `predict`."""
        self._refuse_steps_of_other_loops("predict_on_batch")
        arrays = as_inputs("predict_on_batch", self.signature, x)
        kinds = self.signature.dtypes(len(arrays))
        batch = Batch([array.astype(kind, copy=False) for array, kind in zip(arrays, kinds, strict=True)])
        return self._as_outputs(_run(self._predicting(batch), batch.inputs))

    def predictor(self, batch_size: int = 1) -> Callable[..., Any]:
        """A function from batches of one size to the model's outputs, for programs that need low latency.

        What `predict_on_batch` prepares at each call is prepared once. The function takes one array (N, …) for each of
        the model's inputs. It uses changed weights, but not changed layers, and does not check for NaN.

        Arguments:
            batch_size: samples of each batch.

        Raises:
            ArgumentError: ``batch_size`` below 1.
            ModelError: the model has no graph that tells what its inputs are.
            ShapeError: raised by the function: the arrays have other shapes.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ArgumentError(f"predictor: expected batch_size of at least 1, got {batch_size!r}.")
        if not self.is_graph:
            raise ModelError(
                "predictor: this model has no graph of layers that tells what its inputs are. Use predict."
            )
        batch = Batch([np.zeros((int(batch_size), *shape), dtype) for shape, dtype in self.input_specs()])
        runner = self._predicting(batch)

        def predict(*inputs: Array) -> Any:
            return self._as_outputs(_run(runner, inputs))

        return predict

    def _one_batch(self, where: str, x: Any, y: Any, weight: Any, class_weight: Any = None) -> Batch:
        self._ready(where)
        data = ArrayData(where, self.signature, x, y, weight, class_weight)
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
        data = as_data("evaluate", self.signature, x, y, sample_weight, None, batch_size)
        calls = self._callbacks(callbacks, _verbosity("evaluate", verbose), 1, steps or data.steps)
        return _as_returned(self._evaluate(data, calls, steps), return_dict)

    def _evaluate(self, data: ArrayData | IterableData, calls: CallbackList, steps: int | None) -> dict[str, Any]:
        self.reset_metrics()
        logs: dict[str, Any] = {}
        calls.on_test_begin()
        for number, batch in enumerate(islice(data.batches(), steps)):
            calls.on_test_batch_begin(number)
            logs = self._test_batch(batch)
            calls.on_test_batch_end(number, logs)
        calls.on_test_end(logs)
        return logs

    def _test_batch(self, batch: Batch) -> dict[str, Any]:
        _, test = self._ready("evaluate")
        return self._report(batch, *test(batch.inputs, batch.targets, batch.weights))

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
            callbacks: `Callback` objects, whose hooks are called.
            deterministic: compute sample by sample, so that the bits of a result do not depend on the other samples.

        Returns:
            (N, …), or a list of them for several outputs, or a dictionary where the model's outputs are one.

        Raises:
            DataError, ShapeError: data that the model does not take.
        """
        self._refuse_steps_of_other_loops("predict")
        data = as_data("predict", self.signature, x, batch_size=1 if deterministic else batch_size)
        calls = self._callbacks(callbacks, _verbosity("predict", verbose, auto=0), 1, steps or data.steps)
        calls.on_predict_begin()
        parts: list[list[Array]] = []
        for number, batch in enumerate(islice(data.batches(), steps)):
            calls.on_predict_batch_begin(number)
            singles = _singles(batch) if deterministic else [batch]
            parts.append(_joined([_run(self._predicting(part), part.inputs) for part in singles]))
            calls.on_predict_batch_end(number, {"outputs": self._as_outputs(parts[-1])})
        calls.on_predict_end()
        return self._as_outputs(_joined(parts))

    def predict_step(self, data: Any) -> Any:
        """The outputs that `predict` gives for a batch; a subclass may override it.

        Arguments:
            data: a tuple of the inputs alone, as symbols; several inputs as a list.
        """
        return self(data[0], training=False)

    def _as_outputs(self, arrays: list[Array]) -> Any:
        if self.is_graph and isinstance(self.output, dict):
            return dict(zip(self.output_names, arrays, strict=True))
        return arrays[0] if len(arrays) == 1 else arrays

    # Compiled functions

    def forget_compiled(self) -> None:
        self.executors.clear()
        for compiled in (self._step, self._test):
            if compiled is not None:
                compiled.forget()

    def compiled(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` returned when it was last called for this key; see `striate.runtime.ExecutorCache`."""
        return self.executors.get((key, settings()), make)

    @property
    def executors(self) -> ExecutorCache:
        """What was compiled for prediction and inspection, one for each shape of batch."""
        found: ExecutorCache | None = self.__dict__.get("_executors")
        if found is None:
            found = self.__dict__["_executors"] = ExecutorCache()
        return found

    def _predicting(self, batch: Batch) -> Executor:
        def traced(samples: int) -> Graph:
            symbols = [Tensor((samples, *x.shape[1:]), x.dtype, name="x") for x in batch.inputs]
            return trace(lambda *x: self.predict_step((_one_or_all(list(x)),)), symbols)

        key = ("predict", *((array.shape, array.dtype.kind) for array in batch.inputs))

        def piece(samples: int) -> Executor:
            return self._predicting(Batch([x[:samples] for x in batch.inputs]))

        runner: Executor = self.compiled(key, lambda: predicting_executor(traced, len(batch.inputs[0]), piece))
        return runner

    def _objective(self, outputs: int) -> Objective:
        if self.objective is None:
            given = self._compiled_with or {}
            names = self.output_names or [f"output_{i}" for i in range(outputs)]
            self.objective = Objective(given["loss"], given["metrics"], given["loss_weights"], names)
        return self.objective


def _verbosity(where: str, verbose: int | str, auto: int = 1) -> int:
    if verbose not in ("auto", 0, 1, 2):
        raise ArgumentError(f"{where}: expected verbose 'auto', 0, 1 or 2, got {verbose!r}.")
    return auto if verbose == "auto" else int(verbose)


def _run(runner: Executor, inputs: Sequence[Array]) -> list[Array]:
    """One prediction; random numbers, as of a dropout that is always on, are new each time."""
    return runner.run(inputs, get_seed(), 0 if runner.graph.random is None else next_run())


def _joined(parts: Sequence[list[Array]]) -> list[Array]:
    """The outputs of several batches, each output in one array."""
    return parts[0] if len(parts) == 1 else [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _one_or_all(items: list[Any]) -> Any:
    """As users see it: None for nothing, a single item itself, several in a list."""
    return (items or [None])[0] if len(items) < 2 else items


def _leaves(arrays: Any) -> list[Array]:
    """The reverse: the arrays in a list or dictionary, or one array in a list; nothing for None."""
    if arrays is None:
        return []
    return list(
        arrays.values() if isinstance(arrays, dict) else arrays if isinstance(arrays, list | tuple) else [arrays]
    )


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
