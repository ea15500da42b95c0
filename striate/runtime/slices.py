"""Predictions for many samples, some at a time: what a few need between inputs and outputs stays in the caches.

A network's first layers have large images and few weights, its last ones small images and many weights. So a graph is
cut into stages: the first for few samples, those that follow for more, up to the whole batch, so that their weights are
read rarely.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from striate.graph import Array, Graph, Node, Tensor
from striate.kernels import POINTWISE
from striate.kernels.plan import FUSIONS
from striate.ops.operation import known_shape
from striate.runtime.arena import round_up
from striate.runtime.blocks import View, borrow, give_back
from striate.runtime.budget import OBJECTS, bytes_of, count
from striate.runtime.native import NativeExecutor
from striate.runtime.reference import check_inputs

#: Bytes of all samples that are computed together, at any time: about a quarter of a last-level cache, as weights and
#: what other programs use go through it too.
TOGETHER = 2**23
#: How many times the weights that are read again for pieces the rest must be: then pieces take no longer than the whole
#: batch, for all that were measured (7, 31 and 77 images; ResNet-18, ResNet-20, MobileNet v2, AlexNet).
WEIGHTS = 3
#: Operations that see one sample at a time, if their weights are the same for all.
WITH_WEIGHTS = {"conv", "conv_grad_input", "dense", "normalize_with", "prelu"}
OF_ONE_INPUT = {"cast", "local_response_normalization", "upsample_bilinear", "upsample_nearest"}
#: Operations that others' kernels can end with, in place.
ENDINGS = {*POINTWISE, *FUSIONS}


class SlicedExecutor:
    """Runs a graph for a batch in stages, each for a suitable number of samples at a time.

    Arguments:
        graph: for the whole batch.
        stages: what runs each part of the graph, in order; each takes a multiple of the samples of the one before.
    """

    def __init__(self, graph: Graph, stages: Sequence[NativeExecutor]):
        self.graph, self.stages = graph, stages
        #: Where the inputs of each stage but the first lie.
        self._between: list[list[View]] = [[]]
        self._size = 0
        for stage in stages[1:]:
            views = []
            for tensor in stage.graph.inputs:
                views.append(View(self._size, known_shape(tensor), tensor.dtype))
                self._size += round_up(bytes_of(tensor))
            self._between.append(views)
        count(self)

    @property
    def samples(self) -> list[int]:
        """How many samples each stage computes together."""
        return [_samples(stage.graph) for stage in self.stages]

    @property
    def without_kernel(self) -> list[Node]:
        """The nodes that run on the reference."""
        return [node for stage in self.stages for node in stage.without_kernel]

    def kept(self) -> dict[Any, int]:
        """What this keeps between runs, and its bytes."""
        return {self: OBJECTS * len(self.graph.nodes)}

    def run(
        self, inputs: Sequence[Array], seed: int = 0, step: int = 0, into: Mapping[int, Array] | None = None
    ) -> list[Array]:
        """The values of the graph's outputs; see `striate.runtime.reference.ReferenceExecutor.run`."""
        check_inputs(self.graph, inputs)
        outputs = _outputs(self.graph, into or {})

        def fill(wanted: Sequence[Array], number: int, given: Sequence[Array]) -> None:
            stage = self.stages[number]
            slices = len(wanted[0]) // _samples(stage.graph)
            for arrays, results in zip(_cut(given, slices), _cut(wanted, slices), strict=True):
                if number:
                    fill(between[number], number - 1, arrays)
                stage.run(between[number] if number else arrays, seed, step, dict(enumerate(results)))

        block = borrow(self._size)
        try:
            between = [[view.on(block) for view in views] for views in self._between]
            fill(outputs, len(self.stages) - 1, inputs)
        finally:
            give_back(block, self._size)
        return outputs


