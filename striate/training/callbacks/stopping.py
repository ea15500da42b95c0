"""Ending training before the last epoch."""

import math

from striate.graph import Array
from striate.training.callbacks.callback import Callback, Logs
from striate.training.callbacks.monitor import Monitor


class EarlyStopping(Callback):
    """Stop when a number has not improved for some epochs.

    Arguments:
        monitor: its name in the logs.
        min_delta: smaller changes do not count as improvements.
        patience: epochs without improvement after which training stops.
        verbose: 1 prints when it stops.
        mode: "min" (lower is better), "max", or "auto": inferred from the name.
        baseline: the number must become better than this too; None: no such condition.
        restore_best_weights: whether training ends with the weights of the best epoch.
        start_from_epoch: earlier epochs do not count.

    Raises:
        ArgumentError: another mode, or "auto" and it cannot be inferred from the name.

    Source: Prechelt, "Early stopping – but when?" (1998).
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        *,
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[Array] | None = None
        self.wait = 0
        self.stopped_epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.monitor.read(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        improved = self.monitor.better(value, self.best)
        if self.restore_best_weights and (improved or self.best_weights is None):
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if improved:
            self.best, self.best_epoch = value, epoch
            if self.baseline is None or self.monitor.better(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch, {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)


class TerminateOnNaN(Callback):
    """Stop as soon as the loss is NaN or infinite: training cannot recover from that."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch + 1}: the loss is {loss}, training stops")
            self.model.stop_training = True
