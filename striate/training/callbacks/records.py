"""Keeping the numbers of training: in memory, and in a file."""

import csv
import os
from pathlib import Path
from typing import IO, Any

from striate.training.callbacks.callback import Callback, Logs


class History(Callback):
    """The numbers of every epoch: ``history["loss"]`` is a list with one loss per epoch. ``fit`` returns it."""

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class CSVLogger(Callback):
    """One line of a text file per epoch: its number from 0, then the logs in alphabetical order.

    Arguments:
        filename: the file.
        separator: what stands between the numbers.
        append: whether to append to an existing file, in its columns.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False):
        self.filename = Path(filename)
        self.separator = separator
        self.append = append
        self._file: IO[str] | None = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._columns = []
        if self.append and self.filename.exists():
            with self.filename.open(newline="") as file:
                self._columns = next(csv.reader(file, delimiter=self.separator), [])
        self._file = self.filename.open("a" if self.append else "w", newline="")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._file is None:
            return
        row = {"epoch": epoch} | (logs or {})
        header_is_there = bool(self._columns)
        self._columns = self._columns or ["epoch", *sorted(logs or {})]
        writer = csv.DictWriter(
            self._file,
            self._columns,
            restval="NA",
            extrasaction="ignore",
            delimiter=self.separator,
            lineterminator="\n",
        )
        if not header_is_there:
            writer.writeheader()
        writer.writerow(row)
        self._file.flush()  # whoever reads the file during training sees whole lines

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
