"""The data sets that commands know by name."""

from pathlib import Path
from typing import Literal

import numpy as np
import typer

from striate.datasets import mnist
from striate.graph import Array

CLASSES = tuple("0123456789")


def is_folder(data: str) -> bool:
    """Whether data are a folder of photographs rather than the named data set, mnist.

    Raises:
        typer.BadParameter: they are neither.
    """
    if data != "mnist" and not Path(data).is_dir():
        raise typer.BadParameter(f"expected mnist or a folder of photographs; got {data!r}.", param_hint="data")
    return data != "mnist"


def load_digits(split: Literal["train", "test"], limit: int | None = None) -> tuple[Array, Array]:
    """Digits as a network takes them, and their labels.

    Arguments:
        split: "train" or "test".
        limit: how many to take, from the first on; default: all.

    Returns:
        Images (N, 28, 28, 1) in 0…1, bright ink; labels (N,).

    Raises:
        FormatError: the installed data are damaged.
    """
    images, labels = mnist.load_split(split)
    return np.divide(images[:limit, :, :, np.newaxis], 255, dtype=np.float32), labels[:limit]
