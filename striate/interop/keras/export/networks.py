"""A model as Keras represents it: which of its layers stand for ours, in its order, and what each is called on."""

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from striate.configurable import free_name, snake_case
from striate.graph import Array, Node, Tensor, Variable
from striate.graph.tensor import map_tensors
from striate.interop.keras.calls import Key, Place, flat
from striate.interop.keras.export.layers import Part, UnwritableError, operation_part, own_variables, parts_of
from striate.interop.keras.export.order import in_keras_order
from striate.interop.keras.operations import NUMPY
from striate.layers import InputLayer
from striate.layers.layer import Layer
from striate.models import Model, Sequential


@dataclass(eq=False)
class Entry:
    """One of Keras's layers or operations.

    Arguments:
        name: unique in its network.
        part: class, arguments and variables.
        trainable: whether training changes it, in the network that is written.
        calls: what it is called on: arguments with a `Place` for every tensor, and settings.
        inner: the network that it is.
        title: the name of the layer of ours that it stands for, where that is another one.
        below: layers that are its attributes, by their paths; those of a custom layer.
    """

    name: str
    part: Part
    trainable: bool = True
    calls: list[tuple[list[Any], dict[str, Any]]] = field(default_factory=list)
    inner: "KerasModel | None" = None
    title: str = ""
    below: "list[tuple[str, Entry]]" = field(default_factory=list)

    def children(self) -> "list[tuple[str, Entry]]":
        """Layers in it, each with the path that it has in Keras's files below this one's."""
        return self.below if self.inner is None else self.inner.children()

    def variables(self) -> "Iterator[tuple[str, Variable | Array, bool]]":
        """All variables in Keras's order: path, the variable, and whether training changes it."""
        for variable in self.part.variables:
            own = isinstance(variable, Variable) and variable.trainable
            name = variable.name if isinstance(variable, Variable) else "count"
            yield f"{self.name}/{name}", variable, own and self.trainable
        for _, child in self.children():
            for path, variable, trainable in child.variables():
                yield f"{self.name}/{path}", variable, trainable


@dataclass(eq=False)
class KerasModel:
    """A network as Keras represents it.

    Arguments:
        model: ours.
        entries: all layers and operations, in Keras's order.
        inputs, outputs: where it begins and ends: `Place`, or lists or dictionaries of them.
        trainable: whether training changes it.
        name: as Keras has it.
    """

    model: Model
    entries: list[Entry]
    inputs: Any
    outputs: Any
    trainable: bool
    name: str

    @property
    def is_row(self) -> bool:
        """Whether Keras can write it as a Sequential: layers one after the other, each once."""
        rest = self.entries[1:]
        places = [[Place(entry.name, 0, 0)] for entry in self.entries]
        return (
            isinstance(self.model, Sequential)
            and all(entry.part.module == "keras.layers" or entry.inner for entry in rest)
            and all([call[0] for call in one.calls] == [place] for one, place in zip(rest, places, strict=False))
        )

    @property
    def kind(self) -> str:
        """Keras's class."""
        return "Sequential" if self.is_row else "Functional"

    def layers(self) -> list[Entry]:
        """What Keras calls the network's layers: no operations, and of a Sequential not the input."""
        first = int(self.is_row)
        return [one for one in self.entries[first:] if one.part.module == "keras.layers" or one.inner]

    def titles(self) -> dict[str, str]:
        """The names of our layers by paths of names in Keras, for those where the two differ."""
        found = {} if self.name == self.model.name else {"": self.model.name}
        for entry in self.entries:
            inner = entry.inner.titles() if entry.inner else {}
            found |= {f"{entry.name}/{path}" if path else entry.name: title for path, title in inner.items()}
            if entry.title:
                found[entry.name] = entry.title
        return found

    def children(self) -> list[tuple[str, Entry]]:
        """The layers by the paths of their weights: classes numbered one by one."""
        taken: dict[str, int] = {}
        found = []
        for entry in self.layers():
            name = snake_case(entry.inner.kind if entry.inner else entry.part.kind)
            taken[name] = taken.get(name, -1) + 1
            found.append((f"layers/{name}_{taken[name]}" if taken[name] else f"layers/{name}", entry))
        return found


