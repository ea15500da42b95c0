"""A network as a table: shapes, parameters, work, memory and receptive fields, layer by layer."""

import math
from typing import TYPE_CHECKING, NamedTuple

from striate.errors import ModelError
from striate.graph import Node, Tensor, topological_order
from striate.graph.graph import Call
from striate.models.facts import Facts
from striate.models.layer_graph import layer_graph
from striate.ops.operation import Box, known_shape
from striate.ops.reach import input_box

if TYPE_CHECKING:
    from striate.models.model import Model


class Row(NamedTuple):
    """One layer of a network.

    Arguments:
        name, kind: the layer's name and class.
        output_shape: with None for the batch size, unless the network was made for batches of several.
        parameters: total size of its variables.
        multiply_adds: for one sample.
        activation_bytes: size of its output for one sample, in float32.
        receptive_field: rows and columns of the input behind one output number in the middle; () where the layer's
            output or the network's input has no such axes.
        inputs_per_unit: how many numbers of the layer's input one output number is computed from.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple[int, ...]
    inputs_per_unit: int


class Summary(NamedTuple):
    """All layers of a network, and the totals.

    Arguments:
        title: the network's class and name.
        rows: of the layers, in order.
        parameters, trainable_parameters: total size of all variables, and of those that training changes.
        facts: what its input and outputs stand for.
        notes: the same, in sentences.
    """

    title: str
    rows: tuple[Row, ...]
    parameters: int
    trainable_parameters: int
    facts: Facts
    notes: tuple[str, ...] = ()

    @property
    def multiply_adds(self) -> int:
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        return sum(row.activation_bytes for row in self.rows)


def summarize(model: "Model") -> Summary:
    """The table behind ``model.summary()``.

    Raises:
        ModelError: the shape of the model's input is not known yet.
    """
    trainable = sum(v.array.size for v in model.trainable_weights)
    title = f"{type(model).__name__} {model.name}"
    try:
        calls, graph = layer_graph(model)
    except ModelError:
        if model.built:
            raise
        names = model.names
        rows = tuple(Row(names[one], type(one).__name__, (), one.count_params(), 0, 0, (), 0) for one in model.layers)
        title += " (not built yet: give it an Input, or data)"
        return Summary(title, rows, model.count_params(), trainable, model.facts)
    fixed = model.inputs[0].shape[0] if model.is_graph else None
    rows = tuple(_row(name, call, graph.inputs[0], fixed) for name, call in calls.items())
    facts = model.facts
    return Summary(title, rows, model.count_params(), trainable, facts, tuple(facts.sentences(model)))


def _row(name: str, call: Call, source: Tensor, fixed: int | None) -> Row:
    """A layer's row, from its call.

    Arguments:
        name: the layer's.
        call: in a graph of a batch.
        source: the graph's first input.
        fixed: the batch size that the network was made for; None: it takes any.
    """
    output, batch = call.outputs[0], source.shape[0] or 1
    work = _nodes_of(call)
    numbers = math.prod(known_shape(output))
    field: tuple[int, ...] = ()
    if len(source.shape) > 2:
        middle = Box(tuple((n // 2, n // 2 + 1) for n in output.shape[1:-1]))  # type: ignore[operator]
        field = tuple(last - first for first, last in input_box(output, source, middle))
    return Row(
        name,
        type(call.layer).__name__,
        output.shape if fixed is not None and fixed > 1 else (None, *output.shape[1:]),
        call.layer.count_params(),
        sum(node.operation.multiply_adds(node) for node in work) // batch,
        4 * numbers // batch,
        field,
        math.prod(node.operation.fan_in(node) for node in work),
    )


def _nodes_of(call: Call) -> list[Node]:
    """The nodes that a layer added to the graph: those between its inputs and its output."""
    return topological_order(call.outputs, behind=call.inputs)


def as_text(summary: Summary, line_length: int | None = None) -> str:
    """The summary as lines of text.

    Arguments:
        summary: what to show.
        line_length: columns at most; names are shortened to fit.
    """
    header = ("Layer", "Output shape", "Parameters", "Multiply-adds", "Activations", "Receptive field", "Inputs/unit")
    cells = [
        (
            f"{row.name} ({row.kind})",
            "×".join("N" if n is None else str(n) for n in row.output_shape),
            f"{row.parameters:,}",
            f"{row.multiply_adds:,}",
            readable_bytes(row.activation_bytes),
            "×".join(map(str, row.receptive_field)),
            f"{row.inputs_per_unit:,}",
        )
        for row in summary.rows
    ]
    widths = [max(len(row[i]) for row in (header, *cells)) for i in range(len(header))]
    if line_length is not None:
        widths[0] = max(8, widths[0] - max(sum(widths) + 2 * len(widths) - 2 - line_length, 0))

    def line(row: tuple[str, ...]) -> str:
        first = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
        rest = [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True)]
        return "  ".join([f"{first:<{widths[0]}}", f"{row[1]:<{widths[1]}}", *rest]).rstrip()

    rule = "─" * (sum(widths) + 2 * len(widths) - 2)
    frozen = summary.parameters - summary.trainable_parameters
    return "\n".join(
        [
            summary.title,
            line(header),
            rule,
            *map(line, cells),
            rule,
            f"Parameters: {summary.parameters:,} ({readable_bytes(4 * summary.parameters)}), "
            f"of these trainable {summary.trainable_parameters:,}, not trainable {frozen:,}",
            f"For one sample: {summary.multiply_adds:,} multiply-adds, "
            f"{readable_bytes(summary.activation_bytes)} of activations",
            *summary.notes,
        ]
    )


def readable_bytes(count: int) -> str:
    """1536 → "1.5 KiB"."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
