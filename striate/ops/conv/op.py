"""Convolution: checks and shape rule, gradient rule, and the terms behind one number.

Three operations form a closed family: `Conv` and its gradients `ConvGradInput`, `ConvGradWeight`. The gradient with
respect to the input is also the transposed convolution ("deconvolution") of generators, so it has gradients too.
"""

import itertools
import math
from typing import Any

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.conv import reference
from striate.ops.elementwise import add_bias
from striate.ops.operation import Box, Index, Operation, Read, Term, Terms, check_rank, known_shape, read
from striate.ops.shape import reshape
from striate.ops.windows import (
    LAYOUT,
    Pads,
    covering_windows,
    input_place,
    inside,
    output_sizes,
    per_axis,
    places_in_window,
    resolve_padding,
    window_box,
    windows_at_place,
)


class Conv(Operation):
    """y[n, i, k] = Σ x[n, i·stride + a·dilation − before, c] · w[a, c, k], with one index i, a for each dimension."""

    name = "conv"
    inputs = ("x", "w")

    def shape(self, x: Any, w: Any, *, strides: Shape, padding: Pads, dilation: Shape, groups: int) -> Shape:
        _check_kernel(self.name, w, len(strides), groups)
        check_rank(f"conv{len(strides)}d", "input", x, len(strides) + 2, LAYOUT[len(strides)])
        expected = w.shape[-2] * groups
        if x.shape[-1] != expected:
            raise ShapeError(
                f"conv{len(strides)}d: expected {expected} input channels (weight is {tuple(w.shape)}, "
                f"groups={groups}), got {x.shape[-1]} (input is {tuple(x.shape)})."
                f"{_channel_hint(x.shape[-1], expected)}"
            )
        where = f"conv{len(strides)}d"
        out = output_sizes(where, x.shape[1:-1], tuple(w.shape[:-2]), strides, padding, dilation)
        return (x.shape[0], *out, w.shape[-1])

    def forward(self, x: Array, w: Array, **attributes: Any) -> Array:
        return reference.forward(x, w, **attributes, out=self.shape(x, w, **attributes)[1:-1])

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        x, w = node.inputs
        return (
            CONV_GRAD_INPUT(grad_output, w, size=x.shape[1:-1], **node.attributes),
            CONV_GRAD_WEIGHT(x, grad_output, kernel=w.shape[:-2], **node.attributes),
        )

    def terms(self, index: Index, x: Array, w: Array, **attributes: Any) -> Terms:
        n, *position, k = index
        first = k // (w.shape[-1] // attributes["groups"]) * w.shape[-2]  # first input channel of this output's group
        summands = []
        for entry, place in places_in_window(position, x.shape[1:-1], w.shape[:-2], *_window(attributes)):
            for c in range(w.shape[-2]):
                summands.append(_product(read("x", x, (n, *place, first + c)), read("w", w, (*entry, c, k))))
        return Terms("Σ x·w over the window and its channels", tuple(summands))

    def fan_in(self, node: Node) -> int:
        return math.prod(known_shape(node.inputs[1])[:-1])

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        x, w = node.inputs
        sides = window_box(box.sides, known_shape(w)[:-2], *_window(node.attributes), known_shape(x)[1:-1])
        return [Box(sides), None]