class Translation:
    """Determines how Keras represents a model, and collects what it cannot.

    Attributes:
        reasons: what cannot be written, of all networks.
    """

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._owner: dict[Layer, Model] = {}

    def network(self, model: Model, trainable: bool = True) -> KerasModel:
        """A model whose structure is known."""
        return _Connecting(self, model, trainable and model.trainable).network()

    def tree(self, layer: Layer) -> Entry:
        """A layer or model as far as its weights go: where its structure is Python code, by its attributes.

        What can be reached by several paths has its weights at the first.
        """
        entry = self._tree(layer)
        _leave_out(entry, set())
        return entry

    def _tree(self, layer: Layer) -> Entry:
        entry = Entry(layer.name, Part(type(layer).__name__, {}, own_variables(layer)), layer.trainable)
        if isinstance(layer, Model) and layer.is_graph:
            entry.part.variables, entry.inner = (), self.network(layer)
        else:
            attributes = {name: value for name, value in vars(layer).items() if name not in _base_attributes()}
            if isinstance(layer, Model):  # has a property of this name, where Keras finds what it has not found before
                attributes["layers"] = layer.layers
            for name in sorted(attributes, key=_private_last):
                entry.below += self._held(name, attributes[name])
        return entry

    def own(self, layer: Layer, model: Model) -> None:
        """Note that a layer belongs to a network; Keras's files cannot say that one belongs to two."""
        if self._owner.setdefault(layer, model) is not model:
            self.reasons.append(
                f"layer {layer.name!r}: it is part of two networks in it, {self._owner[layer].name!r} and "
                f"{model.name!r}; files hold each layer once"
            )

    def _held(self, path: str, value: Any) -> Iterator[tuple[str, Entry]]:
        """Layers in an attribute, also in lists and dictionaries."""
        if isinstance(value, Layer):
            yield path, self._tree(value)
        elif isinstance(value, list | tuple | dict):
            taken: list[str] = []
            for one in value.values() if isinstance(value, dict) else value:
                if isinstance(one, Layer | list | tuple | dict):
                    name = snake_case(type(one).__name__) if isinstance(one, Layer) else "container"
                    taken.append(free_name(name, taken))
                    yield from self._held(f"{path}/{taken[-1]}", one)


