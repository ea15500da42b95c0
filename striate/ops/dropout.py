"""Dropout: numbers set to 0 at random, reproducibly from seed and step."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Array, Node, Shape, Tensor, active_trace
from striate.ops.operation import Box, Index, Operation, Term, Terms, as_number, read
from striate.ops.windows import per_axis
from striate.random import bits, get_seed

NoiseShape = tuple[int | None, ...] | None


def mask_shape(shape: Shape, noise_shape: NoiseShape) -> Shape:
    """The mask's shape for an input of ``shape``: one entry for each part that is kept or dropped as a whole."""
    if noise_shape is None:
        return shape
    return tuple(n if m is None else m for m, n in zip(noise_shape, shape, strict=True))


def threshold(rate: float) -> int:
    """The limit for 32-bit random numbers: an entry whose number is below it is dropped."""
    return int(rate * 2**32)


class Dropout(Operation):
    """y = x / (1 − rate) where kept, 0 where dropped; the gradient is the same operation on the gradient.

    What is dropped is a function of (seed, step, stream, position): no mask is stored.
    """

    name = "dropout"
    inputs = ("x", "random")

    def shape(self, x: Any, random: Any, *, rate: float, stream: int, noise_shape: NoiseShape) -> Shape:
        if tuple(random.shape) != (2,) or random.dtype != np.uint64:
            raise ShapeError(f"dropout: expected random as (seed, step), got {tuple(random.shape)} of {random.dtype}.")
        if noise_shape is not None and not (
            len(noise_shape) == len(x.shape)
            and all(m in (None, 1, n) for m, n in zip(noise_shape, x.shape, strict=True))
        ):
            raise ShapeError(
                f"dropout: expected noise_shape to be 1, None or the size for each axis of the input {tuple(x.shape)}, "
                f"got {noise_shape}."
            )
        return tuple(x.shape)

    def forward(self, x: Array, random: Array, *, rate: float, stream: int, noise_shape: NoiseShape) -> Array:
        y = x * self.kept(x.shape, random, rate, stream, noise_shape)
        y *= 1 / (1 - rate)
        return np.asarray(y)

    def kept(self, shape: Shape, random: Array, rate: float, stream: int, noise_shape: NoiseShape) -> Array:
        """Which numbers are kept, as booleans that broadcast to ``shape``."""
        shape = mask_shape(shape, noise_shape)
        seed, step = (int(number) for number in random)
        drawn = bits(math.prod(shape), seed=seed, purpose="dropout", step=step, stream=stream)
        return (drawn >= np.uint32(threshold(rate))).reshape(shape)

    def as_input(self, name: str, value: Any, dtype: Any) -> Array:
        if name != "random":
            return super().as_input(name, value, dtype)
        pair = np.asarray(value)
        if pair.dtype.kind not in "iu" or pair.min(initial=0) < 0:
            raise DataError(f"dropout: expected random as two integers from 0 to 2**64 − 1, got {value!r}.")
        return pair.astype(np.uint64)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, None]:
        return DROPOUT(grad_output, node.inputs[1], **node.attributes), None

    def terms(self, index: Index, x: Array, random: Array, *, rate: float, **attributes: Any) -> Terms:
        one = read("x", x, index)
        kept = np.broadcast_to(self.kept(x.shape, random, rate, **attributes), x.shape)[index]
        return Terms("x / (1 − rate) where kept", (Term(one.value / (1 - rate) if kept else 0.0, (one,)),))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [box, None]


DROPOUT = Dropout()


def dropout(x: Any, rate: float, random: Any = None, stream: int | None = None, noise_shape: Any = None) -> Any:
    """Set a random fraction of all numbers to 0 and divide the others by 1 − rate, which preserves the mean.

    Arguments:
        x: any shape.
        rate: the fraction to drop, from 0 to below 1; 0 changes nothing.
        random: (seed, step); the same pair drops the same numbers. None: those of the run in a network; outside of
            one, the current seed and step 0.
        stream: a number for each layer of a network, so that no two drop the same numbers. None: the network's next
            one; outside of a network 0.
        noise_shape: for each axis 1 to drop it as a whole, or None (or the axis' size) to drop place by place; spatial
            dropout of images is (None, 1, 1, None). None: every number on its own.

    Raises:
        ArgumentError: ``rate`` or ``stream`` is out of range, or ``noise_shape`` is not a list.
        ShapeError: ``noise_shape`` does not fit, or ``random`` is not a pair.
        DataError: ``random`` does not hold integers from 0 to 2**64 − 1.

    Source: Srivastava et al., "Dropout" (2014); spatial: Tompson et al., "Efficient object localization" (2015).
    """
    rate = as_number("dropout", "rate", rate)
    if not 0 <= rate < 1:
        raise ArgumentError(f"dropout: expected rate from 0 to below 1, the fraction to drop, got {rate}.")
    scope = active_trace()
    if random is None:
        random, next_stream = ((get_seed(), 0), 0) if scope is None else scope.random_stream()
        stream = next_stream if stream is None else stream
    (stream,) = per_axis("dropout", "stream", 0 if stream is None else stream, 1, least=0, most=2**64 - 1)
    if not isinstance(noise_shape, Sequence | None):
        raise ArgumentError(f"dropout: expected noise_shape as a list of sizes, each 1 or None, got {noise_shape!r}.")
    shape = None if noise_shape is None else tuple(noise_shape)
    return DROPOUT(x, random, rate=rate, stream=stream, noise_shape=shape)
