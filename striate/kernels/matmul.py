"""Stacks of products of matrices: the kernel of dense layers, told where each product's matrices lie."""

import math

import numpy as np

from striate.graph import Node, Shape
from striate.kernels.broadcasting import Operand, merge, under
from striate.kernels.dense import Stack, cut, multiply
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.shape import result
from striate.ops.matmul import MATMUL
from striate.ops.operation import known_shape


@lowers(MATMUL)
def lower_matmul(plan: Plan, node: Node) -> bool | None:
    """y = a · b; a stack of matrices times one is a product of all their rows."""
    a, b = node.inputs
    if any(tensor.dtype != np.float32 for tensor in (a, b)):
        return False
    *outer, rows, columns = known_shape(node.output)
    depth, turned = MATMUL.fan_in(node), node.attributes["transpose_a"]
    target = result(plan, node)
    if not depth or not target.y.size:  # nothing to add up, or nowhere to put it
        target.fill((0,) * len(target.shape), target.shape, 0.0)
        return None
    factors = [_stacked(tuple(outer), plan.read(tensor), known_shape(tensor)) for tensor in (a, b)]
    sizes, (a_steps, b_steps), _ = merge(tuple(outer), [factor.strides for factor in factors], [0] * len(outer))
    if len(sizes) == 1 and b_steps == (0,) and not turned:
        rows, sizes, a_steps, b_steps = rows * sizes[0], (), (), ()
    product = cut(rows, depth, columns, node.attributes["transpose_b"], plan.target, math.prod(sizes))
    product = product._replace(pitch=1, turned=turned, stack=Stack(sizes, a_steps, b_steps))
    plan.launch(
        multiply,
        *(factor.buffer for factor in factors),
        target.y,
        *target.others,
        items=product.items,
        scratch=product.scratch,
        product=product,
        epilogue=target.epilogue,
    )
    return None


def _stacked(outer: Shape, buffer: Buffer, own: Shape) -> Operand:
    """A factor under the leading axes of the result, with steps from matrix to matrix."""
    operand = under(outer, buffer, own[:-2])
    return Operand(buffer, tuple(step * math.prod(own[-2:]) for step in operand.strides))
