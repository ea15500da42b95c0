"""A traced network: what goes in, what comes out, and everything in between."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from striate.graph.tensor import Node, Tensor

if TYPE_CHECKING:
    from striate.graph.variable import Variable


class Call(NamedTuple):
    """One layer as it was called inside a trace: which tensors went in and which came out."""

    layer: Any
    inputs: list[Tensor]
    outputs: list[Tensor]


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as data, every size known.

    Arguments:
        inputs: tensors that are given at each run.
        outputs: tensors that each run returns.
        variables: the symbol that stands for each variable inside this graph.
        updates: variables that take a new value after each run, and the tensors that hold it.
        random: the symbol for (seed, step), two uint64, from which dropout draws; None if nothing is drawn.
        calls: the layers that were called, in order.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    variables: "dict[Variable, Tensor]" = field(default_factory=dict)
    updates: "list[tuple[Variable, Tensor]]" = field(default_factory=list)
    random: Tensor | None = None
    calls: list[Call] = field(default_factory=list)

    @cached_property
    def nodes(self) -> list[Node]:
        """Every node between the inputs and the outputs and updates, each after those it reads."""
        return topological_order([*self.outputs, *(tensor for _, tensor in self.updates)], self.inputs)


def topological_order(tensors: Iterable[Tensor], behind: Iterable[Tensor] = ()) -> list[Node]:
    """The nodes that some tensors are computed by, each after those it reads.

    Without recursion: networks are deeper than Python's stack.

    Arguments:
        tensors: where to begin.
        behind: tensors that are known already; the nodes they come from are left out.
    """
    order: list[Node] = []
    done: set[Node] = {tensor.node for tensor in behind if tensor.node}
    stack = [(tensor.node, False) for tensor in reversed(list(tensors)) if tensor.node]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        if ready:
            done.add(node)
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((tensor.node, False) for tensor in reversed(node.inputs) if tensor.node)
    return order
