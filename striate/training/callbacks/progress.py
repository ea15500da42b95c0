"""Progress on the screen: a line that is redrawn on a terminal, one clean line per epoch in a file."""

import math
import sys
import time
from numbers import Real

from striate.training.callbacks.callback import Callback, Logs

BAR_WIDTH = 20
SECONDS_BETWEEN_REDRAWS = 0.1


class ProgbarLogger(Callback):
    """Print the progress and the logs of training, evaluation or prediction.

    With verbose 1 on a terminal the line is redrawn all the time; with verbose 2, and where the output is not a
    terminal, there is one line at the end of each epoch. The line has the step, the elapsed time (the remaining time in
    an unfinished line), the time for one step, and the logs.
    """

    def __init__(self) -> None:
        self._training = False
        self._redraws = False
        self._epoch = 0
        self._started = 0.0
        self._drawn_at = -math.inf
        self._drawn_width = 0
        self._steps_done = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._training = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch
        self._start()
        if self._redraws:
            print(self._title())

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._advance(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs, "" if self._redraws else f"{self._title()} - ")

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._training:  # else it validates an epoch, whose line will have the results
            self._start()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._training:
            self._advance(batch, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._training:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._start()

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._advance(batch, {})

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish({})

    def _title(self) -> str:
        epochs = self.params.get("epochs")
        return f"Epoch {self._epoch + 1}/{epochs}" if epochs else f"Epoch {self._epoch + 1}"

    def _start(self) -> None:
        self._redraws = self.params.get("verbose", 1) == 1 and sys.stdout.isatty()
        self._started = time.perf_counter()
        self._drawn_at = -math.inf
        self._drawn_width = self._steps_done = 0

    def _advance(self, batch: int, logs: Logs | None) -> None:
        self._steps_done = batch + 1
        now = time.perf_counter()
        if self._redraws and now - self._drawn_at >= SECONDS_BETWEEN_REDRAWS:
            import shutil  # here, because importing striate would be slower

            self._drawn_at = now
            # A line that the terminal wraps cannot be drawn over.
            line = self._line(logs, now, finished=False)[: shutil.get_terminal_size().columns - 1]
            print(f"\r{line:<{self._drawn_width}}", end="", flush=True)
            self._drawn_width = len(line)

    def _finish(self, logs: Logs | None, title: str = "") -> None:
        if self.params.get("verbose", 1):
            line = title + self._line(logs, time.perf_counter(), finished=True)
            print(f"\r{line:<{self._drawn_width}}" if self._redraws else line, flush=True)

    def _line(self, logs: Logs | None, now: float, finished: bool) -> str:
        done, total = self._steps_done, self.params.get("steps")
        total = done if finished else total
        step_seconds = (now - self._started) / max(done, 1)
        count = f"{done:{len(str(total))}d}/{total}" if total else str(done)
        if self._redraws and total:
            full = BAR_WIDTH * done // total
            count = f"{count} {'━' * full}{'─' * (BAR_WIDTH - full)}"
        seconds = step_seconds * (total - done) if total and not finished else now - self._started
        parts = [count, _clock(seconds), f"{_duration(step_seconds)}/step"]
        parts += [f"{name}: {_number(value)}" for name, value in (logs or {}).items()]
        return " - ".join(parts)


def _clock(seconds: float) -> str:
    """``12s``, ``3:05``, ``1:03:05``."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{s:02d}"
    return f"{minutes}:{s:02d}" if minutes else f"{s}s"


def _duration(seconds: float) -> str:
    """``2s``, ``15ms``, ``80us``: integers of the largest unit that fits."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.0f}{unit}"
    return f"{seconds * 1e6:.0f}us"


def _number(value: object) -> str:
    """Four decimals, or four digits after the point of the power of ten where that would show zeros only."""
    if not isinstance(value, Real):
        return str(value)
    value = float(value)
    return f"{value:.4f}" if value == 0 or abs(value) > 1e-3 else f"{value:.4e}"
