"""The ways to compute a convolution, and which one is taken: the fastest by a model of their cost, or a recorded one.

Another way means other rounding errors, so the choice is a pure function of shapes and CPU; ways are measured only on
request (`striate.set_tuning`), and then the choices are recorded.
"""

from typing import TypeAlias

from striate.errors import ArgumentError
from striate.graph import Node
from striate.kernels.conv import fourier, geometry, winograd
from striate.kernels.plan import Plan

#: None is direct summation.
Way: TypeAlias = winograd.Choice | fourier.Tiling | None

#: Of the many sizes of windows, those that may be measured: the fastest by the model.
MOST_WINDOWS = 4


def choose(plan: Plan, node: Node) -> Way:
    """How to compute a `Conv`, `ConvGradInput` or `ConvGradWeight` node.

    Raises:
        ArgumentError: the recorded way does not exist.
    """
    if any(stride > 1 for stride in node.attributes["strides"]):
        return None
    recorded = plan.choices.get(signature(node))
    if recorded is None:
        return winograd.choose(plan, node) or fourier.choose(plan, geometry.of_node(node), node.name != "conv")
    found = {name(way): way for way in ways(plan, node, most_windows=None)}
    if recorded not in found:
        raise ArgumentError(f"{signature(node)}: expected one of {', '.join(found)}; the record has {recorded!r}.")
    return found[recorded]


def ways(plan: Plan, node: Node, most_windows: int | None = MOST_WINDOWS) -> list[Way]:
    """All ways to compute a node, direct summation first; ``most_windows``: of sizes for Fourier's transforms."""
    if any(stride > 1 for stride in node.attributes["strides"]):
        return [None]
    tilings = fourier.fastest(plan, geometry.of_node(node), node.name != "conv")
    return [None, *winograd.choices(plan, node), *tilings[:most_windows]]


def name(way: Way) -> str:
    """A way in words, as it is recorded."""
    if isinstance(way, winograd.Choice):
        return f"winograd {way.m}" + (" fused" if way.fused else "")
    return "direct" if way is None else f"fourier {'x'.join(map(str, way.window))}"


def signature(node: Node) -> str:
    """What the choice depends on, beside the CPU: operation, shapes and attributes."""
    attributes = " ".join(f"{key}={value}" for key, value in sorted(node.attributes.items()))
    return f"{node.name} {' '.join(str(tensor.shape) for tensor in node.inputs)} {attributes}"
