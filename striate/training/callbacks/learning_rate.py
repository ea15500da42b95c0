"""Changing the learning rate between epochs."""

import inspect
from collections.abc import Callable

from striate.errors import ArgumentError
from striate.training.callbacks.callback import Callback, Logs
from striate.training.callbacks.monitor import Monitor


class LearningRateScheduler(Callback):
    """Ask a function for the learning rate before each epoch.

    Arguments:
        schedule: (epoch, learning rate so far) → learning rate, or (epoch) → learning rate; epochs count from 0.
        verbose: 1 prints the new value.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        self.schedule = schedule
        self.verbose = verbose
        try:
            inspect.signature(schedule).bind(0, 0.0)
            self._takes_rate = True
        except TypeError:
            self._takes_rate = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, optimizer.learning_rate) if self._takes_rate else self.schedule(epoch)
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class ReduceLROnPlateau(Callback):
    """Make the learning rate smaller when a number has not improved for some epochs.

    Arguments:
        monitor: its name in the logs.
        factor: the new learning rate is the old one times this; above 0 and below 1.
        patience: epochs without improvement before it is made smaller.
        verbose: 1 prints each change.
        mode: "min" (lower is better), "max", or "auto": inferred from the name.
        min_delta: smaller changes do not count as improvements.
        cooldown: epochs after a change that do not count.
        min_lr: lower bound of the learning rate.

    Raises:
        ArgumentError: ``factor`` is out of range, another mode, or "auto" and it cannot be inferred from the name.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        *,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        if not 0 < factor < 1:
            raise ArgumentError(f"ReduceLROnPlateau: expected factor above 0 and below 1, got {factor!r}.")
        self.monitor = Monitor("ReduceLROnPlateau", monitor, mode, min_delta)
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        value = self.monitor.read(logs)
        if value is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.monitor.better(value, self.best):
            self.best, self.wait = value, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self.wait, self.cooldown_counter = 0, self.cooldown
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {optimizer.learning_rate:g}")
