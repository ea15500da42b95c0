"""Weights of other libraries in our networks: by the names of layers, and in our layout.

    layer                     PyTorch                     here
    Conv2D                    weight (K, C/groups, KH, KW)  kernel (KH, KW, C/groups, K)
    DepthwiseConv2D           weight (C·M, 1, KH, KW)       kernel (KH, KW, C, M)
    Dense                     weight (K, C)                 kernel (C, K)
    Dense after maps          weight (K, C·H·W)             kernel (H·W·C, K)
    BatchNormalization        weight, bias                  gamma, beta
                              running_mean, running_var     moving_mean, moving_variance

Keras's layout is ours already. Names tell the two apart: PyTorch spells "fc.weight", Keras and we "fc/kernel".
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from striate.data.files import open_regular
from striate.graph import Array, Node, Shape, Tensor, Variable
from striate.interop.refusal import refuse
from striate.layers import BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Flatten, Layer
from striate.models import Model

if TYPE_CHECKING:
    from striate.interop.hdf5 import Group
    from striate.interop.states import State

#: What PyTorch calls our variables.
PYTORCH = {"kernel": "weight", "bias": "bias"}
PYTORCH_NORMALIZATION = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
#: Counts batches; PyTorch keeps it beside the running statistics, and no result depends on it.
COUNTER = "num_batches_tracked"
#: How Keras's files have ended the names of variables over the years: kernel, kernel:0, conv1_W_1:0.
KERAS = re.compile(r"(kernel|bias|gamma|beta|moving_mean|moving_variance|_W|_b)(?:_\d+)?(?::0)?$")


class _Place(NamedTuple):
    """Where an entry goes: to a variable of a layer, from a shape that the file must have."""

    layer: Layer
    variable: Variable
    shape: Shape


def read_weights(path: str | os.PathLike[str]) -> "State":
    """The arrays of a weights file: what `states.read_state` reads, and Keras's HDF5 files, as "layer/…/variable".

    Raises:
        FormatError, LimitError, FileNotFoundError: as `states.read_state` and `hdf5.read_hdf5`.
    """
    from striate.interop.hdf5 import MAGIC, read_hdf5
    from striate.interop.states import read_state

    with open_regular(path, "open_model") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return read_state(path)
    root = read_hdf5(path)
    return dict(_arrays(root.groups.get("model_weights", root)))


def _arrays(group: "Group", prefix: str = "") -> Iterator[tuple[str, Array]]:
    for name, array in group.arrays.items():
        yield prefix + name, array.read()
    for name, inner in group.groups.items():
        yield from _arrays(inner, f"{prefix}{name}/")


def assign(
    model: Model, state: "State", path: str | os.PathLike[str] = "the weights", ignored: Sequence[str] = ()
) -> list[Conv2D | Dense]:
    """Give a network the weights of a file whose entries are named after its layers.

    If the file was made for another number of classes, the layers that give the outputs keep their own weights and all
    others are loaded, which is where fine-tuning begins.

    Arguments:
        model: its layers have the names that the file uses.
        state: arrays as "layer.weight" in PyTorch's layout, or as "layer/kernel" in ours and Keras's.
        path: the file, for messages.
        ignored: prefixes of names that the file may have without a layer here.

    Returns:
        The layers that kept their weights.

    Raises:
        FormatError: entries are missing, unexpected or of another shape; all of them are listed, and nothing has
            changed.
    """
    entries = {name: array for name, array in state.items() if name.rpartition(".")[2] != COUNTER}
    own = any("/" in name for name in entries)
    places = {name: place for layer in model.layers for name, place in _places(layer, own)}
    kept = [layer for layer in _heads(model) if _other_classes(layer, places, entries, own)]
    for name in [name for name, place in places.items() if place.layer in kept]:
        del places[name], entries[name]
    reasons = [f"{name} is missing" for name in places if name not in entries]
    reasons += [
        f"{name} is not in {model.name}"
        for name in entries
        if name not in places and not name.startswith(tuple(ignored))
    ]
    for name, place in places.items():
        if name in entries and entries[name].shape != place.shape:
            reasons.append(f"{name}: expected shape {place.shape}, got {entries[name].shape}")
        elif name in entries and entries[name].dtype.kind != "f":
            reasons.append(f"{name}: expected floating-point numbers, got {entries[name].dtype}")
    if reasons:
        refuse(path, *reasons)
    for name, place in places.items():
        array = entries[name]
        place.variable.assign(array if own else _from_pytorch(place.layer, place.variable, array))
    return kept


def fits(model: Model, state: "State", ignored: Sequence[str] = ()) -> bool:
    """Whether a file has an entry for each of a network's variables, and no others; arguments as `assign`."""
    names = {name for name in state if name.rpartition(".")[2] != COUNTER}
    own = any("/" in name for name in names)
    wanted = {name for layer in model.layers for name, _ in _places(layer, own)}
    return wanted <= names and all(name.startswith(tuple(ignored)) for name in names - wanted)


