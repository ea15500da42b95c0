"""Activations: the functions between layers, each applied element-wise, and softmax along one axis.

Each is one row of the table in the middle: formula, function, derivative. The derivative is a function of the input x,
or of the output y where that spares computing an exponential again.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from striate.graph import Array, Node, Shape, Tensor
from striate.ops.elementwise import (
    ElementWise,
    add,
    broadcast_shape,
    exp,
    less_equal,
    multiply,
    negative,
    square,
    subtract,
)
from striate.ops.operation import Box, Index, Operation, Term, Terms, as_number, read
from striate.ops.reductions import count_along, normalized_axes, places_along, reach_along

Function = Callable[..., Array]


class Activation(Operation):
    """A function applied element-wise.

    Arguments:
        name: the operation's name.
        formula: what it computes, in the notation of `Terms`.
        function: x and the operation's settings → y.
        source: what the derivative is computed from, "x" or "y".
        derivative: x or y, and the operation's settings → dy/dx.
    """

    inputs = ("x",)

    def __init__(self, name: str, formula: str, function: Function, source: Literal["x", "y"], derivative: Function):
        self.name, self.formula, self.function = name, formula, function
        self.grad = ActivationGrad(name, source, derivative)
        super().__init__()

    def shape(self, x: Any, **attributes: Any) -> Shape:
        return tuple(x.shape)

    def forward(self, x: Array, **attributes: Any) -> Array:
        return np.asarray(self.function(x, **attributes))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        source = node.inputs[0] if self.grad.inputs[0] == "x" else node.output
        return (self.grad(source, grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, **attributes: Any) -> Terms:
        value = float(self(np.asarray(x[index]), **attributes))
        return Terms(self.formula, (Term(value, (read("x", x, index),)),))


class ActivationGrad(Operation):
    """g · dy/dx: the gradient of an `Activation`, from its input x or its output y."""

    def __init__(self, activation: str, source: Literal["x", "y"], derivative: Function):
        self.name, self.inputs, self.derivative = f"{activation}_grad", (source, "g"), derivative
        super().__init__()

    def shape(self, source: Any, g: Any, **attributes: Any) -> Shape:
        return broadcast_shape(self.name, source, g)

    def forward(self, source: Array, g: Array, **attributes: Any) -> Array:
        return np.asarray(g * self.derivative(source, **attributes), np.result_type(source, g))

    def terms(self, index: Index, source: Array, g: Array, **attributes: Any) -> Terms:
        value = float(self(np.asarray(source[index]), np.asarray(g[index]), **attributes))
        return Terms("g·dy/dx", (Term(value, (read(self.inputs[0], source, index), read("g", g, index))),))


class AlongAxis(Operation):
    """Base: each output depends only on the inputs that differ from it in position along ``axis``."""

    def shape(self, *inputs: Any, axis: int) -> Shape:
        return broadcast_shape(self.name, *inputs)

    def fan_in(self, node: Node) -> int:
        return count_along(node.inputs[0], (node.attributes["axis"],))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [reach_along(node, box, (node.attributes["axis"],))] * len(node.inputs)


class Softmax(AlongAxis):
    """yᵢ = exp(xᵢ) / Σ exp(xⱼ) along one axis."""

    name = "softmax"
    inputs = ("x",)

    def forward(self, x: Array, *, axis: int) -> Array:
        y = np.exp(_below_largest(x, axis))
        return np.asarray(y / y.sum(axis=axis, keepdims=True))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (SOFTMAX_GRAD(node.output, grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, *, axis: int) -> Terms:
        value = float(self(x, axis=axis)[index])
        reads = tuple(read("x", x, place) for place in places_along(index, x.shape, (axis,)))
        return Terms("exp(xᵢ) / Σ exp(x)", (Term(value, reads),))


class SoftmaxGrad(AlongAxis):
    """yᵢ · (gᵢ − Σ gⱼ·yⱼ): the gradient of `Softmax`, from its output y."""

    name = "softmax_grad"
    inputs = ("y", "g")

    def forward(self, y: Array, g: Array, *, axis: int) -> Array:
        return np.asarray(y * (g - (g * y).sum(axis=axis, keepdims=True)))

    def terms(self, index: Index, y: Array, g: Array, *, axis: int) -> Terms:
        here = read("y", y, index)
        summands = [Term(here.value * float(g[index]), (here, read("g", g, index)))]
        for place in places_along(index, y.shape, (axis,)):
            a, b = read("y", y, place), read("g", g, place)
            summands.append(Term(-here.value * a.value * b.value, (here, a, b)))
        return Terms("yᵢ·gᵢ − Σ yᵢ·yⱼ·gⱼ", tuple(summands))


class LogSoftmax(AlongAxis):
    """yᵢ = xᵢ − ln Σ exp(xⱼ) along one axis: the logarithm of `Softmax`, exact even where that underflows."""

    name = "log_softmax"
    inputs = ("x",)

    def forward(self, x: Array, *, axis: int) -> Array:
        below = _below_largest(x, axis)
        return np.asarray(below - np.log(np.exp(below).sum(axis=axis, keepdims=True)))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (LOG_SOFTMAX_GRAD(node.output, grad_output, **node.attributes),)

    def terms(self, index: Index, x: Array, *, axis: int) -> Terms:
        here = read("x", x, index)
        reads = tuple(read("x", x, place) for place in places_along(index, x.shape, (axis,)))
        most = np.max([r.value for r in reads])
        total = most + math.log(math.fsum(math.exp(r.value - most) for r in reads))
        return Terms("xᵢ − ln Σ exp(x)", (Term(here.value, (here,)), Term(-float(total), reads)))


class LogSoftmaxGrad(AlongAxis):
    """gᵢ − exp(yᵢ) · Σ gⱼ: the gradient of `LogSoftmax`, from its output y."""

    name = "log_softmax_grad"
    inputs = ("y", "g")

    def forward(self, y: Array, g: Array, *, axis: int) -> Array:
        return np.asarray(g - np.exp(y) * g.sum(axis=axis, keepdims=True))

    def terms(self, index: Index, y: Array, g: Array, *, axis: int) -> Terms:
        here, own = read("y", y, index), read("g", g, index)
        summands = [Term(own.value, (own,))]
        for place in places_along(index, y.shape, (axis,)):
            other = read("g", g, place)
            summands.append(Term(-math.exp(here.value) * other.value, (here, other)))
        return Terms("gᵢ − Σ exp(yᵢ)·gⱼ", tuple(summands))


def _below_largest(x: Array, axis: int) -> Array:
    """x minus its maximum along ``axis``, so that no exponential is above 1; the axis may be empty."""
    return np.asarray(x - x.max(axis=axis, keepdims=True, initial=-np.inf))


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))  # never overflows
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _elu_slope(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def _gelu(x: Array, approximate: bool) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(_gelu_inner(x))) if approximate else x * normal_cdf(x))


def _gelu_slope(x: Array, approximate: bool) -> Array:
    if approximate:
        t = np.tanh(_gelu_inner(x))
        return np.asarray(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * GELU_SCALE * (1 + 3 * GELU_CUBE * x * x))
    return normal_cdf(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _gelu_inner(x: Array) -> Array:
    return GELU_SCALE * (x + GELU_CUBE * x * x * x)


def _silu_slope(x: Array) -> Array:
    s = _sigmoid(x)
    return np.asarray(s * (1 + x * (1 - s)))


def _mish_slope(x: Array) -> Array:
    t = np.tanh(_softplus(x))
    return np.asarray(t + x * _sigmoid(x) * (1 - t * t))


def normal_cdf(x: Array) -> Array:
    """Φ(x), the standard normal cumulative distribution function, to about two units in the last place of 1.

    Φ(x) = ½·exp(−z²)·f(z) with z = |x|/√2 for negative x, and 1 minus that for positive x, where f(z) = exp(z²)·erfc(z)
    is so smooth in u = a − b/(z + 3.75) that a short Chebyshev series gives it.

    Source: Schonfelder, "Chebyshev expansions for the error and related functions", Math. Comp. 32 (1978).
    """
    first, *rest = _erfc_series(x.dtype)
    u = CDF_A - CDF_B / (np.abs(x) * math.sqrt(0.5) + CDF_K)
    series = np.full_like(x, first)
    for coefficient in rest:  # Horner's rule
        series *= u
        series += coefficient
    series *= 0.5 * np.exp(-0.5 * x * x)
    return np.where(x > 0, 1 - series, series)


def _erf(x: Array) -> Array:
    """erf(x) = 2·Φ(√2·x) − 1, in float64 so that small x lose nothing."""
    return (2 * normal_cdf(np.asarray(x, np.float64) * math.sqrt(2)) - 1).astype(x.dtype)


@functools.cache
def _erfc_series(dtype: Any) -> tuple[float, ...]:
    """The polynomial in u for exp(z²)·erfc(z), 0 ≤ z ≤ 26, to the precision of ``dtype``; highest power first."""
    from decimal import Decimal

    count = 23
    odd = 2 * np.arange(count) + 1
    u = np.cos(np.pi * odd / (2 * count))  # the Chebyshev points
    values = []
    for z in CDF_B / (CDF_A - u) - CDF_K:
        square = Decimal(z) ** 2  # exactly: an error in z² is one in exp(z²), many times larger
        values.append(float(Decimal(math.erfc(z)) * square.exp()))
    angles = np.outer(np.arange(count), odd) % (4 * count)  # integers, so the cosine's argument is exact and small
    waves = np.cos(np.pi * angles / (2 * count))
    series = np.array([math.fsum(wave * values) * 2 / count for wave in waves])
    series[0] /= 2
    needed = 1 + int(np.flatnonzero(np.abs(series) > np.finfo(dtype).eps / 8)[-1])
    return tuple(np.polynomial.chebyshev.cheb2poly(series[:needed])[::-1].tolist())


#: u = a − b/(z + k) takes z = 0 … 26 to u = −1 … 1; beyond 26, erfc is less than 10⁻²⁹⁵.
CDF_K = 3.75
CDF_B = 2 / (1 / CDF_K - 1 / (26 + CDF_K))
CDF_A = CDF_B / CDF_K - 1

#: Source: Hendrycks, Gimpel, "Gaussian error linear units" (2016).
GELU_SCALE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715

#: Keep mean 0 and variance 1 from layer to layer. Source: Klambauer et al., "Self-normalizing neural networks" (2017).
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

RELU = Activation("relu", "max(x, 0)", lambda x: np.maximum(x, 0), "y", lambda y: y > 0)
RELU6 = Activation("relu6", "min(max(x, 0), 6)", lambda x: np.clip(x, 0, 6), "y", lambda y: (y > 0) & (y < 6))
LEAKY_RELU = Activation(
    "leaky_relu",
    "x where x > 0, else slope·x",
    lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
    "x",
    lambda x, negative_slope: np.where(x > 0, x.dtype.type(1), x.dtype.type(negative_slope)),
)
ELU = Activation("elu", "x where x > 0, else α·(exp(x) − 1)", _elu, "x", _elu_slope)
SELU = Activation(
    "selu",
    "λ·x where x > 0, else λ·α·(exp(x) − 1)",
    lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
    "x",
    lambda x: SELU_SCALE * _elu_slope(x, SELU_ALPHA),
)
GELU = Activation("gelu", "x·Φ(x)", _gelu, "x", _gelu_slope)
SIGMOID = Activation("sigmoid", "1 / (1 + exp(−x))", _sigmoid, "y", lambda y: y * (1 - y))
SILU = Activation("silu", "x·σ(x)", lambda x: x * _sigmoid(x), "x", _silu_slope)
HARD_SIGMOID = Activation(
    "hard_sigmoid",
    "min(max(x/6 + ½, 0), 1)",
    lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "y",
    lambda y: ((y > 0) & (y < 1)) / y.dtype.type(6),
)
HARD_SILU = Activation(
    "hard_silu",
    "x·min(max(x/6 + ½, 0), 1)",
    lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "x",
    lambda x: np.clip(x / 6 + 0.5, 0, 1) + x / 6 * (np.abs(x) < 3),
)
TANH = Activation("tanh", "tanh(x)", np.tanh, "y", lambda y: 1 - y * y)
SOFTPLUS = Activation("softplus", "ln(1 + exp(x))", _softplus, "y", lambda y: -np.expm1(-y))
SOFTSIGN = Activation(
    "softsign", "x / (1 + |x|)", lambda x: x / (1 + np.abs(x)), "x", lambda x: 1 / np.square(1 + np.abs(x))
)
MISH = Activation("mish", "x·tanh(ln(1 + exp(x)))", lambda x: x * np.tanh(_softplus(x)), "x", _mish_slope)


def _prelu_rule(g: Tensor, inputs: tuple[Tensor, ...], y: Tensor) -> tuple[Any, Any]:
    x, alpha = inputs
    below = less_equal(x, 0.0)
    return multiply(g, add(subtract(1.0, below), multiply(below, alpha))), multiply(g, multiply(below, x))


PRELU = ElementWise(
    "prelu", ("x", "alpha"), "x where x > 0, else α·x", lambda x, alpha: np.where(x > 0, x, alpha * x), _prelu_rule
)
ERF = ElementWise(
    "erf",
    ("x",),
    "2/√π · ∫ exp(−t²) dt from 0 to x",
    _erf,
    lambda g, i, y: (multiply(g, multiply(2 / math.sqrt(math.pi), exp(negative(square(i[0]))))),),
)
SOFTMAX = Softmax()
SOFTMAX_GRAD = SoftmaxGrad()
LOG_SOFTMAX = LogSoftmax()
LOG_SOFTMAX_GRAD = LogSoftmaxGrad()


def linear(x: Any) -> Any:
    """x itself."""
    return x


def relu(x: Any) -> Any:
    """max(x, 0); the gradient at 0 is 0. Source: Nair, Hinton (2010)."""
    return RELU(x)


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6); the gradient at 0 and at 6 is 0. Source: Krizhevsky (2010)."""
    return RELU6(x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x where x > 0, else negative_slope · x. Source: Maas, Hannun, Ng (2013).

    Raises:
        ArgumentError: ``negative_slope`` is not a number.
    """
    return LEAKY_RELU(x, negative_slope=as_number("leaky_relu", "negative_slope", negative_slope))


def prelu(x: Any, alpha: Any) -> Any:
    """x where x > 0, else alpha · x; ``alpha`` broadcasts to x and can be learned.

    Raises:
        ShapeError: the shapes do not broadcast together.

    Source: He et al., "Delving deep into rectifiers" (2015).
    """
    return PRELU(x, alpha)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha · (exp(x) − 1). Source: Clevert, Unterthiner, Hochreiter (2016).

    Raises:
        ArgumentError: ``alpha`` is not a number.
    """
    return ELU(x, alpha=as_number("elu", "alpha", alpha))


def selu(x: Any) -> Any:
    """1.0507 · elu(x, 1.6733): keeps mean 0 and variance 1. Source: Klambauer et al. (2017)."""
    return SELU(x)


def gelu(x: Any, approximate: bool = True) -> Any:
    """x · Φ(x), with Φ the standard normal cumulative distribution function.

    Arguments:
        x: any shape.
        approximate: compute ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) instead, accurate to 5·10⁻⁴. As in Keras, the
            operation approximates by default, and `striate.activations.gelu` does not.

    Source: Hendrycks, Gimpel, "Gaussian error linear units" (2016).
    """
    return GELU(x, approximate=bool(approximate))


def erf(x: Any) -> Any:
    """The error function, 2/√π · ∫ exp(−t²) dt from 0 to x: 2·Φ(√2·x) − 1."""
    return ERF(x)


def silu(x: Any) -> Any:
    """x · σ(x), also called swish. Source: Elfwing, Uchibe, Doya (2017); Ramachandran, Zoph, Le (2017)."""
    return SILU(x)


def sigmoid(x: Any) -> Any:
    """σ(x) = 1 / (1 + exp(−x)), without overflow."""
    return SIGMOID(x)


def hard_sigmoid(x: Any) -> Any:
    """min(max(x/6 + ½, 0), 1): straight lines near `sigmoid`; the gradient at ±3 is 0."""
    return HARD_SIGMOID(x)


def hard_silu(x: Any) -> Any:
    """x · hard_sigmoid(x), also called hard swish. Source: Howard et al., "Searching for MobileNetV3" (2019)."""
    return HARD_SILU(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of x."""
    return TANH(x)


def softplus(x: Any) -> Any:
    """ln(1 + exp(x)), without overflow. Source: Dugas et al. (2001)."""
    return SOFTPLUS(x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|). Source: Bergstra et al. (2009)."""
    return SOFTSIGN(x)


def mish(x: Any) -> Any:
    """x · tanh(softplus(x)). Source: Misra, "Mish" (2020)."""
    return MISH(x)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(xᵢ) / Σ exp(xⱼ) along ``axis``: positive numbers that sum to 1; large x do not overflow.

    Raises:
        ArgumentError: ``axis`` is out of range.

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs" (1990).
    """
    return _along(SOFTMAX, x, axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of `softmax`, xᵢ − ln Σ exp(xⱼ), exact even where softmax underflows to 0.

    Raises:
        ArgumentError: ``axis`` is out of range.
    """
    return _along(LOG_SOFTMAX, x, axis)


def _along(operation: Operation, x: Any, axis: int) -> Any:
    (x,) = operation.same_kind(x)
    (number,) = normalized_axes(operation.name, (axis,), len(x.shape))
    return operation(x, axis=number)
