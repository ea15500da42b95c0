"""A network's weights as Keras's files have them: those of Keras 3 by class and number, those before by name."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from striate.graph import Array, Variable
from striate.interop.hdf5 import Folder
from striate.interop.keras.export.networks import Entry, KerasModel

#: Bytes of names in one attribute, of which a file holds less than 64 kB; what is longer is cut, as Keras does it.
MAX_NAMES = 64512


def numbered(root: Entry) -> Folder:
    """The weights of a network, or of a model that is Python code, as Keras 3 has them."""
    folder = Folder()
    folder.group("layers")
    _number(root, "", folder)
    return folder


def _number(entry: Entry, path: str, folder: Folder) -> None:
    if len(entry.part.variables):
        group = folder.group(f"{path}vars")
        group.attributes["name"] = entry.name
        for i, variable in enumerate(entry.part.variables):
            group.arrays[str(i)] = value_of(variable)
    for below, child in entry.children():
        _number(child, f"{path}{below}/", folder)


def listed(network: KerasModel, attributes: dict[str, str]) -> Folder:
    """The weights of a network by its layers' names.

    Arguments:
        network: the network.
        attributes: what else the group says.
    """
    folder = Folder({**attributes, **dict(_cut("layer_names", [entry.name for entry in network.layers()]))})
    for entry in network.layers():
        found = list(entry.variables())
        # What training changes comes first.
        found.sort(key=lambda one: not one[2])
        group = folder.group(entry.name)
        names = [path.partition("/")[2] if entry.inner else path for path, _, _ in found]
        group.attributes.update(_cut("weight_names", names))
        for name, (_, variable, _) in zip(names, found, strict=True):
            group.put(name, value_of(variable))
    return folder


def value_of(variable: Variable | Array) -> NDArray[np.generic]:
    """The numbers of a variable."""
    return variable.value if isinstance(variable, Variable) else variable


def _cut(name: str, texts: list[str]) -> Iterator[tuple[str, list[str]]]:
    """A list of names as one attribute, or as several with numbers."""
    size = max((len(text.encode()) for text in texts), default=0)
    pieces = next(n for n in range(1, len(texts) + 2) if -(-len(texts) // n) * size <= MAX_NAMES)
    if pieces == 1:
        yield name, texts
        return
    for i, piece in enumerate(np.array_split(np.arange(len(texts)), pieces)):
        yield f"{name}{i}", [texts[j] for j in piece]
