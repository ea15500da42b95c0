"""The benchmarked networks at the smallest size that each takes."""

from dataclasses import replace

from benchmarks.networks import NETWORKS, Network
from benchmarks.workloads import Workload

SIZES = {
    "lenet5": 28,
    "mnist_convnet": 28,
    "resnet20": 16,
    "alexnet": 67,
    "googlenet": 64,
    "resnet18": 64,
    "resnet50": 64,
    "mobilenet_v2": 64,
    "inception_v3": 107,
}


def small(name: str) -> Network:
    """A network for few classes and small images."""
    side, channels = SIZES[name], NETWORKS[name].input_shape[-1]
    return replace(NETWORKS[name], input_shape=(side, side, channels), classes=10)


def workload(name: str, kind: str, optimizer: str = "", batch: int = 2) -> Workload:
    """Something to do with it."""
    return Workload(name, small(name), "train" if kind == "train" else "infer", batch, optimizer)
