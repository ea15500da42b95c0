"""An ONNX graph: checked, put together as a network of this library, and run on arrays as the file has them."""

from collections import ChainMap, OrderedDict
from collections.abc import Mapping, MutableMapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate import layers
from striate.errors import ModelError, ShapeError, StriateError
from striate.graph import Array, Tensor, topological_order, trace
from striate.interop.onnx.messages import GraphProto, ModelProto, NodeProto, ValueInfoProto
from striate.interop.onnx.node import Network, Node
from striate.interop.onnx.operators import OPERATORS, SPATIAL, TRANSPARENT
from striate.interop.onnx.protobuf import DamagedError
from striate.interop.onnx.tensors import as_array, dtype_of
from striate.interop.onnx.values import (
    Known,
    Order,
    Symbol,
    UnsupportedError,
    Value,
    ValueNeededError,
    channels_last,
    plain,
)
from striate.models import Input, Model
from striate.ops.operation import granted
from striate.runtime import Executor, ExecutorCache, executor, settings

#: The oldest version of ONNX's operators that is supported; earlier ones broadcast in another way.
OLDEST_OPSET = 7
#: Nodes of one graph; the largest networks have some thousand.
MAX_NODES = 4_000
#: Bytes of arrays that are computed while a network is put together, for each of the file; 8 bits may become 32.
GRANTED = 8
#: The one operator that has graphs of its own.
IF = "If"
#: Nodes of a cycle that a message names.
MOST_SHOWN = 6
#: Networks that are kept for inputs of other shapes.
KEPT = 8

Sizes = tuple[int | None, ...]


class Given(NamedTuple):
    """An input or output of the graph: its name, its type, and its sizes as far as the file gives them."""

    name: str
    dtype: np.dtype[Any]
    shape: Sizes | None


class Built(NamedTuple):
    """The graph as a network for inputs of certain shapes.

    Arguments:
        inputs: what the network begins with; inputs that are known, or that nothing uses, are not among them.
        outputs: what each output of the graph is.
        model: None if all outputs were known.
        runners: what runs it, by the shapes of the inputs and this process's settings.
    """

    inputs: dict[str, Symbol]
    outputs: list[Value]
    model: Model | None
    runners: ExecutorCache


