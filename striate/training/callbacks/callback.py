"""The hooks that training calls, and the list that calls them on every callback."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from striate.errors import ArgumentError, ModelError

Logs: TypeAlias = dict[str, Any]


class Callback:
    """Base of all callbacks: every hook does nothing unless a subclass overrides it.

    ``logs`` holds the numbers so far by name, such as "loss" and "val_accuracy"; a callback may add to it. Epochs and
    batches count from 0. `params` holds "epochs", "steps" (batches per epoch, None while unknown) and "verbose".
    """

    params: Logs = {}  # noqa: RUF012  # replaced by set_params, never changed
    _model: Any = None

    @property
    def model(self) -> Any:
        """The model in training.

        Raises:
            ModelError: there is none yet.
        """
        if self._model is None:
            raise ModelError(f"{type(self).__name__}: no model yet; give the callback to fit, evaluate or predict.")
        return self._model

    def set_model(self, model: Any) -> None:
        self._model = model

    def set_params(self, params: Logs) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before the first batch of an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a training step; calls its older name."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a training step, with the means of the epoch so far in ``logs``; calls its older name."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name for `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name for `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation, also the one that validates an epoch."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of an evaluation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of a prediction; ``logs["outputs"]`` holds the model's outputs."""


class CallbackList(Callback):
    """Several callbacks as one: each hook calls the same hook of all, in order.

    Arguments:
        callbacks: one callback or several.
        model: see `Callback`.
        params: see `Callback`.
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Callback] | None = None,
        model: Any = None,
        params: Logs | None = None,
    ):
        given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or [])
        for callback in given:
            if not isinstance(callback, Callback):
                raise ArgumentError(f"CallbackList: expected instances of Callback, got {callback!r}.")
        self.callbacks: list[Callback] = given
        if model is not None:
            self.set_model(model)
        self.set_params(params or {})

    def set_model(self, model: Any) -> None:
        self._each("set_model", model)

    def set_params(self, params: Logs) -> None:
        self._each("set_params", params)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._each("on_train_begin", logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._each("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._each("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._each("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_train_batch_end", batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_batch_begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_batch_end", batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._each("on_test_begin", logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._each("on_test_end", logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_test_batch_end", batch, logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._each("on_predict_begin", logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._each("on_predict_end", logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._each("on_predict_batch_end", batch, logs)

    def _each(self, hook: str, *arguments: Any) -> None:
        # A hook takes (logs) or (number, logs); a callback gets a dictionary even if there are no logs.
        logs_given = hook.startswith("on_") and arguments[-1] is None
        arguments = (*arguments[:-1], {}) if logs_given else arguments
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class LambdaCallback(Callback):
    """A callback from functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))``.

    Arguments:
        hooks: functions by the name of the hook they become.

    Raises:
        ArgumentError: there is no such hook, or what is given is not callable.
    """

    def __init__(self, **hooks: Callable[..., Any] | None):
        for name, function in hooks.items():
            if name not in HOOKS:
                raise ArgumentError(f"LambdaCallback: expected hooks among {', '.join(HOOKS)}; got {name!r}.")
            if function is not None:
                if not callable(function):
                    raise ArgumentError(f"LambdaCallback: expected a function for {name}, got {function!r}.")
                setattr(self, name, function)
