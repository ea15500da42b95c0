"""A network as the JSON that Keras 3 makes it from."""

from typing import Any

import numpy as np

from striate.interop.keras.calls import Place
from striate.interop.keras.export.networks import Entry, KerasModel


def network_config(network: KerasModel) -> dict[str, Any]:
    """A network as an object of Keras: module, class and configuration."""
    if network.is_row:
        config = {
            "name": network.name,
            "trainable": network.trainable,
            "layers": [_entry_config(entry) for entry in network.entries],
            "build_input_shape": network.entries[0].part.config["batch_shape"],
        }
        return _object("keras", "Sequential", config, None)
    config = {
        "name": network.name,
        "trainable": network.trainable,
        "layers": [
            {
                **_entry_config(entry),
                "name": entry.name,
                "inbound_nodes": [
                    {"args": _plain(arguments), "kwargs": _plain(settings)} for arguments, settings in entry.calls
                ],
            }
            for entry in network.entries
        ],
        "input_layers": _ends(network, network.inputs),
        "output_layers": _ends(network, network.outputs),
    }
    return _object("keras.src.models.functional", "Functional", config, "Functional")


def _entry_config(entry: Entry) -> dict[str, Any]:
    if entry.inner:
        inner = network_config(entry.inner)
        inner["config"]["name"] = entry.name
        return inner
    part = entry.part
    if part.module != "keras.layers":
        return _object(part.module, part.kind, {"name": entry.name, **part.config}, part.kind)
    # Some of Keras's layers without variables do not take "trainable".
    trained = {"trainable": entry.trainable} if len(part.variables) else {}
    return _object(part.module, part.kind, {"name": entry.name, **trained, "dtype": "float32", **part.config}, None)


def _object(module: str, kind: str, config: dict[str, Any], registered: str | None) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered}


def _plain(value: Any) -> Any:
    """A call's arguments: places and arrays as the objects that Keras has for them."""
    if isinstance(value, Place):
        # Keras looks at the history alone; shape and type are those of a stand-in that it makes first.
        config = {"shape": [None], "dtype": "float32", "keras_history": list(value)}
        return {"class_name": "__keras_tensor__", "config": config}
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _ends(network: KerasModel, ends: Any) -> Any:
    if isinstance(ends, Place):
        inner = next(entry.inner for entry in network.entries if entry.name == ends.layer)
        # The first call of a network is number 1 here: it was called once when it was made.
        return [ends.layer, ends.call + (inner is not None and not inner.is_row), ends.output]
    if isinstance(ends, dict):
        return {name: _ends(network, one) for name, one in ends.items()}
    return [_ends(network, one) for one in ends]
