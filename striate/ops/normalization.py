"""Normalization: batch, layer, group and instance normalization are one operation over different axes.

    x̂ = (x − mean) / √(variance + ε)        y = γ·x̂ + β

with the mean and the population variance along ``axes``:

    batch     (N, H, W, C)        axes N, H, W      γ, β (C,)
    layer     (…, C)              axis C            γ, β (C,)
    instance  (N, H, W, C)        axes H, W         γ, β (C,)
    group     (N, H, W, G, C/G)   axes H, W, C/G    γ, β (G, C/G)

Source: Ioffe, Szegedy, "Batch normalization" (2015); Ba, Kiros, Hinton, "Layer normalization" (2016); Ulyanov, Vedaldi,
Lempitsky, "Instance normalization" (2016); Wu, He, "Group normalization" (2018).
"""

import math
from typing import Any

import numpy as np

from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops import reductions
from striate.ops.elementwise import (
    SUM_TO,
    absolute,
    add,
    broadcast_shape,
    divide,
    maximum,
    multiply,
    negative,
    power,
    read_broadcast,
    sqrt,
    square,
    subtract,
    sum_to,
)
from striate.ops.operation import Box, Index, Operation, Term, Terms, as_number, read
from striate.ops.reductions import check_not_empty, count_along, normalized_axes, places_along, reach_along
from striate.ops.windows import per_axis


class Normalize(Operation):
    """y = γ·(x − mean)/√(variance + ε) + β, with mean and variance of x along ``axes``."""

    name = "normalize"
    inputs = ("x", "gamma", "beta")

    def shape(self, x: Any, gamma: Any, beta: Any, *, axes: Shape, epsilon: float) -> Shape:
        check_not_empty(self.name, x, axes)
        return _shape_of_x(self.name, x, gamma, beta)

    def forward(self, x: Array, gamma: Array, beta: Array, *, axes: Shape, epsilon: float) -> Array:
        y, scale = _centred(x.astype(np.result_type(x, gamma, beta), copy=False), axes, epsilon)
        y *= gamma * scale
        y += beta
        return y

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, gamma, beta = node.inputs
        return (
            NORMALIZE_GRAD_INPUT(x, gamma, grad_output, **node.attributes),
            NORMALIZE_GRAD_GAMMA(x, grad_output, shape=gamma.shape, **node.attributes),
            sum_to(grad_output, beta.shape),
        )

    def terms(self, index: Index, x: Array, gamma: Array, beta: Array, *, axes: Shape, epsilon: float) -> Terms:
        places, normalized, _ = _group(index, x, axes, epsilon)
        g, b = read_broadcast("gamma", gamma, index), read_broadcast("beta", beta, index)
        product = g.value * float(normalized[places.index(index)])
        return Terms("γ·(x − mean)/√(variance + ε) + β", (Term(product, (g, read("x", x, index))), Term(b.value, (b,))))

    def fan_in(self, node: Node) -> int:
        return count_along(node.inputs[0], node.attributes["axes"])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [reach_along(node, box, node.attributes["axes"]), None, None]


class NormalizeGradInput(Operation):
    """(gγ − mean(gγ) − x̂·mean(gγ·x̂)) / √(variance + ε): the gradient of `Normalize` with respect to x.

    The terms subtracted are the influence of x by way of the mean, and by way of the variance.
    """

    name = "normalize_grad_input"
    inputs = ("x", "gamma", "g")

    def shape(self, x: Any, gamma: Any, g: Any, *, axes: Shape, epsilon: float) -> Shape:
        return _shape_of_x(self.name, x, gamma, g)

    def forward(self, x: Array, gamma: Array, g: Array, *, axes: Shape, epsilon: float) -> Array:
        normalized, scale = _centred(x.astype(np.result_type(x, gamma, g), copy=False), axes, epsilon)
        normalized *= scale
        grad = g * gamma
        normalized *= (grad * normalized).mean(axis=axes, keepdims=True)
        grad -= grad.mean(axis=axes, keepdims=True)
        grad -= normalized
        grad *= scale
        return grad

    def terms(self, index: Index, x: Array, gamma: Array, g: Array, *, axes: Shape, epsilon: float) -> Terms:
        places, normalized, scale = _group(index, x, axes, epsilon)
        here = places.index(index)
        summands = []
        for i, place in enumerate(places):
            slope = scale * ((i == here) - (1 + normalized[i] * normalized[here]) / len(places))  # ∂x̂ᵢ/∂x
            a, b = read("g", g, place), read_broadcast("gamma", gamma, place)
            summands.append(Term(a.value * b.value * float(slope), (a, b, read("x", x, place))))
        return Terms("Σ g·γ·∂x̂/∂x", tuple(summands))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        here = reach_along(node, box, node.attributes["axes"])
        return [here, None, here]


