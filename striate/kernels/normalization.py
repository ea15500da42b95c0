"""Normalization: statistics in one pass over x, the result in a second; backward, two sums in one pass, then the rest.

A training step asks for the same statistics many times: to normalize, to follow the moving mean and variance, and twice
on the way back. They are computed once in a plan, as are the sums that both gradients, and that of β, have in common.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.codegen import Function, Value
from striate.graph import Node, Shape, Tensor
from striate.kernels.broadcasting import Operand, compute, same, under
from striate.kernels.plan import FUSIONS, Buffer, Fusion, Plan, lowers
from striate.kernels.pointwise import POINTWISE
from striate.kernels.reductions import TOTAL, moments, reduce, repeated_axes, runs_along, sum_of
from striate.ops.normalization import (
    NORMALIZE,
    NORMALIZE_GRAD_GAMMA,
    NORMALIZE_GRAD_INPUT,
    NORMALIZE_WITH,
)
from striate.ops.operation import known_shape
from striate.ops.reductions import count_along


@lowers(NORMALIZE)
def lower_normalize(plan: Plan, node: Node) -> bool | None:
    """y = γ·(x − mean)/√(variance + ε) + β."""
    x, gamma, beta = node.inputs
    if not _all_float32(node):
        return False
    shape = known_shape(x)
    operands = [_operand(plan, x, shape), *_statistics(plan, x, **node.attributes)]
    operands += [_operand(plan, gamma, shape), _operand(plan, beta, shape)]
    y, epilogue, others = plan.finish(node)
    compute(plan, normalized_and_scaled, operands, shape, y, epilogue, others)
    return None


@lowers(NORMALIZE_GRAD_INPUT)
def lower_normalize_grad_input(plan: Plan, node: Node) -> bool | None:
    """(gγ − mean(gγ) − x̂·mean(gγ·x̂)) / √(variance + ε)."""
    x, gamma, g = node.inputs
    axes, epsilon = node.attributes["axes"], node.attributes["epsilon"]
    if not _all_float32(node) or known_shape(g) != known_shape(x):
        return False
    shape = known_shape(x)
    scaled = _operand(plan, gamma, shape)
    common = _sums_for_all(plan, x, g, known_shape(gamma), axes, epsilon)
    if common is None:
        operands = [*_gradient_and_normalized(plan, x, g, axes, epsilon), scaled]
        sums = reduce(plan, sum_of(scaled_gradient_sums, 2), operands, shape, axes)
    else:  # γ is the same for all that was summed: it can be multiplied now
        left = common[0].shape
        operands = [under(left, common[0]), under(left, common[1]), under(left, plan.read(gamma), known_shape(gamma))]
        sums = reduce(plan, sum_of(scaled_sums, 2), operands, left, axes)
    operands = [*_gradient_and_normalized(plan, x, g, axes, epsilon), scaled]
    operands += [_long_rows(plan, total, shape, axes) for total in sums]
    y, epilogue, others = plan.finish(node)
    compute(plan, GradInput(count_along(x, axes)), operands, shape, y, epilogue, others)
    return None


@lowers(NORMALIZE_GRAD_GAMMA)
def lower_normalize_grad_gamma(plan: Plan, node: Node) -> bool | None:
    """Σ g·x̂; and Σ g on the way, which is the gradient of β."""
    x, g = node.inputs
    own, axes, epsilon = (node.attributes[name] for name in ("shape", "axes", "epsilon"))
    shape = known_shape(x)
    if not _all_float32(node) or known_shape(g) != shape:
        return False
    common = _sums_for_all(plan, x, g, own, axes, epsilon)
    if common is None:
        operands = _gradient_and_normalized(plan, x, g, axes, epsilon)
        sums = reduce(plan, sum_of(gradient_sums, 2), operands, shape, repeated_axes(shape, own))
    else:
        left = common[0].shape
        sums = [
            reduce(plan, TOTAL, [under(left, total)], left, repeated_axes(left, own))[0]
            if left != (1,) * (len(shape) - len(own)) + own
            else total
            for total in common
        ]
    plan.shared["sum_to", g, own] = sums[0]
    plan.alias(node.output, sums[1])
    return None


@lowers(NORMALIZE_WITH)
def lower_normalize_with(plan: Plan, node: Node) -> bool | None:
    """y = γ·(x − mean)/√(variance + ε) + β with a given mean and variance, where it is not fused to another kernel."""
    if not _all_float32(node):
        return False
    name, parameters = scale_and_shift(plan, node)
    shape = known_shape(node.output)
    operands = [_operand(plan, node.inputs[0], shape), *(under(shape, buffer) for buffer in parameters)]
    y, epilogue, others = plan.finish(node)
    compute(plan, POINTWISE[name], operands, shape, y, epilogue, others)
    return None


def scale_and_shift(plan: Plan, node: Node) -> tuple[str, list[Buffer]]:
    """`NormalizeWith` as x·scale + shift: scale = γ/√(variance + ε), shift = β − mean·scale."""
    _, mean, variance, gamma, beta = node.inputs
    epsilon = node.attributes["epsilon"]
    key = (NORMALIZE_WITH, mean, variance, gamma, beta, epsilon)
    if key not in plan.shared:
        shape = np.broadcast_shapes(*(known_shape(tensor) for tensor in (mean, variance, gamma, beta)))
        scale, shift = plan.temporary(*shape), plan.temporary(*shape)
        given = [_operand(plan, tensor, shape) for tensor in (variance, gamma)]
        compute(plan, Scale(epsilon), given, shape, scale, once=True)
        given = [_operand(plan, mean, shape), under(shape, scale), _operand(plan, beta, shape)]
        compute(plan, shift_of, given, shape, shift, once=True)
        plan.shared[key] = [scale, shift]
    return "scale_shift", plan.shared[key]


FUSIONS[NORMALIZE_WITH.name] = Fusion(scale_and_shift, lambda node: [known_shape(tensor) for tensor in node.inputs[1:]])


# --- formulas ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InverseDeviation:
    """1/√(variance + ε)."""

    epsilon: float

    def __call__(self, f: Function, variance: Value) -> Value:
        return 1.0 / f.sqrt(variance + self.epsilon)


@dataclass(frozen=True)
class Scale:
    """γ/√(variance + ε)."""

    epsilon: float

    def __call__(self, f: Function, variance: Value, gamma: Value) -> Value:
        return gamma / f.sqrt(variance + self.epsilon)


def shift_of(f: Function, mean: Value, scale: Value, beta: Value) -> Value:
    """β − mean·scale."""
    return f.fma(-mean, scale, beta)


def normalized(x: Value, mean: Value, inverse: Value) -> Value:
    """x̂. The difference comes first: it is exact where the mean is large against the deviation."""
    value: Value = (x - mean) * inverse
    return value


def normalized_and_scaled(f: Function, x: Value, mean: Value, inverse: Value, gamma: Value, beta: Value) -> Value:
    """γ·x̂ + β."""
    return f.fma(normalized(x, mean, inverse), gamma, beta)


def gradient_sums(f: Function, g: Value, x: Value, mean: Value, inverse: Value) -> tuple[Value, Value]:
    """The terms of Σ g and Σ g·x̂."""
    return g, g * normalized(x, mean, inverse)


def scaled_gradient_sums(
    f: Function, g: Value, x: Value, mean: Value, inverse: Value, gamma: Value
) -> tuple[Value, Value]:
    """The terms of Σ gγ and Σ gγ·x̂."""
    return gradient_sums(f, g * gamma, x, mean, inverse)


def scaled_sums(f: Function, total: Value, with_normalized: Value, gamma: Value) -> tuple[Value, Value]:
    """The terms of these sums where parts have been summed without γ."""
    return total * gamma, with_normalized * gamma


@dataclass(frozen=True)
class GradInput:
    """(gγ − (Σ gγ + x̂·Σ gγ·x̂)/count) / √(variance + ε)."""

    count: int

    def __call__(
        self,
        f: Function,
        g: Value,
        x: Value,
        mean: Value,
        inverse: Value,
        gamma: Value,
        total: Value,
        with_normalized: Value,
    ) -> Value:
        moved = f.fma(normalized(x, mean, inverse), with_normalized, total)
        value: Value = f.fma(moved, -1.0 / self.count, g * gamma) * inverse
        return value


# --- what several of them need ----------------------------------------------------------------------------------------


def _statistics(plan: Plan, x: Tensor, axes: Shape, epsilon: float) -> list[Operand]:
    """Mean and 1/√(variance + ε), under the shape of x."""
    key = ("statistics", x, axes, epsilon)
    shape = known_shape(x)
    if key not in plan.shared:
        mean, variance = moments(plan, x, axes)
        inverse = plan.temporary(*variance.shape)
        compute(plan, InverseDeviation(epsilon), [under(variance.shape, variance)], variance.shape, inverse)
        plan.shared[key] = [_long_rows(plan, statistic, shape, axes) for statistic in (mean, inverse)]
    operands: list[Operand] = plan.shared[key]
    return operands


def _sums_for_all(
    plan: Plan, x: Tensor, g: Tensor, gamma: Shape, axes: Shape, epsilon: float
) -> Sequence[Buffer] | None:
    """Σ g and Σ g·x̂ over those of the axes along which γ is the same too; None if there are none."""
    shape = known_shape(x)
    summed = tuple(axis for axis in repeated_axes(shape, gamma) if axis in axes)
    if not runs_along(shape, summed):
        return None
    key = ("gradient sums", x, g, summed, axes, epsilon)
    if key not in plan.shared:
        operands = _gradient_and_normalized(plan, x, g, axes, epsilon)
        plan.shared[key] = reduce(plan, sum_of(gradient_sums, 2), operands, shape, summed)
    sums: Sequence[Buffer] = plan.shared[key]
    return sums


def _gradient_and_normalized(plan: Plan, x: Tensor, g: Tensor, axes: Shape, epsilon: float) -> list[Operand]:
    """g, and what x̂ is computed from."""
    shape = known_shape(x)
    return [_operand(plan, g, shape), _operand(plan, x, shape), *_statistics(plan, x, axes, epsilon)]


def _long_rows(plan: Plan, statistic: Buffer, shape: Shape, axes: Shape) -> Operand:
    """A statistic under ``shape``; a group of channels has it for each, so that rows are longer."""
    runs = runs_along(shape, axes)
    if len(runs) > 1 and math.prod(shape[runs[-1][1] :]) == 1:
        first, last = runs[-1]
        repeated = (*statistic.shape[:first], *shape[first:last], *statistic.shape[last:])
        wide = plan.temporary(*repeated)
        compute(plan, same, [under(repeated, statistic)], repeated, wide)
        statistic = wide
    return under(shape, statistic)


def _operand(plan: Plan, tensor: Tensor, shape: Shape) -> Operand:
    return under(shape, plan.read(tensor), known_shape(tensor))


def _all_float32(node: Node) -> bool:
    return all(tensor.dtype == np.float32 for tensor in (*node.inputs, node.output))
