"""Weights by their places in Keras's files, of which there are two forms.

Keras 3 (and ``.keras`` files since 2.12) numbers layers class by class, and variables layer by layer:

    layers/conv2d/vars/0, layers/conv2d_1/vars/0, …; in a network within the network layers/functional/layers/…

Before, and in ``.h5`` files still, a group for each layer lists its variables, those of a whole inner network at once:

    model_weights: attribute layer_names; model_weights/conv2d: attribute weight_names: conv2d/kernel:0, conv2d/bias:0
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.configurable import snake_case
from striate.graph import Shape, Variable
from striate.interop.hdf5 import Dataset, Group
from striate.interop.keras.objects import shown
from striate.layers.layer import Layer
from striate.models import Model, Sequential

#: Where Keras 3 and TensorFlow 2.12 to 2.15 keep a network's layers.
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
#: The variables of `Normalization`.
STATISTICS = ["mean", "variance"]


class Stored(Protocol):
    """An array in a file."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]

    def read(self) -> NDArray[Any]:
        """Its numbers."""
        ...


class Pair(NamedTuple):
    """A variable, and the array that becomes its value."""

    name: str
    variable: Variable
    array: Stored


@dataclass
class Slot:
    """A layer that weights are looked for.

    Arguments:
        name: of the layer.
        kind: its class in Keras.
        variables: its own, in Keras's order.
        trainable: whether training changes them.
        layers: those of a network, in the order in which a file numbers them.
        held: those that are attributes of a layer that is Python code, by path.
    """

    name: str
    kind: str
    variables: list[Variable]
    trainable: bool = True
    layers: "list[Slot]" = field(default_factory=list)
    held: "list[tuple[str, Slot]]" = field(default_factory=list)

    @property
    def inner(self) -> "list[Slot]":
        """Those of its layers that have variables."""
        return [slot for slot in [*self.layers, *(slot for _, slot in self.held)] if slot.all_variables()]

    def all_variables(self) -> list[tuple[tuple[str, str], Variable, bool]]:
        """Layer and name of each variable, the variable, and whether training changes it, in the file's order."""
        own = [((self.name, _plain(one.name)), one, one.trainable and self.trainable) for one in self.variables]
        return own + [one for slot in [*self.layers, *(slot for _, slot in self.held)] for one in slot.all_variables()]


def slots_in_order(model: Layer, order: dict[Layer, list[Layer]]) -> Slot:
    """A network with its layers in a given order.

    Arguments:
        model: the network.
        order: the layers of each network in it.
    """
    if model not in order:
        return Slot(model.name, _class_name(model), model.weights, model.trainable)
    layers = [slots_in_order(layer, order) for layer in order[model] if isinstance(layer, Layer)]
    return Slot(model.name, _class_name(model), [], model.trainable, layers)


