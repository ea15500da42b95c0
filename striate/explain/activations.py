"""The output of every layer of a network for an input."""

from typing import Any, NamedTuple

from striate.graph import Array
from striate.graph.graph import Call
from striate.models.layer_graph import layer_graph
from striate.models.model import Model
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


def _compile(model: Model, batch_size: int) -> tuple[dict[str, Call], Executor]:
    calls, graph = layer_graph(model, batch_size)
    return calls, executor(graph)


def activations(model: Model, x: Any) -> list[LayerOutput]:
    """The output of every layer of ``model`` for ``x``; see `Model.activations`."""
    arrays = as_inputs("activations", model.signature, x)
    calls, runner = model.compiled(("activations", len(arrays[0])), lambda: _compile(model, len(arrays[0])))
    return [
        LayerOutput(name, type(call.layer).__name__, call.layer.describe(), values)
        for (name, call), values in zip(calls.items(), runner.run(arrays), strict=True)
    ]
