"""The same weights on both sides."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.networks.network import Shape
from striate.errors import ModelError
from striate.layers import BatchNormalization, Dense, DepthwiseConv2D, Flatten, Layer
from striate.models import Model

Floats = NDArray[np.float32]


def copy_weights(module: nn.Module, model: Model) -> None:
    """Give a Striate model the weights of its PyTorch twin, whose layers come in the same order.

    Raises:
        ModelError: the two have another count or other kinds of layers.
    """
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]
    own = [layer for layer in model.layers if layer.weights]
    if len(parts) != len(own):
        raise ModelError(
            f"copy_weights: expected {len(own)} layers with weights as {model.name} has, got {len(parts)}."
        )
    for part, layer in zip(parts, own, strict=True):
        layer.set_weights(list(_values(part, layer)))


def _values(part: nn.Module, layer: Layer) -> Iterator[Floats]:
    """The arrays of a PyTorch layer as its twin has them."""
    if isinstance(layer, BatchNormalization):
        for name in ("weight", "bias", "running_mean", "running_var"):
            yield getattr(part, name).detach().numpy()
        return
    weight: Floats = part.weight.detach().numpy()  # type: ignore[operator]
    if isinstance(layer, Dense):
        maps = _maps_flattened_before(layer)
        if maps:  # (K, C·H·W) → (K, C, H, W) → (H, W, C, K) → (H·W·C, K)
            height, width, channels = maps
            weight = weight.reshape(-1, channels, height, width).transpose(2, 3, 1, 0)
        else:
            weight = weight.T
        yield weight.reshape(layer.kernel.shape)
    elif isinstance(layer, DepthwiseConv2D):  # (C·M, 1, KH, KW) → (KH, KW, C, M)
        yield weight.transpose(2, 3, 0, 1).reshape(layer.kernel.shape)
    else:  # (K, C, KH, KW) → (KH, KW, C, K)
        yield weight.transpose(2, 3, 1, 0)
    if part.bias is not None:
        yield part.bias.detach().numpy()  # type: ignore[operator]


def _maps_flattened_before(layer: Layer) -> Shape | None:
    """(H, W, C) if what a dense layer reads was flattened from maps; layers without weights may lie between."""
    node = layer.input.node
    while len(node.inputs) == 1 and not node.operation.weights:
        (before,) = node.inputs
        if isinstance(node.operation, Flatten):
            return tuple(before.shape[1:])
        node = before.node
    return None