class NormalizeGradGamma(Operation):
    """Σ g·x̂ over the places that share one γ: the gradient of `Normalize` with respect to γ, which has ``shape``."""

    name = "normalize_grad_gamma"
    inputs = ("x", "g")

    def shape(self, x: Any, g: Any, *, shape: Shape, axes: Shape, epsilon: float) -> Shape:
        return SUM_TO.shape(g, shape=shape)

    def forward(self, x: Array, g: Array, *, shape: Shape, axes: Shape, epsilon: float) -> Array:
        normalized, scale = _centred(x, axes, epsilon)
        normalized *= scale
        return SUM_TO.forward(normalized * g, shape=shape)

    def terms(self, index: Index, x: Array, g: Array, *, shape: Shape, axes: Shape, epsilon: float) -> Terms:
        centred, scale = _centred(x, axes, epsilon)
        products = SUM_TO.terms(index, centred * scale * g, shape=shape).terms
        places = [term.reads[0].index for term in products]
        reads = [(read("g", g, place), read("x", x, place)) for place in places]
        return Terms("Σ g·x̂", tuple(Term(term.value, pair) for term, pair in zip(products, reads, strict=True)))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None, None]


class NormalizeWith(Operation):
    """y = γ·(x − mean)/√(variance + ε) + β, with a given mean and variance."""

    name = "normalize_with"
    inputs = ("x", "mean", "variance", "gamma", "beta")

    def shape(self, *inputs: Any, epsilon: float) -> Shape:
        return _shape_of_x(self.name, *inputs)

    def forward(self, x: Array, mean: Array, variance: Array, gamma: Array, beta: Array, *, epsilon: float) -> Array:
        y = x - mean
        y *= gamma / np.sqrt(variance + epsilon)
        y += beta
        return y

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, ...]:
        x, mean, variance, gamma, _ = node.inputs
        deviation = sqrt(add(variance, node.attributes["epsilon"]))
        normalized = divide(subtract(x, mean), deviation)
        grad_x = multiply(grad_output, divide(gamma, deviation))
        grad_gamma = multiply(grad_output, normalized)
        # ∂y/∂variance = −γ·x̂/(2·(variance + ε))
        grad_variance = multiply(multiply(grad_x, normalized), divide(-0.5, deviation))
        grads = (grad_x, negative(grad_x), grad_variance, grad_gamma, grad_output)
        return tuple(sum_to(grad, tensor.shape) for grad, tensor in zip(grads, node.inputs, strict=True))

    def terms(self, index: Index, *arrays: Array, epsilon: float) -> Terms:
        reads = [read_broadcast(name, array, index) for name, array in zip(self.inputs, arrays, strict=True)]
        x, mean, variance, gamma, beta = (r.value for r in reads)
        product = gamma * (x - mean) / math.sqrt(variance + epsilon)
        return Terms(
            "γ·(x − mean)/√(variance + ε) + β", (Term(product, tuple(reads[:4])), Term(beta, tuple(reads[4:])))
        )

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [box, None, None, None, None]


