"""Checks of constructor arguments that several layers share; ``where`` is the layer's class, for messages."""

import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Shape, Tensor
from striate.ops.operation import check_rank
from striate.ops.windows import LAYOUT, Pads, as_pairs


def integer(where: str, name: str, value: Any, least: int | None = None) -> int:
    """An integer, of at least ``least`` if that is given; raises ArgumentError on anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ArgumentError(f"{where}: expected {name} as an integer, got {value!r}.")
    if least is not None and value < least:
        raise ArgumentError(f"{where}: expected {name} of at least {least}, got {value!r}.")
    return int(value)


def real(where: str, name: str, value: Any, least: float = -math.inf) -> float:
    """A finite number of at least ``least``; raises ArgumentError on anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise ArgumentError(f"{where}: expected {name} as a finite number, got {value!r}.")
    if value < least:
        raise ArgumentError(f"{where}: expected {name} of at least {least:g}, got {value!r}.")
    return float(value)


def share(where: str, name: str, value: Any) -> float:
    """A number from 0 up to but not including 1; raises ArgumentError on anything else."""
    number = real(where, name, value, least=0)
    if number >= 1:
        raise ArgumentError(f"{where}: expected {name} below 1, got {value!r}.")
    return number


def pairs(where: str, name: str, value: Any, axes: int) -> Pads:
    """(before, after) for each axis, from an integer, one integer for each axis, or such pairs.

    For one axis a single pair is enough: ``(1, 2)``.

    Raises:
        ArgumentError: it is none of these, or negative.
    """
    if axes == 1 and isinstance(value, list | tuple) and len(value) == 2:
        value = (value,)
    sides = as_pairs(value, axes)
    if sides is None:
        raise ArgumentError(
            f"{where}: expected {name} as an integer, or one number or (before, after) pair for each of {axes} "
            f"axes, none negative; got {value!r}."
        )
    return sides


def channels_last(where: str, data_format: str | None) -> None:
    """Raise ArgumentError unless images are laid out (N, H, W, C)."""
    if data_format not in (None, "channels_last"):
        raise ArgumentError(
            f"{where}: expected data_format 'channels_last', got {data_format!r}. Images are (N, H, W, C) throughout: "
            "move the channels to the end with np.moveaxis(x, 1, -1)."
        )


def not_supported(where: str, **arguments: Any) -> None:
    """Raise ArgumentError if one of these arguments, which Keras has and we do not, is set."""
    for name, value in arguments.items():
        if value is not None:
            raise ArgumentError(
                f"{where}: expected {name}=None, got {value!r}: it is not supported here. Leave it out."
            )


def channels(where: str, input_shape: Shape, axes: int) -> int:
    """How many channels an input has; raises ShapeError unless it has ``axes`` spatial axes."""
    check_rank(where, "input", Tensor(input_shape), axes + 2, LAYOUT[axes])
    return input_shape[-1]


def at_least(where: str, input_shape: Shape, rank: int, layout: str) -> None:
    """Raise ShapeError unless an input has ``rank`` axes or more."""
    if len(input_shape) < rank:
        raise ShapeError(
            f"{where}: expected input of rank {rank} or more {layout}, got rank {len(input_shape)} "
            f"{tuple(input_shape)}."
        )
