"""From what people pass to ``fit``, ``evaluate`` and ``predict`` to checked batches of arrays."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Array, Shape, as_numbers


class Signature(NamedTuple):
    """The names, shapes and types of a network's inputs and targets.

    Arguments:
        inputs: shape without the batch size, and dtype, of each input; None where the network's structure is code.
        input_names: by which a dictionary of inputs is ordered.
        output_names: by which a dictionary of targets is ordered.
        outputs: shape of each output, with the batch size; None as with the inputs.
    """

    inputs: list[tuple[Shape, Any]] | None
    input_names: list[str]
    output_names: list[str]
    outputs: list[tuple[int | None, ...]] | None

    def dtypes(self, count: int) -> list[Any]:
        """The dtype that each of ``count`` inputs is computed in: float32, unless the network says otherwise."""
        return [np.dtype(np.float32)] * count if self.inputs is None else [dtype for _, dtype in self.inputs]


@dataclass(frozen=True)
class Batch:
    """Inputs, targets and sample weights, one array for each input and output of the model."""

    inputs: list[Array]
    targets: list[Array] = field(default_factory=list)
    weights: list[Array] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.inputs[0])


def as_inputs(where: str, signature: Signature, x: Any) -> list[Array]:
    """Arrays for the model's inputs, checked against the shapes it takes.

    Raises:
        DataError: not numbers, empty, or NaN.
        ShapeError: rank or sizes are not what the model takes.
    """
    arrays = _arrays(where, "x", x, signature.input_names)
    if signature.inputs is not None:
        specs = signature.inputs
        if len(specs) != len(arrays):
            raise DataError(f"{where}: expected {len(specs)} inputs, got {len(arrays)}.")
        for array, (shape, _) in zip(arrays, specs, strict=True):
            if array.shape[1:] != tuple(shape):
                expected = ", ".join(map(str, ("N", *shape)))
                raise ShapeError(
                    f"{where}: expected x of shape ({expected}), got {array.shape}.{_hint(tuple(shape), array.shape)}"
                )
    return arrays


def _hint(expected: Shape, got: Shape) -> str:
    if got == expected:
        return " Give a batch: x[None] adds the batch axis."
    if (*got[1:], 1) == expected:
        return " Add the channel axis: x[..., None]."
    if len(got) == len(expected) + 1 and len(got) > 2 and (*got[2:], got[1]) == expected:
        return " Images are channels-last here: np.moveaxis(x, 1, -1)."
    return ""


def as_targets(where: str, signature: Signature, y: Any) -> list[Array]:
    """Arrays for the targets of the model's outputs.

    Raises:
        DataError: not numbers, empty, or NaN.
    """
    return _arrays(where, "y", y, signature.output_names)


def _arrays(where: str, name: str, value: Any, keys: Sequence[str]) -> list[Array]:
    if isinstance(value, Mapping):
        if set(value) != set(keys):
            raise ArgumentError(f"{where}: expected {name} for {', '.join(keys)}, got {', '.join(map(str, value))}.")
        value = [value[key] for key in keys]
    several = isinstance(value, list | tuple) and len(value) > 0 and all(hasattr(item, "shape") for item in value)
    if several and (len(keys) > 1 or isinstance(value, tuple) or getattr(value[0], "ndim", 0) > 0):
        return [_numbers(where, f"{name}[{i}]", item) for i, item in enumerate(value)]
    return [_numbers(where, name, value)]


def _numbers(where: str, name: str, value: Any) -> Array:
    """``value`` as a native array of numbers with a batch axis and at least one sample, none of it NaN."""
    array = as_numbers(f"{where}: {name}", value)
    if array.ndim == 0:
        raise ShapeError(f"{where}: expected {name} with a batch axis, got a scalar.")
    if array.size == 0:
        raise DataError(f"{where}: {name} is empty, shape {array.shape}; at least one sample is needed.")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and np.isnan(np.min(array)):  # the minimum is NaN if any number is
        place = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise DataError(f"{where}: {name} holds NaN, first at index {place}. Clean the data, or leave that sample out.")
    return array


class ArrayData:
    """Samples in arrays, cut into batches.

    Arguments:
        where: the method, for messages.
        signature: what the network takes.
        x: input or inputs.
        y: target or targets; None for prediction.
        sample_weight: one number for each sample, or None.
        class_weight: weights by label, 1 for all others; or None.
        batch_size: samples in a batch.

    Raises:
        ArgumentError: ``batch_size`` below 1, or both kinds of weights.
        DataError, ShapeError: arrays that do not fit the model or each other.
    """

    def __init__(
        self,
        where: str,
        signature: Signature,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        batch_size: int | None = None,
    ):
        batch_size = 32 if batch_size is None else batch_size
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ArgumentError(f"{where}: expected batch_size of at least 1, got {batch_size!r}.")
        self.inputs = as_inputs(where, signature, x)
        self.dtypes = signature.dtypes(len(self.inputs))
        self.targets = [] if y is None else as_targets(where, signature, y)
        self.batch_size = int(batch_size)
        weights = []
        if sample_weight is not None:
            weights = _arrays(where, "sample_weight", sample_weight, signature.output_names)
            if len(weights) not in (1, len(self.targets)):
                raise ArgumentError(
                    f"{where}: expected one sample_weight, or one for each of {len(self.targets)} outputs; "
                    f"got {len(weights)}."
                )
        self.sample_weights = [w.astype(np.float32) for w in weights]
        for name, arrays in (("x", self.inputs), ("y", self.targets), ("sample_weight", self.sample_weights)):
            for array in arrays:
                if len(array) != self.samples:
                    raise ShapeError(
                        f"{where}: expected as many samples everywhere: x has {self.samples}, {name} has {len(array)}."
                    )
        self.weights = self.sample_weights  # what the loss is weighted with: these, times those of the classes
        if class_weight is not None:
            weight = combine_class_weight(where, signature, self.targets, class_weight, self.sample_weights)
            self.weights = [weight.astype(np.float32)]

    @property
    def samples(self) -> int:
        return len(self.inputs[0])

    @property
    def steps(self) -> int:
        """Batches in one pass."""
        return math.ceil(self.samples / self.batch_size)

    def split(self, first: int) -> "tuple[ArrayData, ArrayData]":
        """The first ``first`` samples, to train on; and the others, whose classes all weigh the same."""
        parts = []
        for part, weights in ((slice(None, first), self.weights), (slice(first, None), self.sample_weights)):
            data = object.__new__(ArrayData)
            data.batch_size, data.dtypes = self.batch_size, self.dtypes
            data.inputs, data.targets, data.weights = (
                [array[part] for array in arrays] for arrays in (self.inputs, self.targets, weights)
            )
            parts.append(data)
        return parts[0], parts[1]

    def batches(self, order: Array | None = None) -> Iterator[Batch]:
        """The batches, the last one possibly smaller; ``order``: the samples' numbers in the order to take them."""
        for start in range(0, self.samples, self.batch_size):
            part: Any = slice(start, start + self.batch_size)
            if order is not None:
                part = order[part]
            yield Batch(
                [array[part].astype(dtype, copy=False) for array, dtype in zip(self.inputs, self.dtypes, strict=True)],
                [array[part].astype(np.float32, copy=False) for array in self.targets],
                [array[part] for array in self.weights],
            )


