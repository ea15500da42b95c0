"""The progress of a training, on a terminal or as lines in a file."""

import math
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from striate.cli.output import console
from striate.errors import ArgumentError
from striate.training.callbacks import Callback
from striate.training.callbacks.callback import Logs


class TrainingProgress(Callback):
    """A line for each epoch, and on a terminal a bar with images/s and the time to go.

    Arguments:
        epochs: of the whole training.
        samples: images in an epoch.
        batch_size: images in a step.
        verbose: 0 nothing, 1 lines and the bar, 2 lines.
    """

    def __init__(self, epochs: int, samples: int, batch_size: int, verbose: int):
        self.epochs, self.samples, self.batch_size, self.verbose = epochs, samples, batch_size, verbose
        self.epoch = self.images = 0  # the epoch's number, and how many of its images were seen
        self._started = 0.0
        self._console = console()
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]:,.0f} images/s"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[results]}"),
            console=self._console,
            transient=True,
            disable=verbose != 1 or not self._console.is_interactive,
        )
        self._task = self._bar.add_task("", total=epochs * samples, epoch=f"1/{epochs}", speed=0.0, results="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch, self.images = epoch, 0
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if not math.isfinite(logs["loss"]):
            raise ArgumentError(
                f"train: the loss is {logs['loss']} in epoch {self.epoch + 1}, and training cannot recover from that. "
                "Choose a smaller --learning-rate."
            )
        self.images = min((batch + 1) * self.batch_size, self.samples)
        self._bar.update(
            self._task,
            completed=self.epoch * self.samples + self.images,
            epoch=f"{self.epoch + 1}/{self.epochs}",
            speed=self._speed(),
            results=_results(logs),
        )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.verbose:
            return
        speed = self._speed()
        left = timedelta(seconds=round((self.epochs - epoch - 1) * self.samples / speed))
        self._console.print(
            f"epoch {epoch + 1}/{self.epochs}  {_results(logs or {})}  {speed:,.0f} images/s  {left} to go",
            markup=False,
        )

    def _speed(self) -> float:
        return self.images / max(time.perf_counter() - self._started, 1e-9)


def _results(logs: Logs) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
