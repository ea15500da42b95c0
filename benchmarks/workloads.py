"""What is measured, and what it must show: the table of floors and aims that the native executor was given."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import NETWORKS, Network


@dataclass(frozen=True)
class Goal:
    """How many times faster (or smaller) than a peer we must be, and want to be."""

    floor: float
    aim: float


@dataclass(frozen=True)
class Workload:
    """One network doing one thing.

    Arguments:
        name: as in tables and ``--only``.
        net: the network.
        kind: "train" (a whole step on one batch) or "infer" (probabilities for one batch).
        batch: images.
        optimizer: "adam" or "sgd" (with momentum 0.9), for training.
        learning_rate: small enough that hundreds of steps on one random batch stay finite.
        goals: peer → goal; the peer "torch" is the best eager variant.
    """

    name: str
    net: Network
    kind: Literal["train", "infer"]
    batch: int
    optimizer: str = ""
    learning_rate: float = 0.001
    goals: dict[str, Goal] = field(default_factory=dict)


def _training(network: str, batch: int, optimizer: str, floor: float, aim: float) -> Workload:
    name = f"{network}-train-b{batch}"
    return Workload(name, NETWORKS[network], "train", batch, optimizer, goals={"torch": Goal(floor, aim)})


def _inference(network: str, batch: int, torch: Goal, onnx_runtime: Goal | None = None) -> Workload:
    goals = {"torch": torch} | ({"onnxruntime": onnx_runtime} if onnx_runtime else {})
    return Workload(f"{network}-infer-b{batch}", NETWORKS[network], "infer", batch, goals=goals)


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        _training("lenet5", 64, "adam", 2.5, 4),
        _training("lenet5", 128, "adam", 2.5, 4),
        _training("mnist_convnet", 128, "adam", 2, 3),
        _training("resnet20", 128, "sgd", 1.7, 2.5),
        _training("alexnet", 16, "sgd", 1.2, 1.5),
        _training("googlenet", 16, "sgd", 1.2, 1.5),
        _inference("resnet18", 1, Goal(1.8, 2.2), Goal(1.4, 1.6)),
        _inference("resnet18", 8, Goal(2, 2.5), Goal(1.8, 2.2)),
        _inference("resnet50", 1, Goal(1.4, 1.8), Goal(1.05, 1.25)),
        _inference("resnet50", 8, Goal(1.4, 1.8), Goal(1.05, 1.25)),
        _inference("mobilenet_v2", 1, Goal(1.1, 1.4), Goal(1.0, 1.2)),
        _inference("inception_v3", 1, Goal(1.1, 1.4), Goal(1.0, 1.2)),
        _inference("lenet5", 1, Goal(10, 20)),
    )
}

START_CACHED = Goal(5, 8)
START_COLD = Goal(3, 5)
MEMORY = Goal(1, 2)
LAYER = Goal(0.9, 1.0)
COMPILE_SECONDS = {"lenet5-train-b64": 1.5, "resnet18-infer-b1": 4.0}  # at most, with nothing in the cache


def data(workload: Workload) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The batch that everybody gets: random images (N, H, W, C) and labels (N,), always the same."""
    random = np.random.default_rng(0)
    images = random.random((workload.batch, *workload.net.input_shape), np.float32)
    return images, random.integers(0, workload.net.classes, workload.batch)
