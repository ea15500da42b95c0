"""What users pass as numbers, as an array."""

from typing import Any

import numpy as np

from striate.errors import DataError
from striate.graph.tensor import Array


def as_numbers(where: str, value: Any) -> Array:
    """``value`` as an array of numbers or booleans.

    Arguments:
        where: the name of the value, for messages, such as "conv: x".
        value: an array, a number, or lists of them.

    Raises:
        DataError: objects, strings, complex numbers or a ragged list.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{where}: expected numbers in one rectangular array, got a ragged list ({error}).") from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{where}: expected numbers, got an array of {array.dtype} (shape {array.shape}).")
    return array
