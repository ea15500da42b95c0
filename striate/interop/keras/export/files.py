"""Keras's files: a ``.keras`` archive, a whole model in ``.h5``, and weights alone in either form."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.data import strict_json
from striate.data.files import replacing
from striate.errors import FormatError, ModelError
from striate.interop.hdf5 import Folder, write_hdf5
from striate.interop.keras.export.configs import network_config
from striate.interop.keras.export.layers import Part
from striate.interop.keras.export.networks import Entry, KerasModel, Translation
from striate.interop.keras.export.weights import listed, numbered
from striate.interop.keras.reading import CONFIG, METADATA, NAMES, OURS, TRAINING, WEIGHTS
from striate.interop.keras.training import compile_config
from striate.interop.refusal import SHOWN
from striate.models import Model
from striate.models.saving import beside_the_network, check_structure

__all__ = ["write_keras", "write_keras_h5", "write_keras_h5_weights", "write_keras_weights"]

#: The version of Keras whose files these are.
VERSION = "3.15.1"
BACKEND = "striate"
#: When a file in an archive was made: the same model gives the same bytes.
DATE = (1980, 1, 1, 0, 0, 0)


def write_keras(model: Model, filepath: str | Path, overwrite: bool = True) -> None:
    """Write a model as a ``.keras`` file, atomically: Keras's ``load_model`` opens it, and so does ours.

    The file has the network, its weights, and what `compile` was given, as far as Keras has it; not the optimizer's
    state. Preprocessing, class names and threshold are in the archive's metadata, which Keras ignores.

    Arguments:
        model: its structure is known, and made of Keras's layers.
        filepath: where the file is written.
        overwrite: False: refuse to replace a file.

    Raises:
        ModelError: parts of it are not among Keras's layers: all of them are listed; or its structure is Python code.
        FormatError: the file cannot be written.

    Source: https://keras.io/guides/serialization_and_saving/
    """
    network = _network(model)
    config = network_config(network)
    if training := compile_config(network.model, network.titles()):
        config["compile_config"] = training
    ours = _ours(network)
    metadata = {"keras_version": VERSION, **({OURS: ours} if ours else {})}
    texts = {METADATA: _json(model, metadata), CONFIG: _json(model, config)}
    weights = numbered(Entry(network.name, Part(network.kind, {}), inner=network))
    with _opened(filepath, overwrite) as file, zipfile.ZipFile(file, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), text)
        member = zipfile.ZipInfo(WEIGHTS, DATE)
        member.file_size = 2 * sum(variable.value.nbytes for variable in model.weights)  # whether it may need 64 bits
        with archive.open(member, "w") as inner:
            write_hdf5(inner, weights)


def write_keras_h5(model: Model, filepath: str | Path, overwrite: bool = True) -> None:
    """Write a model as the whole-model ``.h5`` file of older versions of Keras, which Keras 3 opens as well.

    Preprocessing, class names and threshold are an attribute that Keras ignores. Arguments, errors and what is
    written: as `write_keras`.
    """
    network = _network(model)
    version = {"backend": BACKEND, "keras_version": VERSION}
    root = Folder({**version, "model_config": _json(model, network_config(network))})
    if training := compile_config(network.model, network.titles()):
        optimizer = training.pop("optimizer")
        training["optimizer_config"] = {"class_name": optimizer["class_name"], "config": optimizer["config"]}
        root.attributes[TRAINING] = _json(model, {**training, "weighted_metrics": None})
    if ours := _ours(network):
        root.attributes[OURS] = _json(model, ours)
    root.groups["model_weights"] = listed(network, version)
    with _opened(filepath, overwrite) as file:
        write_hdf5(file, root)


def write_keras_weights(model: Model, filepath: str | Path, overwrite: bool = True) -> None:
    """Write the weights alone as Keras 3 does (``.weights.h5``): by the class of each layer and its number.

    A model may have any layers; if its structure is Python code, its weights are stored by the names of its attributes.
    Arguments: as `write_keras`.

    Raises:
        ModelError: the model has seen no input yet.
        FormatError: the file cannot be written.
    """
    if not model.built:
        raise ModelError(f"save_weights: {model.name} has no weights before it has seen an input. Call it on one.")
    weights = numbered(Translation().tree(model))
    with _opened(filepath, overwrite) as file:
        write_hdf5(file, weights)


def write_keras_h5_weights(model: Model, filepath: str | Path, overwrite: bool = True) -> None:
    """Write the weights alone as older versions of Keras do (``.h5``): by the name of each layer.

    Arguments: as `write_keras`.

    Raises:
        ModelError: the model's structure is Python code; any layers will do.
        FormatError: the file cannot be written.
    """
    if not model.is_graph:
        raise ModelError(
            f"save_weights: the structure of {model.name} is Python code, not data (or it has seen no input yet), and "
            "this kind of file lists layers in order. Use the suffix .weights.h5 or .safetensors."
        )
    root = listed(_structure(model)[0], {"backend": BACKEND, "keras_version": VERSION})
    with _opened(filepath, overwrite) as file:
        write_hdf5(file, root)


def _network(model: Model) -> KerasModel:
    """A model as Keras represents it.

    Raises:
        ModelError: Keras does not have all of it.
    """
    network, reasons = _structure(model)
    if reasons:
        more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
        raise ModelError(
            f"save: {model.name} cannot be written as a file of Keras: {'; '.join([*reasons[:SHOWN], *more])}. "
            "A .safetensors file holds every layer of this library."
        )
    return network


def _structure(model: Model) -> tuple[KerasModel, Sequence[str]]:
    check_structure(model)
    translation = Translation()
    network = translation.network(model)
    return network, list(dict.fromkeys(translation.reasons))


def _ours(network: KerasModel) -> dict[str, Any]:
    """What Keras has no place for: names of layers that it does not accept, and everything but the network."""
    values = {**beside_the_network(network.model), NAMES: network.titles()}
    return {name: value for name, value in values.items() if value}


def _json(model: Model, value: Any) -> str:
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        raise ModelError(f"save: {model.name} holds a constant that is NaN or infinite; JSON has none.") from None
    if len(text) > strict_json.MAX_BYTES:
        raise ModelError(
            f"save: {model.name} takes {len(text):,} bytes of JSON, and files with more than {strict_json.MAX_BYTES:,} "
            "are not read. Large constants belong in a .safetensors file."
        )
    return text


def _opened(filepath: str | Path, overwrite: bool) -> Any:
    path = Path(filepath)
    if not overwrite and path.exists():
        raise FormatError(f"save: {path} exists already; give overwrite=True to replace it.")
    return replacing(path, "save")
