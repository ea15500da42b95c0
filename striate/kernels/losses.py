"""Losses of one number and its target as values of a kernel; formulas as in `striate.ops.losses`."""

from collections.abc import Callable

from striate.codegen import Function, Value, math


def sigmoid_binary_cross_entropy(f: Function, t: Value, z: Value) -> Value:
    return f.maximum(z, 0.0) - z * t + math.log1p(f, math.exp(f, -f.absolute(z)))


def binary_crossentropy(f: Function, t: Value, p: Value) -> Value:
    return -t * math.log(f, p) - (1.0 - t) * math.log1p(f, -p)


def squared_error(f: Function, t: Value, p: Value) -> Value:
    error = p - t
    return error * error


#: Operation name → what it does to vectors of numbers, see `striate.kernels.pointwise`.
LOSSES: dict[str, Callable[..., Value]] = {
    "sigmoid_binary_cross_entropy": sigmoid_binary_cross_entropy,
    "cross_entropy": lambda f, t, p: -t * math.log(f, p),
    "binary_crossentropy": binary_crossentropy,
    "squared_error": squared_error,
    "absolute_error": lambda f, t, p: f.absolute(p - t),
}
