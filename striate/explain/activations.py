"""What every layer of a network gives for an input."""

from typing import Any, NamedTuple

from striate.graph import Array
from striate.models.layer_graph import layer_graph
from striate.models.model import INSIGHTS, Model
from striate.runtime import Executor, executor
from striate.training.batches import as_inputs


class LayerOutput(NamedTuple):
    """One layer's output for a batch of inputs.

    Arguments:
        name: the layer's name.
        kind: its class, such as "Conv2D".
        sentence: what it does, in one plain sentence.
        values: (N, …).
    """

    name: str
    kind: str
    sentence: str
    values: Array


def _compile(model: Model, batch_size: int) -> tuple[list[Any], Executor]:
    layers, graph = layer_graph(model, batch_size)
    return layers, executor(graph)


def activations(model: Model, x: Any) -> list[LayerOutput]:
    """What every layer of ``model`` gives for ``x``; see `Model.activations`."""
    arrays = as_inputs("activations", model, x)
    layers, runner = model.plan(("activations", len(arrays[0])), lambda: _compile(model, len(arrays[0])))
    return [
        LayerOutput(layer.name, type(layer).__name__, layer.describe(), values)
        for layer, values in zip(layers, runner.run(arrays), strict=True)
    ]


INSIGHTS["activations"] = activations
