"""Keras on JAX: the Striate network layer by layer, by the names that the two share."""

import importlib
import importlib.util
from typing import Any

from benchmarks.contenders import ours
from benchmarks.contenders.contender import Contender
from benchmarks.workloads import Workload, data
from striate.layers import Layer
from striate.models import Model


def installed() -> bool:
    """Whether both are here."""
    return all(importlib.util.find_spec(name) for name in ("keras", "jax"))


def as_keras(model: Model) -> Any:
    """The same network in Keras, on the backend that KERAS_BACKEND names, with the same weights."""
    keras = importlib.import_module("keras")
    image = keras.Input(model.input.shape[1:])
    known = {model.input: image}
    twins: list[tuple[Layer, Any]] = []
    for node in model.nodes_in_order:
        if node.outputs[0] in known:
            continue
        layer = node.operation
        config = layer.get_config()
        inputs = [known[tensor] for tensor in node.inputs]
        if not isinstance(config.get("padding", ""), str):  # Keras pads by a number in a layer of its own
            pads = config["padding"]
            inputs = [keras.layers.ZeroPadding2D(tuple(pads) if isinstance(pads, list) else pads)(inputs[0])]
            config["padding"] = "valid"
            config.pop("count_include_pad", None)  # these zeros count in a mean
        config["name"] = layer.name.replace(".", "_")  # on PyTorch's backend a name may have no dot
        twin = getattr(keras.layers, type(layer).__name__).from_config(config)
        known[node.outputs[0]] = twin(inputs if len(inputs) > 1 else inputs[0])
        twins.append((layer, twin))
    network = keras.Model(image, known[model.output])
    for layer, twin in twins:
        if layer.weights:
            twin.set_weights(layer.get_weights())
    return network


def contenders(workload: Workload, model: Model) -> list[Contender]:
    """The workload as a user of Keras does it."""
    keras = importlib.import_module("keras")
    network = as_keras(model)
    x, y = data(workload)
    if workload.kind == "infer":
        return [Contender("keras", "jax", lambda: network.predict_on_batch(x))]
    network.compile(
        getattr(keras.optimizers, type(model.optimizer).__name__).from_config(
            {name: value for name, value in ours.optimizer(workload).get_config().items() if value is not None}
        ),
        "sparse_categorical_crossentropy",
    )
    return [Contender("keras", "jax", lambda: float(network.train_on_batch(x, y)))]
