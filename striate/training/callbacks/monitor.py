"""Watching one number of the logs: which way is better, and by how much."""

import math
import warnings

from striate.errors import ArgumentError
from striate.training.callbacks.callback import Logs

#: Last words of names whose numbers should fall, and of those that should rise.
FALLING = ("loss", "error", "entropy", "crossentropy", "mse", "rmse", "mae", "huber", "divergence")
RISING = ("accuracy", "acc", "auc", "precision", "recall", "score")


class Monitor:
    """One number of the logs.

    Arguments:
        where: the callback, for messages.
        name: such as "val_loss".
        mode: "min" (lower is better), "max", or "auto": inferred from the last word of the name.
        min_delta: smaller changes do not count as improvements.

    Raises:
        ArgumentError: another mode, or "auto" and it cannot be inferred from the name.
    """

    def __init__(self, where: str, name: str, mode: str, min_delta: float = 0.0):
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"{where}: expected mode 'auto', 'min' or 'max', got {mode!r}.")
        if mode == "auto":
            last = name.lower().rsplit("_", 1)[-1]
            if last not in FALLING + RISING:
                raise ArgumentError(
                    f"{where}: the name {name!r} does not say which way is better; give mode 'min' or 'max'."
                )
            mode = "min" if last in FALLING else "max"
        self.where, self.name, self.mode = where, name, mode
        self.min_delta = abs(min_delta)

    def read(self, logs: Logs | None) -> float | None:
        """The number, or None after a warning: in some epochs there may be no validation."""
        if logs is None or self.name not in logs:
            there_is = ", ".join(logs or {}) or "nothing"
            warnings.warn(f"{self.where}: expected {self.name!r} in the logs, got {there_is}.", stacklevel=4)
            return None
        return float(logs[self.name])

    def better(self, value: float, best: float | None) -> bool:
        """Whether ``value`` improves on ``best``; every number but NaN improves on None."""
        if best is None:
            return not math.isnan(value)
        return value + self.min_delta < best if self.mode == "min" else value - self.min_delta > best
