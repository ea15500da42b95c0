"""Element-wise operations that are neither the end of another operation's kernel nor part of a cluster."""

import numpy as np

from striate.graph import Node
from striate.kernels.broadcasting import compute, under
from striate.kernels.plan import LOWERINGS, Plan
from striate.kernels.pointwise import POINTWISE, Pointwise
from striate.ops.operation import known_shape

#: What a kernel of float32 can read: all numbers of these types are float32 numbers, too.
READABLE = frozenset(map(np.dtype, (np.float32, np.uint8, np.bool_)))


def lower(plan: Plan, node: Node) -> bool | None:
    """y = op(a, …) with NumPy's broadcasting, and what follows it."""
    if node.output.dtype != np.float32 or not READABLE.issuperset(tensor.dtype for tensor in node.inputs):
        return False
    shape = known_shape(node.output)
    operands = [under(shape, plan.read(tensor), known_shape(tensor)) for tensor in node.inputs]
    y, epilogue, others = plan.finish(node)
    operation = Pointwise(node.name, tuple(sorted(node.attributes.items())))
    compute(plan, operation, operands, shape, y, epilogue, others)
    return None


LOWERINGS.update(dict.fromkeys(POINTWISE, lower))
