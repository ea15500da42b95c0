"""Normalization: over the batch, positions, groups of channels, or neighbouring channels."""

from typing import Any

import numpy as np

from striate import layers, ops
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.axes import spatial
from striate.interop.onnx.operators.shapes import checked_axes
from striate.interop.onnx.values import (
    UnsupportedError,
    Value,
    array_of,
    channels_last,
    plain,
    rank,
    size_of,
    tensor_of,
)


@spatial
def BatchNormalization(node: Node, x: Value, scale: Value, bias: Value, mean: Value, variance: Value) -> Any:
    """γ·(x − mean)/√(variance + ε) + β, with given statistics, or with those of the batch in training mode."""
    if node.get("spatial", 1) != 1:
        raise UnsupportedError("statistics for each place (spatial=0)")
    epsilon, momentum = node.get("epsilon", 1e-5), node.get("momentum", 0.9)
    order = channels_last(rank(x))
    tensor = tensor_of(x, order)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {name: array_of(v).reshape(-1) for name, v in zip(names, (scale, bias, mean, variance), strict=True)}
    if not node.get("training_mode", 0):
        normalized = node.layer(
            lambda name: layers.BatchNormalization(epsilon=epsilon, momentum=min(momentum, 0.999999), name=name),
            tensor,
            weights=weights,
        )
        return node.result(normalized, order)
    others = tuple(range(rank(x) - 1))
    y = ops.standardize(tensor, weights["gamma"], weights["beta"], others, epsilon)
    statistics = (
        ops.add(ops.multiply(batch, 1 - momentum), (momentum * weights[name]).astype(np.float32))
        for name, batch in (
            ("moving_mean", ops.mean(tensor, others)),
            ("moving_variance", ops.variance(tensor, others)),
        )
    )
    return node.result(y, order), *(node.result(value) for value in statistics)


@spatial
def InstanceNormalization(node: Node, x: Value, scale: Value, bias: Value) -> Value:
    """Each map of each sample normalized to mean 0 and variance 1, then γ and β."""
    return _groups(node, x, size_of(x.shape[1:2])[0], array_of(scale), array_of(bias))


@spatial
def GroupNormalization(node: Node, x: Value, scale: Value, bias: Value) -> Value:
    """Each group of channels of each sample normalized to mean 0 and variance 1, then γ and β."""
    node.get("stash_type", 1)
    groups, (channels,) = node.get("num_groups", 0), size_of(x.shape[1:2])
    if groups < 1 or channels % groups:
        raise UnsupportedError(f"expected num_groups to divide {channels} channels, got {groups}")
    gamma, beta = array_of(scale), array_of(bias)
    if gamma.size == groups != channels:  # until version 21 there was one for each group
        gamma, beta = (np.repeat(each, channels // groups) for each in (gamma, beta))
    return _groups(node, x, groups, gamma, beta)


def _groups(node: Node, x: Value, groups: int, gamma: Any, beta: Any) -> Value:
    order, epsilon = channels_last(rank(x)), node.get("epsilon", 1e-5)
    normalized = node.layer(
        lambda name: layers.GroupNormalization(groups, epsilon=epsilon, name=name),
        tensor_of(x, order),
        weights={"gamma": gamma, "beta": beta},
    )
    return node.result(normalized, order)


def LayerNormalization(node: Node, x: Value, scale: Value, bias: Value | None = None) -> Any:
    """All axes from one on normalized to mean 0 and variance 1, then γ and β."""
    node.get("stash_type", 1)
    (first,), epsilon = checked_axes((node.get("axis", -1),), rank(x)), node.get("epsilon", 1e-5)
    axes = tuple(range(first, rank(x)))
    tensor = tensor_of(x, plain(rank(x)))
    beta = None if bias is None else tensor_of(bias, plain(rank(bias)))
    y = node.result(ops.standardize(tensor, tensor_of(scale, plain(rank(scale))), beta, axes, epsilon))
    if not node.wants(1) and not node.wants(2):
        return y
    deviation = ops.sqrt(ops.add(ops.variance(tensor, axes, keepdims=True), epsilon))
    return y, node.result(ops.mean(tensor, axes, keepdims=True)), node.result(ops.divide(1.0, deviation))


@spatial
def LRN(node: Node, x: Value) -> Value:
    """x / (bias + α/size · Σ x²)^β, the sum over ``size`` neighbouring channels."""
    size, order = node.get("size", 1), channels_last(rank(x))
    if size % 2 == 0:
        raise UnsupportedError(f"an even number of neighbouring channels ({size})")
    alpha, beta, bias = node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    normalized = node.layer(
        lambda name: layers.LocalResponseNormalization(
            depth_radius=(size - 1) // 2, bias=bias, alpha=alpha / size, beta=beta, name=name
        ),
        tensor_of(x, order),
    )
    return node.result(normalized, order)


def LpNormalization(node: Node, x: Value) -> Value:
    """x divided by its norm along an axis."""
    axis, p = node.get("axis", -1), node.get("p", 2)
    tensor = tensor_of(x, plain(rank(x)))
    if p not in (1, 2):
        raise UnsupportedError(f"a norm of order {p}")
    total = ops.sum(ops.absolute(tensor) if p == 1 else ops.square(tensor), axis, keepdims=True)
    return node.result(ops.divide(tensor, total if p == 1 else ops.sqrt(total)))


def MeanVarianceNormalization(node: Node, x: Value) -> Value:
    """(x − mean) / deviation over some axes."""
    axes = node.get("axes", (0, 2, 3))
    tensor = tensor_of(x, plain(rank(x)))
    return node.result(ops.standardize(tensor, axes=axes, epsilon=1e-9))
