"""Which kernels compute a convolution: depthwise, Winograd's or Fourier's transforms, or direct sums; see `ways`.

They are written for float32; other types, which only checks use, are left to the reference.
"""

import numpy as np

from striate.graph import Node
from striate.kernels.conv import depthwise, direct, fourier, geometry, grad_weight, winograd
from striate.kernels.conv.packing import Entries
from striate.kernels.conv.ways import choose
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
        return None
    way = choose(plan, node)
    if isinstance(way, winograd.Choice):
        winograd.lower_conv(plan, node, way)
        return None
    sizes = known_shape(node.inputs[1])[:-2]
    x, w = map(plan.read, node.inputs)
    entries, finish = Entries(sizes, tuple(map(range, sizes))), plan.finish(node)
    if way:
        fourier.launch(plan, way, x, w, entries, finish)
    else:
        direct.launch(plan, geometry.forward(node), x, w, entries, finish)
    return None


@lowers(CONV_GRAD_INPUT)
def lower_conv_grad_input(plan: Plan, node: Node) -> bool | None:
    """The gradient with respect to the input; also the transposed convolution.

    For stride 1 it is a convolution of the gradient with the flipped kernel; for larger strides, several that fill the
    result in turns: see `geometry`.
    """
    if node.output.dtype != np.float32:
        return False
    if depthwise.suits(known_shape(node.inputs[1]), node.attributes["groups"], plan.target):
        depthwise.lower_grad_input(plan, node)
        return None
    way = choose(plan, node)
    if isinstance(way, winograd.Choice):
        winograd.lower_grad_input(plan, node, way)
        return None
    g, w = map(plan.read, node.inputs)
    finish = _, epilogue, _ = plan.finish(node)
    if "channel" not in epilogue.operands and (single := geometry.backward_of_one_window(node)):
        direct.launch(plan, single, g, w, Entries((), (), transposed=True), finish)
        return None
    kernel = known_shape(node.inputs[1])[:-2]
    for correlation, taken in geometry.backward(node):
        entries = Entries(kernel, taken, transposed=True)
        if way:
            fourier.launch(plan, way, g, w, entries, finish)
        else:
            direct.launch(plan, correlation, g, w, entries, finish)
    return None


@lowers(CONV_GRAD_WEIGHT)
def lower_conv_grad_weight(plan: Plan, node: Node) -> bool | None:
    """The gradient with respect to the weights."""
    if node.output.dtype != np.float32:
        return False
    if depthwise.suits(known_shape(node.output), node.attributes["groups"], plan.target):
        depthwise.lower_grad_weight(plan, node)
        return None
    way = choose(plan, node)
    if isinstance(way, winograd.Choice):
        winograd.lower_grad_weight(plan, node, way)
    elif way:
        fourier.launch_grad_weight(plan, node, way)
    else:
        x, g = map(known_shape, node.inputs)
        grad_weight.lower_sums(plan, node, geometry.correlation(x, known_shape(node.output), g, node.attributes))
    return None
