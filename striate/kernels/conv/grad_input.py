"""The gradient of a convolution with respect to its input, which is also the transposed convolution, by direct sums.

For stride 1 it is a convolution of the gradient with the flipped kernel; for larger strides, several that fill the
result in turns: see `geometry`.
"""

from striate.graph import Node
from striate.kernels.conv import direct, geometry
from striate.kernels.conv.packing import Entries
from striate.kernels.plan import Plan
from striate.ops.operation import known_shape


def lower(plan: Plan, node: Node) -> None:
    """Compute a `ConvGradInput` node."""
    g, w = map(plan.read, node.inputs)
    finish = _, epilogue, _ = plan.finish(node)
    if "channel" not in epilogue.operands and (single := geometry.backward_of_one_window(node)):
        direct.launch(plan, single, g, w, Entries((), (), transposed=True), finish)
        return
    kernel = known_shape(node.inputs[1])[:-2]
    for correlation, taken in geometry.backward(node):
        direct.launch(plan, correlation, g, w, Entries(kernel, taken, transposed=True), finish)
