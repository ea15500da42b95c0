"""A model as an ONNX file: its graph, node by node, its inputs and outputs, and its metadata."""

import json
from dataclasses import replace

import numpy as np

from striate.configurable import free_name
from striate.errors import ArgumentError, DataError, ModelError, ShapeError
from striate.graph import Graph, Node, Tensor, topological_order
from striate.interop.onnx.export import elementwise, normalization, reductions, resampling, shapes, windows
from striate.interop.onnx.export.writer import (
    RULES,
    Sizes,
    UnwritableError,
    Value,
    Writer,
    channels_first,
    natural,
)
from striate.interop.onnx.messages import (
    Dimension,
    GraphProto,
    ModelProto,
    OperatorSetIdProto,
    StringStringEntryProto,
    TensorShapeProto,
    TensorType,
    TypeProto,
    ValueInfoProto,
)
from striate.interop.onnx.tensors import NUMBERS, as_tensor
from striate.interop.refusal import SHOWN
from striate.models import Facts, Model
from striate.models.saving import named_weights
from striate.ops.casting import CAST
from striate.ops.elementwise import BROADCAST_TO, SUM_TO
from striate.ops.losses import ONE_HOT
from striate.ops.reductions import ARGMAX
from striate.ops.shape import RESHAPE

#: The modules that write operations; importing them fills `RULES`.
FAMILIES = (elementwise, normalization, reductions, resampling, shapes, windows)

OPERATOR_SET = 17
IR_VERSION = 8
#: The batch sizes of the two traces: primes that no size of a network is a multiple of by chance.
BATCH_SIZES = (211, 223)
#: Bytes of arrays in one file: a protocol buffer holds less than 2 GiB, and the rest of the file is small.
MAX_BYTES = 2**31 - 2**24

#: Operations whose inputs have another type than their result.
MIXED = {ARGMAX, CAST, ONE_HOT}
#: Operations with a shape among their settings, which may depend on the batch size.
SHAPED = {BROADCAST_TO, RESHAPE, SUM_TO}


def as_message(model: Model, channels_last: bool) -> ModelProto:
    """A model as the message that an ONNX file is; arguments and errors as `write_onnx`."""
    facts = model.facts
    metadata = {
        "striate.preprocessing": model.preprocessing and model.preprocessing.to_json(),
        "striate.classes": list(model.classes),
        "striate.threshold": model.threshold,
        "striate.facts": facts.to_json() if facts != Facts() else None,
    }
    return ModelProto(
        ir_version=IR_VERSION,
        producer_name="striate",
        graph=_Export(model, channels_last).graph(),
        opset_import=[OperatorSetIdProto(domain="", version=OPERATOR_SET)],
        metadata_props=[
            StringStringEntryProto(key=key, value=json.dumps(value, allow_nan=False))
            for key, value in metadata.items()
            if value
        ],
    )