class PiecedExecutor:
    """Runs a graph for a batch in pieces, with the executors for batches of their sizes.

    Arguments:
        graph: for the whole batch.
        pieces: what runs each piece, with its number of samples; these add up to the batch.
    """

    def __init__(self, graph: Graph, pieces: Sequence[tuple[int, NativeExecutor | SlicedExecutor]]):
        self.graph, self.pieces = graph, pieces
        count(self)

    @property
    def without_kernel(self) -> list[Node]:
        """The nodes that run on the reference."""
        return [node for _, executor in self.pieces for node in executor.without_kernel]

    def kept(self) -> dict[Any, int]:
        """What this keeps between runs, and its bytes."""
        return {self: OBJECTS * len(self.graph.nodes)}

    def run(
        self, inputs: Sequence[Array], seed: int = 0, step: int = 0, into: Mapping[int, Array] | None = None
    ) -> list[Array]:
        """The values of the graph's outputs; see `striate.runtime.reference.ReferenceExecutor.run`."""
        check_inputs(self.graph, inputs)
        outputs = _outputs(self.graph, into or {})
        start = 0
        for samples, executor in self.pieces:
            part = slice(start, start + samples)
            results = {number: array[part] for number, array in enumerate(outputs)}
            executor.run([array[part] for array in inputs], seed, step, results)
            start += samples
        return outputs


def _outputs(graph: Graph, into: Mapping[int, Array]) -> list[Array]:
    """Where the outputs of a run go: into given arrays, or new ones."""
    return [
        into[number] if number in into else np.empty(known_shape(tensor), tensor.dtype)
        for number, tensor in enumerate(graph.outputs)
    ]


def _cut(arrays: Sequence[Array], slices: int) -> Iterator[tuple[Array, ...]]:
    """As many parts of all arrays, along their first axis."""
    return zip(*(np.split(array, slices) for array in arrays), strict=True)


def stages(graph: Graph, traced: Callable[[int], Graph]) -> list[Graph]:
    """The parts of a graph that follow each other, each for as many samples as are best computed together.

    Arguments:
        graph: for the whole batch.
        traced: the same for another number of samples.
    """
    samples = _samples(graph)
    if samples < 2 or not graph.nodes or not is_samplewise(graph):
        return [graph]
    sections, start, together = list(_sections(graph)), -1, 1
    found: list[Graph] = []
    while sections:
        needs = [section.bytes for section in sections]
        together = _fitting(samples, together, max(needs))
        last = max(number for number, need in enumerate(needs) if _fitting(samples, together, need) == together)
        end = sections[last].end
        found.append(_part(graph if together == samples else traced(together), start, end))
        sections, start = sections[last + 1 :], end
    return found


def pieces(graph: Graph) -> list[int]:
    """Powers of two that add up to the samples of a graph, if computing in pieces is as fast; else none.

    Few sizes serve all batches then, and what a piece computes stays in the caches. Each piece reads the weights once
    more: that must be little compared to what the whole batch would write and read again between inputs and outputs.
    """
    samples = _samples(graph)
    powers = [2**bit for bit in reversed(range(samples.bit_length())) if samples & 2**bit]
    if len(powers) < 2 or not graph.nodes or not is_samplewise(graph):
        return []
    between = samples * max(section.bytes for section in _sections(graph))
    weights = (len(powers) - 1) * sum(bytes_of(tensor) for tensor in graph.variables.values())
    return powers if between > TOGETHER and between >= WEIGHTS * weights else []


class _Section(NamedTuple):
    """Nodes between two places where a graph can be cut."""

    end: int  # number of its last node
    bytes: int  # of one sample, at most, at any time


def _sections(graph: Graph) -> Iterator[_Section]:
    """A graph can be cut where all later nodes depend on one tensor, unless its kernel also computes what follows."""
    readers: dict[Tensor, list[int]] = {}
    for number, node in enumerate(graph.nodes):
        for tensor in dict.fromkeys(node.inputs):
            readers.setdefault(tensor, []).append(number)
    alive, moving, most = {tensor for tensor in graph.inputs if tensor in readers}, set(graph.inputs), 0
    wanted = set(graph.outputs)
    for number, node in enumerate(graph.nodes):
        if not moving.intersection(node.inputs):
            continue
        result = node.output
        moving.add(result)
        ending = {tensor for tensor in alive if tensor not in wanted and readers[tensor][-1] == number}
        in_place = node.name in ENDINGS and any(_bytes(tensor) == _bytes(result) for tensor in ending)
        most = max(most, sum(map(_bytes, alive)) + (0 if in_place else _bytes(result)))
        alive = (alive - ending) | {result}
        follow = [graph.nodes[reader].name for reader in readers.get(result, ())]
        if number == len(graph.nodes) - 1 or (
            alive == {result} and result not in wanted and (len(follow) > 1 or follow[0] not in ENDINGS)
        ):
            yield _Section(number, most)
            most = 0


