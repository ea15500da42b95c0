"""The data sets that commands know by name."""

from typing import Literal

import numpy as np
import typer

from striate.datasets import mnist
from striate.graph import Array

CLASSES = tuple("0123456789")


def check_name(data: str) -> None:
    """Refuse names of data sets that there are none of.

    Raises:
        typer.BadParameter: there is no such data set.
    """
    if data != "mnist":
        raise typer.BadParameter(f"expected the name of a data set, mnist; got {data!r}.", param_hint="data")


def load_digits(split: Literal["train", "test"], limit: int | None = None) -> tuple[Array, Array]:
    """Digits as a network takes them, and their labels.

    Arguments:
        split: "train" or "test".
        limit: take only the first ones.

    Returns:
        Images (N, 28, 28, 1) in 0…1, bright ink; labels (N,).

    Raises:
        FormatError: the installed data are damaged.
    """
    images, labels = mnist.load_split(split)
    return np.divide(images[:limit, :, :, np.newaxis], 255, dtype=np.float32), labels[:limit]
