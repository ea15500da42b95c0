"""One safetensors file for each model: weights and large constants as tensors, all else as JSON in its metadata.

    metadata["striate"] = {
        "version": 1,
        "model": {"class_name": "Sequential", "config": …},   null where only weights were saved
        "preprocessing": {…} or null, "classes": [...], "threshold": 0.5,
        "facts": {"pixels": [0, 255] or null, "outputs": "logits"},   missing in older files
        "training": {"optimizer": …, "loss": …, "metrics": …} or null
    }
    tensors: "conv2d/kernel", "conv2d/bias", …, "#0", "#1", … (constants)

Nothing in a file is executed: class names are looked up in a table of this library's layers, their arguments are plain
data, operations are looked up by name, and arrays are only as large as the file.

Format: https://github.com/huggingface/safetensors
"""

import json
import math
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from striate.configurable import free_name
from striate.data import strict_json
from striate.data.drawing import Preprocessing
from striate.data.photo import KIND as PHOTO
from striate.data.photo import PhotoPreprocessing
from striate.data.safetensors import read_with_metadata, write_safetensors
from striate.errors import FormatError, LimitError, ModelError, StriateError
from striate.graph import Array, Node, Shape, Tensor, Variable
from striate.graph.tensor import map_tensors, tensors_in
from striate.layers.input import InputLayer
from striate.layers.layer import LAYERS, WEIGHT_SOURCE, Layer, serialize
from striate.models.facts import Facts
from striate.models.formats import Format, reader, writer
from striate.models.network import Network, unique_names
from striate.ops.operation import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from striate.models.model import Model
    from striate.models.sequential import Sequential

VERSION = 1
KIND = "Striate"  # what summaries call such files
MAX_METADATA = 32 << 20  # bytes of JSON; the largest architectures need far less
#: Numbers in a constant that is written as JSON; larger ones are tensors of the file.
MAX_CONSTANT = 256
CONSTANT = "#"  # the beginning of their names
#: Large constants by name, in the file that is being written or read; None: there is no file.
_CONSTANTS: ContextVar[dict[str, Array] | None] = ContextVar("constants", default=None)


def save(model: "Model", filepath: str | Path, overwrite: bool) -> None:
    """See `Model.save`."""
    if write := writer("save", filepath):
        write(model, filepath, overwrite)
        return
    check_structure(model)
    with _constants({}) as constants:
        config = model.get_config()
    description = {
        "version": VERSION,
        "model": {"class_name": type(model).__name__, "config": config},
        **beside_the_network(model),
        "training": model.compile_config(),
    }
    _write(model, filepath, overwrite, description, constants)


def check_structure(model: "Model") -> None:
    """Raise ModelError unless a model's structure is known as data."""
    if not model.is_graph:
        raise ModelError(
            f"save: the structure of {model.name} is Python code, not data (or it has seen no input yet). "
            "Save its weights with save_weights, or build it with Sequential or Model(inputs, outputs)."
        )


def save_weights(model: "Model", filepath: str | Path, overwrite: bool) -> None:
    """See `Model.save_weights`."""
    if write := writer("save_weights", filepath):
        write(model, filepath, overwrite)
    else:
        _write(model, filepath, overwrite, {"version": VERSION, "model": None})


def _write(
    model: "Model",
    filepath: str | Path,
    overwrite: bool,
    description: dict[str, Any],
    constants: Mapping[str, Array] = MappingProxyType({}),
) -> None:
    path = Path(filepath)
    if not overwrite and path.exists():
        raise FormatError(f"save: {path} exists already; give overwrite=True to replace it.")
    weights = {name: variable.array for name, variable in named_weights(model).items()}
    write_safetensors(path, {**weights, **constants}, {"striate": json.dumps(description, allow_nan=False)}, "save")


