"""Each distinct layer of a workload's network, alone: ``python -m benchmarks.layers WORKLOAD THREADS SECONDS``.

For training, forward, gradient by the input and gradient by the weights of convolutions and dense layers, and forward
and backward together of pooling and normalisation, whose backward pass needs what forward left; for inference, forward.
Ours is a graph of that layer alone, PyTorch's the function that its layers call, in both memory formats. The last line
that is printed is JSON.
"""

import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

import striate
from benchmarks.contenders.ours import compiled
from benchmarks.contenders.pytorch import FORMATS
from benchmarks.networks.weights import copy_weights
from benchmarks.timing import interleaved
from benchmarks.torch_layers import as_ours, operation, twin
from benchmarks.workloads import WORKLOADS, Workload
from striate import layers
from striate.graph import Array, Graph, Shape, Tensor, active_trace, gradients, trace
from striate.layers import Layer
from striate.runtime import executor

TOLERANCE = 1e-4  # of the largest number of a result
REST = 0.01  # seconds
#: Of a layer's settings, what makes no difference to its operation: weights are copied.
LEFT_OUT = {"name", "activation", "kernel_initializer", "depthwise_initializer", "bias_initializer"}
WEIGHTED = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
OTHERS = (layers.MaxPooling2D, layers.AveragePooling2D, layers.GlobalAveragePooling2D, layers.BatchNormalization)


@dataclass(frozen=True)
class Case:
    """One operation of one layer.

    Arguments:
        kind: the layer's class.
        config: its settings, without those that are `LEFT_OUT`.
        shape: of its input, with the batch.
        operation: "forward", "grad input", "grad weight", or "forward and backward".
        training: whether weights change from run to run, so that nothing may be made of them beforehand.
    """

    kind: type[Layer]
    config: str
    shape: Shape
    operation: str
    training: bool

    @property
    def label(self) -> str:
        """The layer in one line: class, kernel, stride, maps or units, and input."""
        config = json.loads(self.config)
        sizes = [f"{name} {value}" for name, value in config.items() if name not in ("use_bias", "momentum", "epsilon")]
        return f"{self.kind.__name__} {', '.join(sizes)} on {'×'.join(map(str, self.shape))}".replace("  ", " ")


def cases(workload: Workload) -> dict[Case, int]:
    """The operations of all layers, each once, and how often the network has them."""
    model, training = compiled(workload), workload.kind == "train"
    found: dict[Case, int] = {}
    for call in model.traced(workload.batch, training).calls:
        shape = tuple(size or 0 for size in call.inputs[0].shape)
        first = call.inputs[0].node is None
        for name in _operations(call.layer, training, first):
            config = {k: v for k, v in call.layer.get_config().items() if k not in LEFT_OUT}
            case = Case(type(call.layer), json.dumps(config), shape, name, training)
            found[case] = found.get(case, 0) + 1
    return found


def _operations(layer: Layer, training: bool, first: bool) -> Iterator[str]:
    """What a network computes of a layer; nobody needs the gradient by its image."""
    if isinstance(layer, WEIGHTED):
        yield "forward"
        if training:
            yield "grad weight"
        if training and not first:
            yield "grad input"
    elif isinstance(layer, OTHERS) and training:
        yield "forward and backward"
    elif isinstance(layer, OTHERS[:-1]):
        yield "forward"


def ours(case: Case, model: striate.Model, output: Shape) -> Graph:
    """The graph of one operation of a model's only layer."""
    x, g = Tensor(case.shape, name="x"), Tensor(output, name="g")

    def compute(*_: Tensor) -> list[Any]:
        scope = active_trace()
        assert scope is not None
        y = model(x, training=case.operation != "forward")
        weights = [scope.symbol(variable) for variable in model.trainable_weights]
        match case.operation:
            case "forward":
                return [y]
            case "grad input":
                return gradients(y, [x], g)
            case "grad weight":
                return gradients(y, weights, g)
        return [y, *gradients(y, [x, *weights], g)]

    return trace(compute, [x] if case.operation == "forward" else [x, g], case.operation != "forward")


def prepared(case: Case) -> tuple[dict[str, Callable[[], Any]], float]:
    """Both sides' calls, and how far their results are apart, in units of what is tolerated."""
    random = np.random.default_rng(0)
    layer = case.kind.from_config(json.loads(case.config))
    model = striate.Sequential([striate.Input(case.shape[1:]), layer])
    part = twin(layer, case.shape)
    copy_weights(nn.Sequential(part), model)
    x = random.standard_normal(case.shape, np.float32)
    g = random.standard_normal((case.shape[0], *model.output_shape[1:]), np.float32)
    native = executor(ours(case, model, g.shape), training=case.training)
    arrays = [x] if case.operation == "forward" else [x, g]
    calls: dict[str, Callable[[], Any]] = {"striate": lambda: native.run(arrays)}
    for name, layout in FORMATS.items():
        own = copy.deepcopy(part)
        calls[f"torch {name}"] = operation(case.operation, own, _tensor(x, layout), _tensor(g, layout), layout)
    results = [calls["striate"](), as_ours(case.operation, layer, calls["torch nchw"]())]
    return calls, max(_difference(mine, theirs) for mine, theirs in zip(*results, strict=True))


def measure_case(case: Case, seconds: float) -> dict[str, Any]:
    """Compare one operation's results, and time it on both sides."""
    calls, apart = prepared(case)
    timings = {name: asdict(timing) for name, timing in interleaved(calls, seconds, REST).items()}
    return {"layer": case.label, "operation": case.operation, "apart": apart} | timings


def measure(workload: Workload, threads: int, seconds: float) -> dict[str, Any]:
    """All operations of a workload's layers, ``seconds`` for each contender in each."""
    striate.set_threads(threads)
    torch.set_num_threads(threads)
    return {"layers": [measure_case(case, seconds) | {"count": count} for case, count in cases(workload).items()]}


def _tensor(array: Array, layout: torch.memory_format) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor.permute(0, 3, 1, 2).contiguous(memory_format=layout) if array.ndim == 4 else tensor


def _difference(mine: Array, theirs: Array) -> float:
    """In units of what is tolerated."""
    assert mine.shape == theirs.shape, (mine.shape, theirs.shape)
    apart = float(np.abs(mine - theirs).max() / max(np.abs(theirs).max(), 1e-30)) / TOLERANCE
    return apart if np.isfinite(apart) else float("inf")


def main() -> None:
    name, threads, seconds = sys.argv[1:]
    print(json.dumps(measure(WORKLOADS[name], int(threads), float(seconds))))


if __name__ == "__main__":
    main()