class Program:
    """A graph from a file.

    Arguments:
        proto: the file's content.
        path: of the file, for messages and for arrays that lie beside it.
        size: of the content, in bytes: arrays computed from it may be a few times larger.

    Raises:
        UnreadableError: it is damaged, or uses what this library does not support; all reasons at once.
    """

    def __init__(self, proto: ModelProto, path: Path, size: int):
        self.path, self.folder = path, path.parent
        self._most_bytes = GRANTED * size + (24 << 20)
        self.opset = _opset(proto)
        graph = proto.graph
        if graph is None:
            raise UnreadableError("it holds no graph")
        if (count := _count(graph)) > MAX_NODES:
            raise UnreadableError(f"expected at most {MAX_NODES:,} nodes, got {count:,}")
        self.name = graph.name or path.stem
        if reasons := _wrong_names(graph, set()):
            raise UnreadableError(*reasons)
        self.nodes = _in_order(graph)
        self.constants = self._constants(graph)
        self.inputs = [_given(info) for info in graph.input if info.name not in self.constants]
        self.outputs = [_given(info) for info in graph.output]
        self._orders = {given.name: self._order(given) for given in self.inputs}
        self._network = Network()
        self._built: OrderedDict[Any, Built] = OrderedDict()

    def _constants(self, graph: GraphProto) -> dict[str, Known]:
        found, reasons = {}, []
        for tensor in graph.initializer:
            try:
                found[tensor.name or ""] = Known(as_array(tensor, self.folder))
            except DamagedError as error:
                reasons.append(f"the array {tensor.name!r}: {error}")
        if reasons:
            raise UnreadableError(*reasons)
        return found

    def _order(self, given: Given) -> Order:
        """Channels last for what convolutions and their like see first; the file's own order for everything else."""
        rank = len(given.shape or ())
        if not 3 <= rank <= 5:
            return plain(rank)
        names = {given.name}
        for node in self.nodes:
            if not names & set(node.input):
                continue
            if node.op_type in SPATIAL:
                return channels_last(rank)
            if node.op_type in TRANSPARENT:
                names |= set(node.output)
        return plain(rank)

    # Putting together

    def build(self, shapes: Mapping[str, Sizes], known: Mapping[str, Array]) -> Built:
        """The graph as a network.

        Arguments:
            shapes: of the inputs in the file's order; None: the batch size, which is not known.
            known: inputs whose numbers the network's structure depends on.

        Raises:
            ValueNeededError: it depends on those of other inputs, too.
            UnreadableError: some nodes are not supported; all of them are listed.
        """
        values: dict[str, Value | None] = dict(self.constants)
        self._spent = 0
        begin: dict[str, Symbol] = {}
        for given in self.inputs:
            if given.name in known:
                values[given.name] = Known(known[given.name])
            else:
                begin[given.name] = _symbol(given, shapes[given.name], self._orders[given.name])
                values[given.name] = begin[given.name]
        self._compute(self.nodes, values)
        outputs = [values[given.name] for given in self.outputs]
        return self._finished(begin, [_end(value, begin) for value in outputs if value is not None])

    def _compute(self, nodes: Sequence[NodeProto], values: MutableMapping[str, Value | None]) -> None:
        """Apply nodes in order; a value is None where an earlier node failed."""
        reasons: list[str] = []
        batch = next((given.shape[0] for given in self.inputs if given.shape), None)
        for number, proto in enumerate(nodes):
            inputs = [values[name] if name else None for name in proto.input]
            missing = any(name and value is None for name, value in zip(proto.input, inputs, strict=True))
            results: Any = None
            if not missing:
                try:
                    if proto.op_type == IF:
                        results = self._branch(proto, inputs, values)
                    else:
                        node = Node(proto, self.opset, self.folder, batch, self._network)
                        with granted(self._most_bytes):
                            results = node.apply(OPERATORS[proto.op_type or ""], inputs)
                except ValueNeededError:
                    raise
                except UnreadableError as error:
                    reasons += error.reasons
                except (StriateError, DamagedError) as error:
                    reasons.append(f"{_where(proto, number)}: {error}".rstrip("."))
                except (ValueError, IndexError, TypeError, ArithmeticError) as error:
                    reasons.append(f"{_where(proto, number)}: its inputs or settings do not match ({error})")
            for place, name in enumerate(proto.output):
                values[name] = value = results[place] if results is not None and place < len(results) else None
                if isinstance(value, Known):
                    self._spent += sum(array.nbytes for array in value.arrays if array.base is None)
            if self._spent > self._most_bytes:
                where = _where(proto, number)
                raise UnreadableError(*reasons, f"{where}: computed arrays take {self._spent:,} bytes, too many")
        if reasons:
            raise UnreadableError(*reasons)

    def _branch(
        self, proto: NodeProto, inputs: Sequence[Value | None], values: MutableMapping[str, Value | None]
    ) -> list[Value | None]:
        """What `If` gives: the outputs of one of its two graphs, which see all values before it.

        Raises:
            ValueNeededError: the condition is computed from inputs.
        """
        (condition,) = inputs
        if isinstance(condition, Symbol):
            raise ValueNeededError(condition.sources)
        answers = {bool(array.all()) for array in condition.arrays if array.size == 1} if condition else set()
        if len(answers) != 1:
            raise UnsupportedError("expected one condition, the same for any batch size")
        graph = _branches(proto)["then_branch" if answers.pop() else "else_branch"]
        inner: ChainMap[str, Value | None] = ChainMap({}, values)
        inner.update(self._constants(graph))
        self._compute(_in_order(graph), inner)
        return [inner[info.name or ""] for info in graph.output]

    def _finished(self, begin: dict[str, Symbol], outputs: list[Value]) -> Built:
        ends = [_arranged(value) if isinstance(value, Symbol) else value for value in outputs]
        tensors = list(dict.fromkeys(end.tensor for end in ends if isinstance(end, Symbol)))
        if not tensors:
            return Built({}, ends, None, ExecutorCache())
        used = {tensor for node in topological_order(tensors) for tensor in node.inputs}
        inputs = {name: symbol for name, symbol in begin.items() if symbol.tensor in used}
        starts = [symbol.tensor for symbol in inputs.values()]
        model = Model(
            starts[0] if len(starts) == 1 else starts, tensors[0] if len(tensors) == 1 else tensors, name=self.name
        )
        return Built(inputs, ends, model, ExecutorCache())

    def opened(self, input_shape: Sequence[int] | None) -> Built:
        """The network for any batch size; if that is impossible, for the one that the file gives.

        Arguments:
            input_shape: of one sample of the first input, as this library has it, where the file does not give it.

        Raises:
            ValueNeededError: its structure depends on numbers that are given only when it runs.
            UnreadableError: it cannot be put together.
        """
        shapes = {
            given.name: self._declared(given, input_shape if i == 0 else None) for i, given in enumerate(self.inputs)
        }
        if single := [name for name, shape in shapes.items() if not shape or 0 in shape]:
            raise ValueNeededError(frozenset(single))  # no layer begins with a single number, or with none
        any_batch = {name: (None, *shape[1:]) for name, shape in shapes.items()}
        try:
            built = self.build(any_batch, {})
            if all(value.shape and value.shape[0] is None for value in built.outputs):
                return self._keep(any_batch, {}, built)
        except UnreadableError:
            pass  # the file fixes the batch size: the next lines find what else is wrong
        fixed = {name: tuple(1 if n is None else n for n in shape) for name, shape in shapes.items()}
        return self._keep(fixed, {}, self.build(fixed, {}))

    def _declared(self, given: Given, input_shape: Sequence[int] | None) -> Sizes:
        """An input's sizes in the file's order; only the first may be unknown."""
        if input_shape is not None:
            order, sizes = self._orders[given.name], (None, *input_shape)
            if len(order) != len(sizes):
                raise UnreadableError(f"expected input_shape of {len(order) - 1} sizes, got {tuple(input_shape)}")
            return tuple(sizes[order.index(axis)] for axis in range(len(order)))
        if given.shape is None or None in given.shape[1:]:
            said = "" if given.shape is None else f" {given.shape}"
            raise UnreadableError(
                f"it does not say the sizes of its input {given.name!r}{said}; "
                "give the shape of one sample, as in open_model(path, input_shape=(224, 224, 3))"
            )
        return given.shape

    def _keep(self, shapes: Mapping[str, Sizes], known: Mapping[str, Array], built: Built) -> Built:
        self._built[_key(shapes, known)] = built
        while len(self._built) > KEPT:
            self._built.popitem(last=False)
        return built

    # Running

    def run(self, inputs: Sequence[Any]) -> list[Array]:
        """The graph's outputs for its inputs, in the file's order, layout and types; any shapes that it takes.

        Raises:
            ShapeError: the number of inputs, or of axes, is wrong.
            ModelError: the graph cannot be put together for these inputs.
        """
        if len(inputs) != len(self.inputs):
            names = ", ".join(given.name for given in self.inputs)
            raise ShapeError(f"run: expected {len(self.inputs)} inputs ({names}), got {len(inputs)}.")
        arrays = {given.name: np.asarray(value) for given, value in zip(self.inputs, inputs, strict=True)}
        for given in self.inputs:
            if given.shape is not None and arrays[given.name].ndim != len(given.shape):
                raise ShapeError(
                    f"run: expected {given.name!r} of shape {given.shape}, got {arrays[given.name].shape}."
                )
        known = {name for name, array in arrays.items() if array.ndim == 0 or array.size == 0}
        try:
            built = self._built_for(arrays, known)
        except UnreadableError as error:
            raise ModelError(f"run: cannot build {self.path} for these inputs: {error}.") from None
        results = iter(self._execute(built, arrays))
        computed: dict[Tensor, Array] = {}
        for value in built.outputs:
            if isinstance(value, Symbol) and value.tensor not in computed:
                computed[value.tensor] = next(results)
        return [_as_in_file(value, given, computed) for value, given in zip(built.outputs, self.outputs, strict=True)]

    def _built_for(self, arrays: Mapping[str, Array], known: set[str]) -> Built:
        while True:
            shapes = {name: array.shape for name, array in arrays.items()}
            any_batch = {name: (None, *shape[1:]) for name, shape in shapes.items()}
            values = {name: arrays[name] for name in sorted(known)}
            one_batch = len({shape[:1] for shape in shapes.values()}) == 1
            for wanted in (any_batch, shapes) if one_batch else (shapes,):
                if (built := self._built.get(_key(wanted, values))) is not None:
                    return built
            try:
                return self._keep(shapes, values, self.build(shapes, values))
            except ValueNeededError as error:
                if not error.inputs - known:
                    raise UnreadableError(str(error)) from None
                known |= error.inputs

    def _execute(self, built: Built, arrays: Mapping[str, Array]) -> list[Array]:
        if built.model is None:
            return []
        model = built.model
        given = [
            np.ascontiguousarray(arrays[name].transpose(symbol.order), np.float32)
            for name, symbol in built.inputs.items()
        ]
        shapes = tuple(array.shape for array in given)

        def compiled() -> Executor:
            symbols = [Tensor(shape, np.float32) for shape in shapes]
            return executor(trace(lambda *tensors: model(tensors[0] if len(tensors) == 1 else list(tensors)), symbols))

        outputs: list[Array] = built.runners.get((shapes, settings()), compiled).run(given)
        return outputs