def classes_in(model: Model, state: "State") -> int | None:
    """How many classes a file's weights of the last layer are for; None: it has no such weights."""
    own = any("/" in name for name in state)
    for layer in _heads(model):
        for name, place in _places(layer, own):
            if name in state and place.variable.name == "kernel" and state[name].ndim == len(place.shape):
                return int(state[name].shape[-1 if own else 0])
    return None


def renamed(state: "State", layers: Mapping[str, str]) -> "State | None":
    """A state under our layers' names; None where not all of its layers are among these.

    Arguments:
        state: arrays as "layer.weight" or "layer/kernel"; Keras's older spellings of variables are understood.
        layers: the published name of each layer, and its name here.
    """
    found = {}
    for name, array in state.items():
        if "/" in name:
            layer, _, variable = name.partition("/")
            spelled = KERAS.search(variable)
            kind = {"_W": "kernel", "_b": "bias"}.get(spelled[1], spelled[1]) if spelled else variable
            there = f"/{kind}"
        else:
            layer, dot, variable = name.rpartition(".")
            there = dot + variable
        if layer not in layers:
            return None
        found[layers[layer] + there] = array
    return found


def _places(layer: Layer, own: bool) -> list[tuple[str, _Place]]:
    """The entries that a layer needs."""
    if own:
        return [(f"{layer.name}/{v.name}", _Place(layer, v, v.shape)) for v in layer.weights]
    theirs = PYTORCH_NORMALIZATION if isinstance(layer, BatchNormalization) else PYTORCH
    return [(f"{layer.name}.{theirs[v.name]}", _Place(layer, v, _pytorch_shape(layer, v))) for v in layer.weights]


def _pytorch_shape(layer: Layer, variable: Variable) -> Shape:
    shape = variable.shape
    if variable.name != "kernel":
        return shape
    if isinstance(layer, DepthwiseConv2D):  # (KH, KW, C, M) → (C·M, 1, KH, KW)
        return (shape[2] * shape[3], 1, *shape[:2])
    return (*shape[:-3:-1], *shape[:-2])  # (KH, KW, C, K) → (K, C, KH, KW), and (C, K) → (K, C)


def _from_pytorch(layer: Layer, variable: Variable, array: Array) -> Array:
    """An array of PyTorch's in our variable's layout."""
    if variable.name != "kernel":
        return array
    if isinstance(layer, DepthwiseConv2D):  # (C·M, 1, KH, KW) → (KH, KW, C, M)
        return array.transpose(2, 3, 0, 1).reshape(variable.shape)
    if isinstance(layer, Dense):
        *size, channels = _flattened_before(layer) or array.shape[1:]
        maps = array.reshape(-1, channels, *size)
        return np.moveaxis(maps, (1, 0), (-2, -1)).reshape(variable.shape)  # (K, C·H·W) → (H·W·C, K)
    return np.moveaxis(array, (1, 0), (-2, -1))  # (K, C, KH, KW) → (KH, KW, C, K)


def _flattened_before(layer: Layer) -> Shape | None:
    """(H, W, C) if what a layer reads was flattened from such maps."""
    for node in _nodes_before(layer.input):
        if isinstance(node.operation, Flatten):
            return tuple(node.inputs[0].shape[1:])  # type: ignore[arg-type]
    return None


def _heads(model: Model) -> list[Conv2D | Dense]:
    """The layers with weights that give the outputs."""
    ends = [list(_nodes_before(output))[-1].operation for output in model.outputs]
    return [layer for layer in ends if isinstance(layer, Conv2D | Dense)]


def _nodes_before(tensor: Tensor) -> Iterator[Node]:
    """The nodes in a row that lead to a tensor, last first, up to one that has weights or joins several inputs."""
    node = tensor.node
    while node is not None:
        yield node
        if len(node.inputs) != 1 or (isinstance(node.operation, Layer) and node.operation.weights):
            return
        node = node.inputs[0].node


def _other_classes(layer: Layer, places: Mapping[str, _Place], entries: Mapping[str, Array], own: bool) -> bool:
    """Whether a file has all of a layer's weights for another number of classes."""
    mine = {name: place.shape for name, place in places.items() if place.layer is layer}
    if not mine.keys() <= entries.keys():
        return False
    axis = -1 if own else 0  # of the classes
    counts = set()
    for name, shape in mine.items():
        theirs = entries[name].shape
        if len(theirs) != len(shape) or np.delete(theirs, axis).tolist() != np.delete(shape, axis).tolist():
            return False
        counts.add(theirs[axis])
    return len(counts) == 1 and counts != {next(iter(mine.values()))[axis]}
