"""Several element-wise operations in one kernel: each number is read once, and only what others need is written.

An optimizer's update is such a cluster: all of Adam is one pass over parameters, gradients and moments.
"""

import math
from collections.abc import Iterator, Sequence

from striate.codegen import Function, Pointer, in_place
from striate.codegen.values import Integer
from striate.graph import Node, Tensor
from striate.kernels.plan import Plan
from striate.kernels.pointwise import POINTWISE, Pointwise, placement
from striate.ops.operation import known_shape

BLOCK = 4096  # numbers in one item


def places(f: Function, size: int, channels: int) -> Iterator[tuple[Integer, Integer, int, int | None]]:
    """(offset, channel, lanes, lanes that count) of each vector of the items of a call, each a block of numbers.

    Arguments:
        f: the kernel.
        size: how many numbers there are in all.
        channels: length of a row, if the channel matters; else 0, and the numbers are one long row.
    """
    if channels:
        lanes, rows = f.target.lanes_for(channels), size // channels
        block, whole = rows_in_block(channels), channels // lanes * lanes
        for item in f.items():
            for row in f.range(item * block, f.smaller(item * block + block, rows)):
                for channel in f.range(0, whole, lanes):
                    yield row * channels + channel, channel, lanes, None
                if whole < channels:
                    yield row * channels + whole, whole, lanes, channels - whole
        return
    lanes = f.target.lanes
    whole = size // lanes * lanes
    for item in f.items():
        for offset in f.range(item * BLOCK, f.smaller(item * BLOCK + BLOCK, whole), lanes):
            yield offset, 0, lanes, None
        if whole < size:
            with f.when(item.equals(whole // BLOCK)):
                yield whole, 0, lanes, size - whole


def rows_in_block(channels: int) -> int:
    """Rows in one item of `places`."""
    return max(1, BLOCK // channels)


def count_items(size: int, channels: int) -> int:
    """How many items `places` has."""
    return -(-(size // channels) // rows_in_block(channels)) if channels else -(-size // BLOCK)


@in_place
def cluster(
    f: Function,
    *buffers: Pointer,
    operands: tuple[str, ...],
    operations: tuple[Pointwise, ...],
    stored: tuple[int, ...],
    size: int,
    channels: int,
) -> None:
    """Apply ``operations`` to the operands and store some of their results.

    Arguments:
        buffers: the operands, then where results go.
        operands: how each operand lies under the results (`placement`).
        operations: each one's arguments count the operands, then the results of earlier operations.
        stored: which results are stored.
        size, channels: see `places`.
    """
    sources, targets = buffers[: len(operands)], buffers[len(operands) :]
    for offset, channel, lanes, count in places(f, size, channels):
        values = []
        for pointer, where in zip(sources, operands, strict=True):
            if where == "scalar":
                values.append(f.splat(pointer.load(), lanes))
            else:
                values.append((pointer + (offset if where == "same" else channel)).load(lanes, count))
        for each in operations:
            given = (values[number] for number in each.arguments)
            values.append(POINTWISE[each.operation](f, *given, **dict(each.attributes)))
        for number, pointer in zip(stored, targets, strict=True):
            (pointer + offset).store(values[len(operands) + number], count=count)


def lower_cluster(plan: Plan, nodes: Sequence[Node], needed: Sequence[Tensor]) -> None:
    """Compute nodes that follow each other and have results of one shape; ``needed`` are read by others."""
    shape = known_shape(nodes[0].output)
    made = {node.output: i for i, node in enumerate(nodes)}
    given = list(dict.fromkeys(t for node in nodes for t in node.inputs if t not in made))
    number = {tensor: i for i, tensor in enumerate([*given, *made])}
    operands = tuple(placement(known_shape(tensor), shape) for tensor in given)
    operations = tuple(
        Pointwise(node.name, tuple(sorted(node.attributes.items())), tuple(number[tensor] for tensor in node.inputs))
        for node in nodes
    )
    size = math.prod(shape)
    channels = shape[-1] if "channel" in operands else 0
    plan.launch(
        cluster,
        *(plan.read(tensor) for tensor in given),
        *(plan.write(tensor) for tensor in needed),
        items=count_items(size, channels),
        operands=operands,
        operations=operations,
        stored=tuple(made[tensor] for tensor in needed),
        size=size,
        channels=channels,
    )
