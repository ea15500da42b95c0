"""What `fit` takes its batches from: data to train on and to validate with, epoch after epoch."""

import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from striate.errors import ArgumentError
from striate.training.batches import ArrayData, Batch, IterableData, Signature, as_data


def with_validation(
    data: ArrayData | IterableData, signature: Signature, given: Any, split: float, batch_size: int | None
) -> tuple[ArrayData | IterableData, ArrayData | IterableData | None]:
    """What to train on, and what to validate with.

    Arguments:
        data: all that was given to train on.
        signature: what the network takes.
        given: (x, y), (x, y, weight) or an iterable of batches, to validate with; or None.
        split: the part of ``data``, its end, to validate with if nothing was given.
        batch_size: samples in a batch of ``given``.

    Raises:
        ArgumentError: ``split`` is not from 0 to below 1, or leaves nothing; too many items are given.
        DataError, ShapeError: as `striate.training.batches.as_data`.
    """
    if not isinstance(split, int | float | np.number) or not 0 <= split < 1:
        raise ArgumentError(f"fit: expected validation_split from 0 to below 1, got {split!r}.")
    if given is not None:
        items = given if isinstance(given, tuple | list) else (given,)
        if len(items) > 3:
            raise ArgumentError(f"fit: expected validation_data of x, y and sample_weight, got {len(items)} items.")
        x, y, weight = (*items, None, None)[:3]
        return data, as_data("fit: validation_data", signature, x, y, weight, None, batch_size)
    if not split:
        return data, None
    if not isinstance(data, ArrayData):
        raise ArgumentError("fit: validation_split needs arrays; give validation_data beside an iterable.")
    first = int(data.samples * (1 - split))
    if first == 0:
        raise ArgumentError(f"fit: validation_split={split} leaves none of {data.samples} samples to train on.")
    return data.split(first)


class Feed:
    """The batches of successive epochs.

    Arguments:
        start: begins a pass over the data.
        steps: batches in one epoch, which continues where the last one ended, or ends with the data; None: a pass.
    """

    def __init__(self, start: Callable[[], Iterator[Batch]], steps: int | None):
        self._start, self._steps = start, steps
        self._pass: Iterator[Batch] = iter(())

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        first = None if self._steps is None else next(self._pass, None)
        if first is None:
            self._pass = self._start()
            first = next(self._pass)
        yield first
        count = 1
        for batch in islice(self._pass, None if self._steps is None else self._steps - 1):
            yield batch
            count += 1
        if count < (self._steps or 1):
            warnings.warn(
                f"fit: the data ended after {count} of {self._steps} steps of an epoch; the next epoch starts over.",
                stacklevel=4,
            )
