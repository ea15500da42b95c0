"""What several networks are made of, in Striate."""

from typing import Any

from benchmarks.networks.network import half
from striate import layers


def conv(x: Any, filters: int, kernel: int | tuple[int, int] = 1, strides: int = 1) -> Any:
    """Convolution with bias and ReLU, padded by half its kernel."""
    return layers.Conv2D(filters, kernel, strides, padding=half(kernel), activation="relu")(x)


def conv_bn(
    x: Any,
    filters: int,
    kernel: int | tuple[int, int] = 1,
    strides: int = 1,
    padding: Any = None,
    activation: str | None = "relu",
    epsilon: float = 1e-5,
) -> Any:
    """Convolution without bias, batch normalisation, activation; padded by half its kernel unless told otherwise."""
    x = layers.Conv2D(filters, kernel, strides, half(kernel) if padding is None else padding, use_bias=False)(x)
    return activated_bn(x, activation, epsilon)


def depthwise_bn(x: Any, strides: int, activation: str) -> Any:
    """3×3 depthwise convolution without bias, batch normalisation, activation."""
    return activated_bn(layers.DepthwiseConv2D(3, strides, 1, use_bias=False)(x), activation)


def activated_bn(x: Any, activation: str | None, epsilon: float = 1e-5) -> Any:
    """Batch normalisation with PyTorch's settings (its momentum 0.1 is Keras's 0.9), then an activation."""
    x = layers.BatchNormalization(momentum=0.9, epsilon=epsilon)(x)
    return layers.Activation(activation)(x) if activation else x
