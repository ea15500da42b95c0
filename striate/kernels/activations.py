"""Activations and their gradients as values of a kernel; formulas as in `striate.ops.activations`."""

from collections.abc import Callable

from striate.codegen import Function, Value, math
from striate.ops.activations import GELU_CUBE, GELU_SCALE, SELU_ALPHA, SELU_SCALE
from striate.ops.operation import OPERATIONS

SIXTH = 1 / 6
DENSITY_SCALE = 0.3989422804014327  # 1/√2π


def ones_where(f: Function, condition: Value, like: Value) -> Value:
    """1 where the condition holds, else 0, as numbers like ``like``."""
    return f.select(condition, f.constant(1.0, like.type), 0.0)


def relu(f: Function, x: Value) -> Value:
    return f.select(x < 0.0, 0.0, x)


def leaky_relu(f: Function, x: Value, negative_slope: float) -> Value:
    return f.select(x > 0.0, x, x * negative_slope)


def leaky_relu_grad(f: Function, x: Value, g: Value, negative_slope: float) -> Value:
    return g * f.select(x > 0.0, f.constant(1.0, x.type), negative_slope)


def elu(f: Function, x: Value, alpha: float = 1.0) -> Value:
    return f.select(x > 0.0, x, math.expm1(f, x) * alpha)


def elu_grad(f: Function, x: Value, g: Value, alpha: float = 1.0) -> Value:
    return g * f.select(x > 0.0, 1.0, math.exp(f, x) * alpha)


def gelu(f: Function, x: Value, approximate: bool) -> Value:
    """½·(1 + tanh(u)) is σ(2·u)."""
    return x * (_gelu_gate(f, x) if approximate else math.normal_cdf(f, x))


def gelu_grad(f: Function, x: Value, g: Value, approximate: bool) -> Value:
    if approximate:
        s = _gelu_gate(f, x)
        slope = f.fma(x * x, 6 * GELU_SCALE * GELU_CUBE, 2 * GELU_SCALE)
        return g * f.fma(x * slope, s * (1.0 - s), s)
    return g * f.fma(x * DENSITY_SCALE, math.normal_density(f, x), math.normal_cdf(f, x))


def _gelu_gate(f: Function, x: Value) -> Value:
    return math.sigmoid(f, x * f.fma(x * x, 2 * GELU_SCALE * GELU_CUBE, 2 * GELU_SCALE))


def silu(f: Function, x: Value) -> Value:
    return x * math.sigmoid(f, x)


def silu_grad(f: Function, x: Value, g: Value) -> Value:
    s = math.sigmoid(f, x)
    return g * s * f.fma(x, 1.0 - s, 1.0)


def hard_sigmoid(f: Function, x: Value) -> Value:
    return math.clamp(f, f.fma(x, SIXTH, 0.5), 0.0, 1.0)


def hard_silu_grad(f: Function, x: Value, g: Value) -> Value:
    return g * f.fma(x * SIXTH, ones_where(f, f.absolute(x) < 3.0, x), hard_sigmoid(f, x))


def softplus(f: Function, x: Value) -> Value:
    return f.maximum(x, 0.0) + math.log1p(f, math.exp(f, -f.absolute(x)))


def softsign(f: Function, x: Value) -> Value:
    return x / (f.absolute(x) + 1.0)


def softsign_grad(f: Function, x: Value, g: Value) -> Value:
    size = f.absolute(x) + 1.0
    return g / (size * size)


def mish(f: Function, x: Value) -> Value:
    return x * _mish_gate(f, x)[1]


def mish_grad(f: Function, x: Value, g: Value) -> Value:
    e, t = _mish_gate(f, x)
    return g * f.fma(x * (e / (e + 1.0)), 1.0 - t * t, t)


def _mish_gate(f: Function, x: Value) -> tuple[Value, Value]:
    """eˣ, and tanh(ln(1 + eˣ)) = n / (n + 2) for n = eˣ·(eˣ + 2): one exponential; beyond 20 it is 1."""
    e = math.exp(f, f.minimum(x, 20.0))
    n = e * (e + 2.0)
    return e, n / (n + 2.0)


#: Operation name → what it does to vectors of numbers, see `striate.kernels.pointwise`: the functions above that are
#: called like an operation, and those of one line.
ACTIVATIONS: dict[str, Callable[..., Value]] = {
    **{name: function for name, function in vars().items() if name in OPERATIONS},
    "relu_grad": lambda f, y, g: g * ones_where(f, y > 0.0, y),
    "relu6": lambda f, x: math.clamp(f, x, 0.0, 6.0),
    "relu6_grad": lambda f, y, g: g * ones_where(f, (y > 0.0) & (y < 6.0), y),
    "prelu": lambda f, x, alpha: f.select(x > 0.0, x, alpha * x),
    "selu": lambda f, x: elu(f, x, SELU_ALPHA) * SELU_SCALE,
    "selu_grad": lambda f, x, g: elu_grad(f, x, g, SELU_ALPHA) * SELU_SCALE,
    "sigmoid": math.sigmoid,
    "sigmoid_grad": lambda f, y, g: g * (y * (1.0 - y)),
    "hard_sigmoid_grad": lambda f, y, g: g * (ones_where(f, (y > 0.0) & (y < 1.0), y) * SIXTH),
    "hard_silu": lambda f, x: x * hard_sigmoid(f, x),
    "tanh": math.tanh,
    "tanh_grad": lambda f, y, g: g * (1.0 - y * y),
    "softplus_grad": lambda f, y, g: g * -math.expm1(f, -y),
}