class IterableData:
    """Batches from an iterable: x, (x, y) or (x, y, sample_weight) each.

    Arguments:
        where: the method, for messages.
        signature: what the network takes.
        batches: an iterable; an iterator continues from epoch to epoch, anything else starts over.
        class_weight: weights by label, 1 for all others; or None.
    """

    def __init__(
        self,
        where: str,
        signature: Signature,
        batches: Iterable[Any],
        class_weight: Mapping[int, float] | None = None,
    ):
        self.where, self.signature, self.source, self.class_weight = where, signature, batches, class_weight

    @property
    def steps(self) -> int | None:
        """Batches in one pass; None if not known before it ends."""
        return len(self.source) if isinstance(self.source, Sized) else None

    def batches(self, order: Array | None = None) -> Iterator[Batch]:
        """The batches of one pass, in the order of the iterable."""
        empty = True
        for item in self.source:
            parts = item if isinstance(item, tuple) else (item,)
            x, y, weight = (*parts, None, None)[:3]
            size = len(x[0] if isinstance(x, list | tuple) else next(iter(x.values())) if isinstance(x, Mapping) else x)
            whole = ArrayData(self.where, self.signature, x, y, weight, self.class_weight, max(size, 1))
            yield from whole.batches()
            empty = False
        if empty:
            raise DataError(f"{self.where}: the iterable of batches gave none. Was its iterator already exhausted?")


