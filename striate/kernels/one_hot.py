"""One-hot coding of labels, which are checked before a run: a kernel could not say what is wrong with them."""

import functools

from striate.codegen import Function, Pointer, kernel
from striate.codegen.values import BYTE, LONG
from striate.graph import Node
from striate.kernels.plan import Plan, lowers
from striate.ops.losses import ONE_HOT


@kernel
def one_hot(f: Function, labels: Pointer, y: Pointer, *, classes: int) -> None:
    """y = 1 at the label, 0 elsewhere, in each row of ``classes`` numbers."""
    for row in f.items():
        start = row * classes
        f.clear(y + start, classes)
        label = f.convert(labels[row], LONG, signed=labels.element != BYTE)
        (y + (start + label)).store(1.0)


@lowers(ONE_HOT)
def lower(plan: Plan, node: Node) -> bool | None:
    """One item for each label; only labels that are an input of the graph can be checked in time."""
    (labels,) = node.inputs
    classes = node.attributes["classes"]
    if not plan.check(labels, functools.partial(ONE_HOT.check, classes=classes)):
        return False
    x, y = plan.read(labels), plan.write(node.output)
    plan.launch(one_hot, x, y, items=x.size, classes=classes)
    return None
