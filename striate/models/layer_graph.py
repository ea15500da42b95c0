"""A network as a graph whose outputs are those of its layers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from striate.configurable import free_name
from striate.graph import Graph
from striate.graph.graph import Call
from striate.layers.layer import Layer

if TYPE_CHECKING:
    from striate.models.model import Model


def computing_calls(graph: Graph, names: Mapping[Layer, str]) -> dict[str, Call]:
    """The calls of layers that compute, in order and by name: not of the models among them.

    A layer that is called several times, or that has the name of one in another model, gets a number after its name.

    Arguments:
        graph: of a network.
        names: what its layers are called in it.
    """
    calls: dict[str, Call] = {}
    for call in graph.calls:
        if not any(True for _ in call.layer.sublayers()):
            calls[free_name(names.get(call.layer, call.layer.name), calls)] = call
    return calls


def layer_graph(model: "Model", batch_size: int | None = None) -> tuple[dict[str, Call], Graph]:
    """The calls of layers that compute, by name, and a graph whose outputs are theirs.

    Arguments:
        model: the network.
        batch_size: default: as `Model.traced`.
    """
    graph = model.traced(batch_size)
    calls = computing_calls(graph, model.names)
    outputs = [call.outputs[0] for call in calls.values()]
    return calls, Graph(graph.inputs, outputs, graph.variables, graph.updates, graph.random, graph.calls)