class Matching:
    """Finds for every variable of a model its array in a file.

    Arguments:
        root: the network.

    Attributes:
        pairs: what was found.
        reasons: what is missing, left over, or of another shape.
    """

    def __init__(self, root: Slot):
        self.root = root
        self.pairs: list[Pair] = []
        self.reasons: list[str] = []

    def match(self, root: Group) -> None:
        """Look through a file's root group, of either form."""
        legacy = root.groups.get("model_weights", root)
        if names_in(legacy, "layer_names") is not None:
            self._by_name(legacy)
        elif self.root.held or any(name in root.groups for name in CONTAINERS):
            self._by_class(self.root, root, "")
            self._left_over(root)
        else:
            self.reasons.append("expected weights under 'model_weights' or 'layers', got none")

    def assign(self) -> None:
        """Give all variables their values."""
        for pair in self.pairs:
            pair.variable.assign(pair.array.read())

    def pair(self, name: str, variables: list[Variable], arrays: Sequence[Stored]) -> None:
        """A layer's variables and arrays, in order."""
        if [variable.name for variable in variables] == STATISTICS and len(arrays) == len(STATISTICS) + 1:
            arrays = arrays[:-1]  # the last counts what the others were taken of
        if len(variables) != len(arrays):
            self.reasons.append(f"{name}: expected {len(variables)} arrays, got {len(arrays)}")
            return
        for variable, array in zip(variables, arrays, strict=True):
            if variable.shape != array.shape:
                self.reasons.append(
                    f"{name}/{variable.name}: expected the shape {variable.shape}, got {array.shape} ({array.name})"
                )
            elif array.dtype.kind not in "fiu":
                self.reasons.append(f"{name}/{variable.name}: expected numbers, got {array.dtype}")
            else:
                self.pairs.append(Pair(f"{name}/{variable.name}", variable, array))

    # TensorFlow.js: by layer and variable alone

    def by_variable(self, arrays: Sequence[Stored]) -> None:
        """Pair all variables with arrays called after them, such as "conv2d/kernel"."""
        named = self.root.all_variables()
        ours = {key: variable for key, variable, _ in named}
        theirs = {layer_and_variable(array.name): array for array in arrays}
        if len(ours) < len(named) or len(theirs) < len(arrays):
            self.reasons.append("two of its weights have the same names of layer and variable")
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            name = "/".join(key)
            if key not in theirs:
                self.reasons.append(f"the weight {name} is missing")
            elif key not in ours:
                self.reasons.append(f"the weight {name} belongs to no layer")
            else:
                self.pair(key[0], [ours[key]], [theirs[key]])

    # Keras 3: numbered within their class

    def _by_class(self, slot: Slot, group: Group, path: str) -> None:
        if slot.variables:
            arrays = group.groups.get("vars", Group()).arrays
            if not arrays:
                self.reasons.append(f"layer {shown(slot.name)}: its weights are missing")
            else:
                self.pair(slot.name, slot.variables, [arrays[key] for key in sorted(arrays, key=_number)])
        for name, held in slot.held:
            found = group.find(name)
            self._by_class(held, found if isinstance(found, Group) else Group(), f"{path}{name}/")
        if slot.held or (slot.variables and not slot.layers):
            return
        container = next((group.groups[name] for name in CONTAINERS if name in group.groups), Group())
        ours, theirs = defaultdict[str, list[Slot]](list), defaultdict[str, list[str]](list)
        for inner in slot.inner:
            ours[snake_case(inner.kind)].append(inner)
        for name in sorted(container.groups, key=_number):
            if _holds_weights(container.groups[name]):
                theirs[NETWORK if (kind := _unnumbered(name)) == "model" else kind].append(name)
        for kind in sorted({*ours, *theirs}):
            self._one_class(kind, ours[kind], theirs[kind], container, path)

    def _left_over(self, root: Group) -> None:
        """Note layers in a file that a model, whose layers are attributes, does not have."""
        if self.root.layers:
            return  # classes were counted
        taken = {pair.array.name.rpartition("/")[0] for pair in self.pairs}
        folders = dict.fromkeys(array.name.rpartition("/")[0] for array in root.walk())
        for folder in folders:
            if folder not in taken and not folder.startswith("/optimizer/") and "/seed_generator" not in folder:
                self.reasons.append(f"{folder.strip('/').removesuffix('/vars')}: there is no such layer")

    def _one_class(self, kind: str, ours: list[Slot], theirs: list[str], container: Group, path: str) -> None:
        for slot in ours[len(theirs) :]:
            self.reasons.append(f"layer {shown(slot.name)}: its weights are missing")
        for name in theirs[len(ours) :]:
            self.reasons.append(f"{path}{name}: there is no such layer")
        for slot, name in zip(ours, theirs, strict=False):
            self._by_class(slot, container.groups[name], f"{path}{name}/")

    # Before: listed by name

    def _by_name(self, group: Group) -> None:
        theirs = {}
        for name in names_in(group, "layer_names") or []:
            if arrays := self._listed(group.groups.get(name, Group()), name):
                theirs[name] = arrays
        ours = {slot.name: slot for slot in self.root.inner}
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            if name not in theirs:
                self.reasons.append(f"layer {shown(name)}: its weights are missing")
            elif name not in ours:
                self.reasons.append(f"{shown(name)}: there is no such layer")
            elif ours[name].inner:
                self._nested(name, ours[name], theirs[name])
            else:
                self.pair(name, ours[name].variables, list(theirs[name].values()))

    def _listed(self, group: Group, layer: str) -> dict[str, Dataset]:
        """A layer's arrays under the names it lists."""
        found = {}
        for name in names_in(group, "weight_names") or []:
            array = group.find(name)
            if isinstance(array, Dataset):
                found[name] = array
            else:
                self.reasons.append(f"{layer}/{name}: there is no such array")
        return found

    def _nested(self, name: str, network: Slot, arrays: dict[str, Dataset]) -> None:
        """A network's variables and arrays: by layer and variable where that tells them apart, else in order."""
        found = network.all_variables()
        ours = {key: variable for key, variable, _ in found}
        theirs = {layer_and_variable(key): array for key, array in arrays.items()}
        if len(ours) == len(found) and len(theirs) == len(arrays) and ours.keys() == theirs.keys():
            self.pair(name, list(ours.values()), [theirs[key] for key in ours])
            return
        # What training changes comes first.
        self.pair(name, [one for _, one, _ in sorted(found, key=lambda one: not one[2])], list(arrays.values()))


NETWORK = "functional"


def _class_name(layer: Layer) -> str:
    return "Functional" if isinstance(layer, Model) and not isinstance(layer, Sequential) else type(layer).__name__


def layer_and_variable(path: str) -> tuple[str, str]:
    """``("conv2d", "kernel")`` of ``block/conv2d/kernel:0``; TensorFlow 1 numbered them: ``kernel_1:0``."""
    *_, layer, variable = ("", *path.split("/"))
    return layer, _plain(variable)


def _plain(variable: str) -> str:
    name = re.sub(r"(_\d+)?(:\d+)?$", "", variable)
    return {"depthwise_kernel": "kernel"}.get(name, name)


def names_in(group: Group, attribute: str) -> list[str] | None:
    """A list of names, which Keras cuts into attributes name0, name1, … where it is long; None: there is none."""
    keys = sorted((key for key in group.attributes if re.fullmatch(attribute + r"\d*", key)), key=_number)
    if not keys:
        return None
    parts = [group.attributes[key] for key in keys]
    return [name for part in parts if isinstance(part, list) for name in part]  # of an empty list no type is known


def _holds_weights(group: Group) -> bool:
    """Whether a layer's group has variables, its own or those of layers in it; dropout's seed is not one."""
    if "vars" in group.groups and group.groups["vars"].arrays:
        return True
    inner = (group.groups[name] for name in CONTAINERS if name in group.groups)
    return any(_holds_weights(layer) for container in inner for layer in container.groups.values())


def _number(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*?)_?(\d*)", name)
    return (match[1], int(match[2] or 0)) if match else (name, 0)


def _unnumbered(name: str) -> str:
    return re.sub(r"_\d+$", "", name)