class UnreadableError(Exception):
    """Why a graph cannot be put together.

    Arguments:
        reasons: each a clause.
    """

    def __init__(self, *reasons: str):
        super().__init__("; ".join(reasons[:20]))
        self.reasons = reasons


def _count(graph: GraphProto) -> int:
    """Nodes of a graph and of all graphs in it."""
    return len(graph.node) + sum(_count(a.g) for node in graph.node for a in node.attribute if a.g is not None)


def _branches(node: NodeProto) -> dict[str, GraphProto]:
    return {attribute.name or "": attribute.g for attribute in node.attribute if attribute.g is not None}


def _wrong_names(graph: GraphProto, outside: set[str]) -> list[str]:
    """What is wrong with a graph's operators and names, and with those of the branches in it.

    Arguments:
        outside: names of values around it that it may use.
    """
    reasons = ["it has sparse arrays"] if graph.sparse_initializer else []
    given = outside | {tensor.name or "" for tensor in graph.initializer} | {info.name or "" for info in graph.input}
    given.add("")
    known = given.union(*(node.output for node in graph.node))
    made: set[str] = set()
    for number, node in enumerate(graph.node):
        where = _where(node, number)
        domain = node.domain or ""
        if domain not in ("", "ai.onnx"):
            reasons.append(f"{where}: operators of {domain!r} are not supported")
        elif node.op_type == IF:
            branches = _branches(node)
            if branches.keys() != {"then_branch", "else_branch"} or len(node.input) != 1:
                reasons.append(f"{where}: expected a condition and two branches")
            reasons += [reason for branch in branches.values() for reason in _wrong_names(branch, known)]
        elif node.op_type not in OPERATORS:
            reasons.append(f"{where}: this operator is not supported")
        for name in node.input:
            if name not in known:
                reasons.append(f"{where}: it uses {name!r}, which nothing computes")
        for name in filter(None, node.output):
            if name in given or name in made:
                reasons.append(f"{where}: {name!r} is computed twice")
            made.add(name)
    made_here = known - {""}  # the name of inputs that a node does without
    reasons += [f"nothing computes the output {info.name!r}" for info in graph.output if info.name not in made_here]
    if not graph.output:
        reasons.append("it has no output")
    try:
        _in_order(graph)
    except CycleError as error:
        circle = " → ".join(_where(graph.node[number], number) for number in error.args[1][:MOST_SHOWN])
        reasons.append(f"its nodes depend on one another in a cycle: {circle}")
    return reasons


