"""Padding: a constant around an array, or its own entries mirrored."""

from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.ops.operation import as_number
from striate.ops.selection import take
from striate.ops.shape import PAD, pairs_for_each


def pad(x: Any, pad_width: Any, mode: Any = "constant", constant_values: float | None = None) -> Any:
    """Pad ``x``.

    Arguments:
        x: any shape.
        pad_width: integers, none negative: one for all sides, one for each axis, or a (before, after) pair for
            each axis.
        mode: "constant"; "reflect": 123 → 32123, without repeating the outermost entry; "symmetric": 123 → 21123.
        constant_values: the value in the mode "constant"; None: 0.

    Raises:
        ArgumentError: ``pad_width`` or ``mode`` is none of these, or ``constant_values`` is not a number, or given in
            another mode.
        ShapeError: the size of an axis to be mirrored is not known yet, or 0.
    """
    (x,) = PAD.same_kind(x)
    pairs = pairs_for_each("pad", "pad_width", pad_width, len(x.shape))
    if mode == "constant":
        value = 0.0 if constant_values is None else as_number("pad", "constant_values", constant_values)
        return PAD(x, padding=pairs, value=value)
    if mode not in ("reflect", "symmetric") or constant_values is not None:
        raise ArgumentError(
            'pad: expected mode as "constant", "reflect" or "symmetric", and constant_values with the first only, got '
            f"{mode!r} and {constant_values!r}."
        )
    for axis, pair in enumerate(pairs):
        if any(pair):
            if not x.shape[axis]:
                raise ShapeError(f"pad: expected entries to mirror along axis {axis}, got {tuple(x.shape)}.")
            x = take(x, np.pad(np.arange(x.shape[axis]), pair, mode), axis)
    return x
