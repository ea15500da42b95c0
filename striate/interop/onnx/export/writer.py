"""The file that is being written: its nodes and arrays, and what stands for each tensor of the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from striate.configurable import free_name
from striate.graph import Array, Graph, Node, Tensor
from striate.interop.onnx.messages import AttributeProto, NodeProto
from striate.interop.onnx.tensors import NUMBERS
from striate.ops.elementwise import ADD
from striate.ops.operation import Operation

#: Which axis of a tensor each axis of the file is.
Order = tuple[int, ...]
#: The sizes of a tensor; None: it depends on the batch size.
Sizes = tuple[int | None, ...]


class UnwritableError(ValueError):
    """What ONNX has no operators for; the message is a clause without a full stop."""


@dataclass(frozen=True, eq=False)
class Value:
    """What stands for a tensor in the file.

    Arguments:
        name: in the file; of an array, what it is to be called there.
        shape: of the tensor.
        dtype: of the tensor.
        order: of the axes in the file: (0, 3, 1, 2) where the tensor is (N, H, W, C) and the file has N, C, H, W.
        array: the numbers, where they are known while the file is written: weights and constants. They are added to
            the file when they are needed in some order.
    """

    name: str
    shape: Sizes
    dtype: np.dtype[Any]
    order: Order
    array: Array | None = None


#: Writes a node's operators, and says what the result is called and which order its axes have.
Rule = Callable[..., tuple[str, Order]]

#: How each operation is written: (writer, node, a `Value` for each input) → see `Rule`.
RULES: dict[Operation, Rule] = {}


def writes(*operations: Operation) -> Callable[[Rule], Rule]:
    """Decorator: this function writes these operations."""

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(operations, rule))
        return rule

    return register


def natural(rank: int) -> Order:
    """The order of our own arrays."""
    return tuple(range(rank))


def channels_first(rank: int) -> Order:
    """The order in which ONNX's operators take series, images and volumes: N, C, *size."""
    return natural(rank) if rank < 3 else (0, rank - 1, *range(1, rank - 1))