def _bytes(tensor: Tensor) -> int:
    """Bytes of one sample."""
    return math.prod(known_shape(tensor)[1:]) * int(tensor.dtype.itemsize)


def _fitting(samples: int, multiple_of: int, each: int) -> int:
    """How many samples are best computed together: a divisor of all of them.

    Arguments:
        samples: all of them.
        multiple_of: what else must divide it; it may be more than fits.
        each: bytes of one.
    """
    most = max(multiple_of, TOGETHER // max(1, each))
    counts = range(multiple_of, min(most, samples) + 1, multiple_of)
    fitting = max(count for count in counts if samples % count == 0)
    # where divisors have a gap, as 7 has, the whole batch is better than slices much smaller than they may be
    return samples if 2 * fitting <= min(most, samples) else fitting


def _part(graph: Graph, start: int, end: int) -> Graph:
    """The nodes of a graph after number ``start``, up to number ``end``."""
    nodes, last = graph.nodes, len(graph.nodes) - 1
    if (start, end) == (-1, last):
        return graph
    inputs = graph.inputs if start < 0 else [nodes[start].output]
    outputs = graph.outputs if end == last else [nodes[end].output]
    return Graph(inputs, outputs, graph.variables)


def is_samplewise(graph: Graph) -> bool:
    """Whether each sample's outputs depend on that sample's inputs alone, as far as is known of the operations."""
    samples = _samples(graph)
    moving: set[Tensor] = set(graph.inputs)
    for node in graph.nodes:
        if moving.intersection(node.inputs):
            if not _is_samplewise(node, moving, samples):
                return False
            moving.add(node.output)
    return not graph.updates and graph.random is None and moving.issuperset(graph.outputs)


def _samples(graph: Graph) -> int:
    """The size of the first axis of all inputs; 0 if they differ."""
    sizes = {known_shape(tensor)[0] if tensor.shape else 0 for tensor in graph.inputs}
    return sizes.pop() if len(sizes) == 1 else 0


def _is_samplewise(node: Node, moving: set[Tensor], samples: int) -> bool:
    attributes, shape, rank = node.attributes, known_shape(node.output), len(known_shape(node.inputs[0]))
    if not shape or shape[0] != samples:
        return False
    first = node.inputs[0] in moving and not moving.intersection(node.inputs[1:])
    if node.name in WITH_WEIGHTS or node.name in OF_ONE_INPUT or node.name.endswith("_pool"):
        return first
    along: Mapping[str, Callable[[], bool]] = {
        "softmax": lambda: attributes["axis"] not in (0, -rank),
        "log_softmax": lambda: attributes["axis"] not in (0, -rank),
        "concatenate": lambda: attributes["axis"] not in (0, -rank) and moving.issuperset(node.inputs),
        "mean": lambda: not {0, -rank}.intersection(attributes["axes"]),
        "max": lambda: not {0, -rank}.intersection(attributes["axes"]),
        "sum": lambda: not {0, -rank}.intersection(attributes["axes"]),
        "pad": lambda: tuple(attributes["padding"][0]) == (0, 0),
        "slice": lambda: (*attributes["cropping"][0], attributes["steps"][0]) == (0, 0, 1),
        "take": lambda: attributes["axis"] != 0,
        "transpose": lambda: attributes["axes"][0] == 0,
        "reshape": lambda: known_shape(node.inputs[0])[:1] == (samples,),
    }
    if node.name in along:
        return along[node.name]()
    # of a product of two matrices the first axis is their rows; of stacks it counts the matrices
    return (node.name in POINTWISE or (node.name == "matmul" and len(shape) > 2)) and all(
        known_shape(tensor)[:1] == (samples,) and len(known_shape(tensor)) == len(shape)
        if tensor in moving
        else len(known_shape(tensor)) < len(shape) or known_shape(tensor)[0] == 1
        for tensor in node.inputs
    )
