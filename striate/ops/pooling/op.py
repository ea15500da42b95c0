"""Pooling with a sliding window: checks and shape rule, gradient rule, and the terms behind one number."""

import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.elementwise import add, multiply, subtract
from striate.ops.operation import Box, Index, Operation, Read, Term, Terms, as_number, known_shape, read
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
    covering_windows,
    entries_inside,
    output_sizes,
    windows_at_place,
)


class MaxPool(WindowPool):
    """y[n, i, c] = max over a of x[n, i·stride + a·dilation − before, c]; the padding is −∞; NaN wins."""

    name = "max_pool"

    def forward(self, x: Array, **window: Any) -> Array:
        return reference.largest(self.entries(x, -np.inf, window))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (MAX_POOL_GRAD(node.inputs[0], grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, **window: Any) -> Terms:
        reads = window_reads(x, index, window)
        return picked("max x over the window", reads, [one.value for one in reads])


class MaxPoolGrad(PoolGrad):
    """Each gradient number goes to the first of the largest numbers in its window, in row-major order."""

    def forward(self, x: Array, g: Array, **window: Any) -> Array:
        won = reference.winners(self.of.entries(x, -np.inf, window))
        return to_winners(g, won, x.shape[1:-1], window)

    def terms(self, index: Index, x: Array, g: Array, **window: Any) -> Terms:
        n, *place, c = index
        summands = []
        for _, position in windows_at_place(place, g.shape[1:-1], *window_of(window)):
            reads = window_reads(x, (n, *position, c), window)
            wins = reads[first_largest([one.value for one in reads])].index == index
            back = read("g", g, (n, *position, c))
            summands.append(Term(back.value if wins else 0.0, (back, *reads)))
        return Terms("Σ g of the windows where this place won", tuple(summands))


class AveragePool(WindowPool):
    """y[n, i, c] = mean over a of x[n, i·stride + a·dilation − before, c]; the padding is left out, or counts as 0."""

    name = "average_pool"

    def forward(self, x: Array, *, count_include_pad: bool, **window: Any) -> Array:
        y = reference.total(self.entries(x, 0.0, window))
        y /= self.counts(x.shape[1:-1], y.shape[1:-1], count_include_pad, window)[..., None].astype(x.dtype)
        return y

    def counts(self, size: Shape, out: Shape, count_include_pad: bool, window: dict[str, Any]) -> Array:
        """How many numbers each window averages: (*out,)."""
        if count_include_pad:
            return np.full(out, math.prod(window["pool_size"]))
        counts = np.ones((), np.intp)
        for along_axis in entries_inside(size, *window_of(window), out):
            counts = np.multiply.outer(counts, along_axis)
        return counts

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (AVERAGE_POOL_GRAD(grad_output, size=node.inputs[0].shape[1:-1], **node.attributes),)

    def terms(self, index: Index, x: Array, *, count_include_pad: bool, **window: Any) -> Terms:
        reads = window_reads(x, index, window)
        count = math.prod(window["pool_size"]) if count_include_pad else len(reads)
        return Terms(f"Σ x / {count} over the window", tuple(Term(one.value / count, (one,)) for one in reads))


class AveragePoolGrad(Operation):
    """Each gradient number goes to all the numbers that were averaged, in equal parts."""

    name = "average_pool_grad"
    inputs = ("g",)

    def shape(self, g: Any, *, size: Shape, count_include_pad: bool, **window: Any) -> Shape:
        expected = output_sizes(self.name, size, *window_of(window))
        if tuple(g.shape[1:-1]) != expected:
            raise ShapeError(
                f"{self.name}: expected a gradient of (N, *{expected}, C) for an input of {size}, got {tuple(g.shape)}."
            )
        return (g.shape[0], *size, g.shape[-1])

    def forward(self, g: Array, *, size: Shape, count_include_pad: bool, **window: Any) -> Array:
        counts = AVERAGE_POOL.counts(size, g.shape[1:-1], count_include_pad, window)
        part = g / counts[..., None].astype(g.dtype)
        return reference.spread([part] * math.prod(window["pool_size"]), size, **window)

    def terms(self, index: Index, g: Array, *, size: Shape, count_include_pad: bool, **window: Any) -> Terms:
        n, *place, c = index
        counts = AVERAGE_POOL.counts(size, g.shape[1:-1], count_include_pad, window)
        summands = []
        for _, position in windows_at_place(place, g.shape[1:-1], *window_of(window)):
            back = read("g", g, (n, *position, c))
            summands.append(Term(back.value / int(counts[position]), (back,)))
        return Terms("Σ g / count over the windows that contain this place", tuple(summands))

    def fan_in(self, node: Node) -> int:
        return math.prod(node.attributes["pool_size"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [Box(covering_windows(box.sides, *window_of(node.attributes), known_shape(node.inputs[0])[1:-1]))]


class LpPool(WindowPool):
    """y[n, i, c] = (Σ over a of |x[n, i·stride + a·dilation − before, c]|ᵖ)^(1/p)."""

    name = "lp_pool"

    def forward(self, x: Array, *, p: float, **window: Any) -> Array:
        return reference.norm(self.entries(x, 0.0, window), p)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (LP_POOL_GRAD(node.inputs[0], grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, *, p: float, **window: Any) -> Terms:
        reads = window_reads(x, index, window)
        y = _norm(reads, p)
        return Terms(
            "Σ |x|ᵖ / yᵖ⁻¹ over the window", tuple(Term(abs(r.value) ** p * _power(y, 1 - p), (r,)) for r in reads)
        )


class LpPoolGrad(PoolGrad):
    """Each gradient number goes to the numbers of its window in the parts sign(x)·(|x| / y)ᵖ⁻¹; 0 where y is 0."""

    def forward(self, x: Array, g: Array, *, p: float, **window: Any) -> Array:
        y = reference.norm(self.of.entries(x, 0.0, window), p)
        part = np.where(y == 0, 0, g * y ** (1 - p))
        shared = reference.spread([part] * math.prod(window["pool_size"]), x.shape[1:-1], **window)
        return np.asarray(np.sign(x) * np.abs(x) ** (p - 1) * shared, g.dtype)

    def terms(self, index: Index, x: Array, g: Array, *, p: float, **window: Any) -> Terms:
        n, *place, c = index
        here = read("x", x, index)
        summands = []
        for _, position in windows_at_place(place, g.shape[1:-1], *window_of(window)):
            reads = window_reads(x, (n, *position, c), window)
            back = read("g", g, (n, *position, c))
            part = np.sign(here.value) * abs(here.value) ** (p - 1) * _power(_norm(reads, p), 1 - p)
            summands.append(Term(float(back.value * part), (back, *reads)))
        return Terms("Σ g·sign(x)·(|x| / y)ᵖ⁻¹ over the windows that contain this place", tuple(summands))


MAX_POOL = MaxPool()
MAX_POOL_GRAD = MaxPoolGrad(MAX_POOL)
AVERAGE_POOL = AveragePool()
AVERAGE_POOL_GRAD = AveragePoolGrad()
LP_POOL = LpPool()
LP_POOL_GRAD = LpPoolGrad(LP_POOL)


def max_pool(x: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", *, dilation_rate: Any = 1) -> Any:
    """The largest number of each window, channel by channel.

    y[n, i, j, c] = max over a, b of x[n, i·stride + a·dilation − top, j·… − left, c]

    The padding is −∞, so it never wins. On a tie the first number in row-major order gets the gradient. NaN propagates.

    Arguments:
        x: series (N, W, C), images (N, H, W, C) or volumes (N, D, H, W, C); an array, or a symbol in a network.
        pool_size: size of the window, one number or one for each axis.
        strides: steps of the window; None: ``pool_size``, so that windows lie side by side.
        padding: "valid", "same", "same_lower", "full", a number, or a (before, after) pair for each axis.
        dilation_rate: distance between neighbouring entries of the window.

    Returns:
        (N, OH, OW, C).

    Raises:
        ShapeError: rank or sizes do not fit, or a window lies entirely in the padding.
        ArgumentError: pool_size, strides, padding or dilation are invalid.

    Source: Ranzato et al., "Unsupervised learning of invariant feature hierarchies" (2007).
    """
    (x,) = MAX_POOL.same_kind(x)
    return MAX_POOL(x, **window_settings("max_pool", x, pool_size, strides, padding, dilation_rate))


def average_pool(
    x: Any,
    pool_size: Any,
    strides: Any = None,
    padding: Any = "valid",
    *,
    dilation_rate: Any = 1,
    count_include_pad: bool = False,
) -> Any:
    """The mean of each window, channel by channel.

    Arguments:
        x, pool_size, strides, padding, dilation_rate: as in `max_pool`.
        count_include_pad: whether the padding counts as zeros; default: it is left out of the mean.

    Returns:
        (N, OH, OW, C).

    Raises:
        ShapeError, ArgumentError: as `max_pool`.

    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998), section II.
    """
    (x,) = AVERAGE_POOL.same_kind(x)
    settings = window_settings("average_pool", x, pool_size, strides, padding, dilation_rate)
    return AVERAGE_POOL(x, count_include_pad=bool(count_include_pad), **settings)


def lp_pool(
    x: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", dilation_rate: Any = 1, p: float = 2.0
) -> Any:
    """The p-norm of each window, channel by channel: (Σ |x|ᵖ)^(1/p).

    Arguments:
        x, pool_size, strides, padding, dilation_rate: as in `max_pool`; the padding counts as zeros.
        p: at least 1; 1 adds absolute values, 2 is the Euclidean norm, and large p approach the maximum.

    Returns:
        (N, OH, OW, C).

    Raises:
        ShapeError: as `max_pool`.
        ArgumentError: as `max_pool`, or ``p`` is below 1 or not finite.

    Source: Sermanet, Chintala, LeCun, "Convolutional neural networks applied to house numbers digit classification"
    (2012).
    """
    p = as_number("lp_pool", "p", p)
    if not 1 <= p < math.inf:
        raise ArgumentError(f"lp_pool: expected p of at least 1 and finite, got {p!r}. For p = ∞ take max_pool of |x|.")
    (x,) = LP_POOL.same_kind(x)
    return LP_POOL(x, p=p, **window_settings("lp_pool", x, pool_size, strides, padding, dilation_rate))


def mixed_pool(
    x: Any, alpha: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", dilation_rate: Any = 1
) -> Any:
    """alpha · max + (1 − alpha) · average of each window.

    Arguments:
        x, pool_size, strides, padding, dilation_rate: as in `max_pool`.
        alpha: 1 is max pooling, 0 average pooling. A number, or an array, symbol or variable that broadcasts against
            the result, such as one alpha for all or one for each channel; a variable can be learned.

    Returns:
        (N, OH, OW, C).

    Raises:
        ShapeError, ArgumentError: as `max_pool`.

    Source: Lee, Gallagher, Tu, "Generalizing pooling functions in convolutional neural networks" (2016), section 3.1.
    """
    largest = max_pool(x, pool_size, strides, padding, dilation_rate=dilation_rate)
    mean = average_pool(x, pool_size, strides, padding, dilation_rate=dilation_rate)
    y = add(multiply(alpha, largest), multiply(subtract(1.0, alpha), mean))
    if y.shape != largest.shape:
        raise ShapeError(f"mixed_pool: expected alpha to broadcast to {largest.shape}, got a result of {y.shape}.")
    return y


def _norm(reads: list[Read], p: float) -> float:
    return float(math.fsum(abs(one.value) ** p for one in reads) ** (1 / p))


def _power(y: float, exponent: float) -> float:
    """y to a power that may be negative; 0 where y is 0, because then every term is."""
    return float(y**exponent) if y else 0.0