class _Export:
    """The export of one model.

    Arguments:
        model: the model.
        channels_last: see `write_onnx`.
    """

    def __init__(self, model: Model, channels_last: bool):
        self._model, self._order = model, natural if channels_last else channels_first
        self._graph, other = (_traced(model, batch_size) for batch_size in BATCH_SIZES)
        if [node.name for node in self._graph.nodes] != [node.name for node in other.nodes]:
            raise ModelError(f"export: the operations of {model.name} depend on the batch size.")
        self._twins = dict(zip(self._graph.nodes, other.nodes, strict=True))
        self._layers = _layer_of_each_node(self._graph, model)
        self._problems: list[str] = []
        self._input_names = model.input_names or [f"input_{i}" for i in range(len(self._graph.inputs))]
        self._output_names: list[str] = []
        for name in model.output_names or [f"output_{i}" for i in range(len(self._graph.outputs))]:
            self._output_names.append(free_name(name, [*self._input_names, *self._output_names]))
        pairs = [*zip(self._graph.inputs, other.inputs, strict=True)]
        pairs += [(node.output, twin.output) for node, twin in self._twins.items()]
        sizes = {tensor: _sizes(tensor, twin) for tensor, twin in pairs}
        self._to = Writer(self._graph, sizes, [*self._input_names, *self._output_names])

    def graph(self) -> GraphProto:
        """The whole network.

        Raises:
            ModelError: something in it cannot be written, or it is too large.
        """
        self._begin()
        for node, twin in self._twins.items():
            try:
                self._to.values[node.output] = self._written(node, twin)
            except UnwritableError as error:
                layer = f"layer {self._layers[node]}: " if self._layers[node] else ""
                self._problems.append(f"{layer}{node.name}: {error}")
                self._to.values[node.output] = self._unknown(node)
        if self._problems:
            shown = "; ".join(self._problems[:SHOWN])
            more = f"; and {len(self._problems) - SHOWN} more" if len(self._problems) > SHOWN else ""
            raise ModelError(f"export: {self._model.name} cannot be written as ONNX: {shown}{more}.")
        outputs = self._outputs()
        if (total := sum(array.nbytes for array in self._to.arrays.values())) > MAX_BYTES:
            raise ModelError(
                f"export: {self._model.name} has {total:,} bytes of weights; an ONNX file holds at most {MAX_BYTES:,}."
            )
        return GraphProto(
            node=self._to.nodes,
            name=self._model.name,
            initializer=[as_tensor(array, name) for name, array in self._to.arrays.items()],
            input=[_described(self._to.values[tensor], tensor) for tensor in self._graph.inputs],
            output=outputs,
        )

    def _begin(self) -> None:
        """What stands for inputs and variables."""
        for tensor, name in zip(self._graph.inputs, self._input_names, strict=True):
            self._to.values[tensor] = Value(name, self._to.shapes[tensor], tensor.dtype, self._order(tensor.ndim))
        names = {variable: name for name, variable in named_weights(self._model).items()}
        for variable, tensor in self._graph.variables.items():
            name = names.get(variable, variable.name)
            array = variable.array.astype(tensor.dtype, copy=False)
            self._to.values[tensor] = Value(name, array.shape, tensor.dtype, natural(array.ndim), array)

    def _written(self, node: Node, twin: Node) -> Value:
        """What stands for a node's result, once the node is written."""
        to, shape, dtype = self._to, self._to.shapes[node.output], node.output.dtype
        to.path = f"{self._layers[node]}/" if self._layers[node] else ""
        if node.operation not in RULES:
            raise UnwritableError("its export to ONNX is not supported")
        if node.attributes != twin.attributes and node.operation not in SHAPED:
            raise UnwritableError("its settings depend on the batch size")
        inputs = [self._input(*pair) for pair in zip(node.inputs, twin.inputs, strict=True)]
        if node.output in to.merged:
            return to.values[to.merged[node.output]]
        if None not in shape and all(value.array is not None for value in inputs):
            array = node.operation(*(value.array for value in inputs), **node.attributes)
            return Value(inputs[0].name, shape, dtype, natural(len(shape)), array)
        if node.operation not in MIXED:
            inputs = [to.cast(value, dtype) for value in inputs]
        name, order = RULES[node.operation](to, node, *inputs)
        return Value(name, shape, dtype, order)

    def _input(self, tensor: Tensor, twin: Tensor) -> Value:
        """What stands for an input of a node.

        Raises:
            UnwritableError: it is a constant, but another one for another batch size.
        """
        value, other = tensor.value, twin.value
        if value is not None and (other is None or not np.array_equal(value, other, equal_nan=True)):
            raise UnwritableError("a constant depends on the batch size")
        return self._to.known(tensor) or self._to.values[tensor]

    def _unknown(self, node: Node) -> Value:
        """What stands for the result of a node that cannot be written, so that the nodes after it can be checked."""
        shape = self._to.shapes[node.output]
        return Value("", shape, node.output.dtype, natural(len(shape)))

    def _outputs(self) -> list[ValueInfoProto]:
        """The network's outputs, under their names."""
        to, given, described = self._to, dict[str, str](), []
        to.path = ""
        for tensor, name in zip(self._graph.outputs, self._output_names, strict=True):
            value = to.values[tensor]
            order = self._order(len(value.shape))
            value = replace(value, name=to.in_order(value, order), order=order)
            if value.name in (*self._input_names, *to.arrays, *given):  # has a name already
                value = replace(value, name=to.add("Identity", value.name))
            given[value.name] = name
            described.append(_described(replace(value, name=name), tensor))
        for node in to.nodes:
            node.input = [given.get(name, name) for name in node.input]
            node.output = [given.get(name, name) for name in node.output]
        return described


def _traced(model: Model, batch_size: int) -> Graph:
    try:
        return model.traced(batch_size)
    except (ArgumentError, DataError, ShapeError) as error:
        raise ModelError(f"export: expected a model that takes any batch size, even {batch_size}: {error}") from error


def _described(value: Value, tensor: Tensor) -> ValueInfoProto:
    """An input or output as the file declares it; the batch size is called N."""
    dimensions = []
    for axis in value.order:
        known, batch = value.shape[axis], tensor.shape[axis] == BATCH_SIZES[0]
        dimensions.append(Dimension(dim_value=known, dim_param="N" if known is None and batch else None))
    kind = TensorType(elem_type=NUMBERS[value.dtype], shape=TensorShapeProto(dim=dimensions))
    return ValueInfoProto(name=value.name, type=TypeProto(tensor_type=kind))


def _sizes(tensor: Tensor, twin: Tensor) -> Sizes:
    return tuple(n if n == m else None for n, m in zip(tensor.shape, twin.shape, strict=True))


def _layer_of_each_node(graph: Graph, model: Model) -> dict[Node, str]:
    """The path of the layer that each node comes from, such as ``encoder/conv2d``; "" for none."""
    paths = dict.fromkeys(graph.nodes, "")
    for call in graph.calls:  # a layer inside another one comes before it
        if call.layer is not model:
            for node in topological_order(call.outputs, behind=call.inputs):
                if node in paths:
                    paths[node] = f"{call.layer.name}/{paths[node]}".rstrip("/")
    return paths
