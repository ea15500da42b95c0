"""One node of an ONNX graph, as the functions in `operators` see it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.configurable import free_name, signature_of
from striate.graph import Array, Tensor
from striate.graph.tensor import tensors_in
from striate.interop.onnx.defaults import is_default
from striate.interop.onnx.messages import AttributeProto, NodeProto, TensorProto
from striate.interop.onnx.protobuf import DamagedError
from striate.interop.onnx.tensors import as_array
from striate.interop.onnx.values import Known, Order, Symbol, UnsupportedError, Value, sources_of
from striate.layers.layer import WEIGHT_SOURCE, Layer

#: Numbers of one array while a network runs.
MOST_COMPUTED = 1 << 31


class Network:
    """The layers made so far, by their weights and settings, and the names in use.

    Nodes with the same weights and settings share a layer, as they share the numbers in the file; so do networks that
    are put together for inputs of other shapes.
    """

    def __init__(self) -> None:
        self.layers: dict[Any, Layer] = {}
        self.names: set[str] = set()


class Node:
    """One node: its settings, and how its results are added to the network.

    Arguments:
        proto: from the file.
        opset: version of the operators.
        folder: of the file, for attributes that are tensors.
        batch: the batch size that the file is written for, if it is a number.
        network: to whose layers this node's may be added.
    """

    def __init__(self, proto: NodeProto, opset: int, folder: Path, batch: int | None, network: Network):
        self.op, self.opset, self.batch = proto.op_type or "", opset, batch
        self.inputs, self.outputs = proto.input, proto.output
        self.name = proto.name or next((name for name in proto.output if name), "")
        self.attributes = {a.name or "": _attribute(a, folder) for a in proto.attribute}
        self._network = network
        self.given: Sequence[Value | None] = ()
        self._asked: set[str] = set()

    def apply(self, function: Callable[..., Any], inputs: Sequence[Value | None]) -> tuple[Value | None, ...]:
        """The node's outputs, from the function of its operator.

        Raises:
            UnsupportedError: the operator does not take this number of inputs or does not have a setting, or as the
                function raises.
        """
        self.given = inputs
        signature = signature_of(function)
        try:
            given = signature.bind(self, *inputs).arguments
        except TypeError:
            raise UnsupportedError(f"{len(inputs)} inputs, which the operator does not take") from None
        for name, parameter in list(signature.parameters.items())[1:]:
            if parameter.kind is parameter.VAR_POSITIONAL:
                is_missing = None in given.get(name, (None,))
            else:
                is_missing = parameter.default is parameter.empty and given[name] is None
            if is_missing:
                raise UnsupportedError("a required input is missing")
        outputs = function(self, *inputs)
        unread = sorted(self.attributes.keys() - self._asked)
        if others := [name for name in unread if not is_default(self.op, name, self.attributes[name])]:
            raise UnsupportedError(f"its setting {', '.join(others)} is not supported")
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def get(self, name: str, default: Any = None) -> Any:
        """A setting; ``default`` if the file does not give it."""
        self._asked.add(name)
        return self.attributes.get(name, default)

    def wants(self, output: int) -> bool:
        """Whether the output of this number is used."""
        return len(self.outputs) > output and bool(self.outputs[output])

    def result(
        self, tensor: Any, order: Order | None = None, dtype: Any = None, of: Sequence[Value | None] | None = None
    ) -> Value:
        """The node's result: a symbol of the network, or an array if all its inputs were known.

        Arguments:
            tensor: computed by operations or layers.
            order: of its axes; default: the file's.
            dtype: of the file; default: that of the first input.
            of: what it was computed from; default: all inputs.
        """
        first = next((value for value in self.given if value is not None), None)
        kind = np.dtype(dtype) if dtype is not None else first.dtype if first is not None else np.dtype(np.float32)
        if isinstance(tensor, Tensor):
            if math.prod(n or 1 for n in tensor.shape) > MOST_COMPUTED:
                raise UnsupportedError(
                    f"an array of shape {tensor.shape}; at most {MOST_COMPUTED:,} numbers are allowed"
                )
            return Symbol(tensor, order, kind, sources_of(self.given if of is None else of))
        array = np.asarray(tensor)
        axes = tuple(int(a) for a in np.argsort(order)) if order is not None else None
        return Known(np.asarray(array.transpose(axes) if axes else array, kind))

    def layer(self, make: Callable[[str], Layer], *inputs: Any, weights: dict[str, Array] | None = None) -> Any:
        """Apply the layer that holds these weights, made on first use.

        Arguments:
            make: makes a layer of a given name.
            inputs: symbols.
            weights: by the name of the variable; a node that shares all with an earlier one shares its layer.
        """
        shared = [name for name, value in zip(self.inputs, self.given, strict=False) if isinstance(value, Known)]
        key = (self.op, *shared, repr(self.attributes)) if weights else (self.op, self.name, *self.outputs)
        layer = self._network.layers.get(key)
        if layer is not None:
            return layer(*inputs)
        name = free_name(self.label, self._network.names)
        layer = make(name)
        token = WEIGHT_SOURCE.set(lambda shape: np.zeros(shape, np.float32))  # the file's are put there at once
        try:
            result = layer(*inputs)
        finally:
            WEIGHT_SOURCE.reset(token)
        for variable in layer.weights:
            variable.assign(np.asarray((weights or {})[variable.name], np.float32))
        self._network.layers[key] = layer
        self._network.names.add(name)
        return result if tensors_in(inputs) else layer(*inputs)  # arrays were computed without the weights

    @property
    def label(self) -> str:
        """The node's name for a layer: without the operator that exporters append to the module's name."""
        return (self.name.strip("/").removesuffix(f"/{self.op}") or self.op).replace(":", "_")


def _attribute(attribute: AttributeProto, folder: Path) -> Any:
    """The value of a setting as Python has it.

    Raises:
        DamagedError: it has none.
    """
    if attribute.ref_attr_name:
        raise DamagedError(f"its setting {attribute.name} belongs to a function")
    kind = attribute.type
    if not kind:  # files older than 2018 do not say; lists are never None
        kind = next((number for number, (field, _) in VALUES.items() if _is_there(getattr(attribute, field))), 0)
    if kind not in VALUES:
        raise DamagedError(f"its setting {attribute.name} is of the type {kind}, which is not supported")
    field, convert = VALUES[kind]
    value = getattr(attribute, field)
    if kind == AttributeProto.TENSOR:
        return as_array(value or TensorProto(), folder)
    return convert(value)


def _is_there(value: Any) -> bool:
    return len(value) > 0 if isinstance(value, list | np.ndarray) else value is not None


def _text(value: Any) -> str:
    return bytes(value or b"").decode("utf-8", "replace")


#: For each type of a setting the field that holds it, and its value as Python has it.
VALUES: dict[int, tuple[str, Callable[[Any], Any]]] = {
    AttributeProto.FLOAT: ("f", lambda value: float(value or 0)),
    AttributeProto.INT: ("i", lambda value: int(value or 0)),
    AttributeProto.STRING: ("s", _text),
    AttributeProto.TENSOR: ("t", lambda value: value),
    AttributeProto.GRAPH: ("g", lambda value: value),
    AttributeProto.FLOATS: ("floats", lambda values: tuple(map(float, values))),
    AttributeProto.INTS: ("ints", lambda values: tuple(map(int, values))),
    AttributeProto.STRINGS: ("strings", lambda values: tuple(map(_text, values))),
}
