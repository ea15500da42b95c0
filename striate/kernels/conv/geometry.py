"""What direct convolution and its gradient by the input have in common: one sum, with three axes.

Convolution is the sum as it stands. Its gradient by the input is, for stride s, s independent sums along each axis (its
*phases*): the places p of the input with equal (p + before) mod s, each a convolution with stride 1 of the gradient
with those entries of the kernel, flipped, that ever meet such places. So nothing is multiplied by zeros between.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from striate.codegen import Function
from striate.codegen.values import Integer
from striate.graph import Node, Shape
from striate.ops.operation import known_shape


@dataclass(frozen=True)
class Axis:
    """One spatial axis: y[start + i·step] = Σ over taps u of x[i·stride + u·dilation − before] · w[u], i < count.

    Arguments:
        size: of x; outside of it x is 0.
        count: how many numbers of y.
        taps: entries of the kernel; without any, y is 0.
        length: of y.
    """

    size: int = 1
    count: int = 1
    taps: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0
    length: int = 1
    start: int = 0
    step: int = 1

    @property
    def span(self) -> int:
        """Places of x from the first to the last that one output sees."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def is_padded(self) -> bool:
        """Whether some output sees places outside of x."""
        last = (self.count - 1) * self.stride + self.span - 1 - self.before
        return self.taps > 0 and (self.before > 0 or last >= self.size)

    def seen(self, f: Function, output: Integer) -> tuple[Integer, Integer]:
        """The first tap that lies inside of x for this number of y, and the one behind the last."""
        if not self.is_padded:
            return 0, self.taps
        place, upward = output * self.stride - self.before, self.dilation - 1
        first = (f.larger(0 - place, 0) + upward) // self.dilation
        return first, f.smaller((f.larger(self.size - place, 0) + upward) // self.dilation, self.taps)

    def meets(self, f: Function, tap: Integer) -> tuple[Integer, Integer]:
        """The first number of y whose tap lies inside of x, and the one behind the last."""
        if not self.is_padded:
            return 0, self.count
        shift = self.before - tap * self.dilation
        first = f.smaller(f.larger(shift + (self.stride - 1), 0) // self.stride, self.count)
        stop = f.larger(shift + (self.size - 1 + self.stride), 0) // self.stride
        return first, f.larger(first, f.smaller(stop, self.count))

    @property
    def met(self) -> list[range]:
        """For each tap, the numbers of y for which it lies inside of x."""
        shifts = [self.before - tap * self.dilation for tap in range(self.taps)]
        firsts = [max(0, -(-shift // self.stride)) for shift in shifts]
        stops = [min(self.count, -(-(self.size + shift) // self.stride)) for shift in shifts]
        return [range(first, stop) for first, stop in zip(firsts, stops, strict=True)]

    @property
    def is_pointwise(self) -> bool:
        """Whether y[i] is of x[i] alone."""
        return self == Axis(size=self.size, count=self.size, length=self.size)


class Correlation(NamedTuple):
    """y[n, i, k] = Σ over taps u and channels c of x[n, at(i, u), c] · w[u, c, k], in each group of channels.

    Arguments:
        images: n.
        axes: depth, height and width; the number of an axis that is not there is 1.
        groups: parts into which the channels are split.
        channels, outputs: of x and of y, in one group.
    """

    images: int
    axes: tuple[Axis, Axis, Axis]
    groups: int
    channels: int
    outputs: int

    @property
    def taps(self) -> int:
        """Entries of a kernel, without channels."""
        return math.prod(axis.taps for axis in self.axes)

    @property
    def depth(self) -> int:
        """Products in one number of y."""
        return self.taps * self.channels

    def simplified(self) -> "Correlation":
        """The same sum over the same memory with longer rows: whatever is one product of matrices becomes one."""
        axes = [axis for axis in self.axes if axis != Axis()]
        whole = all(a == Axis(size=a.size, taps=a.size) for a in axes)
        if whole and axes and self.groups == 1:  # the kernel covers the image: a dense layer
            return self._replace(axes=_three([]), channels=self.depth).simplified()
        merged: list[Axis] = []
        for axis in axes:
            joins = merged and axis.is_pointwise and merged[-1].is_pointwise
            merged.append(_pointwise(merged.pop().size * axis.size) if joins else axis)
        images, pixels = self.images, merged[0].size if merged else 1
        if len(merged) <= 1 and pixels < SHORT and all(axis.is_pointwise for axis in merged):
            images, merged = 1, [_pointwise(images * pixels)]
        return self._replace(images=images, axes=_three(merged))


#: Rows of fewer pixels are joined over images where possible; longer ones do not depend on the number of images.
SHORT = 48


def _pointwise(size: int) -> Axis:
    return Axis(size=size, count=size, length=size)


def forward(node: Node) -> Correlation:
    """The sum that a `Conv` node is."""
    x, w = map(known_shape, node.inputs)
    return correlation(x, w, known_shape(node.output), node.attributes)


def of_node(node: Node) -> Correlation:
    """The sum that a node with stride 1 is; for a weight gradient, that of the convolution whose weights are meant."""
    if node.name == "conv":
        return forward(node)
    if node.name == "conv_grad_input":
        ((only, _),) = backward(node)
        return only
    x, g = map(known_shape, node.inputs)
    return correlation(x, known_shape(node.output), g, node.attributes)


def correlation(x: Shape, w: Shape, y: Shape, attributes: Mapping[str, Any]) -> Correlation:
    """The sum with these shapes and the attributes of a `Conv`."""
    a = attributes
    axes = [
        Axis(size, count, taps, stride if count > 1 else 1, dilation if taps > 1 else 1, before, length=count)
        for size, count, taps, stride, dilation, (before, _) in zip(
            x[1:-1], y[1:-1], w[:-2], a["strides"], a["dilation"], a["padding"], strict=True
        )
    ]
    return Correlation(x[0], _three(axes), a["groups"], w[-2], w[-1] // a["groups"])


def backward(node: Node) -> Iterator[tuple[Correlation, tuple[range, ...]]]:
    """The sums that a `ConvGradInput` node is: each phase, and along each axis the entries of the kernel it has."""
    g, w = map(known_shape, node.inputs)
    a = node.attributes
    axes = [
        list(_phases(*sizes))
        for sizes in zip(g[1:-1], a["size"], w[:-2], a["strides"], a["dilation"], a["padding"], strict=True)
    ]
    for phase in itertools.product(*axes):
        correlation = Correlation(g[0], _three([axis for axis, _ in phase]), a["groups"], w[-1] // a["groups"], w[-2])
        yield correlation, tuple(entries for _, entries in phase)


def backward_of_one_window(node: Node) -> Correlation | None:
    """A `ConvGradInput` node whose only window is the image: all its places are outputs of one product of matrices."""
    g, w = map(known_shape, node.inputs)
    a = node.attributes
    is_one = all(
        windows == 1 and size == taps and before == 0 and (dilation == 1 or taps == 1)
        for windows, size, taps, (before, _), dilation in zip(
            g[1:-1], a["size"], w[:-2], a["padding"], a["dilation"], strict=True
        )
    )
    if not is_one or a["groups"] > 1:
        return None
    return Correlation(g[0], _three([]), 1, w[-1], math.prod(w[:-1]))


def _phases(
    size: int, length: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]
) -> Iterator[tuple[Axis, range]]:
    """What the places p with (p + before) mod stride = r are the sum of, for r = 0, 1, …

    Place p = q·stride + r − before gets from entry a, where a·dilation mod stride = r, the gradient of window
    q − (a·dilation − r) / stride. Those entries are ``apart``, and their windows ``dilation / divisor``.
    """
    before, divisor = padding[0], math.gcd(stride, dilation)
    apart = stride // divisor
    for r in range(min(stride, before + length)):
        first, last = -(-max(before - r, 0) // stride), (length - 1 + before - r) // stride  # q
        if first > last:
            continue
        entries = [a for a in range(kernel) if a * dilation % stride == r]
        flipped = range(entries[-1], entries[0] - 1, -apart) if entries else range(0)
        axis = Axis(
            size,
            last - first + 1,
            taps=len(flipped),
            dilation=dilation // divisor if len(flipped) > 1 else 1,
            before=(flipped[0] * dilation - r) // stride - first if flipped else 0,
            length=length,
            start=first * stride + r - before,
            step=stride if last > first else 1,
        )
        yield axis, flipped


def _three(axes: list[Axis]) -> tuple[Axis, Axis, Axis]:
    depth, height, width = [Axis()] * (3 - len(axes)) + axes
    return depth, height, width
