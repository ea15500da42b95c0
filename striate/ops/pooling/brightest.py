"""Pooling by brightness: whole pixels are picked, so that colours are never mixed."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.operation import Index, Term, Terms, as_array, read
from striate.ops.pooling import reference
from striate.ops.pooling.window import (
    PoolGrad,
    WindowPool,
    first_largest,
    picked,
    to_winners,
    window_of,
    window_reads,
    window_settings,
)
from striate.ops.windows import (
    windows_at_place,
)

#: How bright the eye finds red, green and blue. Source: ITU-R Recommendation BT.601-7 (2011), section 2.5.1.
LUMA = (0.299, 0.587, 0.114)


class BrightestPool(WindowPool):
    """The whole pixel, all channels, whose weighted sum of channels is the largest in the window."""

    name = "brightest_pool"

    def shape(self, x: Any, **attributes: Any) -> Shape:
        weights = attributes["weights"]
        if len(weights) != x.shape[-1]:
            raise ShapeError(
                f"{self.name}: expected one weight for each of {x.shape[-1]} channels (input is {tuple(x.shape)}), "
                f"got {len(weights)}."
            )
        return super().shape(x, **attributes)

    def forward(self, x: Array, *, weights: tuple[float, ...], **window: Any) -> Array:
        return reference.pick(self.entries(x, 0.0, window), self.winners(x, weights, window))

    def winners(self, x: Array, weights: tuple[float, ...], window: dict[str, Any]) -> Iterator[Array]:
        """For each entry of the window, where it is the brightest: (N, *out, 1)."""
        return reference.winners(self.entries(brightness(x, weights), -np.inf, window))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (BRIGHTEST_POOL_GRAD(node.inputs[0], grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, *, weights: tuple[float, ...], **window: Any) -> Terms:
        reads = window_reads(x, index, window)
        bright = [float(brightness(x[one.index[:-1]], weights)[0]) for one in reads]
        return picked("x of the brightest pixel in the window", reads, bright)


class BrightestPoolGrad(PoolGrad):
    """The gradient of a pixel goes to the first of the brightest pixels in its window."""

    def forward(self, x: Array, g: Array, *, weights: tuple[float, ...], **window: Any) -> Array:
        return to_winners(g, BRIGHTEST_POOL.winners(x, weights, window), x.shape[1:-1], window)

    def terms(self, index: Index, x: Array, g: Array, *, weights: tuple[float, ...], **window: Any) -> Terms:
        n, *place, c = index
        summands = []
        for _, position in windows_at_place(place, g.shape[1:-1], *window_of(window)):
            reads = window_reads(x, (n, *position, c), window)
            bright = [float(brightness(x[one.index[:-1]], weights)[0]) for one in reads]
            back = read("g", g, (n, *position, c))
            wins = reads[first_largest(bright)].index == index
            summands.append(Term(back.value if wins else 0.0, (back, *reads)))
        return Terms("Σ g of the windows where this pixel won", tuple(summands))


BRIGHTEST_POOL = BrightestPool()
BRIGHTEST_POOL_GRAD = BrightestPoolGrad(BRIGHTEST_POOL)


def brightest_pool(
    x: Any,
    pool_size: Any,
    strides: Any = None,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    weights: Any = "sum",
) -> Any:
    """The brightest pixel of each window, with all its channels: unlike `max_pool` it never mixes two pixels.

    Arguments:
        x, pool_size, strides, padding, dilation_rate: as in `max_pool`; the padding never wins.
        weights: what brightness is: "sum" of the channels, "luma" of red, green and blue (0.299, 0.587, 0.114), or a
            number for each channel. On a tie the first pixel in row-major order wins.

    Returns:
        (N, OH, OW, C).

    Raises:
        ShapeError: as `max_pool`, or there is not one weight for each channel.
        ArgumentError: as `max_pool`, or ``weights`` is another string.
        DataError: ``weights`` are not numbers.
    """
    (x,) = BRIGHTEST_POOL.same_kind(x)
    settings = window_settings("brightest_pool", x, pool_size, strides, padding, dilation_rate)
    if isinstance(weights, str):
        if weights not in ("sum", "luma"):
            raise ArgumentError(
                f"brightest_pool: expected weights as 'sum', 'luma' or a number for each channel, got {weights!r}."
            )
        weights = LUMA if weights == "luma" else (1.0,) * x.shape[-1]
    listed = as_array(weights, np.float64, "brightest_pool: weights")
    if listed.ndim != 1:
        raise ShapeError(f"brightest_pool: expected weights as a list of numbers, got shape {listed.shape}.")
    return BRIGHTEST_POOL(x, weights=tuple(listed.tolist()), **settings)


def brightness(x: Array, weights: tuple[float, ...]) -> Array:
    """Σ weight · channel: (…, C) → (…, 1)."""
    return np.asarray((x * np.asarray(weights, x.dtype)).sum(axis=-1, keepdims=True))
