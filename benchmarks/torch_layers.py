"""Single layers in PyTorch: the twin of one of ours, its passes one by one, and their results in our order."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate import layers
from striate.graph import Array, Shape
from striate.layers import Layer
from striate.ops.windows import resolve_padding


def twin(layer: Any, shape: Shape) -> nn.Module:
    """The PyTorch module that computes what a layer does to an input (N, H, W, C) or (N, C).

    Raises:
        TypeError: there is no translation for this kind of layer.
    """
    channels = shape[-1]
    match layer:
        case layers.Dense():
            return nn.Linear(channels, layer.units, layer.use_bias)
        case layers.BatchNormalization():
            return nn.BatchNorm2d(channels, layer.epsilon, 1 - layer.momentum)
        case layers.GlobalAveragePooling2D():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case layers.Conv2D():
            return _conv(layer, shape, layer.filters, layer.groups)
        case layers.DepthwiseConv2D():
            return _conv(layer, shape, channels * layer.depth_multiplier, channels)
        case layers.MaxPooling2D() | layers.AveragePooling2D():
            return _pool(layer, shape)
    raise TypeError(f"twin: there is no translation for {type(layer).__name__}.")


def _conv(layer: Any, shape: Shape, filters: int, groups: int) -> nn.Module:
    padding, _ = _padding(layer, layer.kernel_size, shape)
    settings = (layer.strides, padding, layer.dilation_rate, groups, layer.use_bias)
    return nn.Conv2d(shape[-1], filters, layer.kernel_size, *settings)


def _pool(layer: Any, shape: Shape) -> nn.Module:
    padding, ceil = _padding(layer, layer.pool_size, shape)
    if isinstance(layer, layers.MaxPooling2D):
        return nn.MaxPool2d(layer.pool_size, layer.strides, padding, ceil_mode=ceil)
    window: dict[str, Any] = {"kernel_size": layer.pool_size, "stride": layer.strides, "padding": padding}
    return nn.AvgPool2d(**window, ceil_mode=ceil, count_include_pad=layer.count_include_pad)


def _padding(layer: Any, window: Shape, shape: Shape) -> tuple[tuple[int, int], bool]:
    """What goes before each axis, and whether one more goes after, which PyTorch calls ceil_mode."""
    pads = resolve_padding("twin", layer.padding, shape[1:-1], window, layer.strides, layer.dilation_rate)
    (top, bottom), (left, right) = pads
    return (top, left), (bottom, right) != (top, left)


def operation(name: str, part: Any, x: Tensor, g: Tensor, layout: torch.memory_format) -> Callable[[], list[Tensor]]:
    """One pass of a module: what it gives, or the gradients when ``g`` is that of what it gave."""
    if isinstance(part, nn.Conv2d):
        part.to(memory_format=layout)  # type: ignore[call-overload]
    if name == "forward and backward":
        wanted = [x.requires_grad_(), *part.parameters()]
        return lambda: _forward_and_backward(part, x, g, wanted)
    backward = _linear_backward if isinstance(part, nn.Linear) else _conv_backward
    weight: Any = part.weight.detach() if hasattr(part, "weight") else None
    bias = part.bias.detach() if getattr(part, "bias", None) is not None else None

    def run() -> list[Tensor]:
        with torch.inference_mode():
            if name != "forward":
                return backward(part, x, g, weight, name == "grad input")
            if isinstance(part, nn.Linear):
                return [functional.linear(x, weight, bias)]
            if isinstance(part, nn.Conv2d):
                size = (part.stride, part.padding, part.dilation, part.groups)
                return [functional.conv2d(x, weight, bias, *size)]  # type: ignore[arg-type]
            return [part(x)]

    return run


def _forward_and_backward(part: nn.Module, x: Tensor, g: Tensor, wanted: list[Tensor]) -> list[Tensor]:
    y = part(x)
    return [y.detach(), *torch.autograd.grad(y, wanted, g)]


def _linear_backward(part: nn.Linear, x: Tensor, g: Tensor, weight: Any, by_input: bool) -> list[Tensor]:
    if by_input:
        return [g @ weight]
    return [g.T @ x] + ([g.sum(0)] if part.bias is not None else [])


def _conv_backward(part: nn.Conv2d, x: Tensor, g: Tensor, weight: Any, by_input: bool) -> list[Tensor]:
    biases = None if part.bias is None else [part.out_channels]
    asked = [by_input, not by_input, not by_input and biases is not None]
    size = (part.stride, part.padding, part.dilation, False, [0, 0], part.groups)
    found = torch.ops.aten.convolution_backward(g, x, weight, biases, *size, asked)
    return [gradient for gradient, wanted in zip(found, asked, strict=True) if wanted]


def as_ours(name: str, layer: Layer, results: list[Tensor]) -> list[Array]:
    """Results of `operation`, channels last, and weights as ours lie."""
    weights = name == "grad weight"
    return [_channels_last(layer, tensor, weights).contiguous().numpy() for tensor in results]


def _channels_last(layer: Layer, tensor: Tensor, weights: bool) -> Tensor:
    if weights and isinstance(layer, layers.DepthwiseConv2D):  # (C·M, 1, KH, KW) → (KH, KW, C, M)
        channels = tensor.shape[0] // layer.depth_multiplier
        return tensor.permute(2, 3, 0, 1).reshape(*tensor.shape[2:], channels, layer.depth_multiplier)
    if tensor.ndim == 4:  # (K, C, KH, KW) → (KH, KW, C, K), or (N, C, H, W) → (N, H, W, C)
        return tensor.permute(2, 3, 1, 0) if weights else tensor.permute(0, 2, 3, 1)
    return tensor.T if weights and tensor.ndim == 2 else tensor
