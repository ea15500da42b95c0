"""Pooling with a sliding window: checks and shape rule, gradient rule, and the terms behind one number."""

import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.operation import Box, Index, Operation, Read, Term, Terms, known_shape, read
from striate.ops.pooling import reference
from striate.ops.windows import (
    Pads,
    covering_windows,
    entries_inside,
    output_sizes,
    per_axis,
    places_in_window,
    resolve_padding,
    window_box,
    windows_at_place,
)

#: How bright the eye finds red, green and blue. Source: ITU-R Recommendation BT.601-7 (2011), section 2.5.1.
LUMA = (0.299, 0.587, 0.114)


class WindowPool(Operation):
    """What the pools below share: x (N, *size, C) → (N, *out, C), each channel on its own, every window touching x."""

    inputs: tuple[str, ...] = ("x",)

    def shape(
        self, x: Any, *, pool_size: Shape, strides: Shape, padding: Pads, dilation: Shape, **settings: Any
    ) -> Shape:
        axes = _spatial_axes(self.name, x)
        if axes != len(pool_size):
            raise ShapeError(
                f"{self.name}: expected input of rank {len(pool_size) + 2} for pool_size={pool_size}, "
                f"got {tuple(x.shape)}."
            )
        out = output_sizes(self.name, x.shape[1:-1], pool_size, strides, padding, dilation)
        inside = entries_inside(x.shape[1:-1], pool_size, strides, padding, dilation, out)
        if any(counts.min() == 0 for counts in inside):
            raise ShapeError(
                f"{self.name}: a window of pool_size={pool_size} at strides {strides} lies in the padding {padding} "
                f"altogether (input is {tuple(x.shape)}). Use less padding."
            )
        return (x.shape[0], *out, x.shape[-1])

    def fan_in(self, node: Node) -> int:
        return math.prod(node.attributes["pool_size"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        sides = window_box(box.sides, *_window(node.attributes), known_shape(node.inputs[0])[1:-1])
        return [Box(sides)]


class PoolGrad(Operation):
    """What the gradients of pools share: (x, g) → the shape of x."""

    inputs: tuple[str, ...] = ("x", "g")

    def __init__(self, of: WindowPool):
        self.of = of
        self.name = f"{of.name}_grad"
        super().__init__()

    def shape(self, x: Any, g: Any, **attributes: Any) -> Shape:
        expected = self.of.shape(x, **attributes)
        if tuple(g.shape) != expected:
            raise ShapeError(f"{self.name}: expected a gradient of {expected}, got {tuple(g.shape)}.")
        return tuple(x.shape)

    def fan_in(self, node: Node) -> int:
        return math.prod(node.attributes["pool_size"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        x, g = (known_shape(tensor)[1:-1] for tensor in node.inputs)
        windows = covering_windows(box.sides, *_window(node.attributes), g)
        return [Box(window_box(windows, *_window(node.attributes), x)), Box(windows)]


class MaxPool(WindowPool):
    """y[n, i, c] = max over a of x[n, i·stride + a·dilation − before, c]; the padding is −∞; NaN wins."""

    name = "max_pool"

    def forward(self, x: Array, **window: Any) -> Array:
        return reference.largest(_entries(self, x, -np.inf, window))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (MAX_POOL_GRAD(node.inputs[0], grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, **window: Any) -> Terms:
        reads = _reads(x, index, window)
        return picked("max x over the window", reads, [one.value for one in reads])


class MaxPoolGrad(PoolGrad):
    """Each gradient number goes to the first of the largest numbers in its window, in row-major order."""

    def forward(self, x: Array, g: Array, **window: Any) -> Array:
        won = reference.winners(_entries(self.of, x, -np.inf, window))
        return _to_winners(g, won, x.shape[1:-1], window)

    def terms(self, index: Index, x: Array, g: Array, **window: Any) -> Terms:
        n, *place, c = index
        summands = []
        for _, position in windows_at_place(place, g.shape[1:-1], *_window(window)):
            reads = _reads(x, (n, *position, c), window)
            wins = reads[_first_largest([one.value for one in reads])].index == index
            back = read("g", g, (n, *position, c))
            summands.append(Term(back.value if wins else 0.0, (back, *reads)))
        return Terms("Σ g of the windows where this place won", tuple(summands))


class AveragePool(WindowPool):
    """y[n, i, c] = mean over a of x[n, i·stride + a·dilation − before, c], with the padding left out or counted as 0."""

    name = "average_pool"

    def forward(self, x: Array, *, count_include_pad: bool, **window: Any) -> Array:
        y = reference.total(_entries(self, x, 0.0, window))
        y /= self.counts(x.shape[1:-1], y.shape[1:-1], count_include_pad, window)[..., None].astype(x.dtype)
        return y

    def counts(self, size: Shape, out: Shape, count_include_pad: bool, window: dict[str, Any]) -> Array:
        """How many numbers each window averages: (*out,)."""
        if count_include_pad:
            return np.full(out, math.prod(window["pool_size"]))
        counts = np.ones((), np.intp)
        for along_axis in entries_inside(size, *_window(window), out):
            counts = np.multiply.outer(counts, along_axis)
        return counts

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (AVERAGE_POOL_GRAD(grad_output, size=node.inputs[0].shape[1:-1], **node.attributes),)

    def terms(self, index: Index, x: Array, *, count_include_pad: bool, **window: Any) -> Terms:
        reads = _reads(x, index, window)
        count = math.prod(window["pool_size"]) if count_include_pad else len(reads)
        return Terms(f"Σ x / {count} over the window", tuple(Term(one.value / count, (one,)) for one in reads))

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)


class AveragePoolGrad(Operation):
    """Each gradient number goes to all the numbers that were averaged, in equal parts."""

    name = "average_pool_grad"
    inputs = ("g",)

    def shape(self, g: Any, *, size: Shape, count_include_pad: bool, **window: Any) -> Shape:
        expected = output_sizes(self.name, size, *_window(window))
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
        for _, position in windows_at_place(place, g.shape[1:-1], *_window(window)):
            back = read("g", g, (n, *position, c))
            summands.append(Term(back.value / int(counts[position]), (back,)))
        return Terms("Σ g / count over the windows that contain this place", tuple(summands))

    def fan_in(self, node: Node) -> int:
        return math.prod(node.attributes["pool_size"])

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.inputs[0])) * self.fan_in(node)

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [Box(covering_windows(box.sides, *_window(node.attributes), known_shape(node.inputs[0])[1:-1]))]


class LpPool(WindowPool):
    """y[n, i, c] = (Σ over a of |x[n, i·stride + a·dilation − before, c]|ᵖ)^(1/p)."""

    name = "lp_pool"

    def forward(self, x: Array, *, p: float, **window: Any) -> Array:
        with np.errstate(all="ignore"):  # infinities and NaN propagate
            return reference.norm(_entries(self, x, 0.0, window), p)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (LP_POOL_GRAD(node.inputs[0], grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, *, p: float, **window: Any) -> Terms:
        reads = _reads(x, index, window)
        y = _norm(reads, p)
        return Terms(
            "Σ |x|ᵖ / yᵖ⁻¹ over the window", tuple(Term(abs(r.value) ** p * _power(y, 1 - p), (r,)) for r in reads)
        )

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)


class LpPoolGrad(PoolGrad):
    """Each gradient number goes to the numbers of its window in the parts sign(x)·(|x| / y)ᵖ⁻¹; 0 where y is 0."""

    def forward(self, x: Array, g: Array, *, p: float, **window: Any) -> Array:
        with np.errstate(all="ignore"):
            y = reference.norm(_entries(self.of, x, 0.0, window), p)
            part = np.where(y == 0, 0, g * y ** (1 - p))
            return (
                np.sign(x)
                * np.abs(x) ** (p - 1)
                * reference.spread([part] * math.prod(window["pool_size"]), x.shape[1:-1], **window)
            )

    def terms(self, index: Index, x: Array, g: Array, *, p: float, **window: Any) -> Terms:
        n, *place, c = index
        here = read("x", x, index)
        summands = []
        for _, position in windows_at_place(place, g.shape[1:-1], *_window(window)):
            reads = _reads(x, (n, *position, c), window)
            back = read("g", g, (n, *position, c))
            part = np.sign(here.value) * abs(here.value) ** (p - 1) * _power(_norm(reads, p), 1 - p)
            summands.append(Term(float(back.value * part), (back, *reads)))
        return Terms("Σ g·sign(x)·(|x| / y)ᵖ⁻¹ over the windows that contain this place", tuple(summands))


class BrightestPool(WindowPool):
    """The whole pixel, all channels, whose weighted sum of channels is the largest in the window."""

    name = "brightest_pool"

    def shape(self, x: Any, *, weights: tuple[float, ...], **window: Any) -> Shape:
        if len(weights) != x.shape[-1]:
            raise ShapeError(
                f"{self.name}: expected one weight for each of {x.shape[-1]} channels (input is {tuple(x.shape)}), "
                f"got {len(weights)}."
            )
        return super().shape(x, **window)

    def forward(self, x: Array, *, weights: tuple[float, ...], **window: Any) -> Array:
        return reference.pick(_entries(self, x, 0.0, window), self.winners(x, weights, window))

    def winners(self, x: Array, weights: tuple[float, ...], window: dict[str, Any]) -> list[Array]:
        """For each entry of the window, where it is the brightest: (N, *out, 1)."""
        return reference.winners(_entries(self, brightness(x, weights), -np.inf, window))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (BRIGHTEST_POOL_GRAD(node.inputs[0], grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, *, weights: tuple[float, ...], **window: Any) -> Terms:
        reads = _reads(x, index, window)
        bright = [float(brightness(x[one.index[:-1]], weights)[0]) for one in reads]
        return picked("x of the brightest pixel in the window", reads, bright)


class BrightestPoolGrad(PoolGrad):
    """The gradient of a pixel goes to the first of the brightest pixels in its window."""

    def forward(self, x: Array, g: Array, *, weights: tuple[float, ...], **window: Any) -> Array:
        return _to_winners(g, BRIGHTEST_POOL.winners(x, weights, window), x.shape[1:-1], window)

    def terms(self, index: Index, x: Array, g: Array, *, weights: tuple[float, ...], **window: Any) -> Terms:
        n, *place, c = index
        summands = []
        for _, position in windows_at_place(place, g.shape[1:-1], *_window(window)):
            reads = _reads(x, (n, *position, c), window)
            bright = [float(brightness(x[one.index[:-1]], weights)[0]) for one in reads]
            back = read("g", g, (n, *position, c))
            wins = reads[_first_largest(bright)].index == index
            summands.append(Term(back.value if wins else 0.0, (back, *reads)))
        return Terms("Σ g of the windows where this pixel won", tuple(summands))


MAX_POOL = MaxPool()
MAX_POOL_GRAD = MaxPoolGrad(MAX_POOL)
AVERAGE_POOL = AveragePool()
AVERAGE_POOL_GRAD = AveragePoolGrad()
LP_POOL = LpPool()
LP_POOL_GRAD = LpPoolGrad(LP_POOL)
BRIGHTEST_POOL = BrightestPool()
BRIGHTEST_POOL_GRAD = BrightestPoolGrad(BRIGHTEST_POOL)


def max_pool(x: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", dilation_rate: Any = 1) -> Any:
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
        ShapeError: rank or sizes do not fit, or a window lies in the padding altogether.
        ArgumentError: pool_size, strides, padding or dilation mean nothing.

    Source: Ranzato et al., "Unsupervised learning of invariant feature hierarchies" (2007).
    """
    (x,) = MAX_POOL.same_kind(x)
    return MAX_POOL(x, **_settings("max_pool", x, pool_size, strides, padding, dilation_rate))


def average_pool(
    x: Any,
    pool_size: Any,
    strides: Any = None,
    padding: Any = "valid",
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
    settings = _settings("average_pool", x, pool_size, strides, padding, dilation_rate)
    return AVERAGE_POOL(x, count_include_pad=bool(count_include_pad), **settings)


def lp_pool(
    x: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", dilation_rate: Any = 1, p: float = 2.0
) -> Any:
    """The p-norm of each window, channel by channel: (Σ |x|ᵖ)^(1/p).

    Arguments:
        x, pool_size, strides, padding, dilation_rate: as in `max_pool`; the padding counts as zeros.
        p: at least 1; 1 adds absolute values, 2 is the Euclidean norm, and large p come near to the maximum.

    Returns:
        (N, OH, OW, C).

    Raises:
        ShapeError: as `max_pool`.
        ArgumentError: as `max_pool`, or ``p`` is below 1 or not finite.

    Source: Sermanet, Chintala, LeCun, "Convolutional neural networks applied to house numbers digit classification"
    (2012).
    """
    if not 1 <= p < math.inf:
        raise ArgumentError(f"lp_pool: expected p of at least 1 and finite, got {p!r}. For p = ∞ take max_pool of |x|.")
    (x,) = LP_POOL.same_kind(x)
    return LP_POOL(x, p=float(p), **_settings("lp_pool", x, pool_size, strides, padding, dilation_rate))


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
    largest = max_pool(x, pool_size, strides, padding, dilation_rate)
    return alpha * largest + (1 - alpha) * average_pool(x, pool_size, strides, padding, dilation_rate)


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
        ShapeError: as `max_pool`, or the count of weights is not that of the channels.
        ArgumentError: as `max_pool`, or ``weights`` is another word.
    """
    (x,) = BRIGHTEST_POOL.same_kind(x)
    settings = _settings("brightest_pool", x, pool_size, strides, padding, dilation_rate)
    if isinstance(weights, str):
        if weights not in ("sum", "luma"):
            raise ArgumentError(
                f"brightest_pool: expected weights as 'sum', 'luma' or a number for each channel, got {weights!r}."
            )
        weights = LUMA if weights == "luma" else (1.0,) * x.shape[-1]
    return BRIGHTEST_POOL(x, weights=tuple(float(weight) for weight in weights), **settings)


def picked(formula: str, reads: list[Read], scores: list[float]) -> Terms:
    """The terms of a choice: the first read with the largest score counts, the others count 0."""
    winner = _first_largest(scores)
    return Terms(formula, tuple(Term(one.value if i == winner else 0.0, (one,)) for i, one in enumerate(reads)))


def brightness(x: Array, weights: tuple[float, ...]) -> Array:
    """Σ weight · channel: (…, C) → (…, 1)."""
    return np.asarray((x * np.asarray(weights, x.dtype)).sum(axis=-1, keepdims=True))


def _spatial_axes(where: str, x: Any) -> int:
    axes = len(x.shape) - 2
    if not 1 <= axes <= 3:
        raise ShapeError(
            f"{where}: expected input of rank 3 (N, W, C), 4 (N, H, W, C) or 5 (N, D, H, W, C), "
            f"got rank {len(x.shape)} {tuple(x.shape)}."
        )
    return axes


def _settings(where: str, x: Any, pool_size: Any, strides: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    axes = _spatial_axes(where, x)
    window = per_axis(where, "pool_size", pool_size, axes)
    steps = window if strides is None else per_axis(where, "strides", strides, axes)
    distances = per_axis(where, "dilation_rate", dilation, axes)
    pads = resolve_padding(where, padding, x.shape[1:-1], window, steps, distances)
    return {"pool_size": window, "strides": steps, "padding": pads, "dilation": distances}


def _window(attributes: dict[str, Any]) -> tuple[Shape, Shape, Pads, Shape]:
    """The window and how it moves, in the order in which `striate.ops.windows` takes it."""
    return attributes["pool_size"], attributes["strides"], attributes["padding"], attributes["dilation"]


def _entries(operation: WindowPool, x: Array, outside: float, window: dict[str, Any]) -> list[Array]:
    out = output_sizes(operation.name, x.shape[1:-1], *_window(window))
    return reference.entries(x, outside, *_window(window), out=out)


def _to_winners(g: Array, won: list[Array], size: Shape, window: dict[str, Any]) -> Array:
    return reference.spread([np.where(wins, g, g.dtype.type(0)) for wins in won], size, **window)


def _reads(x: Array, index: Index, window: dict[str, Any]) -> list[Read]:
    """The numbers in the window behind the output at ``index``, in row-major order, without the padding."""
    n, *position, c = index
    return [read("x", x, (n, *place, c)) for _, place in places_in_window(position, x.shape[1:-1], *_window(window))]


def _first_largest(scores: list[float]) -> int:
    return int(np.argmax(scores))


def _norm(reads: list[Read], p: float) -> float:
    return float(math.fsum(abs(one.value) ** p for one in reads) ** (1 / p))


def _power(y: float, exponent: float) -> float:
    """y to a power that may be negative; 0 where y is 0, because then every term is."""
    return float(y**exponent) if y else 0.0
