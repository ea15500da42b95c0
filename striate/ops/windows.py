"""Sliding windows: the arithmetic that convolution and pooling share.

Along one axis a window of ``kernel`` entries, ``dilation`` apart, moves by ``stride`` over ``size`` entries that have
``before`` and ``after`` more put around them:

    span   = dilation · (kernel − 1) + 1
    output = ⌊(before + size + after − span) / stride⌋ + 1

Padding has one internal form, a (before, after) pair for each axis; the words are spelled out here:

    valid   no padding                                    12345 → 12345
    same    output = ⌈size / stride⌉, odd column after     12345 → 012345 0
    full    span − 1 on each side                         12345 → 0012345 00
    causal  span − 1 before, so no window sees the future 12345 → 0012345

Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning" (2016).
"""

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from striate.errors import ArgumentError, MemoryLimitError, ShapeError
from striate.graph import Array, Shape
from striate.ops.operation import check_memory

Pads = tuple[tuple[int, int], ...]

#: The axes of a batch of series, images and volumes, by how many axes a window slides over.
LAYOUT = {1: "(N, W, C)", 2: "(N, H, W, C)", 3: "(N, D, H, W, C)"}

#: Strides, sizes and paddings beyond this can only be mistakes, and NumPy would answer with an OverflowError.
MOST = 2**31 - 1

#: Windows along one axis; more come from paddings that can only be mistakes.
MOST_WINDOWS = 2**27

PADDING_WORDS = ("valid", "same", "same_lower", "full", "causal")


def per_axis(where: str, name: str, value: Any, axes: int, least: int = 1, most: int = MOST) -> Shape:
    """An integer, or one for each of ``axes`` axes, as a tuple.

    Raises:
        ArgumentError: the wrong length, not integers, or one below ``least`` or above ``most``.
    """
    several = isinstance(value, Sequence) or (isinstance(value, np.ndarray) and value.ndim > 0)
    try:
        numbers = tuple(map(operator.index, value if several else (value,) * axes))
    except TypeError:
        numbers = ()  # refused below
    if len(numbers) != axes or not all(least <= number <= most for number in numbers):
        limits = f"from {least} to {most}" if max(numbers, default=0) > most else f"at least {least}"
        raise ArgumentError(f"{where}: expected {name} as an integer or {axes} of them, each {limits}, got {value!r}.")
    return numbers


def integers(where: str, name: str, value: Any) -> Shape:
    """A list of integers, such as a shape, as a tuple.

    Raises:
        ArgumentError: it is not one.
    """
    try:
        return tuple(map(operator.index, value))
    except TypeError:
        raise ArgumentError(f"{where}: expected {name} as a list of integers, got {value!r}.") from None


def as_pairs(value: Any, axes: int) -> Pads | None:
    """An integer, one for each axis, or a (before, after) pair for each, as pairs; None if it is none of these."""
    rows = (value,) * axes if isinstance(value, int | np.integer) else value
    try:
        pairs = [
            tuple(map(operator.index, row if isinstance(row, Sequence | np.ndarray) else (row, row))) for row in rows
        ]
    except TypeError:
        return None
    if len(pairs) != axes or any(len(pair) != 2 or min(pair) < 0 or max(pair) > MOST for pair in pairs):
        return None
    return tuple((before, after) for before, after in pairs)


