"""A network as a graph whose outputs are those of its layers."""

from typing import TYPE_CHECKING, Any

from striate.graph import Graph
from striate.graph.graph import Call

if TYPE_CHECKING:
    from striate.models.model import Model


def computing_calls(graph: Graph) -> list[Call]:
    """The calls of layers that compute, in order: not of the models among them."""
    return [call for call in graph.calls if not any(True for _ in call.layer.sublayers())]


def layer_graph(model: "Model", batch_size: int) -> tuple[list[Any], Graph]:
    """The layers that compute (not the models among them), and a graph whose outputs are theirs."""
    graph = model.traced(batch_size)
    calls = computing_calls(graph)
    outputs = [call.outputs[0] for call in calls]
    inner = Graph(graph.inputs, outputs, graph.variables, graph.updates, graph.random, calls)
    return [call.layer for call in calls], inner
