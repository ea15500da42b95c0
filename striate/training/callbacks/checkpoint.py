"""Saving the model while it learns."""

import os
from pathlib import Path

from striate.errors import ArgumentError
from striate.training.callbacks.callback import Callback, Logs
from striate.training.callbacks.monitor import Monitor


class ModelCheckpoint(Callback):
    """Save the model after each epoch, after some batches, or whenever it improves.

    Arguments:
        filepath: where to; ``{epoch:02d}`` (from 1), ``{batch}`` and logs, ``{val_loss:.2f}``, are filled in.
        monitor: name in the logs of the number that the model is judged by.
        verbose: 1 prints what is saved.
        save_best_only: whether a file is written only if the number improved.
        save_weights_only: `save_weights` instead of `save`.
        mode: "min" (lower is better), "max", or "auto": inferred from the name.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: with ``save_best_only``, the number must be better than this for the first file.

    Raises:
        ArgumentError: ``save_freq`` or ``mode`` is something else, or ``filepath`` names what the logs do not have.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        *,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ):
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not whole:
            raise ArgumentError(
                f"ModelCheckpoint: expected save_freq 'epoch' or a number of batches, got {save_freq!r}."
            )
        self.filepath = os.fspath(filepath)
        self.monitor = Monitor("ModelCheckpoint", monitor, mode) if save_best_only else None
        self.verbose = verbose
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._epoch = 0
        self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if isinstance(self.save_freq, int) and self._batches % self.save_freq == 0:
            self._save_if_better({"batch": batch + 1} | (logs or {}))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save_if_better(logs or {})

    def _save_if_better(self, logs: Logs) -> None:
        if self.monitor is not None:
            value = self.monitor.read(logs)
            # Without the number nothing tells that the model is worse: better one file too many than none.
            if value is not None:
                if not self.monitor.better(value, self.best):
                    self._say(f"{self.monitor.name} is {value:.5f}, not better than {self.best}")
                    return
                self.best = value
        path = self._path(logs)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        self._say(f"saved {path}")

    def _path(self, logs: Logs) -> str:
        try:
            return self.filepath.format(epoch=self._epoch + 1, **logs)
        except (KeyError, IndexError) as error:
            names = ", ".join(["epoch", *logs])
            raise ArgumentError(f"ModelCheckpoint: {self.filepath!r} asks for {error}, but there is {names}.") from None

    def _say(self, message: str) -> None:
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: {message}")