class LocalResponseNormalization(Operation):
    """y[…, c] = x[…, c] / s[…, c]^β with s[…, c] = bias + α · Σ x[…, c']² over the channels c' from c − r to c + r."""

    name = "local_response_normalization"
    inputs = ("x",)

    def shape(self, x: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Shape:
        if not x.shape:
            raise ShapeError(f"{self.name}: expected an input with a channel axis, got a scalar.")
        if bias <= 0 or alpha < 0:
            raise ArgumentError(f"{self.name}: expected bias > 0 and alpha ≥ 0, got bias={bias} and alpha={alpha}.")
        return tuple(x.shape)

    def forward(self, x: Array, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Array:
        return np.asarray(x * (bias + alpha * _over_channels(np.square(x), depth_radius)) ** -beta)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (LOCAL_RESPONSE_NORMALIZATION_GRAD(node.inputs[0], grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, **attributes: Any) -> Terms:
        near = _neighbours(index, x, attributes["depth_radius"])
        one = float(self.forward(x[index[:-1]], **attributes)[index[-1]])
        return Terms("x / (bias + α·Σ x²)^β", (Term(one, tuple(read("x", x, place) for place in near)),))

    def fan_in(self, node: Node) -> int:
        channels: Any = node.output.shape[-1]
        return int(min(2 * node.attributes["depth_radius"] + 1, channels))


class LocalResponseNormalizationGrad(Operation):
    """g·s^−β − 2αβ·x·Σ g'·x'·s'^(−β − 1), with the sum over the channels c' from c − r to c + r."""

    name = "local_response_normalization_grad"
    inputs = ("x", "g")

    def shape(self, x: Any, g: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Shape:
        return broadcast_shape(self.name, x, g)

    def forward(self, x: Array, g: Array, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Array:
        s = bias + alpha * _over_channels(np.square(x), depth_radius)
        direct = g * s**-beta
        return np.asarray(direct - 2 * alpha * beta * x * _over_channels(direct * x / s, depth_radius))

    def terms(
        self, index: Index, x: Array, g: Array, *, depth_radius: int, bias: float, alpha: float, beta: float
    ) -> Terms:
        row = x[index[:-1]]
        s = bias + alpha * _over_channels(np.square(row), depth_radius)
        here, own = read("x", x, index), read("g", g, index)
        summands = [Term(own.value * float(s[index[-1]] ** -beta), (own, here))]
        for place in _neighbours(index, x, depth_radius):
            a, b = read("g", g, place), read("x", x, place)
            slope = -2 * alpha * beta * here.value * b.value * float(s[place[-1]] ** (-beta - 1))
            summands.append(Term(a.value * slope, (a, b, here)))
        return Terms("g·s^−β − 2αβ·x·Σ g·x·s^(−β − 1)", tuple(summands))


NORMALIZE = Normalize()
NORMALIZE_GRAD_INPUT = NormalizeGradInput()
NORMALIZE_GRAD_GAMMA = NormalizeGradGamma()
NORMALIZE_WITH = NormalizeWith()
LOCAL_RESPONSE_NORMALIZATION = LocalResponseNormalization()
LOCAL_RESPONSE_NORMALIZATION_GRAD = LocalResponseNormalizationGrad()


def standardize(x: Any, gamma: Any = None, beta: Any = None, axes: Any = -1, epsilon: float = 1e-3) -> Any:
    """γ·(x − mean)/√(variance + ε) + β, with mean and variance of x along ``axes``.

    Arguments:
        x: any shape.
        gamma: scale; broadcasts to x; None: 1.
        beta: offset; broadcasts to x; None: 0.
        axes: one axis or several, negative ones counted from the end. The top of this module lists those of batch,
            layer, instance and group normalization.
        epsilon: added to the variance.

    Raises:
        ShapeError: gamma or beta do not broadcast to x, or x is empty along ``axes``.
        ArgumentError: ``axes`` are out of range, or ``epsilon`` is negative.

    Source: Ioffe, Szegedy, "Batch normalization" (2015).
    """
    x, gamma, beta = NORMALIZE.same_kind(x, 1.0 if gamma is None else gamma, 0.0 if beta is None else beta)
    settings = {"axes": normalized_axes("standardize", axes, len(x.shape)), "epsilon": _epsilon("standardize", epsilon)}
    return NORMALIZE(x, gamma, beta, **settings)


def standardize_with(
    x: Any, mean: Any, variance: Any, gamma: Any = None, beta: Any = None, epsilon: float = 1e-3
) -> Any:
    """γ·(x − mean)/√(variance + ε) + β, with a given mean and variance: batch normalization after training.

    Arguments:
        x: any shape.
        mean, variance: broadcast to x.
        gamma, beta, epsilon: as in `standardize`.

    Raises:
        ShapeError: something does not broadcast to x.
        ArgumentError: ``epsilon`` is negative.

    Source: Ioffe, Szegedy, "Batch normalization" (2015), algorithm 2.
    """
    epsilon = _epsilon("standardize_with", epsilon)
    return NORMALIZE_WITH(
        x, mean, variance, 1.0 if gamma is None else gamma, 0.0 if beta is None else beta, epsilon=epsilon
    )


def normalize(x: Any, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> Any:
    """x divided by its p-norm along ``axis``, (Σ |x|ᵖ)^(1/p), so that each vector along it has norm 1.

    Arguments:
        x: any shape.
        axis: one axis or several, negative ones counted from the end.
        order: p, at least 1; infinity: the largest |x|.
        epsilon: a smaller norm counts as this; None: 10⁻⁷.

    Raises:
        ArgumentError: ``axis`` is out of range, or ``order`` or ``epsilon`` is too small.

    Source: https://keras.io/api/ops/nn/#normalize-function
    """
    p, least = as_number("normalize", "order", order), 1e-7 if epsilon is None else _epsilon("normalize", epsilon)
    if not p >= 1:
        raise ArgumentError(f"normalize: expected order of at least 1, got {order!r}.")
    (x,) = NORMALIZE.same_kind(x, 1.0, 0.0)[:1]
    size = absolute(x)
    if p == math.inf:
        return divide(x, maximum(reductions.max(size, axis, keepdims=True), least))
    powers = square(x) if p == 2 else size if p == 1 else power(size, p)
    total = maximum(
        reductions.sum(powers, axis, keepdims=True), least**p
    )  # before the root, whose slope at 0 is infinite
    return divide(x, sqrt(total) if p == 2 else total if p == 1 else power(total, 1 / p))


def local_response_normalization(
    x: Any, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Any:
    """x / (bias + α·Σ x²)^β, the sum over the ``2·depth_radius + 1`` channels around each one, as in TensorFlow.

    Arguments:
        x: (…, C).
        depth_radius: how many channels on each side enter the sum; at the ends there are fewer.
        bias, alpha, beta: as in the formula. AlexNet has 2, 10⁻⁴ and 0.75, with a radius of 2.

    Raises:
        ArgumentError: a negative radius or alpha, or a bias that is not positive.
        ShapeError: x is a scalar.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
    """
    where = LOCAL_RESPONSE_NORMALIZATION.name
    (radius,) = per_axis(where, "depth_radius", depth_radius, 1, least=0)
    numbers = {"bias": bias, "alpha": alpha, "beta": beta}
    settings = {name: as_number(where, name, value) for name, value in numbers.items()}
    return LOCAL_RESPONSE_NORMALIZATION(x, depth_radius=radius, **settings)


def _shape_of_x(where: str, x: Any, *others: Any) -> Shape:
    """The shape of x; raises ShapeError unless all others broadcast to it."""
    shape = broadcast_shape(where, x, *others)
    if shape != tuple(x.shape):
        shapes = ", ".join(str(tuple(other.shape)) for other in others)
        raise ShapeError(f"{where}: expected parameters that broadcast to the input {tuple(x.shape)}, got {shapes}.")
    return shape


def _epsilon(where: str, epsilon: Any) -> float:
    number = as_number(where, "epsilon", epsilon)
    if not number >= 0:
        raise ArgumentError(f"{where}: expected epsilon of at least 0, got {epsilon}.")
    return number


def _centred(x: Array, axes: Shape, epsilon: float) -> tuple[Array, Array]:
    """x − mean, as a new array, and 1/√(variance + ε)."""
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    return centred, 1 / np.sqrt(variance + epsilon)


def _group(index: Index, x: Array, axes: Shape, epsilon: float) -> tuple[list[Index], Array, float]:
    """The places that are normalized together with ``index``, their x̂ in the same order, and 1/√(variance + ε)."""
    places = list(places_along(index, x.shape, axes))
    centred, scale = _centred(np.array([x[place] for place in places]), (0,), epsilon)
    return places, centred * scale, scale.item()


def _over_channels(x: Array, radius: int) -> Array:
    """Σ of x over the channels from c − radius to c + radius."""
    total = x.copy()
    for offset in range(1, min(radius, x.shape[-1] - 1) + 1):
        total[..., offset:] += x[..., :-offset]
        total[..., :-offset] += x[..., offset:]
    return total


def _neighbours(index: Index, x: Array, radius: int) -> list[Index]:
    """The places in the same row of channels that are at most ``radius`` away."""
    *row, c = index
    return [(*row, other) for other in range(max(c - radius, 0), min(c + radius + 1, x.shape[-1]))]
