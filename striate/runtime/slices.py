"""Predictions for many samples, some at a time: what a few need between inputs and outputs stays in the caches."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from striate.codegen import host
from striate.graph import Array, Graph, Node, Tensor
from striate.kernels import POINTWISE, Plan
from striate.ops.operation import known_shape
from striate.runtime.native import NativeExecutor, arena_size
from striate.runtime.reference import check_inputs

#: Bytes between inputs and outputs of all samples that are computed together: about half of a last-level cache.
TOGETHER = 2**24
#: Operations that see one sample at a time, if their weights are the same for all.
WITH_WEIGHTS = {"conv", "conv_grad_input", "dense", "normalize_with", "prelu"}
OF_ONE_INPUT = {"local_response_normalization", "upsample_bilinear", "upsample_nearest"}


class SlicedExecutor:
    """Runs a graph for a batch as several runs of the same graph for fewer samples.

    Arguments:
        graph: for the whole batch.
        inner: runs the graph for one slice.
        slices: how many there are.
    """

    def __init__(self, graph: Graph, inner: NativeExecutor, slices: int):
        self.graph, self.inner, self.slices = graph, inner, slices

    @property
    def without_kernel(self) -> list[Node]:
        """The nodes that run on the reference."""
        return self.inner.without_kernel

    def run(
        self, inputs: Sequence[Array], seed: int = 0, step: int = 0, into: Mapping[int, Array] | None = None
    ) -> list[Array]:
        """The values of the graph's outputs; see `striate.runtime.reference.ReferenceExecutor.run`."""
        check_inputs(self.graph, inputs)
        into = into or {}
        outputs = [
            into[number] if number in into else np.empty(known_shape(tensor), tensor.dtype)
            for number, tensor in enumerate(self.graph.outputs)
        ]
        cut = [[np.split(array, self.slices) for array in arrays] for arrays in (inputs, outputs)]
        for number in range(self.slices):
            given, wanted = ([parts[number] for parts in arrays] for arrays in cut)
            self.inner.run(given, seed, step, dict(enumerate(wanted)))
        return outputs


def samples_at_once(graph: Graph, *, exact: bool) -> int:
    """How many samples of a batch are best computed together: a divisor of all of them."""
    samples = _samples(graph)
    if samples < 2 or not is_samplewise(graph):
        return samples
    if sum(4 * math.prod(known_shape(node.output)) for node in graph.nodes) <= TOGETHER:
        return samples
    most = max(1, TOGETHER * samples // max(1, arena_size(Plan(graph, host(), exact=exact, hoist=True))))
    fitting = [count for count in range(1, samples + 1) if samples % count == 0 and count <= most]
    # where divisors have a gap, as 7 has, the whole batch is better than slices much smaller than they may be
    return samples if 2 * fitting[-1] <= min(most, samples) else fitting[-1]


def is_samplewise(graph: Graph) -> bool:
    """Whether each sample's outputs are of that sample's inputs alone, as far as the operations are known to be so."""
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
        "crop": lambda: tuple(attributes["cropping"][0]) == (0, 0),
        "transpose": lambda: attributes["axes"][0] == 0,
        "reshape": lambda: known_shape(node.inputs[0])[:1] == (samples,),
    }
    if node.name in along:
        return along[node.name]()
    return node.name in POINTWISE and all(
        known_shape(tensor)[:1] == (samples,) and len(known_shape(tensor)) == len(shape)
        if tensor in moving
        else len(known_shape(tensor)) < len(shape) or known_shape(tensor)[0] == 1
        for tensor in node.inputs
    )
