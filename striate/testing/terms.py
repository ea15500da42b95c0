"""A check that the terms behind a number add up to it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from striate.graph import Array
from striate.ops.operation import Index, Operation


def check_terms(
    operation: Operation,
    arrays: Sequence[Array],
    attributes: Mapping[str, Any] | None = None,
    indices: Iterable[Index] | None = None,
    *,
    tolerance: float = 1e-12,
) -> None:
    """Check that ``operation.terms`` explains its output: the terms add up, and refer to numbers that the inputs hold.

    Arguments:
        operation: what to check.
        arrays: its inputs; float64.
        attributes: its settings.
        indices: which output numbers to ask about; default: all of them.
        tolerance: largest difference between the sum and the output number, relative to the sum of |term| or, where
            that is smaller, to the number.

    Raises:
        AssertionError: a sum differs, or a term refers to a number that the inputs do not hold.
    """
    attributes = dict(attributes or {})
    output = operation(*arrays, **attributes)
    inputs = dict(zip(operation.input_names(len(arrays)), arrays, strict=True))
    for index in np.ndindex(output.shape) if indices is None else indices:
        where = f"{operation.name} {attributes} at {index}"
        found = operation.terms(index, *arrays, **attributes)
        expected = float(output[index])
        size = max(sum(abs(term.value) for term in found.terms), abs(expected))
        if not abs(found.total - expected) <= tolerance * size:
            raise AssertionError(f"{where}: expected the terms to add up to {expected!r}, got {found.total!r}.")
        for read in (read for term in found.terms for read in term.reads):
            if read.source not in inputs or inputs[read.source][read.index] != read.value:
                raise AssertionError(f"{where}: expected a number of {list(inputs)}, got {read}.")
