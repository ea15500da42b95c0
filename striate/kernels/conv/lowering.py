"""Which kernels compute a convolution: depthwise, Winograd's or Fourier's transforms where they pay, else direct sums.

They are written for float32; other types, which only checks use, are left to the reference.
"""

import numpy as np

from striate.graph import Node
from striate.kernels.conv import depthwise, direct, fourier, geometry, grad_weight, winograd
from striate.kernels.conv.geometry import Correlation
from striate.kernels.conv.packing import Entries
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.pointwise import Epilogue
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
        sizes = known_shape(node.inputs[1])[:-2]
        x, w = map(plan.read, node.inputs)
        entries = Entries(sizes, tuple(map(range, sizes)))
        _correlate(plan, geometry.forward(node), x, w, entries, plan.finish(node), is_gradient=False)
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
    elif choice := winograd.choose(plan, node):
        winograd.lower_grad_input(plan, node, choice)
    else:
        g, w = map(plan.read, node.inputs)
        finish = _, epilogue, _ = plan.finish(node)
        if "channel" not in epilogue.operands and (single := geometry.backward_of_one_window(node)):
            direct.launch(plan, single, g, w, Entries((), (), transposed=True), finish)
            return None
        kernel = known_shape(node.inputs[1])[:-2]
        for correlation, taken in geometry.backward(node):
            _correlate(plan, correlation, g, w, Entries(kernel, taken, transposed=True), finish, is_gradient=True)
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
        x, g = map(known_shape, node.inputs)
        sums = geometry.correlation(x, known_shape(node.output), g, node.attributes)
        if way := fourier.choose(plan, sums, is_gradient=True):
            fourier.launch_grad_weight(plan, node, way)
        else:
            grad_weight.lower_sums(plan, node, sums)
    return None


def _correlate(
    plan: Plan,
    sums: Correlation,
    x: Buffer,
    w: Buffer,
    entries: Entries,
    finish: tuple[Buffer, Epilogue, list[Buffer]],
    is_gradient: bool,
) -> None:
    if way := fourier.choose(plan, sums, is_gradient):
        fourier.launch(plan, way, x, w, entries, finish)
    else:
        direct.launch(plan, sums, x, w, entries, finish)
