"""Keras's files, made by hand: archives, whole models as Keras 2 wrote them, and what stands in them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from striate.graph import Array  # noqa: E402


def randomize(model: Any) -> None:
    """Weights that are all different, none of them negative: some are variances."""
    generator = np.random.default_rng(5)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(0.5 + generator.random(variable.shape).astype(np.float32))


def archive(path: Path, config: Any, weights: Any = None, metadata: str = '{"keras_version": "3.10.0"}') -> Path:
    """A ``.keras`` file; ``weights`` fills its HDF5 file."""
    with h5py.File(path.with_suffix(".weights"), "w") as file:
        file.create_group("layers")
        if weights:
            weights(file)
    text = config if isinstance(config, str) else json.dumps(config)
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("config.json", text)
        writer.writestr("metadata.json", metadata)
        writer.write(path.with_suffix(".weights"), "model.weights.h5")
    return path


def row(*layers: Any, shape: Any = (None, 4)) -> dict[str, Any]:
    """A Sequential as Keras 3 writes it."""
    begin = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": list(shape), "name": "x"}}
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "row", "layers": [begin, *layers]}}


def layer(kind: str, module: Any = "keras.layers", registered_name: Any = None, **config: Any) -> dict[str, Any]:
    config = {"name": f"my_{kind.lower()}", **config}
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered_name}


def graph(*entries: Any, outputs: Any = (("last", 0, 0),)) -> dict[str, Any]:
    """A functional model as Keras 3 writes it, from (layer, calls)."""
    begin = {
        "module": "keras.layers", "class_name": "InputLayer", "name": "x", "inbound_nodes": [],
        "config": {"batch_shape": [None, 4], "name": "x"},
    }  # fmt: skip
    layers = [
        {**description, "name": description["config"]["name"], "inbound_nodes": calls} for description, calls in entries
    ]
    config = {"name": "net", "layers": [begin, *layers], "input_layers": [["x", 0, 0]], "output_layers": outputs}
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


def on(name: str, call: int = 0, **kwargs: Any) -> dict[str, Any]:
    history = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"args": [{"class_name": "__keras_tensor__", "config": history}], "kwargs": kwargs}


relu = layer("ReLU", name="last")


def weights_of(**layers: dict[str, Array]) -> Any:
    """Fills an HDF5 file as Keras 3 does."""

    def fill(file: Any) -> None:
        for name, arrays in layers.items():
            for key, array in arrays.items():
                file[f"layers/{name}/vars/{key.strip('_')}"] = array

    return fill


DENSE = {"_0": np.ones((4, 2), np.float32), "_1": np.ones(2, np.float32)}


def write_legacy_weights(group: Any, weights: dict[str, dict[str, Array]]) -> None:
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for layer, arrays in weights.items():
        folder = group.create_group(layer)
        folder.attrs["weight_names"] = [name.encode() for name in arrays]
        for name, array in arrays.items():
            folder[name] = array


def legacy_file(path: Path, config: Any, weights: dict[str, dict[str, Array]], version: str = "2.4.0") -> Path:
    """A whole-model ``.h5`` file as Keras 2 writes it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = version.encode()
        group = file.create_group("model_weights")
        write_legacy_weights(group, weights)
    return path


def conv_config(name: str, **settings: Any) -> dict[str, Any]:
    return {
        "name": name,
        "trainable": True,
        "dtype": "float32",
        "filters": 2,
        "kernel_size": [3, 3],
        "strides": [1, 1],
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": [1, 1],
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": {
            "class_name": "VarianceScaling",
            "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "normal", "seed": None, "dtype": "float32"},
        },
        "bias_initializer": {"class_name": "Zeros", "config": {"dtype": "float32"}},
        "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
        "bias_constraint": None,
        **settings,
    }


def conv_weights(layer: str, seed: int = 0) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    kernel = generator.standard_normal((3, 3, 1, 2)).astype(np.float32)
    return {f"{layer}/kernel_1:0": kernel, f"{layer}/bias_1:0": generator.standard_normal(2).astype(np.float32)}
