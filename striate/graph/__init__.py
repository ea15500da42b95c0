"""A network as data: tensors, the nodes that make them, variables, tracing and first-order gradients."""

from striate.graph.gradients import gradients
from striate.graph.graph import Graph, topological_order
from striate.graph.numbers import as_numbers
from striate.graph.tensor import Array, Node, Shape, Tensor
from striate.graph.trace import Trace, active_trace, probe, trace
from striate.graph.variable import Variable

__all__ = [
    "Array",
    "Graph",
    "Node",
    "Shape",
    "Tensor",
    "Trace",
    "Variable",
    "active_trace",
    "as_numbers",
    "gradients",
    "probe",
    "topological_order",
    "trace",
]
