"""Operations that reduce."""

import math

import numpy as np

from striate.codegen import Function, Value
from striate.codegen.values import LONG
from striate.graph import Node, Shape, Tensor
from striate.kernels.broadcasting import compute, under
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.pointwise import NOTHING
from striate.kernels.reductions.reducer import FIRST_LARGEST, MAXIMUM, TOTAL, Reducer, sum_of
from striate.kernels.reductions.stages import reduce, runs_along
from striate.kernels.reductions.statistics import moments
from striate.ops.elementwise import SUM_TO
from striate.ops.normalization import NORMALIZE, NORMALIZE_GRAD_GAMMA, NORMALIZE_GRAD_INPUT
from striate.ops.operation import known_shape
from striate.ops.reductions import ARGMAX, MAX, MAX_GRAD, MEAN, SUM, VARIANCE, count_along


@lowers(SUM, MEAN)
def lower_sum(plan: Plan, node: Node) -> bool | None:
    """y = Σ x, or Σ x/n."""
    (x,) = node.inputs
    axes = node.attributes["axes"]
    if node.name == MEAN.name and _has_moments(plan, x, axes):
        plan.alias(node.output, moments(plan, x, axes)[0])
        return None
    return _lower(plan, node, sum_of(divisor=count_along(x, axes) if node.name == MEAN.name else 1), axes)


@lowers(SUM_TO)
def lower_sum_to(plan: Plan, node: Node) -> bool | None:
    """Sum over the axes along which a shape was broadcast; a sum that a normalization has computed is reused."""
    (x,) = node.inputs
    shape, own = known_shape(x), known_shape(node.output)
    if (total := plan.shared.get(("sum_to", x, own))) is not None:
        plan.alias(node.output, total)
        return None
    return _lower(plan, node, TOTAL, repeated_axes(shape, own))


@lowers(VARIANCE)
def lower_variance(plan: Plan, node: Node) -> bool | None:
    """y = Σ (x − mean)²/n."""
    (x,) = node.inputs
    if x.dtype != np.float32:
        return False
    plan.alias(node.output, moments(plan, x, node.attributes["axes"])[1])
    return None


@lowers(MAX)
def lower_max(plan: Plan, node: Node) -> bool | None:
    """y = the largest x."""
    return _lower(plan, node, MAXIMUM, node.attributes["axes"])


@lowers(ARGMAX)
def lower_argmax(plan: Plan, node: Node) -> bool | None:
    """The position of the first largest x."""
    (x,) = node.inputs
    if x.dtype != np.float32:
        return False
    shape = known_shape(node.output)
    compute(
        plan,
        _as_long,
        [under(shape, _winners(plan, x, (node.attributes["axis"],)), shape)],
        shape,
        plan.write(node.output),
    )
    return None


@lowers(MAX_GRAD)
def lower_max_grad(plan: Plan, node: Node) -> bool | None:
    """g where x is the first largest, else 0."""
    x, g = node.inputs
    if not x.dtype == g.dtype == np.float32:
        return False
    axes, shape = node.attributes["axes"], known_shape(node.output)
    places = under(shape, _positions(plan, shape, axes))
    winners = under(shape, _winners(plan, x, axes))
    y, epilogue, others = plan.finish(node)
    operands = [under(shape, plan.read(g), known_shape(g)), winners, places]
    compute(plan, _where_equal, operands, shape, y, epilogue, others)
    return None


def repeated_axes(shape: Shape, own: Shape) -> Shape:
    """The axes of ``shape`` along which ``own`` is repeated to become it."""
    front = len(shape) - len(own)
    return tuple(axis for axis, n in enumerate(shape) if axis < front or own[axis - front] != n)


def _lower(plan: Plan, node: Node, reducer: Reducer, axes: Shape) -> bool | None:
    (x,) = node.inputs
    if x.dtype != np.float32:
        return False
    shape, result = known_shape(x), known_shape(node.output)
    runs = runs_along(shape, axes)
    if runs and 1 < math.prod(shape[runs[-1][1] :]) == result[-1]:  # vectors of the result are neighbouring channels
        y, epilogue, others = plan.finish(node)
    else:
        y, epilogue, others = plan.write(node.output), NOTHING, []
    reduce(plan, reducer, [under(shape, plan.read(x), shape)], shape, axes, [y], epilogue, others)
    return None


def _has_moments(plan: Plan, x: Tensor, axes: Shape) -> bool:
    """Whether something else needs the variance of x along these axes, with which the mean comes for free."""
    names = (VARIANCE.name, NORMALIZE.name, NORMALIZE_GRAD_INPUT.name, NORMALIZE_GRAD_GAMMA.name)
    return any(
        reader.name in names and reader.inputs[0] is x and reader.attributes["axes"] == axes
        for reader in plan.readers(x)
    )


def _positions(plan: Plan, shape: Shape, axes: Shape) -> Buffer:
    """The row-major number of each place along ``axes``."""
    sizes = tuple(n if axis in axes else 1 for axis, n in enumerate(shape))
    return plan.constant(np.arange(math.prod(sizes), dtype=np.int32).reshape(sizes))


def _winners(plan: Plan, x: Tensor, axes: Shape) -> Buffer:
    """The position of the first largest x along ``axes``, which stay with size 1."""
    shape = known_shape(x)
    operands = [under(shape, plan.read(x), shape), under(shape, _positions(plan, shape, axes))]
    return reduce(plan, FIRST_LARGEST, operands, shape, axes)[1]


def _as_long(f: Function, position: Value) -> Value:
    return f.convert(position, LONG)


def _where_equal(f: Function, g: Value, winner: Value, place: Value) -> Value:
    return f.select(place.equals(winner), g, 0.0)