class Writer:
    """The nodes and arrays of a file.

    Arguments:
        graph: what is being written, for one batch size.
        shapes: the sizes of its tensors for any batch size.
        reserved: names that only inputs and outputs may have.

    Attributes:
        path: the prefix of new nodes' names, such as ``conv2d/``.
        values: what stands for each tensor that was written already.
        merged: tensors that are computed by the operator that writes another one, which stands behind them.
        columns: for flattened tensors whose columns are in the file's order, our column for each of them.
    """

    def __init__(self, graph: Graph, shapes: dict[Tensor, Sizes], reserved: Sequence[str]):
        self.shapes = shapes
        self.path = ""
        self.nodes: list[NodeProto] = []
        self.arrays: dict[str, Array] = {}
        self.values: dict[Tensor, Value] = {}
        self.merged: dict[Tensor, Tensor] = {}
        self.columns: dict[Tensor, Array] = {}
        self._names = set(reserved)
        self._turned: dict[tuple[str, Order], str] = {}
        self._readers: dict[Tensor, list[Node | None]] = {tensor: [None] for tensor in graph.outputs}
        for node in graph.nodes:
            for tensor in node.inputs:
                self._readers.setdefault(tensor, []).append(node)

    # Nodes

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Write a node with one result, and return the result's name; an input called "" is left out."""
        return self.add_several(operator, inputs, 1, **attributes)[0]

    def add_several(self, operator: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        """Write a node with several results, and return their names."""
        names: list[str] = []
        for _ in range(results):
            names.append(free_name(f"{self.path}{operator}", self._names))
            self._names.add(names[-1])
        settings = [_attribute(name, value) for name, value in attributes.items()]
        node = NodeProto(input=list(inputs), output=names, name=names[0], op_type=operator, attribute=settings)
        self.nodes.append(node)
        return names

    # Arrays

    def keep(self, array: Array, name: str) -> str:
        """Write an array, and return its name; one that is there already is not written twice."""
        wanted, others = name, 0
        while name in self._names:
            if name in self.arrays and _same(self.arrays[name], array):
                return name
            others += 1
            name = f"{wanted}_{others}"
        self._names.add(name)
        self.arrays[name] = array
        return name

    def numbers(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Write numbers that are a setting of the current node, such as the sizes that a Reshape reads."""
        return self.keep(np.asarray(values, dtype), f"{self.path}{name}")

    def integers(self, name: str, values: Any) -> str:
        """The same for sizes, places and axes."""
        return self.numbers(name, values, np.int64)

    # Values

    def known(self, tensor: Tensor) -> Value | None:
        """What stands for a tensor whose numbers are known: constants, and what follows from weights; else None."""
        if tensor.value is not None:
            array = tensor.value
            return Value(f"{self.path}constant", array.shape, array.dtype, natural(array.ndim), array)
        value = self.values.get(tensor)
        return value if value is not None and value.array is not None else None

    def in_order(self, value: Value, order: Order) -> str:
        """A value with its axes in this order."""
        if value.array is not None:
            return self.keep(value.array.transpose(order), value.name)
        turn = tuple(map(value.order.index, order))
        if turn == natural(len(order)):
            return value.name
        if (value.name, turn) not in self._turned:
            self._turned[value.name, turn] = self._turn(value, order, turn)
        return self._turned[value.name, turn]

    def _turn(self, value: Value, order: Order, turn: Order) -> str:
        moved = [axis for axis in order if value.shape[axis] != 1]
        if value.order[0] == order[0] and moved == [axis for axis in value.order if value.shape[axis] != 1]:
            # Only axes of size 1 change their places: the numbers stay where they are.
            return self.add("Reshape", value.name, self.sizes([0, *(value.shape[axis] for axis in order[1:])]))
        return self.add("Transpose", value.name, perm=turn)

    def sizes(self, sizes: Sequence[int | None]) -> str:
        """A shape for Reshape, in which one size may follow from the others.

        Raises:
            UnwritableError: two would have to.
        """
        if list(sizes).count(None) > 1:
            raise UnwritableError("more than one size of its result depends on the batch size")
        return self.integers("shape", [-1 if size is None else size for size in sizes])

    def together(self, node: Node, *values: Value) -> tuple[list[str], Order]:
        """The inputs of an element-wise operator, as the file broadcasts them, and the order of its result."""
        rank = len(node.output.shape)
        computed = [value for value in values if value.array is None]
        fits = all(len(value.shape) == rank for value in computed)
        order = computed[0].order if fits else natural(rank)
        return [self.broadcast(value, order) for value in values], order

    def broadcast(self, value: Value, order: Order) -> str:
        """A value as it broadcasts to one of this order."""
        if value.array is None:
            return self.in_order(value, order if len(value.shape) == len(order) else natural(len(value.shape)))
        turned = value.array.reshape((1,) * (len(order) - value.array.ndim) + value.array.shape).transpose(order)
        sizes = turned.shape
        while sizes and sizes[0] == 1:
            sizes = sizes[1:]
        return self.keep(turned.reshape(sizes), value.name)

    def cast(self, value: Value, dtype: np.dtype[Any]) -> Value:
        """A value as numbers of this type."""
        if value.dtype == dtype:
            return value
        if value.array is not None:
            return replace(value, dtype=dtype, array=value.array.astype(dtype))
        return replace(value, dtype=dtype, name=self.add("Cast", value.name, to=NUMBERS[dtype]))

    # Looking ahead

    def bias_after(self, node: Node) -> list[str]:
        """The bias, as one more input of a node's operator, if the result is used only to add it; else nothing."""
        reader, *others = self._readers[node.output]
        if reader is not None and reader.operation is ADD and not others:
            for bias in map(self.known, reader.inputs):
                if bias is not None and bias.shape == node.output.shape[-1:]:
                    self.merged[reader.output] = node.output
                    return [self.in_order(self.cast(bias, node.output.dtype), (0,))]
        return []

    def only_multiplied(self, tensor: Tensor, by: Operation) -> bool:
        """Whether a tensor is only ever multiplied with known weights."""
        return all(
            reader is not None
            and reader.operation is by
            and reader.inputs[0] is tensor
            and self.known(reader.inputs[1]) is not None
            for reader in self._readers[tensor]
        )


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _attribute(name: str, value: Any) -> AttributeProto:
    """A setting of a node; its kind follows from its Python type."""
    if isinstance(value, str):
        return AttributeProto(name=name, type=AttributeProto.STRING, s=value.encode())
    if isinstance(value, float):
        return AttributeProto(name=name, type=AttributeProto.FLOAT, f=value)
    if isinstance(value, int):
        return AttributeProto(name=name, type=AttributeProto.INT, i=value)
    return AttributeProto(name=name, type=AttributeProto.INTS, ints=list(value))
