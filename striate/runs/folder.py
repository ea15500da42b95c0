"""A run folder: everything about one training, to look at, to resume, and to predict with.

config.json          all settings, versions, seed, hash of the data, findings of the checks
log.jsonl            one line for each epoch: losses, metrics, learning rate, seconds
model.safetensors    the best model so far, with its preprocessing and class names
checkpoint.safetensors   the last epoch, with the optimizer's state
report.html          one self-contained page
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.data.files import write_atomically
from striate.errors import FormatError

__all__ = ["CHECKPOINT", "CONFIG", "LOG", "MODEL", "REPORT", "RunFolder", "is_run"]

CONFIG, LOG, REPORT = "config.json", "log.jsonl", "report.html"
MODEL, CHECKPOINT = "model.safetensors", "checkpoint.safetensors"


def is_run(path: Path) -> bool:
    """Whether a path is a run folder."""
    return (path / CONFIG).is_file()


@dataclass(frozen=True)
class RunFolder:
    """The files of a run.

    Arguments:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> "RunFolder":
        """A new run folder with this configuration.

        Raises:
            FormatError: the path exists already, or it cannot be written.
        """
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            raise FormatError(f"train: {path} exists already. Give --out a new folder, or --resume it.") from None
        except OSError as error:
            raise FormatError(
                f"train: cannot create the folder {path}: {error.strerror}. Give another --out."
            ) from None
        run = cls(path)
        run.write_config(config)
        return run

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.json; FormatError if that fails."""
        content = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # A file's name need not be valid text; what is not a character is written as JSON's escape for it.
        write_atomically(self.path / CONFIG, content.encode("utf-8", "backslashreplace"), "train")

    def config(self) -> dict[str, Any]:
        """The content of config.json.

        Raises:
            FormatError: it does not exist, or is damaged.
        """
        try:
            config = json.loads((self.path / CONFIG).read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"train: expected a run folder, with {CONFIG}, got {self.path}: {error}.") from None
        if not isinstance(config, dict):
            raise FormatError(f"train: expected {self.path / CONFIG} to hold settings, got a {type(config).__name__}.")
        return config

    def write_log(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write all of log.jsonl; FormatError if that fails."""
        content = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        write_atomically(self.path / LOG, content.encode(), "train")

    def log(self) -> list[dict[str, Any]]:
        """The epochs of log.jsonl, none if there is no such file.

        Raises:
            FormatError: it is damaged.
        """
        path = self.path / LOG
        if not path.exists():
            return []
        try:
            return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"train: expected a line of JSON for each epoch in {path}: {error}.") from None
