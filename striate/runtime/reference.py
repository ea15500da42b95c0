"""The reference executor: a graph run node by node in NumPy. It is the definition that every other executor matches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.graph import Array, Graph, Node, Tensor
from striate.runtime import budget
from striate.runtime.arena import Span, alive


class ReferenceExecutor:
    """Runs a graph with each operation's ``forward``.

    Arguments:
        graph: what to run. Its order, and after which node each value can be freed, are determined here, once.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        last_reader = {tensor: node for node in graph.nodes for tensor in node.inputs}
        kept = {*graph.outputs, *(tensor for _, tensor in graph.updates)}
        self._forget: dict[Node, list[Tensor]] = {}
        for tensor, node in last_reader.items():
            if tensor not in kept:
                self._forget.setdefault(node, []).append(tensor)
        needed = max(alive(self._spans()), default=0)
        budget.check_limit(needed, self._spans, graph.nodes)
        budget.count(self, graph.variables)

    def kept(self) -> dict[Any, int]:
        """What this keeps between runs, and its bytes."""
        return {self: budget.OBJECTS * len(self.graph.nodes)}

    def _spans(self) -> list[Span]:
        """The lifetime of each node's result."""
        nodes = self.graph.nodes
        last = {tensor: number for number, node in enumerate(nodes) for tensor in self._forget.get(node, ())}
        return [
            Span(budget.bytes_of(node.output), number, last.get(node.output, len(nodes)))
            for number, node in enumerate(nodes)
        ]

    @np.errstate(all="ignore")  # infinities and NaN propagate, as IEEE 754 defines
    def run(
        self, inputs: Sequence[Array], seed: int = 0, step: int = 0, into: Mapping[int, Array] | None = None
    ) -> list[Array]:
        """The values of the graph's outputs; variables that the graph updates are changed.

        The arrays belong to the caller: no later run, update or write to an input changes them.

        Arguments:
            inputs: one array for each input of the graph.
            seed, step: what random operations draw from, with each one's own stream.
            into: arrays, C-contiguous and of the right shape and type, in which to return some outputs, by their
                number; they must not be inputs or variables.

        Raises:
            ShapeError: there are more or fewer arrays than the graph has inputs, or one has another shape.
        """
        graph = self.graph
        check_inputs(graph, inputs)
        values: dict[Tensor, Array] = {}
        for tensor, array in zip(graph.inputs, inputs, strict=True):
            values[tensor] = array.astype(tensor.dtype, copy=False)
        for variable, tensor in graph.variables.items():
            values[tensor] = variable.array.astype(tensor.dtype, copy=False)
        if graph.random is not None:
            values[graph.random] = np.array([seed, step], np.uint64)

        for node in graph.nodes:
            arrays = [tensor.value if tensor.value is not None else values[tensor] for tensor in node.inputs]
            values[node.output] = node.operation.forward(*arrays, **node.attributes)
            for tensor in self._forget.get(node, ()):
                values.pop(tensor, None)

        taken = {id(_owner(array)) for array in inputs}  # memory that belongs to others
        taken |= {id(_owner(variable.array)) for variable in graph.variables}
        results = []
        for tensor in [*graph.outputs, *(tensor for _, tensor in graph.updates)]:
            array = tensor.value if tensor.value is not None else values[tensor]
            if tensor.value is not None or id(_owner(array)) in taken or not array.flags.writeable:
                array = array.copy()
            taken.add(id(_owner(array)))
            results.append(array)
        for (variable, _), array in zip(graph.updates, results[len(graph.outputs) :], strict=True):
            variable.assign(array)
        for number, array in (into or {}).items():
            array[...] = results[number]
            results[number] = array
        return results[: len(graph.outputs)]


def check_inputs(graph: Graph, arrays: Sequence[Array]) -> None:
    """Raise ShapeError unless these arrays are what the graph takes."""
    if len(arrays) != len(graph.inputs):
        raise ShapeError(f"run: this graph takes {len(graph.inputs)} arrays, got {len(arrays)}.")
    for tensor, array in zip(graph.inputs, arrays, strict=True):
        if array.shape != tensor.shape:
            raise ShapeError(f"run: this graph takes {tensor.name} of shape {tensor.shape}, got {array.shape}.")


def _owner(array: Any) -> Any:
    """The object whose memory a view shows; an array that is not a view owns its own."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array