class ConvGradInput(Operation):
    """The adjoint of convolution: each entry of ``g``, times the kernel, is added to its window.

    x[n, p, c] = Σ g[n, i, k] · w[a, c, k] over all i, a, k with i·stride + a·dilation − before = p.
    """

    name = "conv_grad_input"
    inputs = ("g", "w")

    def shape(
        self, g: Any, w: Any, *, size: Shape, strides: Shape, padding: Pads, dilation: Shape, groups: int
    ) -> Shape:
        where = f"conv{len(strides)}d_transpose"
        _check_kernel(where, w, len(strides), groups)
        check_rank(where, "input", g, len(strides) + 2, LAYOUT[len(strides)])
        if g.shape[-1] != w.shape[-1]:
            raise ShapeError(
                f"{where}: expected {w.shape[-1]} input channels (weight is {tuple(w.shape)}), got {g.shape[-1]} "
                f"(input is {tuple(g.shape)})."
            )
        out = output_sizes(where, size, tuple(w.shape[:-2]), strides, padding, dilation)
        if out != tuple(g.shape[1:-1]):
            raise ShapeError(
                f"{where}: an output of {size} needs an input of {out} at strides {strides} and padding {padding}, "
                f"got {tuple(g.shape[1:-1])}."
            )
        return (g.shape[0], *size, w.shape[-2] * groups)

    def forward(self, g: Array, w: Array, **attributes: Any) -> Array:
        return reference.grad_input(g, w, **attributes)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        g, w = node.inputs
        settings = {name: value for name, value in node.attributes.items() if name != "size"}
        return (
            CONV(grad_output, w, **settings),
            CONV_GRAD_WEIGHT(grad_output, g, kernel=w.shape[:-2], **settings),
        )

    def terms(self, index: Index, g: Array, w: Array, **attributes: Any) -> Terms:
        n, *position, channel = index
        group, c = divmod(channel, w.shape[-2])
        per_group = w.shape[-1] // attributes["groups"]
        summands = []
        for entry, place in windows_at_place(position, g.shape[1:-1], w.shape[:-2], *_window(attributes)):
            for k in range(group * per_group, (group + 1) * per_group):
                summands.append(_product(read("g", g, (n, *place, k)), read("w", w, (*entry, c, k))))
        return Terms("Σ g·w over the windows that contain this place", tuple(summands))

    def multiply_adds(self, node: Node) -> int:
        g, w = node.inputs
        return math.prod(known_shape(g)) * math.prod(known_shape(w)[:-1])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        g, w = node.inputs
        sides = covering_windows(box.sides, known_shape(w)[:-2], *_window(node.attributes), known_shape(g)[1:-1])
        return [Box(sides), None]


class ConvGradWeight(Operation):
    """The gradient with respect to the weights: w[a, c, k] = Σ x[n, i·stride + a·dilation − before, c] · g[n, i, k]."""

    name = "conv_grad_weight"
    inputs = ("x", "g")

    def shape(
        self, x: Any, g: Any, *, kernel: Shape, strides: Shape, padding: Pads, dilation: Shape, groups: int
    ) -> Shape:
        out = output_sizes(self.name, x.shape[1:-1], kernel, strides, padding, dilation)
        if (x.shape[0], *out) != tuple(g.shape[:-1]):
            raise ShapeError(f"{self.name}: expected a gradient of {(x.shape[0], *out)}, got {tuple(g.shape[:-1])}.")
        return (*kernel, x.shape[-1] // groups, g.shape[-1])

    def forward(self, x: Array, g: Array, **attributes: Any) -> Array:
        return reference.grad_weight(x, g, **attributes)

    def terms(self, index: Index, x: Array, g: Array, **attributes: Any) -> Terms:
        *entry, c, k = index
        channel = k // (g.shape[-1] // attributes["groups"]) * (x.shape[-1] // attributes["groups"]) + c
        summands = []
        for n, *position in itertools.product(*map(range, g.shape[:-1])):
            place = input_place(position, entry, *_window(attributes))
            if inside(place, x.shape[1:-1]):
                summands.append(_product(read("x", x, (n, *place, channel)), read("g", g, (n, *position, k))))
        return Terms("Σ x·g over images and windows", tuple(summands))

    def multiply_adds(self, node: Node) -> int:
        _, g = node.inputs
        return math.prod(known_shape(g)) * math.prod(known_shape(node.output)[:-1])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None, None]


CONV = Conv()
CONV_GRAD_INPUT = ConvGradInput()
CONV_GRAD_WEIGHT = ConvGradWeight()


def conv1d(
    x: Any, w: Any, bias: Any = None, strides: Any = 1, padding: Any = "valid", dilation_rate: Any = 1, groups: int = 1
) -> Any:
    """Slide kernels over a series: x (N, W, C), w (KW, C/groups, K), bias (K,) → (N, OW, K). See `conv2d`."""
    return _conv(1, x, w, bias, strides, padding, dilation_rate, groups)