class _Connecting:
    """One network while it is translated.

    Arguments:
        translation: collects the reasons.
        model: the network.
        trainable: whether training changes it.
    """

    def __init__(self, translation: Translation, model: Model, trainable: bool):
        self._translation, self._model, self._trainable = translation, model, trainable
        self._entries: dict[str, Entry] = {}
        self._parts: dict[Layer, list[Entry]] = {}
        self._places: dict[Tensor, Place] = {}
        # Layers keep their names, as far as Keras allows; whatever else needs a name gets one that is free.
        self._taken: list[str] = []
        inputs = dict(zip(_input_layers(model), model.input_names, strict=False))
        self._names = {**inputs, **model.names}
        self._labels = {layer: self._named(_label(name)) for layer, name in self._names.items()}

    def network(self) -> KerasModel:
        for tensor, name in zip(self._model.inputs, self._model.input_names, strict=True):
            self._begin(tensor, name)
        for node in self._model.nodes_in_order:
            if node.outputs[0] not in self._places:
                self._call(node)
        inputs, outputs = (map_tensors(end, self._places.__getitem__) for end in self._ends())
        entries = [self._entries[name] for name in in_keras_order(flat(outputs), self._needs)]
        return KerasModel(self._model, entries, inputs, outputs, self._trainable, _label(self._model.name))

    def _ends(self) -> tuple[Any, Any]:
        begin, end = self._model.input, self._model.output
        if isinstance(begin, dict):  # it is asked for by the names of its inputs, not by these keys
            begin = {self._places[tensor].layer: tensor for tensor in begin.values()}
        return begin, end

    def _begin(self, tensor: Tensor, name: str) -> None:
        layer = tensor.node.operation if tensor.node else None
        label = self._labels[layer] if isinstance(layer, InputLayer) else self._named(_label(name))
        part = Part("InputLayer", {"batch_shape": list(tensor.shape), "dtype": tensor.dtype.name})
        self._entries[label] = Entry(label, part, title=name if name != label else "")
        self._places[tensor] = Place(label, 0, 0)

    def _call(self, node: Node) -> None:
        """Write one call of a layer or operation, and where its results are."""
        arguments, settings = map_tensors((list(node.arguments), node.attributes), self._place)
        if isinstance(node.operation, Layer):
            entries = self._layer(node.operation, node)
            ranks = _ranks(node.operation)
        else:
            entries, ranks = [self._operation(node, settings)], [0]
            arguments, settings = [arguments] if entries[0].part.listed else arguments, {}
        for entry in entries:
            entry.calls.append((arguments, {**settings, **entry.part.keywords}))
            place = Place(entry.name, len(entry.calls) - 1, 0)
            arguments, settings = [place], {}
        for position, tensor in enumerate(node.outputs):
            self._places[tensor] = place._replace(output=ranks.index(position))

    def _place(self, tensor: Tensor) -> Any:
        if tensor.value is None:
            return self._places[tensor]
        return tensor.value.item() if tensor.value.ndim == 0 else tensor.value

    def _layer(self, layer: Layer, node: Node) -> list[Entry]:
        """What stands for a layer, the first time it is called or again."""
        if node.attributes.get("training"):
            self._refuse(layer, "it is called with training=True, and in Keras whoever calls the network decides")
        if isinstance(layer, Model) and layer.is_graph and type(layer) in (Model, Sequential):
            if layer not in self._parts:
                self._translation.own(layer, self._model)
                inner = self._translation.network(layer, self._trainable)
                self._parts[layer] = [self._entry(layer, Part(inner.kind, {}), inner)]
            return self._parts[layer]
        try:
            parts = parts_of(layer, node.inputs[0].shape[1:-1] if node.inputs else ())
        except UnwritableError as error:
            if layer not in self._parts:
                self._refuse(layer, str(error))
                entry = self._translation.tree(layer)
                entry.name = self._labels[layer]
                self._entries[entry.name] = entry
                self._parts[layer] = [entry]
            return self._parts[layer]
        if layer not in self._parts:
            self._translation.own(layer, self._model)
            self._parts[layer] = [self._entry(layer, part) for part in parts]
        elif [part.config for part in parts] != [entry.part.config for entry in self._parts[layer]]:
            self._refuse(layer, "it pads inputs of different sizes differently, and Keras has no such layer")
        return self._parts[layer]

    def _entry(self, layer: Layer, part: Part, inner: KerasModel | None = None) -> Entry:
        name = self._labels[layer]
        title = self._names[layer] if self._names[layer] != name and not part.ending else ""
        if part.ending:
            name = self._named(name + part.ending)
        trainable = inner.trainable if inner else self._trainable and layer.trainable
        entry = self._entries[name] = Entry(name, part, trainable, inner=inner, title=title)
        return entry

    def _operation(self, node: Node, settings: dict[str, Any]) -> Entry:
        try:
            part = operation_part(node.operation, settings)
        except UnwritableError as error:
            self._translation.reasons.append(f"the operation {node.name} in {self._model.name!r}: {error}")
            part = Part("", {}, module=NUMPY)
        name = self._named(node.name)
        entry = self._entries[name] = Entry(name, part)
        return entry

    def _named(self, name: str) -> str:
        self._taken.append(free_name(name, self._taken))
        return self._taken[-1]

    def _refuse(self, layer: Layer, reason: str) -> None:
        self._translation.reasons.append(f"layer {self._names[layer]!r} ({type(layer).__name__}): {reason}")

    def _needs(self, key: Key) -> list[Place]:
        name, call = key
        calls = self._entries[name].calls
        return [one for one in flat(calls[call]) if isinstance(one, Place)] if calls else []


def _ranks(layer: Layer) -> list[int]:
    """For a layer's first output in Keras's order, its second, …: which of ours it is. Dictionaries go by key."""
    if not isinstance(layer, Model):
        return [0]
    positions = itertools.count()
    return flat(map_tensors(layer.output, lambda _: next(positions)))


def _leave_out(entry: Entry, met: set[Variable]) -> None:
    """Remove variables from entries that share them with an earlier one."""
    own = {variable for variable in entry.part.variables if isinstance(variable, Variable)}
    if own <= met:
        entry.part.variables = ()
    met |= own
    for _, child in entry.children():
        _leave_out(child, met)


def _private_last(name: str) -> str:
    return f"~{name}" if name.startswith("_") else name


@functools.cache
def _base_attributes() -> set[str]:
    """What every model has."""
    return {*vars(Model())}


def _input_layers(model: Model) -> list[Layer]:
    """The layers of a model's inputs, which a Sequential does not list."""
    return [one.node.operation for one in model.inputs if one.node and isinstance(one.node.operation, InputLayer)]


def _label(name: str) -> str:
    """A layer's name in Keras: no slashes, and for TensorFlow and PyTorch, on which it runs, no dots and spaces."""
    label = re.sub(r"[^A-Za-z0-9_-]", "_", name.strip("/"))
    return label if re.match(r"[A-Za-z0-9]", label) else f"layer{label}"
