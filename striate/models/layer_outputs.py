"""What every layer of a network gives for an input."""

from typing import TYPE_CHECKING, Any, NamedTuple

from striate.graph import Array, Graph
from striate.graph.graph import Call
from striate.graph.tensor import Tensor
from striate.runtime import Executor, executor
from striate.training.batches import as_inputs

if TYPE_CHECKING:
    from striate.models.model import Model


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


def computing_calls(graph: Graph) -> list[Call]:
    """The calls of layers that compute, in order: not of the models among them."""
    return [call for call in graph.calls if not any(True for _ in call.layer.sublayers())]


def layer_graph(model: "Model", batch_size: int) -> tuple[list[Any], Graph]:
    """The layers that compute (not the models among them), and a graph whose outputs are theirs."""
    graph = model.traced(batch_size)
    calls = computing_calls(graph)
    outputs: list[Tensor] = [call.outputs[0] for call in calls]
    inner = Graph(graph.inputs, outputs, graph.variables, graph.updates, graph.random, calls)
    return [call.layer for call in calls], inner


def _layer_plan(model: "Model", batch_size: int) -> tuple[list[Any], Executor]:
    layers, graph = layer_graph(model, batch_size)
    return layers, executor(graph)


def layer_outputs(model: "Model", x: Any) -> list[LayerOutput]:
    """What every layer of ``model`` gives for ``x``; see `Model.activations`."""
    arrays = as_inputs("activations", model, x)
    layers, runner = model.plan(("activations", len(arrays[0])), lambda: _layer_plan(model, len(arrays[0])))
    return [
        LayerOutput(layer.name, type(layer).__name__, layer.describe(), values)
        for layer, values in zip(layers, runner.run(arrays), strict=True)
    ]
