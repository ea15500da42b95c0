"""Checks of constructor arguments that several layers share; ``where`` is the layer's class, for messages."""

import operator
from collections.abc import Sequence
from typing import Any

from striate.errors import ArgumentError, ShapeError
from striate.graph import Shape, Tensor
from striate.ops.operation import check_rank
from striate.ops.windows import Pads, per_axis

#: The axes of a batch of series, images and volumes.
LAYOUT = {1: "(N, W, C)", 2: "(N, H, W, C)", 3: "(N, D, H, W, C)"}


def whole(where: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least ``least``; raises ArgumentError on anything else."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise ArgumentError(f"{where}: expected {name} as a whole number of at least {least}, got {value!r}.")
    return number


def real(where: str, name: str, value: Any, least: float = float("-inf")) -> float:
    """A finite number of at least ``least``; raises ArgumentError on anything else."""
    if isinstance(value, str) or not _is_number(value) or not least <= float(value) < float("inf"):
        bound = "" if least == float("-inf") else f" of at least {least:g}"
        raise ArgumentError(f"{where}: expected {name} as a finite number{bound}, got {value!r}.")
    return float(value)


def share(where: str, name: str, value: Any) -> float:
    """A number from 0 up to but not including 1; raises ArgumentError on anything else."""
    if isinstance(value, str) or not _is_number(value) or not 0 <= float(value) < 1:
        raise ArgumentError(f"{where}: expected {name} from 0 up to but not including 1, got {value!r}.")
    return float(value)


def pairs(where: str, name: str, value: Any, axes: int) -> Pads:
    """(before, after) for each axis, from a whole number, one number for each axis, or such pairs.

    For one axis a pair alone will do: ``(1, 2)``.

    Raises:
        ArgumentError: it is none of these, or negative.
    """
    sides = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * axes
    if axes == 1 and len(sides) == 2:
        sides = (sides,)
    if len(sides) != axes:
        raise ArgumentError(f"{where}: expected {name} for {axes} axes, got {value!r}.")
    return tuple((one[0], one[1]) for one in (per_axis(where, name, side, 2, least=0) for side in sides))


def channels_last(where: str, data_format: str | None) -> None:
    """Raise ArgumentError unless images are laid out (N, H, W, C)."""
    if data_format not in (None, "channels_last"):
        raise ArgumentError(
            f"{where}: expected data_format 'channels_last', got {data_format!r}. Images are (N, H, W, C) throughout: "
            "move the channels to the end with np.moveaxis(x, 1, -1)."
        )


def not_offered(where: str, **arguments: Any) -> None:
    """Raise ArgumentError if one of these arguments, which Keras has and we do not, is set."""
    for name, value in arguments.items():
        if value is not None:
            raise ArgumentError(f"{where}: expected {name}=None, got {value!r}: it is not offered here. Leave it out.")


def channels(where: str, input_shape: Shape, axes: int) -> int:
    """How many channels an input has; raises ShapeError unless it has ``axes`` spatial axes."""
    check_rank(where, "input", Tensor(input_shape), axes + 2, LAYOUT[axes])
    return input_shape[-1]


def at_least(where: str, input_shape: Shape, rank: int, layout: str) -> None:
    """Raise ShapeError unless an input has ``rank`` axes or more."""
    if len(input_shape) < rank:
        raise ShapeError(
            f"{where}: expected input of rank {rank} or more {layout}, got rank {len(input_shape)} {tuple(input_shape)}."
        )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