def _in_order(graph: GraphProto) -> list[NodeProto]:
    """A graph's nodes, each after those whose results it uses; files may have them in any order.

    Raises:
        CycleError: they depend on one another in a cycle.
    """
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    needs = {number: [makers[name] for name in _used(node) if name in makers] for number, node in enumerate(graph.node)}
    if all(number > need for number, others in needs.items() for need in others):
        return list(graph.node)  # as it should be
    return [graph.node[number] for number in TopologicalSorter(needs).static_order()]


def _used(node: NodeProto) -> set[str]:
    """The values that a node uses, and that the graphs in it use of those outside."""
    names = set(node.input)
    for graph in _branches(node).values():
        made = {tensor.name for tensor in graph.initializer}.union(*(inner.output for inner in graph.node))
        names |= {info.name or "" for info in graph.output}.union(*map(_used, graph.node)) - made
    return names


def _opset(proto: ModelProto) -> int:
    versions = [entry.version or 0 for entry in proto.opset_import if entry.domain in (None, "", "ai.onnx")]
    if len(versions) != 1:
        raise UnreadableError("it does not say the version of its operators")
    if versions[0] < OLDEST_OPSET:
        raise UnreadableError(
            f"its operators are of version {versions[0]}; versions from {OLDEST_OPSET} on are supported. "
            "onnx.version_converter can convert it"
        )
    return versions[0]


