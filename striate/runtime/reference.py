"""The reference executor: a graph run node by node in NumPy. It is the definition that every other executor matches."""

from collections.abc import Sequence

import numpy as np

from striate.errors import ShapeError
from striate.graph import Array, Graph, Node, Tensor


class ReferenceExecutor:
    """Runs a graph with each operation's ``forward``.

    Arguments:
        graph: what to run. Its order, and after which node each value may be forgotten, are worked out here, once.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        last_reader = {tensor: node for node in graph.nodes for tensor in node.inputs}
        kept = {*graph.outputs, *(tensor for _, tensor in graph.updates)}
        self._forget: dict[Node, list[Tensor]] = {}
        for tensor, node in last_reader.items():
            if tensor not in kept:
                self._forget.setdefault(node, []).append(tensor)

    def run(self, inputs: Sequence[Array], seed: int = 0, step: int = 0) -> list[Array]:
        """The values of the graph's outputs; variables that the graph updates are changed.

        Arguments:
            inputs: one array for each input of the graph.
            seed, step: what random operations draw from, with each one's own stream.

        Raises:
            ShapeError: an array has another shape than the graph was traced for.
        """
        graph = self.graph
        values: dict[Tensor, Array] = {}
        for tensor, array in zip(graph.inputs, inputs, strict=True):
            if array.shape != tensor.shape:
                raise ShapeError(f"run: this graph takes {tensor.name} of shape {tensor.shape}, got {array.shape}.")
            values[tensor] = array.astype(tensor.dtype, copy=False)
        for variable, tensor in graph.variables.items():
            values[tensor] = variable.value.astype(tensor.dtype, copy=False)
        if graph.random is not None:
            values[graph.random] = np.array([seed, step], np.uint64)

        for node in graph.nodes:
            arrays = [tensor.value if tensor.value is not None else values[tensor] for tensor in node.inputs]
            values[node.output] = node.operation.forward(*arrays, **node.attributes)
            for tensor in self._forget.get(node, ()):
                values.pop(tensor, None)

        outputs = [tensor.value if tensor.value is not None else values[tensor] for tensor in graph.outputs]
        for variable, tensor in graph.updates:
            variable.value[...] = values[tensor]
        return outputs
