"""Planning: in which order a graph's nodes are lowered, which are fused, and where results are placed.

Element-wise operations are not computed on their own where they follow another operation: they are applied at the end
of its kernel, while its result is still in registers (`Plan.finish`). Runs of element-wise operations that cannot be
added to another kernel become one of their own (`striate.kernels.cluster`).
"""

import math
from collections.abc import Mapping

import numpy as np

from striate.codegen import Target
from striate.codegen.values import ELEMENTS
from striate.graph import Graph, Node, Tensor
from striate.kernels.cluster import lower_cluster
from striate.kernels.copying import copy
from striate.kernels.plan import FUSIONS, LOWERINGS, Buffer, Launch, Plan
from striate.kernels.pointwise import POINTWISE, placement
from striate.ops.operation import known_shape


def make_plan(
    graph: Graph,
    target: Target,
    *,
    exact: bool = False,
    fuse: bool = True,
    hoist: bool = False,
    choices: Mapping[str, str] | None = None,
) -> Plan:
    """How a graph is computed on a target: every node lowered, every result placed.

    Arguments:
        fuse: whether element-wise operations may end other operations' kernels.
        graph, target, exact, hoist, choices: see `Plan`.

    Raises:
        ArgumentError: a variable is not of float32.
    """
    plan = Plan(graph, target, exact=exact, hoist=hoist, choices=choices)
    _lower_all(plan, fuse)
    _place_results(plan)
    return plan


def _wanted(graph: Graph) -> set[Tensor]:
    """What must be in memory at the end."""
    return {*graph.outputs, *(tensor for _, tensor in graph.updates)}


def _lower_all(plan: Plan, fuse: bool) -> None:
    nodes = plan.graph.nodes
    chains = _chains(plan) if fuse else {}
    ends = {chain[-1]: (first, chain) for first, chain in chains.items()}
    inside = {node for first, chain in chains.items() for node in (first, *chain[:-1])}
    clusters = _clusters(plan, inside, {*ends}) if fuse else {}
    inside.update(node for run, _ in clusters.values() for node in run[:-1])
    for node in nodes:
        if node in ends:  # only now is everything computed that the whole chain reads
            _lower(plan, *ends[node])
        elif node in clusters:
            plan.node = node
            lower_cluster(plan, *clusters[node])
        elif node not in inside:
            _lower(plan, node, [])


def _chains(plan: Plan) -> dict[Node, list[Node]]:
    """Which element-wise nodes can be fused to each other node's kernel, if any."""
    chains: dict[Node, list[Node]] = {}
    taken: set[Node] = set()
    wanted = _wanted(plan.graph)
    for node in plan.graph.nodes:
        if node in taken or node.name in POINTWISE or node.name not in LOWERINGS:
            continue
        chain: list[Node] = []
        current = node.output
        while current not in wanted and len(readers := plan.readers(current)) == 1:
            (reader,) = readers
            if reader in taken or not _follows(reader, current):
                break
            chain.append(reader)
            current = reader.output
        if chain:
            chains[node] = chain
            taken.update(chain)
    return chains


def _clusters(plan: Plan, inside: set[Node], ends: set[Node]) -> dict[Node, tuple[list[Node], list[Tensor]]]:
    """Runs of element-wise nodes of one shape, by their last node, and the results that others need."""
    runs: list[list[Node]] = [[]]
    for node in plan.graph.nodes:
        if node in inside:
            continue
        shape = known_shape(node.output)
        if node in ends or not _follows(node, Tensor(shape)):
            runs.append([])
        elif math.prod(shape) == 1 and runs[-1] and not {n.output for n in runs[-1]}.intersection(node.inputs):
            pass  # a single number on its own, which the run may read: it is computed before the run
        elif runs[-1] and known_shape(runs[-1][0].output) == shape:
            runs[-1].append(node)
        else:
            runs.append([node])
    wanted = _wanted(plan.graph)
    clusters = {}
    for run in runs:
        if len(run) > 1:
            members = set(run)
            needed = [
                node.output
                for node in run
                if node.output in wanted or not members.issuperset(plan.readers(node.output))
            ]
            clusters[run[-1]] = (run, needed)
    return clusters


def _follows(node: Node, tensor: Tensor) -> bool:
    """Whether an element-wise node can be applied to each number while ``tensor`` is computed."""
    shape = known_shape(tensor)
    if known_shape(node.output) != shape or not node.output.dtype == np.float32 == tensor.dtype:
        return False
    if node.name in FUSIONS:
        first, *others = node.inputs
        fits = all(placement(other, shape) for other in FUSIONS[node.name].shapes(node))
        return fits and tensor is first and all(other is not tensor for other in others)
    return node.name in POINTWISE and all(
        other is tensor or (other.dtype == np.float32 and placement(known_shape(other), shape)) for other in node.inputs
    )


def _lower(plan: Plan, node: Node, chain: list[Node]) -> None:
    plan.node, plan.chain = node, chain
    supported = all(tensor.dtype.str[1:] in ELEMENTS for tensor in (*node.inputs, node.output))
    lowering = LOWERINGS.get(node.name)
    if not supported or lowering is None or lowering(plan, node) is False:
        plan.fall_back(node)
    left, plan.chain = plan.chain, []
    if left:  # the lowering did not fuse the chain
        _lower(plan, left[0], left[1:])


def _place_results(plan: Plan) -> None:
    """Compute results directly in outputs and variables where possible, and copy the others there at the end."""
    graph = plan.graph
    taken: set[Buffer] = set()
    for number, tensor in enumerate(graph.outputs):
        buffer = plan.read(tensor)
        if buffer.home == "arena" and buffer not in taken and buffer.size == math.prod(known_shape(tensor)):
            buffer.home, buffer.number = "output", number
            taken.add(buffer)
        else:
            copy(plan, buffer, Buffer(known_shape(tensor), tensor.dtype, "output", number))
    new = [plan.read(tensor) for _, tensor in graph.updates]
    for number, buffer in enumerate(new):
        if buffer.home == "variable":  # the value before the run, which another update may be about to replace
            new[number] = plan.temporary(*buffer.shape)
            copy(plan, buffer, new[number])
    for (variable, _), buffer in zip(graph.updates, new, strict=True):
        target = plan.variable(variable)
        if buffer.home == "arena" and _may_overwrite(plan, buffer, target):
            buffer.home, buffer.number = "variable", target.number
        else:
            copy(plan, buffer, target)


def _may_overwrite(plan: Plan, buffer: Buffer, variable: Buffer) -> bool:
    """Whether ``buffer`` is first written when nothing reads the old value of ``variable`` any more."""
    if (buffer.size, buffer.dtype) != (variable.size, variable.dtype) or not buffer.size:
        return False
    first = next(number for number, part in enumerate(plan.schedule) if buffer in part.buffers)
    readers = [
        number
        for number, part in enumerate(plan.schedule)
        if any(b.home == "variable" and b.number == variable.number for b in part.buffers)
    ]
    writer = plan.schedule[first]
    in_place = isinstance(writer, Launch) and writer.kernel.in_place
    return max(readers, default=-1) < first + in_place
