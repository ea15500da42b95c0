"""TensorFlow.js layers models: a ``model.json`` with Keras's description, and the weights in files beside it."""

import math
import os
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data import strict_json
from striate.data.files import open_beside, open_regular, read_at_most
from striate.errors import FormatError
from striate.graph import Shape
from striate.interop.keras.objects import shown
from striate.interop.keras.reading import json_errors, model_from
from striate.interop.refusal import refuse
from striate.models import Model

#: How the format writes each type's elements.
TYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint16": "<u2", "uint8": "u1", "bool": "?"}
#: Types of quantized weights, which are scaled; "float16" is only widened.
PACKED = {"uint8", "uint16", "float16"}
MAX_RANK = 8
#: Files of a group of weights; they are open at the same time.
MAX_SHARDS = 512


class Weight:
    """A weight in the manifest: its name and shape, and where its bytes are.

    Arguments:
        entry: as the manifest has it.

    Raises:
        ValueError, KeyError, TypeError: it is damaged, or of a type that is not supported.
    """

    def __init__(self, entry: dict[str, Any]):
        self.name: str = str(entry["name"])
        self.shape: Shape = tuple(entry["shape"])
        if not all(type(n) is int and n >= 0 for n in self.shape) or len(self.shape) > MAX_RANK:
            raise ValueError(f"expected sizes, got the shape {self.shape}")
        packing = entry.get("quantization")
        kind = entry["dtype"] if packing is None else packing["dtype"]
        if kind not in TYPES or (packing is not None and kind not in PACKED):
            raise ValueError(f"the type {kind!r} is not supported")
        self.dtype = np.dtype(TYPES[kind])
        self._scale, self._least = 1.0, 0.0
        if packing is not None and kind != "float16":
            self._scale, self._least = float(packing["scale"]), float(packing["min"])
        self.size = math.prod(self.shape) * self.dtype.itemsize
        self.content = memoryview(b"")

    def read(self) -> NDArray[Any]:
        """The numbers: quantized ones are number · scale + min."""
        array = np.frombuffer(self.content, self.dtype).reshape(self.shape)
        if (self._scale, self._least) == (1.0, 0.0):
            return array
        return array.astype(np.float32) * np.float32(self._scale) + np.float32(self._least)


def read_tensorflowjs(path: str | os.PathLike[str], input_shape: Shape | None = None) -> Model:
    """Open a TensorFlow.js layers model; nothing of it is executed.

    Arguments:
        path: of the ``model.json``; the weights lie in files of the same folder.
        input_shape: of one sample of the first input; default: as the file says.

    Raises:
        FormatError: it is not a layers model, or is damaged; a file of weights is missing, of another size, a link, or
            outside of the folder; or as `read_keras`.
        FileNotFoundError: there is no such file.

    Source: https://www.tensorflow.org/js/guide/save_load
    """
    with open_regular(path, "open_model") as file, json_errors(path, "it"):
        description = strict_json.parse(read_at_most(file, strict_json.MAX_BYTES + 1))
    if not isinstance(description, dict) or not isinstance(topology := description.get("modelTopology"), dict):
        refuse(path, "expected a layers model of TensorFlow.js, which has a modelTopology")
    if description.get("format") == "graph-model" or "node" in topology:
        refuse(path, "it is a graph model, made of TensorFlow's operations; only layers models are supported")
    weights = _weights(Path(path), description.get("weightsManifest"))
    return model_from(
        path,
        topology.get("model_config", topology),
        legacy=True,  # TensorFlow.js kept Keras 2's meanings
        size=sum(math.prod(weight.shape) for weight in weights),
        stored=sum(weight.size for weight in weights),
        match=lambda matching: matching.by_variable(weights),
        input_shape=input_shape,
        training=topology.get("training_config"),
    )


def _weights(path: Path, manifest: Any) -> list[Weight]:
    """All weights of all groups, with their bytes."""
    try:
        groups = [([*group["paths"]], [Weight(entry) for entry in group["weights"]]) for group in manifest]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        refuse(path, f"its weightsManifest is damaged: {type(error).__name__}: {error}")
    for names, weights in groups:
        content = memoryview(_shards(path, names, sum(weight.size for weight in weights)))
        for weight in weights:
            weight.content, content = content[: weight.size], content[weight.size :]
    return [weight for _, weights in groups for weight in weights]


def _shards(path: Path, names: list[str], expected: int) -> bytearray:
    """The bytes of a group, whose files follow one another; none is read until their sizes add up."""
    if len(names) > MAX_SHARDS:
        refuse(path, f"expected weights in at most {MAX_SHARDS} files, got {len(names):,}")
    with ExitStack() as stack:
        files = [stack.enter_context(_beside(path, name)) for name in names]
        sizes = [os.fstat(file.fileno()).st_size for file in files]
        if sum(sizes) != expected:
            refuse(path, f"expected {expected:,} bytes of weights in {shown(names)}, got {sum(sizes):,}")
        content = bytearray(expected)
        rest = memoryview(content)
        for file, size in zip(files, sizes, strict=True):
            if file.readinto(rest[:size]) != size:
                refuse(path, f"{shown(names)} changed while they were read")
            rest = rest[size:]
        return content


def _beside(path: Path, name: Any) -> BufferedReader:
    try:
        return open_beside(path.parent, name)
    except FormatError as error:
        refuse(path, f"its numbers are in {error}")
