"""Every number of one run of a network, forward and backward, and the sum that each of them came from."""

import difflib
import functools
import math
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.configurable import free_name
from striate.errors import ArgumentError
from striate.graph import Array, Graph, Node, Tensor, Trace, Variable, gradients, topological_order
from striate.graph.tensor import tensors_in
from striate.models.layer_graph import computing_calls
from striate.models.model import Model
from striate.ops.operation import Index, Terms, known_shape
from striate.random import get_seed
from striate.runtime import executor
from striate.runtime.choice import WholeExecutor
from striate.training.batches import as_inputs

#: Stands before the name of a place whose numbers are gradients.
GRADIENT = "∂ "
#: The place of a network's output that is no layer's.
OUTPUT = "output"
#: How many terms of a sum are printed.
SHOWN = 10


@dataclass(frozen=True)
class Number:
    """One number, and where it stands.

    Arguments:
        place: the name of an array of the recording.
        index: of the number in it, with the sample where the array has one.
        value: the number.
    """

    place: str
    index: Index
    value: float

    def __str__(self) -> str:
        return f"{self.place}{list(self.index)} {self.value:.6g}"


@dataclass(frozen=True)
class Part:
    """One term of a sum.

    Arguments:
        value: the term.
        reads: the numbers that it was computed from, each of which can be explained in turn.
    """

    value: float
    reads: tuple[Number, ...]


