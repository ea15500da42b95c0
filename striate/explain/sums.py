"""The exact sums behind one number of a network."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from striate.errors import ArgumentError
from striate.graph import Array, Graph, Node, Tensor, topological_order
from striate.layers.layer import Layer
from striate.models.layer_graph import computing_calls
from striate.models.model import Model
from striate.ops.operation import Index, Terms, known_shape
from striate.runtime import executor
from striate.training.batches import as_inputs

#: How many terms of a sum are printed.
SHOWN = 10


@dataclass(frozen=True)
class Sum:
    """One operation inside a layer, and the sum that its number came from.

    Arguments:
        operation: its name, such as "conv".
        index: of the number in the operation's output.
        value: the number, in float32.
        terms: the summands and what they were computed from; their sum is correctly rounded.
    """

    operation: str
    index: Index
    value: float
    terms: Terms


@dataclass(frozen=True)
class Explanation:
    """Where one number of a layer's output came from; as text, the sums written out.

    Arguments:
        layer: its name.
        index: of the number in the layer's output, with the sample.
        value: the number as the network computes it.
        sums: from the layer's last operation back to the first, as far as one number comes from one number before it.
    """

    layer: str
    index: Index
    value: float
    sums: tuple[Sum, ...]

    def __str__(self) -> str:
        lines = [f"{self.layer}{list(self.index)} = {self.value:.6g}"]
        for each in self.sums:
            lines.append(f"  {each.operation}{list(each.index)}: {each.terms.formula} = {each.terms.total:.6g}")
            for term in each.terms.terms[:SHOWN]:
                made_of = " · ".join(f"{read.source}{list(read.index)} {read.value:.6g}" for read in term.reads)
                lines.append(f"    {term.value:.6g}" + (f"   from {made_of}" if made_of else ""))
            if (left := len(each.terms.terms) - SHOWN) > 0:
                lines.append(f"    … and {left} more")
        return "\n".join(lines)


def explain(model: Model, x: Any, layer: str | Layer, index: Sequence[int]) -> Explanation:
    """See `Model.explain`."""
    arrays = as_inputs("explain", model.signature, x)
    name = layer if isinstance(layer, str) else model.names.get(layer, layer.name)
    traced: _Traced = model.compiled(("explain", name, len(arrays[0])), lambda: _Traced(model, name, len(arrays[0])))
    return traced.explained(arrays, tuple(index))


class _Traced:
    """A graph that computes a layer's inputs and output for a batch, and the operations between them."""

    def __init__(self, model: Model, name: str, batch_size: int):
        graph = model.traced(batch_size)
        calls = computing_calls(graph, model.names)
        if name not in calls:
            raise ArgumentError(f"explain: no layer {name!r}; there are {', '.join(calls)}.")
        call = calls[name]
        self.name, self.output = name, call.outputs[0]
        self._begin = graph.inputs
        begin = set(graph.inputs)
        self._given = [t for t in dict.fromkeys(call.inputs) if t.value is None and t not in begin]
        self._variables = graph.variables
        self._inside = topological_order([self.output], behind=call.inputs)
        self._ends = list(dict.fromkeys([*self._given, self.output]))
        self._runner = executor(Graph(graph.inputs, self._ends, graph.variables))

    def explained(self, arrays: Sequence[Array], index: Index) -> Explanation:
        """The sums behind one number of the layer's output."""
        sizes = known_shape(self.output)
        if len(index) != len(sizes) or not all(0 <= i < n for i, n in zip(index, sizes, strict=True)):
            raise ArgumentError(
                f"explain: expected an index inside of {sizes}, the output of {self.name}; got {index}."
            )
        values: dict[Tensor, Array] = dict(zip(self._begin, arrays, strict=True))
        values |= {tensor: variable.array for variable, tensor in self._variables.items()}
        computed = dict(zip(self._ends, self._runner.run(arrays), strict=True))
        values |= {tensor: computed[tensor] for tensor in self._given}
        for node in self._inside:
            values[node.output] = node.operation.forward(*_inputs(node, values), **node.attributes)
        inside = {node.output: node for node in self._inside}
        sums: list[Sum] = []
        tensor, place = self.output, index
        while tensor in inside:
            node = inside[tensor]
            terms = node.operation.terms(place, *_inputs(node, values), **node.attributes)
            sums.append(Sum(node.name, place, float(values[tensor][place]), terms))
            before = _before(node, terms, place, inside)
            if before is None:
                break
            tensor, place = before
        return Explanation(self.name, index, float(computed[self.output][index]), tuple(sums))


def _inputs(node: Node, values: dict[Tensor, Array]) -> list[Array]:
    return [tensor.value if tensor.value is not None else values[tensor] for tensor in node.inputs]


def _before(node: Node, terms: Terms, index: Index, inside: Container[Tensor]) -> tuple[Tensor, Index] | None:
    """The one number inside the layer that a number came from, or among several the one at its own place."""
    sources = dict(zip(node.operation.input_names(len(node.inputs)), node.inputs, strict=True))
    reads = dict.fromkeys((sources[read.source], read.index) for term in terms.terms for read in term.reads)
    found = [read for read in reads if read[0] in inside]
    if len(found) == 1:
        return found[0]
    return next((read for read in found if read[1] == index), None)
