"""Activations: element-wise functions, and softmax along an axis."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from striate import layers, ops
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.elementwise import elementwise
from striate.interop.onnx.operators.shapes import checked_axes
from striate.interop.onnx.values import (
    Symbol,
    UnsupportedError,
    Value,
    array_of,
    plain,
    rank,
    size_of,
    tensor_of,
)
from striate.layers.layer import Layer


def _layer(node: Node, x: Value, make: Callable[[str], Layer]) -> Value:
    """An element-wise layer, which takes any order of the axes."""
    order = x.order if isinstance(x, Symbol) else plain(rank(x))
    return node.result(node.layer(make, tensor_of(x, order)), order)


def _named(function: str, sentence: str) -> Callable[[Node, Value], Value]:
    def operator(node: Node, x: Value) -> Value:
        return _layer(node, x, lambda name: layers.Activation(function, name=name))

    operator.__doc__ = sentence
    return operator


Sigmoid = _named("sigmoid", "1 / (1 + exp(−x)).")
Tanh = _named("tanh", "tanh(x).")
Softplus = _named("softplus", "ln(1 + exp(x)).")
Softsign = _named("softsign", "x / (1 + |x|).")
Mish = _named("mish", "x · tanh(ln(1 + exp(x))).")


def Relu(node: Node, x: Value) -> Value:
    """max(x, 0)."""
    return _layer(node, x, lambda name: layers.ReLU(name=name))


def LeakyRelu(node: Node, x: Value) -> Value:
    """x, and α·x below 0."""
    alpha = node.get("alpha", 0.01)
    return _layer(node, x, lambda name: layers.LeakyReLU(alpha, name=name))


def Elu(node: Node, x: Value) -> Value:
    """x, and α·(exp(x) − 1) below 0."""
    alpha = node.get("alpha", 1.0)
    return _layer(node, x, lambda name: layers.ELU(alpha, name=name))


def PRelu(node: Node, x: Value, slope: Value) -> Value:
    """x, and slope·x below 0."""
    return elementwise(node, ops.prelu, x, slope)


def Selu(node: Node, x: Value) -> Value:
    """γ·(x, and α·(exp(x) − 1) below 0)."""
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    return elementwise(node, lambda t: ops.multiply(ops.elu(t, alpha), gamma), x)


def Celu(node: Node, x: Value) -> Value:
    """max(0, x) + min(0, α·(exp(x/α) − 1))."""
    alpha = node.get("alpha", 1.0)
    return elementwise(node, lambda t: ops.multiply(ops.elu(ops.divide(t, alpha)), alpha), x)


def Gelu(node: Node, x: Value) -> Value:
    """x · Φ(x), Φ the normal distribution."""
    form = node.get("approximate", "none")
    if form not in ("none", "tanh"):
        raise UnsupportedError(f"its setting approximate is {form!r}")
    return elementwise(node, lambda t: ops.gelu(t, approximate=form == "tanh"), x)


def Swish(node: Node, x: Value) -> Value:
    """x · σ(α·x)."""
    alpha = node.get("alpha", 1.0)
    return elementwise(node, lambda t: ops.multiply(t, ops.sigmoid(ops.multiply(t, alpha))), x)


def HardSigmoid(node: Node, x: Value) -> Value:
    """max(0, min(1, α·x + β))."""
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    return elementwise(node, lambda t: ops.clip(ops.add(ops.multiply(t, alpha), beta), 0.0, 1.0), x)


def HardSwish(node: Node, x: Value) -> Value:
    """x · max(0, min(1, x/6 + 1/2))."""
    return _layer(node, x, lambda name: layers.Activation("hard_silu", name=name))


def ThresholdedRelu(node: Node, x: Value) -> Value:
    """x where it is above α, else 0."""
    alpha = node.get("alpha", 1.0)
    return elementwise(node, lambda t: ops.where(ops.less_equal(t, alpha), 0.0, t), x)


def Shrink(node: Node, x: Value) -> Value:
    """x moved towards 0 by ``bias``, and 0 within ``lambd`` of it."""
    edge, bias = node.get("lambd", 0.5), node.get("bias", 0.0)

    def shrunk(t: Any) -> Any:
        nearer = ops.subtract(t, ops.multiply(ops.sign(t), bias))
        return ops.where(ops.less_equal(ops.absolute(t), edge), 0.0, nearer)

    return elementwise(node, shrunk, x)


def Clip(node: Node, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    """max(low, min(high, x)); a ReLU where low is 0."""
    if node.opset < 11:
        least, most = node.get("min", -math.inf), node.get("max", math.inf)
    else:
        least = -math.inf if low is None else float(array_of(low))
        most = math.inf if high is None else float(array_of(high))
    if isinstance(x, Symbol) and least == 0 and most > 0:
        return _layer(node, x, lambda name: layers.ReLU(None if most == math.inf else most, name=name))

    def clipped(t: Any) -> Any:
        above = t if least == -math.inf else ops.maximum(t, least)
        return above if most == math.inf else ops.minimum(above, most)

    return elementwise(node, clipped, x, known=lambda a: np.minimum(np.maximum(a, least), most))


def Softmax(node: Node, x: Value) -> Value:
    """exp(x) / Σ exp(x) along an axis; before version 13, along all from it on."""
    return _along(node, x, lambda t, axis: node.layer(lambda name: layers.Softmax(axis, name=name), t))


def LogSoftmax(node: Node, x: Value) -> Value:
    """log(Softmax(x))."""
    return _along(node, x, ops.log_softmax)


def _along(node: Node, x: Value, function: Callable[[Any, int], Any]) -> Value:
    old = node.opset < 13
    (axis,) = checked_axes((node.get("axis", 1 if old else -1),), rank(x))
    order = x.order if isinstance(x, Symbol) and not old else plain(rank(x))
    tensor = tensor_of(x, order)
    if old and axis < rank(x) - 1:
        rest = math.prod(size_of(x.shape[axis:]))
        sizes = tuple(-1 if n is None else n for n in tensor.shape)
        rows = ops.reshape(tensor, (*sizes[:axis], rest))
        return node.result(ops.reshape(function(rows, axis), sizes))
    return node.result(function(tensor, order.index(axis)), order)


def Dropout(node: Node, x: Value, ratio: Value | None = None, training: Value | None = None) -> Any:
    """x itself in inference; in training mode, numbers are dropped as NumPy's legacy generator draws them."""
    seed = node.get("seed")
    rate = node.get("ratio", 0.5) if node.opset < 12 else 0.5 if ratio is None else float(array_of(ratio))
    if training is None or not bool(array_of(training)) or rate == 0:
        order = x.order if isinstance(x, Symbol) else plain(rank(x))
        kept = node.layer(lambda name: layers.Dropout(rate, name=name), tensor_of(x, order))
        mask = np.ones(size_of(x.shape), bool) if node.wants(1) else None
    else:
        order = plain(rank(x))
        draw = np.random.RandomState(None if seed is None else seed).uniform(0, 1, size_of(x.shape))
        mask = draw >= rate
        kept = ops.multiply(tensor_of(x, order), (mask / (1 - rate)).astype(np.float32))
    if mask is None:
        return node.result(kept, order)
    return node.result(kept, order), node.result(mask, dtype=bool)
