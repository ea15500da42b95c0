"""Which layer of a functional model is called on the outputs of which others."""

from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import numpy as np

from striate.graph import Tensor
from striate.interop.keras.objects import RefusedError, parse_object, shown
from striate.layers import InputLayer
from striate.models import Model

#: A layer's name, and which of its calls.
Key = tuple[str, int]


class Place(NamedTuple):
    """An output of a call: the layer's name, which of its calls, which of the call's outputs."""

    layer: str
    call: int
    output: int


class Call(NamedTuple):
    """What a layer is called on, with a `Place` for every tensor.

    Arguments:
        arguments: the call's.
        first: how the first call of a network within this one is counted here, 0 or 1.
        settings: what an operation is called with beside its inputs.
    """

    arguments: list[Any]
    first: int
    settings: dict[str, Any]


#: How arrays are written that a program computes with, as in ``x * np.array([1, 2])``.
CONSTANTS = {"__numpy__", "__tensor__"}
#: Settings of calls that are kept: of the operation Pad.
SETTINGS = {"constant_values"}


def parse_call(node: Any) -> Call:
    """A call as Keras 2 writes it, ``[["conv", 0, 0, {}], …]``, or as Keras 3 does, ``{"args": …, "kwargs": …}``.

    Raises:
        RefusedError: it has settings such as a mask, or is a call on something other than tensors.
    """
    if isinstance(node, dict):
        settings = node.get("kwargs") or {}
        # What Keras 3 writes of "training" are defaults: whoever calls the network decides.
        _check_settings({name: value for name, value in settings.items() if name not in {"training", *SETTINGS}})
        kept = {name: value for name, value in settings.items() if name in SETTINGS}
        return Call([_revived(argument) for argument in node["args"]], 0, kept)
    inputs = [node] if isinstance(node[0], str) else node
    for entry in inputs:
        _check_settings(entry[3] if len(entry) > 3 else {})
    places = [Place(*entry[:3]) for entry in inputs]
    return Call([places if len(places) > 1 else places[0]], 1, {})


class Calls:
    """The calls of all layers of a network.

    Arguments:
        layers: by name.
        calls: by layer and number.
    """

    def __init__(self, layers: dict[str, Any], calls: dict[Key, Call]):
        self.layers, self.calls = layers, calls
        self.outputs: dict[Key, list[Tensor]] = {
            (name, 0): [layer.output]
            for name, layer in layers.items()
            if isinstance(layer, InputLayer) and (name, 0) not in calls
        }

    def connect(self, count: Callable[[Any], None]) -> None:
        """Make all calls, each once its inputs exist; ``count`` is called with each layer before.

        Raises:
            CycleError: two calls wait for each other.
            RefusedError: a call needs the output of a call that does not exist.
        """
        needs = {
            key: {self._key(place, call.first) for place in _places(call.arguments)} for key, call in self.calls.items()
        }
        for key in TopologicalSorter(needs).static_order():
            if key not in self.outputs:
                count(self.layers[key[0]])
                call = self.calls[key]
                arguments = [self._tensors(argument, call.first) for argument in call.arguments]
                self.outputs[key] = flat(self.layers[key[0]](*arguments, **call.settings))

    def ends(self, places: Any, legacy: bool) -> Any:
        """The tensors that a network begins or ends with: one, or a list or dictionary of them."""
        if isinstance(places, dict):
            return {key: self.ends(place, legacy) for key, place in places.items()}
        if not isinstance(places, list):
            raise RefusedError(f"expected the inputs or outputs of a network, got {shown(places)}")
        if len(places) == 3 and isinstance(places[0], str):
            first = int(legacy or type(self.layers.get(places[0])) is Model)
            return self._tensors(Place(*places), first)
        return [self.ends(place, legacy) for place in places]

    def _tensors(self, value: Any, first: int) -> Any:
        if isinstance(value, Place):
            return self.outputs[self._key(value, first)][value.output]
        if isinstance(value, dict):
            return {name: self._tensors(item, first) for name, item in value.items()}
        return [self._tensors(item, first) for item in value] if isinstance(value, list) else value

    def _key(self, place: Place, first: int) -> Key:
        """Which call is meant. Networks within networks are counted from 1 by most versions, but not by all."""
        counts = [place.call]
        if isinstance(self.layers.get(place.layer), Model):
            counts = [place.call - first, place.call - (1 - first)]
        for key in ((place.layer, call) for call in counts):
            if key in self.calls or key in self.outputs:
                return key
        raise RefusedError(f"there is no call {place.call} of a layer {shown(place.layer)}")


def flat(structure: Any) -> list[Any]:
    """What stands in nested lists and dictionaries, in Keras's order: a dictionary's by its keys."""
    if isinstance(structure, dict):
        structure = [structure[key] for key in sorted(structure)]
    if isinstance(structure, list | tuple) and not isinstance(structure, Place):
        return [one for item in structure for one in flat(item)]
    return [structure]


def _check_settings(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        masks = value if name == "mask" and isinstance(value, list) else [value]  # one for each input
        if any(one not in (None, False) for one in masks):
            raise RefusedError(f"a layer is called with {shown(name)} = {shown(value)}, which is not supported here")


def _revived(value: Any) -> Any:
    """The arguments of a call, with a `Place` for every tensor."""
    if isinstance(value, list):
        return [_revived(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {name: _revived(item) for name, item in value.items()}
    thing = parse_object(value)
    if thing.name in CONSTANTS:
        return np.asarray(thing.config["value"], np.float32)
    if thing.name != "__keras_tensor__":
        raise RefusedError(f"a layer is called on {shown(thing.name)}, which is not a tensor")
    return Place(*thing.config["keras_history"])


def _places(value: Any) -> Iterator[Place]:
    return (one for one in flat(value) if isinstance(one, Place))
