"""PyTorch, each way in which somebody may use it well."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.contenders.contender import Contender
from benchmarks.networks.network import Shape
from benchmarks.workloads import Workload, data

FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def built(workload: Workload) -> nn.Module:
    """The workload's network as PyTorch initializes it."""
    return workload.net.torch_model(workload.net.input_shape, workload.net.classes)


def module(workload: Workload) -> nn.Module:
    """The workload's network with the weights that everybody gets."""
    return initialize(built(workload), workload.net.input_shape)


def initialize(module: nn.Module, input_shape: Shape, seed: int = 0) -> nn.Module:
    """Weights as a trained network could have them: He's, and normalisations that know the statistics they will meet.

    Without the latter, signals grow or vanish from block to block, and two networks agree whatever they compute.
    """
    torch.manual_seed(seed)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.1)
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)
        norm.momentum = None  # the running statistics become those of the next batch
    if norms:
        height, width, channels = input_shape
        with torch.no_grad():
            module.train()(torch.rand(4, channels, height, width))
        for norm in norms:
            norm.momentum = 0.1
            norm.num_batches_tracked.zero_()  # type: ignore[union-attr]
    return module


def contenders(workload: Workload, base: nn.Module, compiled: bool = False) -> Iterator[Contender]:
    """Both memory formats; fused and ordinary optimizers, or batch normalisation folded and not; and compiled if asked.

    Each contender has weights of its own: those of ``base`` as they are now.
    """
    fresh, training = partial(copy.deepcopy, base), workload.kind == "train"
    for layout in FORMATS:
        if training:
            yield Contender("torch", layout, train_step(workload, fresh(), layout, fused=False))
            yield Contender("torch", f"{layout} fused", train_step(workload, fresh(), layout, fused=True))
        else:
            yield Contender("torch", layout, inference(workload, fresh(), layout))
            if any(isinstance(part, nn.BatchNorm2d) for part in base.modules()):
                yield Contender("torch", f"{layout} folded", inference(workload, _fold(fresh()), layout))
        if compiled and training:
            yield Contender("torch.compile", layout, train_step(workload, fresh(), layout, fused=True, compiled=True))
        elif compiled:
            yield Contender("torch.compile", layout, inference(workload, _fold(fresh()), layout, compiled=True))


def train_step(
    workload: Workload, network: nn.Module, layout: str, fused: bool, compiled: bool = False
) -> Callable[[], float]:
    """From a batch in memory, in the layout's own order, to its loss and new weights."""
    network = network.to(memory_format=FORMATS[layout]).train()  # type: ignore[call-overload]
    rule: dict[str, Any] = {"lr": workload.learning_rate, "fused": fused}
    if workload.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(network.parameters(), **rule)
    else:
        optimizer = torch.optim.SGD(network.parameters(), momentum=0.9, **rule)
    forward = torch.compile(network) if compiled else network
    batch, labels = _batch(workload, layout), data(workload)[1]

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(forward(batch()), torch.from_numpy(labels))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def inference(workload: Workload, network: nn.Module, layout: str, compiled: bool = False) -> Callable[[], Any]:
    """From a batch in memory, in the layout's own order, to probabilities."""
    network = network.to(memory_format=FORMATS[layout]).eval()  # type: ignore[call-overload]
    forward = torch.compile(network) if compiled else network
    batch = _batch(workload, layout)

    def predict() -> Any:
        with torch.inference_mode():
            return torch.softmax(forward(batch()), 1).numpy()

    return predict


def drop_nothing(network: nn.Module) -> None:
    """Switch dropout off: two libraries draw different numbers, and losses could not be compared."""
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0


def _batch(workload: Workload, layout: str) -> Callable[[], torch.Tensor]:
    """The images as (N, C, H, W) without copying: each layout finds them in memory as it likes them."""
    images, _ = data(workload)
    if layout == "channels_last":
        return lambda: torch.from_numpy(images).permute(0, 3, 1, 2)
    planes = images.transpose(0, 3, 1, 2).copy()
    return lambda: torch.from_numpy(planes)


def _fold(network: nn.Module) -> nn.Module:
    """Batch normalisation multiplied into the convolution before it."""
    network.eval()
    for part in network.modules():
        if isinstance(part, nn.Sequential):
            for i in range(len(part) - 1):
                convolution, norm = part[i], part[i + 1]
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    part[i], part[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return network