def resolve_padding(
    where: str, padding: Any, size: Sequence[int], kernel: Shape, strides: Shape, dilation: Shape
) -> Pads:
    """Padding as (before, after) for each axis.

    Arguments:
        where: the operation, for messages.
        padding: a word of `PADDING_WORDS`, an integer, one integer for each axis, or one (before, after) pair for
            each axis.
        size, kernel, strides, dilation: one integer for each axis.

    Raises:
        ArgumentError: ``padding`` is none of these, or negative.
    """
    axes = len(kernel)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * axes
        if padding == "full":
            return tuple((span - 1, span - 1) for span in spans)
        if padding == "causal" and axes == 1:
            return ((spans[0] - 1, 0),)
        if padding in ("same", "same_lower"):
            # Needed so that the output has ⌈size / stride⌉ entries; of an odd count, "same" puts the odd one after.
            total = [
                max((-(-n // stride) - 1) * stride + span - n, 0)
                for n, stride, span in zip(size, strides, spans, strict=True)
            ]
            if padding == "same":
                return tuple((t // 2, t - t // 2) for t in total)
            return tuple((t - t // 2, t // 2) for t in total)
    elif (pairs := as_pairs(padding, axes)) is not None:
        return pairs
    raise ArgumentError(
        f"{where}: expected padding as one of {', '.join(PADDING_WORDS)} (causal in 1 dimension only), "
        f"an integer, or a (before, after) pair for each of {axes} axes, none negative; got {padding!r}."
    )


def output_sizes(where: str, size: Sequence[int], kernel: Shape, strides: Shape, pads: Pads, dilation: Shape) -> Shape:
    """How many windows fit along each axis.

    Raises:
        ArgumentError: strides or dilation below 1, or negative padding. They can only come from a file, and are checked
            here because windows are read through raw strides.
        ShapeError: not even one fits.
        MemoryLimitError: there are more than `MOST_WINDOWS`.
    """
    if min((*kernel, *strides, *dilation), default=1) < 1 or min((n for pair in pads for n in pair), default=0) < 0:
        raise ArgumentError(
            f"{where}: expected kernel, strides and dilation of at least 1 and padding of at least 0, "
            f"got kernel {kernel}, strides {strides}, dilation {dilation}, padding {pads}."
        )
    result = []
    for n, k, stride, (before, after), d in zip(size, kernel, strides, pads, dilation, strict=True):
        span = d * (k - 1) + 1
        if before + n + after < span:
            raise ShapeError(
                f"{where}: the kernel covers {span} positions (size {k}, dilation {d}) but the padded input has only "
                f"{before + n + after} ({n} with padding {before} + {after}). Use a smaller kernel or more padding."
            )
        result.append((before + n + after - span) // stride + 1)
        if result[-1] > MOST_WINDOWS:
            raise MemoryLimitError(
                f"{where}: expected at most {MOST_WINDOWS:,} windows along an axis, got {result[-1]:,} of an input of "
                f"{n:,} with padding {before:,} + {after:,}."
            )
    return tuple(result)


def pad_spatial(x: Array, pads: Pads, value: float = 0.0) -> Array:
    """``x`` (N, *size, C) with ``value`` put around its spatial axes."""
    if not any(map(any, pads)):
        return x
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape[1:-1], pads, strict=True))
    grown = tuple(before + n + after for n, (before, after) in zip(x.shape[1:-1], pads, strict=True))
    check_memory("the padded input", (x.shape[0], *grown, x.shape[-1]), x.itemsize)
    padded = np.full((x.shape[0], *grown, x.shape[-1]), value, x.dtype)
    padded[:, *inner] = x
    return padded


def crop_spatial(x: Array, pads: Pads) -> Array:
    """``x`` without what `pad_spatial` put around it."""
    inner = tuple(slice(before, n - after) for n, (before, after) in zip(x.shape[1:-1], pads, strict=True))
    return x[:, *inner]


def sliding_windows(padded: Array, kernel: Shape, strides: Shape, dilation: Shape, out: Shape) -> Array:
    """Every window of ``padded`` (N, *size, C) as a view (N, *out, *kernel, C): nothing is copied."""
    n, *_, c = padded.shape
    batch_stride, *steps, channel_stride = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded,
        (n, *out, *kernel, c),
        (
            batch_stride,
            *(step * stride for step, stride in zip(steps, strides, strict=True)),
            *(step * d for step, d in zip(steps, dilation, strict=True)),
            channel_stride,
        ),
        writeable=False,
    )


def shifted(kernel_index: Shape, strides: Shape, dilation: Shape, out: Shape) -> tuple[slice, ...]:
    """Where in the padded input each window has its entry ``kernel_index``: one strided slice for each axis."""
    return tuple(
        slice(k * d, k * d + stride * (n - 1) + 1, stride)
        for k, d, stride, n in zip(kernel_index, dilation, strides, out, strict=True)
    )


def window_box(
    sides: tuple[tuple[int, int], ...], kernel: Shape, strides: Shape, pads: Pads, dilation: Shape, size: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """The input rectangle that a rectangle of windows looks at, without the padding."""
    return tuple(
        within(first * stride - before, (last - 1) * stride - before + d * (k - 1) + 1, n)
        for (first, last), k, stride, (before, _), d, n in zip(
            sides, kernel, strides, pads, dilation, size, strict=True
        )
    )


def within(first: int, last: int, size: int) -> tuple[int, int]:
    """The part of ``first`` … ``last`` − 1 that lies in 0 … ``size`` − 1; of length 0 where none does."""
    first = min(max(first, 0), size)
    return first, min(max(last, first), size)


def covering_windows(
    sides: tuple[tuple[int, int], ...], kernel: Shape, strides: Shape, pads: Pads, dilation: Shape, out: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """The rectangle of windows that look at an input rectangle."""
    # Window i covers i·stride − before … i·stride − before + d·(k − 1).
    return tuple(
        within(-(-(first + before - d * (k - 1)) // stride), (last - 1 + before) // stride + 1, n)
        for (first, last), k, stride, (before, _), d, n in zip(sides, kernel, strides, pads, dilation, out, strict=True)
    )


def entries_inside(
    size: Sequence[int], kernel: Shape, strides: Shape, pads: Pads, dilation: Shape, out: Shape
) -> list[Array]:
    """For each axis, how many entries of each window lie in the input and not in the padding."""
    counts = []
    for n, k, stride, (before, _), d, windows in zip(size, kernel, strides, pads, dilation, out, strict=True):
        start = np.arange(windows) * stride - before
        first = np.maximum(-(start // d), 0)  # entry a lies at start + a·d
        last = np.minimum((n - 1 - start) // d, k - 1)
        counts.append(np.maximum(last - first + 1, 0))
    return counts


def input_place(position: Sequence[int], entry: Sequence[int], strides: Shape, pads: Pads, dilation: Shape) -> Shape:
    """Where in the input the window at ``position`` has its entry ``entry``; may lie in the padding."""
    return tuple(
        i * stride + a * d - before
        for i, a, stride, d, (before, _) in zip(position, entry, strides, dilation, pads, strict=True)
    )


def inside(place: Shape, size: Sequence[int]) -> bool:
    """Whether ``place`` lies in an array of ``size``."""
    return all(0 <= p < n for p, n in zip(place, size, strict=True))


def places_in_window(
    position: Sequence[int], size: Sequence[int], kernel: Shape, strides: Shape, pads: Pads, dilation: Shape
) -> Iterator[tuple[Shape, Shape]]:
    """(entry of the kernel, its place in the input) in row-major order, without those in the padding."""
    for entry in itertools.product(*map(range, kernel)):
        place = input_place(position, entry, strides, pads, dilation)
        if inside(place, size):
            yield entry, place


def windows_at_place(
    place: Sequence[int], out: Sequence[int], kernel: Shape, strides: Shape, pads: Pads, dilation: Shape
) -> Iterator[tuple[Shape, Shape]]:
    """(entry of the kernel, position of the window that has this entry at ``place``)."""
    for entry in itertools.product(*map(range, kernel)):
        steps = [
            divmod(p + before - a * d, stride)
            for p, a, stride, d, (before, _) in zip(place, entry, strides, dilation, pads, strict=True)
        ]
        position = tuple(quotient for quotient, _ in steps)
        if not any(rest for _, rest in steps) and inside(position, out):
            yield entry, position
