"""Checks of arguments that layers share, where no layer's own test reaches."""

import re

import numpy as np
import pytest

from striate.errors import ArgumentError, ShapeError
from striate.layers.arguments import at_least, integer, pairs, real, share


def test_numpy_numbers_are_numbers() -> None:
    assert integer("Here", "n", np.int32(-3)) == -3
    assert type(integer("Here", "n", np.uint8(3), least=1)) is int
    assert real("Here", "x", np.float32(0.5)) == 0.5
    assert type(share("Here", "rate", np.float64(0))) is float
    assert pairs("Here", "padding", np.int64(2), 2) == ((2, 2), (2, 2))


def test_R4_messages() -> None:
    with pytest.raises(ArgumentError, match=re.escape("Here: expected n as an integer, got 1.0.")):
        integer("Here", "n", 1.0)
    with pytest.raises(ArgumentError, match=re.escape("Here: expected x as a finite number, got True.")):
        real("Here", "x", True)
    with pytest.raises(ArgumentError, match=re.escape("Here: expected x of at least 0.5, got 0.")):
        real("Here", "x", 0, least=0.5)
    with pytest.raises(
        ArgumentError, match=re.escape("one number or (before, after) pair for each of 2 axes, none negative")
    ):
        pairs("Here", "padding", ((1, 2), (3, -4)), 2)
    with pytest.raises(
        ShapeError, match=re.escape("Here: expected input of rank 3 or more (N, …), got rank 2 (None, 5).")
    ):
        at_least("Here", (None, 5), 3, "(N, …)")  # type: ignore[arg-type]
