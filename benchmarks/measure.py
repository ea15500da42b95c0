"""One workload in one process, everybody in turns: ``python -m benchmarks.measure WORKLOAD THREADS SECONDS COMPILE``.

`benchmarks.run` starts it with the environment that the configuration asks for. The last line it prints is JSON.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

import striate
from benchmarks.contenders import Contender, keras_jax, onnx_runtime, ours, pytorch
from benchmarks.networks.weights import copy_weights
from benchmarks.timing import interleaved
from benchmarks.workloads import WORKLOADS, Workload
from striate.models import Model

STEPS = 3  # of training, whose losses are compared: the second and third depend on all gradients and updates before
REST = 0.06  # seconds: ONNX Runtime's threads spin for some 0.04 after a call
BLOCKS = 12, 40  # a network's time wavers from minute to minute
LOSS_TOLERANCE = 1e-3  # relative
LOG_TOLERANCE = 1e-4  # of the largest |log p|


def twins(workload: Workload, drop: bool) -> tuple[nn.Module, Model]:
    """The network in PyTorch and in Striate, with the same weights, and with its dropout or without."""
    base, model = pytorch.module(workload), ours.compiled(workload)
    copy_weights(base, model)
    if not drop:
        pytorch.drop_nothing(base)
        ours.drop_nothing(model)
    return base, model


def everybody(workload: Workload, base: nn.Module, model: Model, threads: int, compiled: bool) -> Iterator[Contender]:
    """All contenders, each with the same weights of its own."""
    yield from ours.contenders(workload, model)
    yield from pytorch.contenders(workload, base, compiled)
    if workload.kind == "infer":
        yield from onnx_runtime.contenders(workload, base, threads)
    if keras_jax.installed():
        yield from keras_jax.contenders(workload, model)


def difference(workload: Workload, ours: Any, theirs: Any) -> float:
    """How far two results are apart, in units of what is tolerated; NaN is infinitely far."""
    if workload.kind == "train":
        apart = np.abs(np.subtract(ours, theirs)) / np.abs(theirs) / LOSS_TOLERANCE
    else:
        a, b = np.log(np.maximum(ours, 1e-30)), np.log(np.maximum(theirs, 1e-30))
        apart = np.abs(a - b) / np.abs(b).max() / LOG_TOLERANCE
    worst = float(np.max(apart))
    return worst if np.isfinite(worst) else float("inf")


def results(workload: Workload, contender: Contender) -> Any:
    """What is compared: the losses of some steps, or probabilities."""
    if workload.kind == "train":
        return [contender.call() for _ in range(STEPS)]
    return contender.call()


def measure(workload: Workload, threads: int, seconds: float, compiled: bool = False) -> dict[str, Any]:
    """Check that everybody computes the same, then time everybody.

    Returns:
        For each contender its timing, and its difference from the first of PyTorch in units of the tolerance; and the
        operations of ours for which there is no kernel.
    """
    striate.set_threads(threads)
    torch.set_num_threads(threads)
    base, model = twins(workload, drop=False)
    ready = list(everybody(workload, base, model, threads, compiled))
    found = {contender.name: results(workload, contender) for contender in ready}
    oracle = next(contender.name for contender in ready if contender.side == "torch")
    apart = {name: difference(workload, value, found[oracle]) for name, value in found.items()}
    if workload.kind == "train":  # the steps to be timed drop what they drop
        base, model = twins(workload, drop=True)
        ready = list(everybody(workload, base, model, threads, compiled))
    timings = interleaved({contender.name: contender.call for contender in ready}, seconds, REST, BLOCKS)
    return {
        "contenders": [
            {"side": one.side, "variant": one.variant, "apart": apart[one.name], **asdict(timings[one.name])}
            for one in ready
        ],
        "without_kernel": ours.without_kernel(model),
    }


def main() -> None:
    name, threads, seconds, compiled = sys.argv[1:]
    print(json.dumps(measure(WORKLOADS[name], int(threads), float(seconds), compiled == "True")))


if __name__ == "__main__":
    main()
