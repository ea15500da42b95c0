"""What the names in an ONNX graph stand for while a network is put together from it.

ONNX has channels before spatial axes: (N, C, H, W); this library has them last. So a symbol carries the *order* of its
axes: its axis j is the file's axis ``order[j]``. An operator asks for the order it needs, and only then, and only if
the order differs, numbers are moved. An ONNX ``Transpose`` moves nothing: it only renames the axes.

Arrays that are known while the network is put together, such as shapes, are computed at once. Where one depends on the
batch size, which is not known, it is kept for batches of 2 and of 3: what differs between them depends on the batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate import ops
from striate.errors import StriateError
from striate.graph import Array, Shape, Tensor

#: The batch sizes for which arrays that depend on it are computed.
BATCHES = (2, 3)

#: Numbers of one array that is computed while a network is put together.
MOST_KNOWN = 1 << 24

Order = tuple[int, ...]


class UnsupportedError(StriateError):
    """A node needs something that this library does not support; the text says what."""


class ValueNeededError(UnsupportedError):
    """The network's structure depends on values that are given only when it runs.

    Arguments:
        inputs: the graph's inputs that they come from.
    """

    def __init__(self, inputs: frozenset[str]):
        super().__init__(f"its structure depends on the values of {', '.join(sorted(inputs))}")
        self.inputs = inputs


class Known:
    """Arrays that are known: one, or one for each of `BATCHES`.

    Arguments:
        arrays: in the file's order of axes and type.
    """

    def __init__(self, *arrays: Array):
        first, *others = arrays
        same = all(first.shape == other.shape and np.array_equal(first, other) for other in others)
        self.arrays = (first,) if same else arrays

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.arrays[0].dtype

    @property
    def shape(self) -> tuple[int | None, ...]:
        sizes = zip(*(array.shape for array in self.arrays), strict=True)
        return tuple(each[0] if len(set(each)) == 1 else None for each in sizes)


class Symbol:
    """Numbers that are computed when the network runs, in float32, whatever the file's type.

    Arguments:
        tensor: of the network that is being put together.
        order: see the top of this module; default: the file's.
        dtype: of the file.
        sources: the graph's inputs that it is computed from.
    """

    def __init__(self, tensor: Tensor, order: Order | None, dtype: np.dtype[Any], sources: frozenset[str]):
        self.tensor, self.dtype, self.sources = tensor, dtype, sources
        self.order = order or tuple(range(tensor.ndim))
        self._arranged = {self.order: tensor}

    @property
    def shape(self) -> tuple[int | None, ...]:
        """In the file's order of axes."""
        sizes = dict(zip(self.order, self.tensor.shape, strict=True))
        return tuple(sizes[axis] for axis in range(len(sizes)))

    def arranged(self, order: Order) -> Tensor:
        """The symbol with its axes in another order."""
        if order not in self._arranged:
            self._arranged[order] = self._moved(order)
        return self._arranged[order]

    def _moved(self, order: Order) -> Tensor:
        sizes = self.shape
        if [a for a in order if sizes[a] != 1] == [a for a in self.order if sizes[a] != 1]:  # no number moves
            target = tuple(-1 if sizes[a] is None else sizes[a] for a in order)
            return ops.reshape(self.tensor, target)  # type: ignore[no-any-return]
        return ops.transpose(self.tensor, tuple(map(self.order.index, order)))  # type: ignore[no-any-return]


Value = Known | Symbol


def channels_last(rank: int) -> Order:
    """The order (N, …, C) of the file's (N, C, …)."""
    return (0, *range(2, rank), 1) if rank > 2 else tuple(range(rank))


def plain(rank: int) -> Order:
    """The file's own order."""
    return tuple(range(rank))


def rank(value: Value) -> int:
    """How many axes a value has."""
    return len(value.shape)


def fold(function: Callable[..., Any], *values: Value, dtype: Any = None) -> Known:
    """``function`` of known arrays, for each batch size they were computed for.

    Raises:
        ValueNeededError: an array is not known.
    """
    known = [known_of(value) for value in values]
    count = max((len(value.arrays) for value in known), default=1)
    with np.errstate(all="ignore"):
        results = (function(*(v.arrays[i % len(v.arrays)] for v in known)) for i in range(count))
        return Known(*(np.asarray(result, dtype) for result in results))


def known_of(value: Value) -> Known:
    """The value, if it is known.

    Raises:
        ValueNeededError: it is not.
    """
    if isinstance(value, Symbol):
        raise ValueNeededError(value.sources)
    return value


def array_of(value: Value) -> Array:
    """The one array that a value is.

    Raises:
        ValueNeededError: it is not known.
        UnsupportedError: it depends on the batch size.
    """
    known = known_of(value)
    if len(known.arrays) > 1:
        raise UnsupportedError("an array depends on the batch size; give the shape of the inputs, with the batch")
    return known.arrays[0]


def numbers_of(value: Value) -> tuple[int, ...]:
    """Integers that a known value holds."""
    return tuple(int(n) for n in array_of(value).reshape(-1))


def tensor_of(value: Value, order: Order) -> Any:
    """The value in an order of axes, as an operation of this library takes it: a symbol, or an array in float32."""
    if isinstance(value, Symbol):
        return value.arranged(order)
    with np.errstate(all="ignore"):
        return np.asarray(array_of(value).transpose(order), np.float32, order="C")


def all_known(values: Sequence[Value | None]) -> bool:
    """Whether all values are known before the network runs."""
    return not any(isinstance(value, Symbol) for value in values)


def sources_of(values: Sequence[Value | None]) -> frozenset[str]:
    """The graph's inputs that any of these values comes from."""
    return frozenset().union(*(value.sources for value in values if isinstance(value, Symbol)))


def size_of(shape: Sequence[int | None]) -> Shape:
    """A shape without unknown sizes.

    Raises:
        UnsupportedError: a size is not known.
    """
    if None in shape:
        raise UnsupportedError(f"it needs to know the sizes {tuple(shape)}; give the shape of the inputs")
    return tuple(n for n in shape if n is not None)