def conv2d(
    x: Any, w: Any, bias: Any = None, strides: Any = 1, padding: Any = "valid", dilation_rate: Any = 1, groups: int = 1
) -> Any:
    """Slide kernels over images; each output number is one window times one kernel, summed.

    y[n, i, j, k] = bias[k] + Σ over a, b, c of x[n, i·stride + a·dilation − top, j·… − left, c] · w[a, b, c, k]

    Arguments:
        x: images (N, H, W, C); an array, or a symbol in a network.
        w: kernels (KH, KW, C/groups, K).
        bias: (K,), added to each output map; None: no bias.
        strides: steps of the window, one integer or one for each axis.
        padding: zeros put around the image: "valid" (none), "same" (output ⌈size/stride⌉), "same_lower", "full"
            (kernel − 1 on each side), a number, or a (before, after) pair for each axis.
        dilation_rate: distance between neighbouring entries of the kernel.
        groups: the channels are split into this many groups that are convolved separately.

    Returns:
        (N, OH, OW, K).

    Raises:
        ShapeError: rank, channels, sizes or bias do not fit.
        ArgumentError: strides, padding, dilation or groups are invalid.

    Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), chapter 9.
    """
    return _conv(2, x, w, bias, strides, padding, dilation_rate, groups)


def conv3d(
    x: Any, w: Any, bias: Any = None, strides: Any = 1, padding: Any = "valid", dilation_rate: Any = 1, groups: int = 1
) -> Any:
    """Slide kernels over volumes: x (N, D, H, W, C), w (KD, KH, KW, C/groups, K) → (N, OD, OH, OW, K). See `conv2d`."""
    return _conv(3, x, w, bias, strides, padding, dilation_rate, groups)


def depthwise_conv1d(
    x: Any, w: Any, bias: Any = None, strides: Any = 1, padding: Any = "valid", dilation_rate: Any = 1
) -> Any:
    """Filter each channel of a series separately: x (N, W, C), w (KW, C, M) → (N, OW, C·M). See `depthwise_conv2d`."""
    return _depthwise(1, x, w, bias, strides, padding, dilation_rate)


def depthwise_conv2d(
    x: Any, w: Any, bias: Any = None, strides: Any = 1, padding: Any = "valid", dilation_rate: Any = 1
) -> Any:
    """Filter each channel separately with M kernels: a convolution with as many groups as channels.

    Arguments:
        x: images (N, H, W, C).
        w: kernels (KH, KW, C, M); output map c·M + m is channel c filtered by kernel m.
        bias: (C·M,) or None.
        strides, padding, dilation_rate: as in `conv2d`.

    Returns:
        (N, OH, OW, C·M).

    Raises:
        ShapeError, ArgumentError: as `conv2d`.

    Source: Chollet, "Xception" (2017).
    """
    return _depthwise(2, x, w, bias, strides, padding, dilation_rate)


def conv1d_transpose(
    x: Any,
    w: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    output_size: Any = None,
) -> Any:
    """Transposed convolution of a series: x (N, W, K), w (KW, C/groups, K) → (N, OW, C). See `conv2d_transpose`."""
    return _conv_transpose(1, x, w, bias, strides, padding, dilation_rate, groups, output_size)


def conv2d_transpose(
    x: Any,
    w: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    output_size: Any = None,
) -> Any:
    """Transposed convolution ("deconvolution"): the exact adjoint of `conv2d` with the same weights.

    ⟨conv2d(y), x⟩ = ⟨y, conv2d_transpose(x)⟩ for all x and y. Each input number, times the kernel, is added to its
    window of the output.

    Arguments:
        x: (N, H, W, K).
        w: kernels (KH, KW, C/groups, K), as in the corresponding convolution.
        bias: (C,) or None.
        strides: one integer or one for each axis; the output is about ``strides`` times larger.
        padding: of the corresponding convolution; it is cropped from the output.
        dilation_rate, groups: as in `conv2d`.
        output_size: height and width of the output; default: size·stride for "same", else the smallest that fits.

    Returns:
        (N, OH, OW, C).

    Raises:
        ShapeError: rank, channels, sizes or bias do not fit.
        ArgumentError: strides, padding, dilation or groups are invalid.

    Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning" (2016), chapter 4.
    """
    return _conv_transpose(2, x, w, bias, strides, padding, dilation_rate, groups, output_size)