def load_model(filepath: str | Path) -> "Model":
    """Open a model: one that ships with Striate by its name ("digits"), or a file that `Model.save`, or Keras, wrote.

    The format is detected from the content. No code from the file is run: it holds plain data only.

    Arguments:
        filepath: path of the file, or the name of a model in ``striate/pretrained``.

    Raises:
        FormatError: no such file, or it is damaged, too large, or neither ours nor Keras's; or it is Keras's and has
            something that is not supported here.
    """
    path = Path(filepath)
    if not path.is_file() and str(path) in (shipped := shipped_models()):
        path = shipped[str(path)]
    if (foreign := _foreign(path)) and foreign.read:
        return foreign.read(path)
    tensors, description = _read(path)
    if description.get("model") is None:
        _refuse(path, "it holds weights only. Build the model, then call load_weights")
    constants = {name: tensors.pop(name) for name in list(tensors) if name.startswith(CONSTANT)}
    budget = sum(array.size for array in tensors.values())
    try:
        with weights_from_file(budget, "load_model: the architecture"), _constants(constants):
            model: Model = from_description(description["model"])
        if not hasattr(model, "is_graph"):
            _refuse(path, f"it describes a {type(model).__name__}, not a model")
        put_beside_the_network(model, description)
        if description.get("training"):
            model.compile(**description["training"])
    except FormatError:
        raise
    except (StriateError, TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        _refuse(path, f"its architecture cannot be rebuilt: {type(error).__name__}: {str(error).rstrip('.')}")
    except (RecursionError, MemoryError) as error:
        _refuse(path, f"its architecture is too deep or too large ({type(error).__name__})")
    _assign(path, model, tensors)
    model.facts = replace(model.facts, file=KIND)
    return model


def beside_the_network(model: "Model") -> dict[str, Any]:
    """What a file holds of a model besides network, weights and training, as plain data."""
    return {
        "preprocessing": model.preprocessing.to_json() if model.preprocessing else None,
        "classes": list(model.classes),
        "threshold": model.threshold,
        "facts": model.facts.to_json(),
    }


def put_beside_the_network(model: "Model", description: Mapping[str, Any]) -> None:
    """Give a model what `beside_the_network` described.

    Raises:
        FormatError, TypeError, ValueError, AttributeError: it is not such a description.
    """
    if description.get("preprocessing") is not None:
        model.preprocessing = preprocessing_from(description["preprocessing"])
    model.classes = tuple(str(name) for name in description.get("classes", ()))
    model.threshold = float(description.get("threshold", 0.0))
    if description.get("facts") is not None:
        model.facts = Facts.from_json(description["facts"])


def preprocessing_from(values: Any) -> Preprocessing | PhotoPreprocessing:
    """How pictures are prepared, from what a model's ``preprocessing.to_json()`` returned.

    Raises:
        FormatError: these are not such values.
    """
    if isinstance(values, dict) and values.get("kind") == PHOTO:
        return PhotoPreprocessing.from_json(values)
    return Preprocessing.from_json(values)


def shipped_models() -> dict[str, Path]:
    """The files of the models that ship with Striate, by name."""
    folder = Path(__file__).parent.parent / "pretrained"
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def load_weights(model: "Model", filepath: str | Path) -> None:
    """See `Model.load_weights`."""
    path = Path(filepath)
    if (foreign := _foreign(path)) and foreign.read_weights:
        foreign.read_weights(path, model)
        return
    tensors, _ = _read(path)
    _assign(path, model, {name: array for name, array in tensors.items() if not name.startswith(CONSTANT)})


def named_weights(layer: Layer, prefix: str = "") -> dict[str, Variable]:
    """Every variable under the path it has in a file, such as ``conv2d/kernel``."""
    named: dict[str, Variable] = {}
    known: set[Variable] = set()
    below = {variable for inner in layer.sublayers() for variable in inner.weights}
    for variable in layer.weights:
        if variable not in below:
            named[free_name(f"{prefix}{variable.name}", named)] = variable
            known.add(variable)
    folders: set[str] = set()
    names = layer.names if isinstance(layer, Network) and layer.is_graph else {}
    for inner in layer.sublayers():
        folder = names.get(inner) or free_name(inner.name, folders)
        folders.add(folder)
        for name, variable in named_weights(inner, f"{prefix}{folder}/").items():
            if variable not in known:
                named[name] = variable
                known.add(variable)
    return named


def _assign(path: Path, model: "Model", tensors: dict[str, Array]) -> None:
    named = named_weights(model)
    if missing := sorted(named.keys() - tensors.keys()):
        _refuse(path, f"it lacks the weights {', '.join(missing[:5])}")
    if extra := sorted(tensors.keys() - named.keys()):
        _refuse(path, f"it holds weights that the model does not have: {', '.join(extra[:5])}")
    for name, variable in named.items():
        if tensors[name].shape != variable.shape:
            _refuse(path, f"expected {name} of shape {variable.shape}, got {tensors[name].shape}")
    for name, variable in named.items():
        variable.assign(tensors[name])


def _foreign(path: Path) -> Format | None:
    """The format of another program's file; None: it is ours, or `_read` says what is wrong with it."""
    try:
        return reader(path) if path.is_file() else None
    except OSError:
        return None


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Tensors and description of a model file, both checked."""
    if not path.is_file():
        raise FormatError(f"load_model: no file {path}. The models that ship are called {', '.join(shipped_models())}.")
    try:
        tensors, metadata = read_with_metadata(path, MAX_METADATA)
    except (FormatError, LimitError, OSError) as error:
        _refuse(path, f"it is not a safetensors file, or damaged: {str(error).rstrip('.')}")
    text = metadata.get("striate", "")
    if not text:
        _refuse(path, "it was not written by Striate: its metadata has no entry 'striate'")
    try:
        description = strict_json.parse(text, MAX_METADATA)
    except ValueError as error:
        _refuse(path, f"its description is not valid JSON: {error}")
    if not isinstance(description, dict) or description.get("version") != VERSION:
        _refuse(path, f"expected a description of version {VERSION}")
    for name, array in tensors.items():
        if array.dtype != np.float32:
            _refuse(path, f"expected weights in float32, {name} is {array.dtype}")
    return tensors, description


def _refuse(path: Path, reason: str) -> NoReturn:
    raise FormatError(f"load_model: cannot open {path}: {reason}.") from None


@contextmanager
def _constants(constants: dict[str, Array]) -> "Iterator[dict[str, Array]]":
    """While an architecture is written or read, its large constants go to, or come from, the file's tensors."""
    token = _CONSTANTS.set(constants)
    try:
        yield constants
    finally:
        _CONSTANTS.reset(token)


@contextmanager
def weights_from_file(budget: int, what: str) -> "Iterator[None]":
    """While a network is rebuilt its variables start as zeros, and hold no more numbers than the file does.

    Arguments:
        budget: how many numbers the file holds.
        what: how the message begins, such as "the architecture".

    Raises:
        FormatError: the network needs more.
    """
    left = budget

    def zeros(shape: Shape) -> Array:
        nonlocal left
        left -= math.prod(shape)
        if left < 0:
            raise FormatError(f"{what} needs more weights than the {budget} in the file.")
        return np.zeros(shape, np.float32)

    token = WEIGHT_SOURCE.set(zeros)
    try:
        yield
    finally:
        WEIGHT_SOURCE.reset(token)


# Architectures as data


def from_description(description: Any) -> Any:
    """A layer or model from ``{"class_name": …, "config": …}``.

    Raises:
        FormatError: the class is not one of this library's layers.
    """
    if not isinstance(description, dict) or not isinstance(description.get("config"), dict):
        raise FormatError(f"load_model: expected a class name and a config, got {str(description)[:80]}.")
    name = description.get("class_name")
    if name not in LAYERS:
        raise FormatError(f"load_model: {name!r} is not a layer of this library; files cannot bring their own code.")
    return LAYERS[name].from_config({key: _tuples(value) for key, value in description["config"].items()})


def sequential_config(model: "Sequential", stack: list[Layer]) -> dict[str, Any]:
    """`Sequential` as data: its layers in order, after the input's shape."""
    names = unique_names(stack)
    layers = [_named(layer, names[layer]) for layer in stack]
    if model.is_graph and not isinstance(stack[0], InputLayer):
        layers.insert(0, serialize(model.inputs[0].node.operation))  # type: ignore[union-attr]
    return {"name": model.name, "layers": layers}


def sequential_from_config(cls: type["Sequential"], config: dict[str, Any]) -> "Sequential":
    """The reverse of `sequential_config`."""
    return cls([from_description(layer) for layer in config["layers"]], name=config.get("name"))


def graph_config(model: "Model") -> dict[str, Any]:
    """A functional model as data: its layers, and its nodes with references to earlier nodes' outputs."""
    if not model.is_graph:
        raise ModelError(f"{model.name}: has no structure that can be written as data.")
    begin = model.inputs
    nodes = [node for node in model.nodes_in_order if not isinstance(node.operation, InputLayer)]
    layers = [layer for layer in model.layers if not isinstance(layer, InputLayer)]
    place = {tensor: [i, 0] for i, tensor in enumerate(begin)}
    place.update({tensor: [len(begin) + n, i] for n, node in enumerate(nodes) for i, tensor in enumerate(node.outputs)})

    def reference(tensor: Tensor) -> dict[str, Any]:
        if tensor.value is None:
            return {"tensor": place[tensor]}
        constants = _CONSTANTS.get()
        if constants is None or tensor.value.size <= MAX_CONSTANT:
            return {"constant": tensor.value.tolist()}
        name = f"{CONSTANT}{len(constants)}"
        constants[name] = np.asarray(tensor.value, np.float32)
        return {"constant": name}

    def described(node: Node) -> dict[str, Any]:
        arguments, attributes = map_tensors((node.arguments, node.attributes), reference)
        own = isinstance(node.operation, Layer)
        what = len(begin) + layers.index(node.operation) if own else node.operation.name
        return {
            "layer" if own else "operation": what,
            "arguments": _plain(arguments),
            "attributes": _plain(attributes),
        }

    return {
        "name": model.name,
        "layers": [
            *map(_input_description, begin, model.input_names),
            *(_named(layer, model.names[layer]) for layer in layers),
        ],
        "nodes": [
            *({"layer": i, "arguments": [], "attributes": {}} for i in range(len(begin))),
            *map(described, nodes),
        ],
        "inputs": map_tensors(model.input, place.__getitem__),
        "outputs": map_tensors(model.output, place.__getitem__),
    }


def _named(layer: Layer, name: str) -> Any:
    """A layer as data, under its name in the model being written."""
    description = serialize(layer)
    description["config"]["name"] = name
    return description


def _input_description(tensor: Tensor, name: str) -> dict[str, Any]:
    config = {"shape": list(tensor.shape[1:]), "dtype": tensor.dtype.name, "name": name}
    return {"class_name": "InputLayer", "config": config}


def graph_from_config(cls: type["Model"], config: dict[str, Any]) -> "Model":
    """The reverse of `graph_config`."""
    layers = [from_description(layer) for layer in config["layers"]]
    outputs: list[tuple[Tensor, ...]] = []

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            if value.keys() == {"tensor"}:
                node, index = value["tensor"]
                return outputs[node][index]
            if value.keys() == {"constant"}:
                given = value["constant"]
                return (_CONSTANTS.get() or {})[given] if isinstance(given, str) else np.asarray(given, np.float32)
            return {key: resolve(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [resolve(item) for item in value]
        return value

    for node in config["nodes"]:
        if "layer" in node and isinstance(layers[node["layer"]], InputLayer):
            outputs.append(layers[node["layer"]].nodes[0].outputs)
            continue
        operation = layers[node["layer"]] if "layer" in node else OPERATIONS[node["operation"]]
        arguments = resolve(node["arguments"])
        attributes = {name: _tuples(resolve(value)) for name, value in node["attributes"].items()}
        outputs.append(tuple(tensors_in(operation(*arguments, **attributes))))

    def symbols(places: Any) -> Any:
        if isinstance(places, dict):
            return {key: symbols(place) for key, place in places.items()}
        one = len(places) == 2 and all(isinstance(number, int) for number in places)
        return outputs[places[0]][places[1]] if one else [symbols(place) for place in places]

    return cls(symbols(config["inputs"]), symbols(config["outputs"]), name=config.get("name"))


def _plain(value: Any) -> Any:
    """References, numbers and words in lists and dictionaries; raises ModelError on anything else."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return serialize(value)


def _tuples(value: Any) -> Any:
    """JSON knows lists only; the library's arguments are tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