def _given(info: ValueInfoProto) -> Given:
    tensor = info.type.tensor_type if info.type else None
    if tensor is None:
        raise UnreadableError(f"{info.name!r} is not an array")
    try:
        dtype = dtype_of(tensor.elem_type)
    except DamagedError as error:
        raise UnreadableError(f"{info.name!r}: {error}") from None
    if tensor.shape is None:
        return Given(info.name or "", dtype, None)
    # Some exporters write −1 for a size that is not known, and 0 for the batch.
    sizes = [None if d.dim_value is not None and d.dim_value < 0 else d.dim_value for d in tensor.shape.dim]
    return Given(info.name or "", dtype, tuple(None if n == 0 and not i else n for i, n in enumerate(sizes)))


def _where(node: NodeProto, number: int) -> str:
    return f"node {node.name or number!r} ({node.op_type})"


def _symbol(given: Given, shape: Sizes, order: Order) -> Symbol:
    """An input of a network."""
    if len(order) != len(shape):  # the file does not say how many axes there are
        order = plain(len(shape))
    first, *sizes = (shape[axis] for axis in order)
    tensor = Input(tuple(sizes), batch_size=first, name=given.name)
    return Symbol(tensor, order, given.dtype, frozenset([given.name]))


def _end(value: Value, begin: Mapping[str, Symbol]) -> Value:
    """An output; one that is an input under another name gets a layer of its own."""
    if isinstance(value, Symbol) and any(value.tensor is symbol.tensor for symbol in begin.values()):
        return Symbol(layers.Identity()(value.tensor), value.order, value.dtype, value.sources)
    return value


def _arranged(value: Symbol) -> Symbol:
    """An output as this library has it: maps with channels last, all else in the file's order."""
    rank = len(value.order)
    order = channels_last(rank) if value.order == channels_last(rank) else plain(rank)
    return Symbol(value.arranged(order), order, value.dtype, value.sources)


def _as_in_file(value: Value, given: Given, computed: Mapping[Tensor, Array]) -> Array:
    if isinstance(value, Known):
        return value.arrays[0].astype(given.dtype, copy=False)
    array = computed[value.tensor].transpose(tuple(int(a) for a in np.argsort(value.order)))
    with np.errstate(all="ignore"):
        return array.astype(given.dtype, order="C", copy=False)


def _key(shapes: Mapping[str, Sizes], known: Mapping[str, Array]) -> Any:
    return (
        tuple(shapes.items()),
        tuple((name, array.dtype.str, array.shape, array.tobytes()) for name, array in known.items()),
    )