def conv3d_transpose(
    x: Any,
    w: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    output_size: Any = None,
) -> Any:
    """Transposed convolution of volumes: x (N, D, H, W, K), w (KD, KH, KW, C/groups, K). See `conv2d_transpose`."""
    return _conv_transpose(3, x, w, bias, strides, padding, dilation_rate, groups, output_size)


def _conv(axes: int, x: Any, w: Any, bias: Any, strides: Any, padding: Any, dilation: Any, groups: int) -> Any:
    where = f"conv{axes}d"
    x, w = CONV.same_kind(x, w)
    check_rank(where, "input", x, axes + 2, LAYOUT[axes])
    settings = _settings(where, axes, w, strides, dilation, groups)
    pads = resolve_padding(where, padding, x.shape[1:-1], w.shape[:-2], settings["strides"], settings["dilation"])
    y = CONV(x, w, padding=pads, **settings)
    return add_bias(where, y, bias)


def _depthwise(axes: int, x: Any, w: Any, bias: Any, strides: Any, padding: Any, dilation: Any) -> Any:
    _, w = CONV.same_kind(x, w)
    check_rank(f"depthwise_conv{axes}d", "weight", w, axes + 2, "(*kernel, C, multiplier)")
    *kernel, channels, multiplier = w.shape
    grouped = reshape(w, (*kernel, 1, channels * multiplier))
    return _conv(axes, x, grouped, bias, strides, padding, dilation, groups=channels)


def _conv_transpose(
    axes: int,
    x: Any,
    w: Any,
    bias: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output_size: Any,
) -> Any:
    where = f"conv{axes}d_transpose"
    x, w = CONV_GRAD_INPUT.same_kind(x, w)
    check_rank(where, "input", x, axes + 2, LAYOUT[axes])
    settings = _settings(where, axes, w, strides, dilation, groups)
    kernel, steps, distances = w.shape[:-2], settings["strides"], settings["dilation"]
    if output_size is not None:
        size = per_axis(where, "output_size", output_size, axes)
    elif isinstance(padding, str) and padding in ("same", "same_lower"):
        size = tuple(n * s for n, s in zip(x.shape[1:-1], steps, strict=True))
    else:
        cut = resolve_padding(where, padding, x.shape[1:-1], kernel, steps, distances)
        size = tuple(
            (n - 1) * s + d * (k - 1) + 1 - before - after
            for n, s, d, k, (before, after) in zip(x.shape[1:-1], steps, distances, kernel, cut, strict=True)
        )
    pads = resolve_padding(where, padding, size, kernel, steps, distances)
    y = CONV_GRAD_INPUT(x, w, size=size, padding=pads, **settings)
    return add_bias(where, y, bias)


def _settings(where: str, axes: int, w: Any, strides: Any, dilation: Any, groups: int) -> dict[str, Any]:
    (number,) = per_axis(where, "groups", groups, 1)
    _check_kernel(where, w, axes, number)
    return {
        "strides": per_axis(where, "strides", strides, axes),
        "dilation": per_axis(where, "dilation_rate", dilation, axes),
        "groups": number,
    }


def _check_kernel(where: str, w: Any, axes: int, groups: int) -> None:
    check_rank(where, "weight", w, axes + 2, "(*kernel, C/groups, K)")
    if min(w.shape) < 1:
        raise ShapeError(f"{where}: expected a weight with no empty axis, got {tuple(w.shape)}.")
    if w.shape[-1] % groups:
        raise ArgumentError(
            f"{where}: expected groups to divide the {w.shape[-1]} output channels, got groups={groups}."
        )


def _channel_hint(got: int, expected: int) -> str:
    if (got, expected) == (1, 3):
        return " Repeat the gray channel three times, or build the network for 1 channel."
    if (got, expected) == (3, 1):
        return " Convert the image to gray, or build the network for 3 channels."
    return " Images are channels-last: (N, H, W, C)."


def _window(attributes: dict[str, Any]) -> tuple[Shape, Pads, Shape]:
    """How the window moves, in the order in which `striate.ops.windows` takes it."""
    return attributes["strides"], attributes["padding"], attributes["dilation"]


def _product(a: Read, b: Read) -> Term:
    return Term(a.value * b.value, (a, b))