@dataclass(frozen=True)
class Origin:
    """Where one number came from; as text, the sum written out.

    Arguments:
        number: the number, as the network computed it.
        operation: the operation that computed it, such as "conv"; "" where it was given.
        formula: the operation in the field's notation; "" where it was given.
        parts: the terms, the largest first. Their sum, correctly rounded, is `total`.
    """

    number: Number
    operation: str
    formula: str
    parts: tuple[Part, ...]

    @property
    def total(self) -> float:
        """The exact sum of all terms, correctly rounded."""
        return math.fsum(part.value for part in self.parts)

    def __str__(self) -> str:
        if not self.operation:
            return f"{self.number.place}{list(self.number.index)} = {self.number.value:.6g} (given)"
        lines = [f"{self.number.place}{list(self.number.index)} = {self.formula} = {self.number.value:.6g}"]
        for part in self.parts[:SHOWN]:
            made_of = " · ".join(map(str, part.reads))
            lines.append(f"  {part.value:.6g}" + (f"   from {made_of}" if made_of else ""))
        if rest := self.parts[SHOWN:]:
            lines.append(f"  … and {len(rest)} more, together {math.fsum(part.value for part in rest):.6g}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Use:
    """A number that was computed from another one.

    Arguments:
        number: the later number.
        part: its term that reads the earlier one.
    """

    number: Number
    part: Part


class _Traced:
    """A network's graph for one batch size, with a name for each array in it, in the order of the computation."""

    def __init__(self, model: Model, batch_size: int, backward: bool):
        with Trace(training=False).recording() as scope:
            specs = model.input_specs()
            symbols = [Tensor((batch_size, *shape), dtype, name="x") for shape, dtype in specs]
            ends = tensors_in(model(symbols[0] if len(symbols) == 1 else symbols))
            self.graph = scope.graph(symbols, ends)
            self.places: dict[str, Tensor] = {}
            self._names: dict[Tensor, str] = {}
            self._gradients: dict[tuple[Tensor, Tensor], tuple[Tensor, Tensor | None]] = {}
            #: For gradients with respect to a node's input: the node, the gradient of its result, and the input's name.
            self._derived: dict[Tensor, tuple[Node, Tensor, str]] = {}
            self._layers: dict[Tensor, str] = {}
            self.layers = computing_calls(self.graph, model.names)
            self._name_forward(model)
            forward = list(self._names)
            #: 1 where a chosen number stands: its gradient with respect to itself.
            self.seed = Tensor(ends[0].shape, np.float32, name="seed") if backward else None
            if self.seed is not None:
                self._name_backward(ends[0], self.seed, forward)
        reached = topological_order(self._names)
        self._copied: tuple[int, dict[Tensor, Array]] = -1, {}
        self.nodes: dict[Tensor, Node] = {node.output: node for node in reached}
        self.readers: dict[Tensor, list[Node]] = {}
        for node in reached:
            for tensor in dict.fromkeys(node.inputs):
                self.readers.setdefault(tensor, []).append(node)
        layers = [call.outputs[0] for call in self.layers.values()]
        begins = [tensor for tensor in (*symbols, *self.graph.variables.values()) if tensor in self._names]
        steady = dict.fromkeys([*layers, *ends])
        gradients_of = [self.places[GRADIENT + self._names[t]] for t in (*begins, *steady) if self._has_gradient(t)]
        #: What the engine computes, all in one run. What lies between is computed from it when it is asked for.
        self.computed = [tensor for tensor in dict.fromkeys([*steady, *gradients_of]) if tensor in self.nodes]

    @functools.cached_property
    def runner(self) -> WholeExecutor:
        seed = [] if self.seed is None else [self.seed]
        return executor(
            Graph([*self.graph.inputs, *seed], self.computed, self.graph.variables, random=self.graph.random)
        )

    @property
    def weights(self) -> Mapping[Tensor, Array]:
        """The variables as they are now; copied once for all recordings between two changes of any variable."""
        changes, weights = self._copied  # together, as another thread may copy them at the same time
        if changes != Variable.changes:
            changes = Variable.changes
            weights = {tensor: variable.numpy() for variable, tensor in self.graph.variables.items()}
            self._copied = changes, weights
        return weights

    def inside(self, layer: str) -> list[Node]:
        """What a layer computes with."""
        call = self.layers[layer]
        return topological_order(call.outputs, behind=call.inputs)

    def gradient_of(self, node: Node, tensor: Tensor) -> tuple[Tensor, Tensor | None]:
        """The gradient of a node's result, and with respect to one of its inputs; None: it has no rule for that."""
        key = node.output, tensor
        if key not in self._gradients:
            seed = Tensor(node.output.shape, np.float32, name="g")
            found: list[Tensor | None] = []
            with suppress(ArgumentError):  # gradients of gradients
                found = [
                    g for g, x in zip(node.operation.gradient(node, seed), node.inputs, strict=True) if x is tensor
                ]
            # A node may read a tensor twice; then each number is found by trying.
            self._gradients[key] = seed, found[0] if len(found) == 1 else None
        return self._gradients[key]

    def derived(self, node: Node, tensor: Tensor) -> tuple[Node, str] | None:
        """The forward node whose gradient rule is one node that reads the gradient of its result; and which input's."""
        forward, begin, name = self._derived.get(node.output, (None, None, ""))
        return (forward, name) if forward is not None and begin is tensor else None

    def name_of(self, tensor: Tensor) -> str:
        return self._names[tensor]

    def _has_gradient(self, tensor: Tensor) -> bool:
        return GRADIENT + self._names[tensor] in self.places

    def _layer(self, node: Node) -> str:
        """The beginning of the names of what is computed inside of a layer."""
        return self._layers.get(node.output, "")

    def _name(self, tensor: Tensor, name: str) -> None:
        if tensor not in self._names:
            found = free_name(name, self.places)
            self._names[tensor], self.places[found] = found, tensor

    def _name_forward(self, model: Model) -> None:
        """Inputs, then for each layer its weights, what it computes on the way, and its output."""
        for tensor, name in zip(self.graph.inputs, model.input_names, strict=True):
            self._name(tensor, name)
        owners = {v: name for name, call in self.layers.items() for v in call.layer.weights}
        weights = {tensor: v for v, tensor in self.graph.variables.items()}
        for name in self.layers:
            for node in self.inside(name):
                self._layers.update(dict.fromkeys(node.outputs, f"{name}/"))
        outputs = {call.outputs[0]: name for name, call in reversed(self.layers.items())}
        ends = set(self.graph.outputs)
        for node in self.graph.nodes:
            for tensor in node.inputs:
                if tensor in weights:
                    variable = weights[tensor]
                    self._name(tensor, f"{owners[variable]}/{variable.name}" if variable in owners else variable.name)
                elif tensor.node is None:
                    self._name(tensor, self._layer(node) + (tensor.name or "constant"))
            ended = OUTPUT if node.output in ends else self._layer(node) + node.name
            self._name(node.output, outputs.get(node.output) or ended)
        for name, call in self.layers.items():  # such as dropout, which returns what it was given
            self.places.setdefault(name, call.outputs[0])

    def _name_backward(self, end: Tensor, seed: Tensor, forward: Sequence[Tensor]) -> None:
        """The gradient of a chosen number of ``end`` with respect to every array, from the end back."""
        wrt = [tensor for tensor in forward if tensor.value is None and tensor.dtype.kind == "f"]
        steps: list[tuple[Node, Tensor, Sequence[Tensor | None]]] = []
        found = gradients(end, wrt, seed, watch=lambda *step: steps.append(step))
        for tensor, gradient in zip(reversed(wrt), reversed(found), strict=True):
            if gradient is not None:
                self._name(gradient, GRADIENT + self._names[tensor])
        for node, begin, contributions in steps:  # what a layer's gradient rules compute on the way
            ends = [one for one in contributions if one is not None]
            names = node.operation.input_names(len(node.inputs))
            for name, one in zip(names, contributions, strict=True):
                if one is not None:
                    self._derived[one] = node, begin, name
            for inner in topological_order(ends, behind=[begin, *forward]):
                for tensor in (*inner.inputs, inner.output):
                    name = tensor.node.name if tensor.node else tensor.name
                    self._name(tensor, f"{GRADIENT}{self._layer(node)}{name}")
        gradients_found = [tensor for tensor in found if tensor is not None]
        for node in topological_order(gradients_found):  # sums of what flows back from several layers
            self._name(node.output, GRADIENT + node.name)


class Recording:
    """Every number of one run of a network, and the sum that each of them came from.

    What layers computed, and the gradients at their borders, are the numbers of the engine, from one run; what lies
    between, inside of a layer, is computed from them by each operation's definition when it is asked for.

    Arguments:
        model: the network.
        x: a batch of inputs, as `predict` takes.
        of: index of a number of the network's output, the sample first: its gradient with respect to every other number
            is recorded too. Default: no gradients.

    Raises:
        ArgumentError: ``of`` is outside of the output.
        DataError, ShapeError: as `predict`.

    Examples:
        >>> import numpy as np
        >>> import striate
        >>> from striate.explain import Recording
        >>> model = striate.Sequential([striate.Input((2,)), striate.layers.Dense(1, name="dense")])
        >>> model.set_weights([np.array([[3.0], [4.0]]), np.array([0.5])])
        >>> recording = Recording(model, np.array([[1.0, 2.0]]), of=(0, 0))
        >>> print(recording.explain("dense", (0, 0)))
        dense[0, 0] = x1 + x2 = 11.5
          11   from dense/dense[0, 0] 11
          0.5   from dense/bias[0] 0.5
        >>> recording.values("∂ dense/kernel").ravel().tolist()
        [1.0, 2.0]
    """

    def __init__(self, model: Model, x: Any, of: Sequence[int] | None = None):
        self._model, self._x = model, as_inputs("explain", model.signature, x)
        self._towards: tuple[Index, Recording] | None = None
        size, backward = len(self._x[0]), of is not None
        self._traced: _Traced = model.compiled(("recording", size, backward), lambda: _Traced(model, size, backward))
        traced, graph = self._traced, self._traced.graph
        given = list(self._x)
        if traced.seed is not None:
            seed = np.zeros(known_shape(traced.seed), np.float32)
            where = tuple(int(i) for i in of or ())
            self._check("the network's output", where, seed.shape)
            seed[where] = 1
            given.append(seed)
        self._known: dict[Tensor, Array] = dict(zip(traced.runner.graph.inputs, given, strict=True))
        self._known |= traced.weights
        if graph.random is not None:
            self._known[graph.random] = np.array([get_seed(), 0], np.uint64)
        self._known |= zip(traced.computed, traced.runner.run(given, get_seed()), strict=True)

    def towards(self, of: Sequence[int]) -> "Recording":
        """The same run, with the gradient of one number of the network's output with respect to every other.

        Arguments:
            of: as above. The last recording is kept, and given again for the same number.
        """
        where = tuple(of)
        if self._towards is None or self._towards[0] != where:
            self._towards = where, Recording(self._model, list(self._x) if len(self._x) > 1 else self._x[0], where)
        return self._towards[1]

    @property
    def places(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every array, by its name.

        In the order of the computation: inputs, weights and what layers compute; ``conv`` is the output of that layer,
        ``conv/add`` what it computed on the way, ``conv/kernel`` its weight. Then gradients, ``∂`` before the name.
        """
        return {name: known_shape(tensor) for name, tensor in self._traced.places.items()}

    @property
    def layers(self) -> tuple[str, ...]:
        """The places of the layers' outputs, in the order of the computation."""
        return tuple(self._traced.layers)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers that are kept for this run: of what was asked for so far, without the weights."""
        weights = set(self._traced.graph.variables.values())
        known = list(self._known.items())  # another thread may be asking for more
        own = sum(array.nbytes for tensor, array in known if tensor not in weights)
        return own + (self._towards[1].nbytes if self._towards else 0)

    def values(self, place: str) -> Array:
        """The numbers of an array.

        Raises:
            ArgumentError: there is no such place.
        """
        return self._array(self._tensor(place))

    def explain(self, place: str, index: Sequence[int]) -> Origin:
        """Where one number came from.

        Arguments:
            place: the name of an array; see `places`.
            index: of the number in it, the sample first where it has one.

        Raises:
            ArgumentError: there is no such place, or the index is outside of it.
        """
        tensor, where = self._tensor(place), tuple(int(i) for i in index)
        self._check(place, where, known_shape(tensor))
        number = self._number(tensor, where)
        node = self._traced.nodes.get(tensor)
        if node is None:
            return Origin(number, "", "", ())
        found = node.operation.terms(where, *map(self._array, node.inputs), **node.attributes)
        parts = sorted(self._parts(node, found), key=lambda part: -abs(part.value))
        return Origin(number, node.name, found.formula, tuple(parts))

    def uses(self, place: str, index: Sequence[int]) -> Iterator[Use]:
        """The numbers that were computed from one number, each with the term that reads it.

        Left out is what reads it as a term of 0 whatever it is, such as, in the gradient of max pooling, the places of
        its window that would not win either.

        Arguments:
            place, index: as `explain`.
        """
        tensor, where = self._tensor(place), tuple(int(i) for i in index)
        self._check(place, where, known_shape(tensor))
        for node in self._traced.readers.get(tensor, ()):
            for later in self._readers(node, tensor, where):
                terms = node.operation.terms(later, *map(self._array, node.inputs), **node.attributes)
                for part in self._parts(node, terms):
                    if any((read.place, read.index) == (place, where) for read in part.reads):
                        yield Use(self._number(node.output, later), part)

    def inside(self, layer: str) -> dict[str, Node]:
        """The operations that a layer computes with, by the place of their results; the last one is its output.

        Raises:
            ArgumentError: there is no such layer.
        """
        if layer not in self._traced.layers:
            raise ArgumentError(f"explain: no layer {layer!r}; there are {', '.join(self._traced.layers)}.")
        return {self._traced.name_of(node.output): node for node in self._traced.inside(layer)}

    def _readers(self, node: Node, tensor: Tensor, index: Index) -> list[Index]:
        """Where in a node's result one number of an input is read: where its gradient would come from.

        Among the terms of a number's gradient there is one for each number that was computed from it.
        """
        if (
            derived := self._traced.derived(node, tensor)
        ) is not None:  # backward, numbers are read where they were made
            forward, name = derived
            made = forward.operation.terms(index, *map(self._array, forward.inputs), **forward.attributes)
            return list(dict.fromkeys(read.index for term in made.terms for read in term.reads if read.source == name))
        seed, gradient = self._traced.gradient_of(node, tensor)
        if gradient is None:
            return self._changing(node, tensor, index)
        known = ChainMap({seed: np.ones(known_shape(seed), np.float32)}, self._known)
        flowing = {one.output: one for one in topological_order([gradient], behind=[seed])}
        found: dict[Index, None] = {}
        seen, stack = {(gradient, index)}, [(gradient, index)]
        while stack:
            tensor, index = stack.pop()
            if tensor is seed:
                found[index] = None
            elif (step := flowing.get(tensor)) is not None and step.output not in self._known:
                arrays = [_computed(one, known) for one in step.inputs]
                sources = dict(zip(step.operation.input_names(len(step.inputs)), step.inputs, strict=True))
                for term in step.operation.terms(index, *arrays, **step.attributes).terms:
                    new = dict.fromkeys((sources[one.source], one.index) for one in term.reads)
                    stack += [one for one in new if one not in seen]
                    seen.update(new)
        return list(found)

    def _changing(self, node: Node, tensor: Tensor, index: Index) -> list[Index]:
        """Which numbers of a node's result change with one number of an input, for nodes that have no gradient.

        It is set to NaN and to very large numbers; then again where the other inputs are numbers that hide nothing, as
        a gradient of 0 would.
        """
        given = dict(zip(node.inputs, map(self._array, node.inputs), strict=True))
        generator = np.random.default_rng(0)
        plain = {
            one: generator.uniform(0.5, 1.5, array.shape).astype(array.dtype) if array.dtype.kind == "f" else array
            for one, array in given.items()
        }
        here = given[tensor]
        values = (np.nan, 1e30, -1e30) if here.dtype.kind == "f" else (here[index] + 1, here[index] - 1)
        changed: Any = np.zeros(known_shape(node.output), bool)
        for others in (given, plain | {tensor: here}):
            first = _result(node, others)
            for value in values:
                array = here.copy()
                array[index] = value
                other = _result(node, others | {tensor: array})
                changed |= (first != other) & ~(np.isnan(first) & np.isnan(other))
        return [tuple(int(i) for i in place) for place in np.argwhere(changed)]

    def _parts(self, node: Node, terms: Terms) -> Iterator[Part]:
        sources = dict(zip(node.operation.input_names(len(node.inputs)), node.inputs, strict=True))
        for term in terms.terms:
            yield Part(
                term.value,
                tuple(Number(self._traced.name_of(sources[one.source]), one.index, one.value) for one in term.reads),
            )

    def _number(self, tensor: Tensor, index: Index) -> Number:
        return Number(self._traced.name_of(tensor), index, float(self._array(tensor)[index]))

    def _tensor(self, place: str) -> Tensor:
        if place not in self._traced.places:
            near = difflib.get_close_matches(place, self._traced.places, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ArgumentError(f"explain: there is no place {place!r}.{hint}")
        return self._traced.places[place]

    def _check(self, place: str, index: Index, sizes: tuple[int, ...]) -> None:
        if len(index) != len(sizes) or not all(0 <= i < n for i, n in zip(index, sizes, strict=True)):
            raise ArgumentError(f"explain: expected an index inside of {sizes}, the shape of {place}; got {index}.")

    def _array(self, tensor: Tensor) -> Array:
        return _computed(tensor, self._known)


def _computed(tensor: Tensor, known: MutableMapping[Tensor, Array]) -> Array:
    """The numbers of a tensor, by the definitions of the operations that lead to it; ``known`` grows by them."""
    if tensor.value is not None:
        return tensor.value
    for node in topological_order([tensor], behind=known):
        if node.output not in known:
            known[node.output] = _result(node, known)
    return known[tensor]


@np.errstate(all="ignore")
def _result(node: Node, known: Mapping[Tensor, Array]) -> Array:
    inputs = [one.value if one.value is not None else known[one] for one in node.inputs]
    return np.asarray(node.operation.forward(*inputs, **node.attributes))
