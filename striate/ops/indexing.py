"""Indexing of symbols and variables, ``x[:, 0]``, as in NumPy: slices, integers, new axes, one list of integers."""

import operator
from typing import Any, NamedTuple

import numpy as np

from striate.errors import ArgumentError
from striate.graph import Tensor, Variable
from striate.graph.tensor import ARITHMETIC
from striate.ops.selection import take
from striate.ops.shape import SLICE, reshape


class _Taken(NamedTuple):
    """What is taken from one axis.

    Arguments:
        ends: entries that are left out before and after.
        step: from one entry to the next.
        size: how many entries are taken; None: all of the batch axis, whose size is not known yet.
    """

    ends: tuple[int, int] = (0, 0)
    step: int = 1
    size: int | None = None


def get_item(x: Any, key: Any) -> Any:
    """``x[key]``, as in NumPy.

    Arguments:
        x: any shape; a symbol, a variable or an array.
        key: slices, integers, ``...``, None for a new axis, and at most one list or array of integers; all of them
            known when the network is built.

    Raises:
        ArgumentError: ``key`` is something else, or out of range.

    Source: https://numpy.org/doc/stable/user/basics.indexing.html
    """
    (x,) = SLICE.same_kind(x)
    parts = _spelled_out(key, tuple(x.shape))
    taken: list[_Taken] = []
    shape: list[int | None] = []  # of the result
    chosen: tuple[int, Any] | None = None
    for part in parts:
        axis = len(taken)
        if part is None:
            shape.append(1)
        elif isinstance(part, slice):
            taken.append(_sliced(part, axis, x.shape[axis]))
            shape.append(taken[-1].size)
        elif (number := _integer(part)) is not None:
            taken.append(_single(number, axis, x.shape[axis]))
        else:
            chosen = axis, _numbers(part, parts)
            taken.append(_Taken(size=x.shape[axis]))
            shape += chosen[1].shape
    if any((each.ends, each.step) != ((0, 0), 1) for each in taken):
        x = SLICE(x, cropping=tuple(each.ends for each in taken), steps=tuple(each.step for each in taken))
    if chosen is not None:
        x = take(x, chosen[1], chosen[0])
    if [*shape] == [*x.shape]:
        return x
    return reshape(x, tuple(-1 if n is None else n for n in shape))


def _spelled_out(key: Any, shape: tuple[int | None, ...]) -> list[Any]:
    """One part for each axis of an array of ``shape``, and None for each new one."""
    parts = list(key) if isinstance(key, tuple) else [key]
    kept = [part for part in parts if part is not Ellipsis]
    missing = len(shape) - sum(part is not None for part in kept)
    if missing < 0 or len(kept) < len(parts) - 1:
        raise ArgumentError(
            f"index: expected at most {len(shape)} indices and one '...' for {shape}, got {len(shape) - missing} and "
            f"{len(parts) - len(kept)}."
        )
    place = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    return [*parts[:place], *[slice(None)] * missing, *parts[place + 1 :]]


def _integer(part: Any) -> int | None:
    """A single integer; None if ``part`` is something else."""
    if isinstance(part, bool | np.bool_ | Tensor | Variable) or getattr(part, "shape", ()) != ():
        return None
    try:
        return operator.index(part)
    except TypeError:
        return None


def _single(number: int, axis: int, size: int | None) -> _Taken:
    known = _known(axis, size)
    if not -known <= number < known:
        raise ArgumentError(f"index: expected an integer from {-known} to {known - 1} for axis {axis}, got {number}.")
    number %= known
    return _Taken((number, known - number - 1), size=1)


def _sliced(part: slice, axis: int, size: int | None) -> _Taken:
    try:
        start, stop, step = (None if end is None else operator.index(end) for end in (part.start, part.stop, part.step))
    except TypeError:
        raise ArgumentError(f"index: expected a slice of integers for axis {axis}, got {part}.") from None
    if step == 0:
        raise ArgumentError(f"index: expected a nonzero step for axis {axis}, got {part}.")
    if size is None and start is None and stop is None:
        return _Taken(step=step or 1)
    known = _known(axis, size)
    entries = range(*slice(start, stop, step).indices(known))
    if not entries:
        return _Taken((known, 0), size=0)
    first, last = sorted((entries[0], entries[-1]))
    return _Taken((first, known - 1 - last), entries.step if len(entries) > 1 else 1, len(entries))


def _known(axis: int, size: int | None) -> int:
    if size is None:
        raise ArgumentError(
            f"index: axis {axis} is the batch, whose size is not known yet: take all of it, or index inside a layer."
        )
    return size


def _numbers(part: Any, parts: list[Any]) -> Any:
    """A list of integers; raises if there are other lists or single integers, for which NumPy would move axes."""
    if isinstance(part, Tensor | Variable):
        raise ArgumentError(
            f"index: expected indices that are known when the network is built, got {part!r}; to select by a "
            "condition, use striate.ops.where."
        )
    numbers = np.asarray(part) if isinstance(part, list | np.ndarray) else np.asarray(None)
    if not numbers.size:
        numbers = numbers.astype(np.int64)  # NumPy makes an empty list floating
    if numbers.dtype.kind not in "iu" or sum(one is not None and not isinstance(one, slice) for one in parts) > 1:
        raise ArgumentError(
            f"index: expected slices, integers, '...' and None, or one list of integers with slices, got {part!r}; "
            "index twice to take entries along two axes; to select by a condition, use striate.ops.where."
        )
    return numbers


ARITHMETIC["get_item"] = get_item
