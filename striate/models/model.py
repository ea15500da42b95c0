"""Networks: `Model` (functional, or subclassed) and `Sequential`."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from striate.configurable import free_name, snake_case
from striate.data.drawing import Preprocessing
from striate.data.photo import PhotoPreprocessing
from striate.errors import ArgumentError, ModelError
from striate.graph import Graph, Node, Shape, Tensor, topological_order, trace
from striate.graph.tensor import map_tensors, tensors_in
from striate.layers.input import Input, InputLayer
from striate.layers.layer import Layer
from striate.models import saving, summary
from striate.training.trainer import Trainer

if TYPE_CHECKING:
    from striate.explain import Explanation, LayerOutput

#: What writes a model as a file of another kind, by suffix: functions of model, path and ``overwrite``. ``striate``
#: fills it: imports go down only, and other people's formats lie above us.
EXPORTERS: dict[str, Callable[["Model", str | Path, bool], None]] = {}

#: What looks inside a model, by the name of the method that asks for it; ``striate.explain``, above us, fills it.
INSIGHTS: dict[str, Callable[..., Any]] = {}


class Origin(Protocol):
    """What a model was opened from, as far as it can be run as the file has it."""

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs for a list of inputs."""


class Model(Layer, Trainer):
    """A network: layers put together, that can be trained, asked, looked at and saved.

    Two ways to make one: ``Model(inputs, outputs)`` from symbols that began with `Input`; or a subclass that makes
    its layers in ``__init__`` and defines ``call``.

    Arguments:
        inputs: symbols from `Input`, one or a list.
        outputs: symbols computed from them by layers and operations, one or a list.
        name: shown in summaries and files.

    Raises:
        ArgumentError: an output does not come from the inputs, or two layers were given the same name.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, trainable: bool = True):
        super().__init__(name=name, trainable=trainable)
        self.classes: tuple[str, ...] = ()
        self.preprocessing: Preprocessing | PhotoPreprocessing | None = None
        self.threshold = 0.0
        self.origin: Origin | None = None
        self._graph: tuple[Any, Any] | None = None
        self.nodes_in_order: list[Node] = []
        if inputs is not None or outputs is not None:
            self._connect(inputs, outputs)
        if not trainable:
            self.trainable = False

    # Structure

    def _connect(self, inputs: Any, outputs: Any) -> None:
        begin = tensors_in(inputs)
        order = topological_order(tensors_in(outputs), behind=begin)
        used = {tensor for node in order for tensor in node.inputs} | set(tensors_in(outputs))
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
        self._graph, self.nodes_in_order = (inputs, outputs), order
        self.input_shape = map_tensors(inputs, lambda tensor: tensor.shape)
        self.forget_plans()
        name_layers(self.layers)
        self.built = True

    @property
    def is_graph(self) -> bool:
        """Whether the network's structure is known as data, as it is for all but subclassed models."""
        return self._graph is not None

    @property
    def layers(self) -> list[Layer]:
        """The model's layers, each once, in the order they compute."""
        if self._graph is None:
            return list(self.sublayers())
        return list(dict.fromkeys(node.operation for node in self.nodes_in_order if isinstance(node.operation, Layer)))

    def sublayers(self) -> Any:
        return super().sublayers() if self._graph is None else iter(self.layers)

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
        for layer in layers:
            if layer.name == name:
                return layer
        raise ArgumentError(f"get_layer: no layer {name!r}; there are {', '.join(layer.name for layer in layers)}.")

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
        return _source_names(self.inputs) if self._graph else []

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that give the outputs; for a dictionary of outputs, its keys."""
        if self._graph is None:
            return []
        end = self._graph[1]
        return list(end) if isinstance(end, dict) else _source_names(self.outputs)

    @property
    def output_shape(self) -> Any:
        """The output's shape, None being the batch size; several as `output` has them."""
        return map_tensors(self.output, lambda tensor: tensor.shape)

    def _structure(self) -> tuple[Any, Any]:
        if self._graph is None:
            raise ModelError(f"{self.name}: its structure is not known before it has seen an input.")
        return self._graph

    def call(self, inputs: Any) -> Any:
        """Run the network's layers on arrays, or on symbols to make it part of another network."""
        if self._graph is None:
            if self.origin is not None:
                raise ModelError(
                    f"{self.name}: its layers depend on the values of its inputs. Call run([…]) with arrays as the "
                    "file wants them."
                )
            raise ModelError(f"{self.name}: has no layers yet. Add some, or define call(self, inputs).")
        begin, end = self._graph
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

    def traced(self, batch_size: int = 1, training: bool = False) -> Graph:
        """The network as a graph of operations for one batch size.

        Raises:
            ModelError: the shape of its input is not known yet.
        """
        symbols = [Tensor((batch_size, *shape), dtype, name="x") for shape, dtype in self.input_specs()]
        return trace(lambda *tensors: self(tensors[0] if len(tensors) == 1 else list(tensors)), symbols, training)

    def input_specs(self) -> list[tuple[Shape, Any]]:
        """Shape without the batch size, and dtype, of each input.

        Raises:
            ModelError: they are not known before the model has seen an input.
        """
        if self._graph is not None:
            return [(tensor.shape[1:], tensor.dtype) for tensor in self.inputs]  # type: ignore[misc]
        if self.input_shape is None:
            raise ModelError(f"{self.name}: call it on an input, or fit it, before asking for its structure.")
        shapes = self.input_shape if isinstance(self.input_shape, list) else [self.input_shape]
        return [(shape[1:], "float32") for shape in shapes]

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs for a list of inputs, in the order, layout and types of the file that the model was opened from.

        For a model that was not opened from somebody else's file, these are its own.

        Arguments:
            inputs: one array for each input.

        Raises:
            ModelError, ShapeError, DataError: the inputs do not fit.
        """
        if self.origin is not None:
            return self.origin.run(inputs)
        outputs = self.predict_on_batch(inputs[0] if len(inputs) == 1 else list(inputs))
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

    # Looking inside

    def activations(self, x: Any) -> "list[LayerOutput]":
        """What every layer gives for this input, in order.

        Arguments:
            x: a batch of inputs, as `predict` takes.

        Raises:
            DataError, ShapeError: as `predict`.
        """
        found: list[LayerOutput] = INSIGHTS["activations"](self, x)
        return found

    def explain(self, x: Any, layer: str | Layer, index: Sequence[int]) -> "Explanation":
        """The exact sums that one number of a layer's output came from.

        Arguments:
            x: a batch of inputs, as `predict` takes.
            layer: the layer, or its name.
            index: of the number in ``activations(x)``'s values of that layer: the sample first.

        Returns:
            The layer's operations from the last one back, each with its formula, its summands, and the numbers that
            these were made of: of a convolution with ReLU, first the ReLU, then a + b, then Σ x·w. Printed, it is text.

        Raises:
            ArgumentError: no such layer, or an index outside of its output.
            DataError, ShapeError: as `predict`.

        Examples:
            >>> import numpy as np
            >>> import striate
            >>> model = striate.Sequential([striate.Input((2,)), striate.layers.Dense(1, name="sum")])
            >>> model.set_weights([np.array([[3.0], [4.0]]), np.array([0.5])])
            >>> print(model.explain(np.array([[1.0, 2.0]]), "sum", (0, 0)))
            sum[0, 0] = 11.5
              add[0, 0]: a + b = 11.5
                11   from a[0, 0] 11
                0.5   from b[0] 0.5
              dense[0, 0]: Σ x·w over the features = 11
                3   from x[0, 0] 1 · w[0, 0] 3
                8   from x[0, 1] 2 · w[1, 0] 4
        """
        found: Explanation = INSIGHTS["explain"](self, x, layer, index)
        return found

    def receptive_field(self, layer: str | Layer, *position: int) -> tuple[tuple[int, int], ...]:
        """The rectangle of the input that one position of a layer's output depends on.

        Arguments:
            layer: the layer, or its name.
            position: row and column (as many numbers as the layer's output has spatial axes).

        Returns:
            (first, last) for each spatial axis of the input, last excluded. Changing the input outside of it leaves
            the value as it is, bit for bit.

        Raises:
            ArgumentError: no such layer, or a position outside of its output.
        """
        name = layer if isinstance(layer, str) else layer.name
        found: tuple[tuple[int, int], ...] = INSIGHTS["receptive_field"](self, name, position)
        return found

    def summary(self, line_length: int | None = None, print_fn: Any = print) -> None:
        """Print the layers with output shapes, parameters, multiply-adds, memory and receptive fields.

        Arguments:
            line_length: columns at most; default: as wide as the table needs.
            print_fn: gets the whole text, once.
        """
        print_fn(summary.as_text(summary.summarize(self), line_length))

    # Files

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write architecture, preprocessing and weights to one safetensors file, atomically.

        What `compile` was given is written too, as far as it is plain data; the optimizer's state is not, so a loaded
        model goes on training with a fresh optimizer.

        Arguments:
            filepath: the content is safetensors whatever the suffix; ".safetensors" says so.
            overwrite: False: refuse to replace a file.

        Raises:
            ModelError: the architecture cannot be written as data (a subclassed model): use `save_weights`.
            FormatError: the file cannot be written.
        """
        saving.save(self, filepath, overwrite)

    def export(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write the model, as it is after training, for other programs: ``model.export("m.onnx")``.

        Arguments:
            filepath: its suffix says the format. ".onnx": operator set 17, any batch size, and inputs and outputs of
                three and more axes channels-first, as other tools expect (`striate.interop.onnx.write_onnx` can keep
                them channels-last).
            overwrite: False: refuse to replace a file.

        Raises:
            ArgumentError: there is no format of this suffix.
            ModelError: the shape of the model's input is not known yet, or the format has no words for something in it.
            FormatError: the file cannot be written.
        """
        suffix = Path(filepath).suffix.lower()
        if suffix not in EXPORTERS:
            raise ArgumentError(
                f"export: expected a file name that ends in {', '.join(EXPORTERS)}, got {str(filepath)!r}. "
                "Striate's own files are written by save."
            )
        EXPORTERS[suffix](self, filepath, overwrite)

    def save_weights(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write the weights alone; arguments and errors as `save`."""
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | Path) -> None:
        """Read weights that `save` or `save_weights` wrote.

        Raises:
            FormatError: the file is damaged, or holds other variables than this model has.
        """
        saving.load_weights(self, filepath)

    def get_config(self) -> dict[str, Any]:
        if type(self) is not Model:
            return super().get_config()
        return saving.graph_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Model":
        return saving.graph_from_config(cls, config) if "nodes" in config else cls(**config)

    def describe(self) -> str:
        return f"A network of {len(self.layers)} layers."


class Sequential(Model):
    """A network whose layers follow one another.

    Arguments:
        layers: layers; the first may be an `Input`, else the network is put together when it sees its first input.
        name: shown in summaries and files.
    """

    def __init__(self, layers: Sequence[Any] = (), name: str | None = None, trainable: bool = True):
        super().__init__(name=name, trainable=trainable)
        self._stack: list[Layer] = []
        self._given = {"name": name}
        for layer in layers:
            self._append(layer)
        self._rebuild()
        if not trainable:
            self.trainable = False

    def add(self, layer: Any) -> None:
        """Append a layer.

        Raises:
            ArgumentError: it is no layer.
        """
        self._append(layer)
        self._rebuild()

    def pop(self) -> Layer:
        """Take the last layer off.

        Raises:
            ModelError: there is none.
        """
        if not self.layers:
            raise ModelError(f"{self.name}: pop: there are no layers.")
        layer = self._stack.pop()
        self._rebuild()
        return layer

    @property
    def layers(self) -> list[Layer]:
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _append(self, layer: Any) -> None:
        if isinstance(layer, Tensor) and layer.node and isinstance(layer.node.operation, InputLayer):
            layer = layer.node.operation
        if not isinstance(layer, Layer):
            raise ArgumentError(f"{self.name}: expected a layer, got {layer!r}.")
        if isinstance(layer, InputLayer) and self._stack:
            raise ArgumentError(f"{self.name}: an Input can only be the first layer.")
        self._stack.append(layer)

    def _rebuild(self) -> None:
        """Put the network together, if the shape of its input is known."""
        self._graph, self.nodes_in_order, self.built = None, [], False
        name_layers(self._stack)
        if not self._stack:
            return
        first, rest = self._stack[0], self._stack[1:]
        if isinstance(first, InputLayer):
            self._chain(first.output, rest)
        elif first.given_input_shape is not None:
            self._chain(Input(first.given_input_shape), self._stack)
        elif isinstance(first, Model) and first.is_graph:
            self._chain(Input(first.input_specs()[0][0]), self._stack)

    def build(self, input_shape: Any) -> None:
        """Put the network together for inputs of this shape, None being the batch size."""
        if self._graph is None and self.layers:
            self._chain(Input(tuple(input_shape)[1:]), self._stack)

    def _chain(self, begin: Tensor, layers: list[Layer]) -> None:
        symbol = begin
        for layer in layers:
            layer.nodes.clear()  # this chain replaces the one of a shorter stack
            symbol = layer.extend((symbol,), {})
        if layers:
            self._connect(begin, symbol)

    def get_config(self) -> dict[str, Any]:
        return saving.sequential_config(self, self._stack)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sequential":
        return saving.sequential_from_config(cls, config)


def name_layers(layers: Sequence[Layer]) -> None:
    """Make the names of layers unique by counting those that were named after their class.

    Raises:
        ArgumentError: two layers were given the same name.
    """
    given = [layer.name for layer in layers if layer.name_given]
    if len(set(given)) < len(given):
        twice = next(name for name in given if given.count(name) > 1)
        raise ArgumentError(f"two layers are named {twice!r}; names must be unique in a model.")
    taken = set(given)
    for layer in layers:
        if layer.name_given:
            continue
        if not layer.name_settled or layer.name in taken:
            layer.name = free_name(snake_case(type(layer).__name__), taken)
            layer.name_settled = True
        taken.add(layer.name)


def _source_names(tensors: Sequence[Tensor]) -> list[str]:
    """The name of what gave each tensor; made unique, since an operation or a shared layer may give several."""
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
