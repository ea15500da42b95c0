"""Which kernels compute a convolution: depthwise, Winograd's transforms where they pay, else direct sums.

They are written for float32; other types, which only checks use, are left to the reference.
"""

import numpy as np

from striate.graph import Node
from striate.kernels.conv import depthwise, direct, grad_input, grad_weight, winograd
from striate.kernels.plan import Plan, lowers
from striate.ops.conv import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.ops.operation import known_shape


@lowers(CONV)
def lower_conv(plan: Plan, node: Node) -> bool | None:
    """y = x ⋆ w."""
    if node.output.dtype != np.float32:
        return False
    if depthwise.suits(known_shape(node.inputs[1]), node.attributes["groups"], plan.target):
        depthwise.lower_forward(plan, node)
    elif choice := winograd.choose(plan, node):
        winograd.lower_conv(plan, node, choice)
    else:
        direct.lower(plan, node)
    return None


@lowers(CONV_GRAD_INPUT)
def lower_conv_grad_input(plan: Plan, node: Node) -> bool | None:
    """The gradient with respect to the input; also the transposed convolution."""
    if node.output.dtype != np.float32:
        return False
    if depthwise.suits(known_shape(node.inputs[1]), node.attributes["groups"], plan.target):
        depthwise.lower_grad_input(plan, node)
    elif choice := winograd.choose(plan, node):
        winograd.lower_grad_input(plan, node, choice)
    else:
        grad_input.lower(plan, node)
    return None


@lowers(CONV_GRAD_WEIGHT)
def lower_conv_grad_weight(plan: Plan, node: Node) -> bool | None:
    """The gradient with respect to the weights."""
    if node.output.dtype != np.float32:
        return False
    if depthwise.suits(known_shape(node.output), node.attributes["groups"], plan.target):
        depthwise.lower_grad_weight(plan, node)
    elif choice := winograd.choose(plan, node):
        winograd.lower_grad_weight(plan, node, choice)
    else:
        grad_weight.lower(plan, node)
    return None
