"""The structure of networks as data: layers and how they are connected."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from striate.configurable import free_name, snake_case
from striate.errors import ArgumentError, ModelError, StriateError
from striate.graph import Graph, Node, Shape, Tensor, topological_order, trace
from striate.graph.tensor import map_tensors, tensors_in
from striate.layers.input import InputLayer
from striate.layers.layer import Layer
from striate.training.batches import Signature


class Origin(Protocol):
    """What a model was opened from, able to run as the file defines it."""

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs for a list of inputs."""


class Network(Layer, abstract=True):
    """A network of layers: built from symbols that began with `Input`, or by a subclass that defines ``call``.

    Arguments:
        inputs, outputs, name, trainable: see `striate.models.Model`.

    Raises:
        ArgumentError: there is no input or no output, an output does not come from the inputs, or two layers were given
            the same name.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, trainable: bool = True):
        super().__init__(name=name, trainable=trainable)
        self.origin: Origin | None = None
        #: The symbols that the network begins and ends with, as they were given; None where its structure is code.
        self._ends: tuple[Any, Any] | None = None
        self.nodes_in_order: list[Node] = []
        if inputs is not None or outputs is not None:
            self._connect(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _connect(self, inputs: Any, outputs: Any) -> None:
        begin, end = tensors_in(inputs), tensors_in(outputs)
        if not begin or not end:
            raise ArgumentError(
                f"{self.name}: expected at least one input and one output, got {len(begin)} and {len(end)}."
            )
        order = topological_order(end, behind=begin)
        used = {tensor for node in order for tensor in node.inputs} | set(end)
        for tensor in begin:
            if tensor not in used:
                raise ArgumentError(f"{self.name}: the outputs do not depend on the input {tensor!r}.")
        for node in order:
            if isinstance(node.operation, InputLayer):
                raise ArgumentError(
                    f"{self.name}: the outputs also depend on the input {node.operation.name!r}, which is not among "
                    "the model's inputs."
                )
        beginnings = [tensor.node for tensor in begin if tensor.node and isinstance(tensor.node.operation, InputLayer)]
        order = [*beginnings, *order]
        self._ends, self.nodes_in_order = (inputs, outputs), order
        self.input_shape = map_tensors(inputs, lambda tensor: tensor.shape)
        self.forget_compiled()
        unique_names(self.layers)
        self.built = True

    @property
    def is_graph(self) -> bool:
        """Whether the network's structure is known as data, as it is for all but subclassed models."""
        return self._ends is not None

    @property
    def layers(self) -> list[Layer]:
        """The model's layers, each once, in the order they compute."""
        if self._ends is None:
            return list(self.sublayers())
        return list(dict.fromkeys(node.operation for node in self.nodes_in_order if isinstance(node.operation, Layer)))

    def sublayers(self) -> Any:
        return super().sublayers() if self._ends is None else iter(self.layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or at that place.

        Raises:
            ArgumentError: there is none.
        """
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ArgumentError(f"get_layer: expected an index below {len(layers)}, got {index}.")
            return layers[index]
        names = self.names
        for layer in layers:
            if names[layer] == name:
                return layer
        raise ArgumentError(f"get_layer: no layer {name!r}; there are {', '.join(names.values())}.")

    @property
    def names(self) -> dict[Layer, str]:
        """The name of each layer in this network: its own name, unless another layer here has it already."""
        return unique_names(self.layers)

    @property
    def inputs(self) -> list[Tensor]:
        """The symbols the network begins with."""
        return tensors_in(self._structure()[0])

    @property
    def outputs(self) -> list[Tensor]:
        """The symbols the network ends with."""
        return tensors_in(self._structure()[1])

    @property
    def input(self) -> Any:
        """The symbol, or list of symbols, the network begins with."""
        return self._structure()[0]

    @property
    def output(self) -> Any:
        """The symbol, or list of symbols, the network ends with."""
        return self._structure()[1]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return _source_names(self.inputs) if self._ends else []

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that give the outputs; for a dictionary of outputs, its keys."""
        if self._ends is None:
            return []
        end = self._ends[1]
        return list(end) if isinstance(end, dict) else _source_names(self.outputs)

    @property
    def output_shape(self) -> Any:
        """The output's shape, None being the batch size; several in the structure of `output`."""
        return map_tensors(self.output, lambda tensor: tensor.shape)

    def _structure(self) -> tuple[Any, Any]:
        if self._ends is None:
            raise ModelError(f"{self.name}: its structure is not known before it has seen an input.")
        return self._ends

    def call(self, inputs: Any) -> Any:
        """Run the network's layers on arrays, or on symbols to make it part of another network."""
        if self._ends is None:
            if self.origin is not None:
                raise ModelError(
                    f"{self.name}: its layers depend on the values of its inputs. Call run([…]) with arrays as the "
                    "file wants them."
                )
            raise ModelError(f"{self.name}: has no layers yet. Add some, or define call(self, inputs).")
        begin, end = self._ends
        symbols, values = tensors_in(begin), _leaves(inputs)
        if isinstance(inputs, dict):
            names = self.input_names
            if set(inputs) != set(names):
                raise ArgumentError(
                    f"{self.name}: expected the inputs {', '.join(names)}, got {', '.join(map(str, inputs))}."
                )
            values = [inputs[name] for name in names]
        if len(values) != len(symbols):
            raise ArgumentError(f"{self.name}: expected {len(symbols)} inputs, got {len(values)}.")
        known: dict[Tensor, Any] = dict(zip(symbols, values, strict=True))
        for node in self.nodes_in_order:
            if node.outputs[0] not in known:
                arguments, attributes = map_tensors((node.arguments, node.attributes), partial(_find, known))
                known.update(zip(node.outputs, _leaves(node.operation(*arguments, **attributes)), strict=True))
        return map_tensors(end, known.__getitem__)

    def traced(self, batch_size: int | None = None, training: bool = False) -> Graph:
        """The network as a graph of operations for one batch size.

        Arguments:
            batch_size: default: the one that its inputs were made for; if that is any, 1, or 2 for a network that needs
                several samples.
            training: whether layers are in training mode.

        Raises:
            ModelError: the shape of its input is not known yet.
        """
        specs = self.input_specs()
        made_for = [tensor.shape[0] for tensor in self.inputs] if self.is_graph else [None] * len(specs)
        if batch_size is None and not any(made_for):
            try:
                return self.traced(1, training)
            except StriateError:
                return self.traced(2, training)
        symbols = [
            Tensor((batch_size or size or 1, *shape), dtype, name="x")
            for size, (shape, dtype) in zip(made_for, specs, strict=True)
        ]
        return trace(lambda *tensors: self(tensors[0] if len(tensors) == 1 else list(tensors)), symbols, training)

    @property
    def signature(self) -> Signature:
        """The names, shapes and types of this network's inputs and targets."""
        known = self.is_graph
        return Signature(
            self.input_specs() if known else None,
            self.input_names,
            self.output_names,
            [tensor.shape for tensor in self.outputs] if known else None,
        )

    def input_specs(self) -> list[tuple[Shape, Any]]:
        """Shape without the batch size, and dtype, of each input.

        Raises:
            ModelError: they are not known before the model has seen an input.
        """
        if self._ends is not None:
            return [(tensor.shape[1:], tensor.dtype) for tensor in self.inputs]  # type: ignore[misc]
        if self.input_shape is None:
            raise ModelError(f"{self.name}: call it on an input, or fit it, before asking for its structure.")
        shapes = self.input_shape if isinstance(self.input_shape, list) else [self.input_shape]
        return [(shape[1:], "float32") for shape in shapes]

    def forget_compiled(self) -> None:
        """Discard what was traced and compiled: the network has changed."""


def unique_names(layers: Sequence[Layer]) -> dict[Layer, str]:
    """A unique name for each layer of a network; a layer without one gets it here.

    Raises:
        ArgumentError: two layers were given the same name.
    """
    names: dict[Layer, str] = {}
    taken: set[str] = set()
    for layer in layers:
        if layer.name_given and layer.name in taken:
            raise ArgumentError(f"two layers are named {layer.name!r}; names must be unique in a model.")
        if layer.name_given:
            names[layer] = layer.name
            taken.add(layer.name)
    for layer in layers:
        if layer.name_settled and not layer.name_given and layer.name not in taken:
            names[layer] = layer.name
            taken.add(layer.name)
    for layer in layers:
        if layer not in names:
            names[layer] = free_name(snake_case(type(layer).__name__), taken)
            taken.add(names[layer])
            if not layer.name_settled:
                layer.name, layer.name_settled = names[layer], True
    return {layer: names[layer] for layer in layers}


def _source_names(tensors: Sequence[Tensor]) -> list[str]:
    """The name of what made each tensor; made unique, since an operation or a shared layer may make several."""
    names: list[str] = []
    for tensor in tensors:
        names.append(free_name(tensor.node.name if tensor.node else tensor.name, names))
    return names


def _find(known: dict[Tensor, Any], tensor: Tensor) -> Any:
    return tensor.value if tensor.value is not None else known[tensor]


def _leaves(value: Any) -> list[Any]:
    """Arrays or tensors in a nested structure, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