def as_data(
    where: str,
    signature: Signature,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int | None = None,
) -> ArrayData | IterableData:
    """Arrays, or an iterable of batches, as one of the two kinds of data.

    Raises:
        ArgumentError: targets or weights are given beside an iterable that brings its own.
        DataError, ShapeError: as `ArrayData`.
    """
    plain = hasattr(x, "shape") or isinstance(x, list | tuple | Mapping)
    if plain:
        return ArrayData(where, signature, x, y, sample_weight, class_weight, batch_size)
    if not isinstance(x, Iterable):
        raise DataError(f"{where}: expected arrays or an iterable of batches, got {type(x).__name__}.")
    if y is not None or sample_weight is not None:
        raise ArgumentError(f"{where}: an iterable brings its own targets and weights; give (x, y, weight) batches.")
    return IterableData(where, signature, x, class_weight)


def combine_class_weight(
    where: str, signature: Signature, targets: list[Array], class_weight: Mapping[int, float], weights: list[Array]
) -> Array:
    """The weight of each sample, or of each position: that of its label, times its own if it has one.

    A label without a weight weighs 1, as in Keras.

    Raises:
        ArgumentError: several outputs, labels that are not integers, or targets of which the labels cannot be told.
        ShapeError: the weights of samples fit neither samples nor labels.
    """
    if len(targets) != 1:
        raise ArgumentError(f"{where}: class_weight needs a model with one output, got {len(targets)} targets.")
    for label in class_weight:
        if isinstance(label, bool) or not isinstance(label, int | np.integer):
            raise ArgumentError(f"{where}: expected class_weight to have integer labels, got {label!r}.")
    found, places = np.unique(_labels(where, signature, targets[0]), return_inverse=True)
    result = np.array([class_weight.get(int(label), 1.0) for label in found], np.float64)[places]
    if not weights:
        return result
    own = weights[0][..., 0] if weights[0].shape == (*result.shape, 1) else weights[0]
    common = min(own.ndim, result.ndim)
    if own.shape[:common] != result.shape[:common]:
        raise ShapeError(
            f"{where}: expected sample_weight of shape {result.shape[:1]} or {result.shape} beside class_weight, got "
            f"{own.shape}."
        )
    most = max(own.ndim, result.ndim)
    wide = [array.reshape(array.shape + (1,) * (most - array.ndim)) for array in (own, result)]
    product: Array = wide[0] * wide[1]
    return product


def _labels(where: str, signature: Signature, target: Array) -> Array:
    """The label of each sample (N,), or of each of its positions (N, …), from labels or from one number per class.

    The output's shape tells which they are. If it is not known, targets of one or two axes are interpreted as in
    Keras.
    """
    axes = None if signature.outputs is None else len(signature.outputs[0])
    if target.ndim == 1 or (axes is not None and target.ndim == axes - 1):
        return np.rint(target).astype(np.int64)
    if target.shape[-1] == 1:
        return np.rint(target[..., 0]).astype(np.int64)
    if target.ndim == (axes or 2):
        places: Array = target.argmax(axis=-1)
        return places
    raise ArgumentError(
        f"{where}: class_weight needs targets that are labels or one number for each class, got {target.shape} for an "
        f"output of {signature.outputs[0] if signature.outputs else 'unknown shape'}. Give sample_weight instead."
    )
