"""What several architectures are made of.

Layers with weights have the names that published files give them, so that weights are found by name.
"""

from typing import Any

from striate.layers import Activation, BatchNormalization, Conv2D, MaxPooling2D

Kernel = int | tuple[int, int]


def shares(classes: int) -> str | None:
    """The activation that ends a network: a softmax; none for a single output, which would always be 1.

    With PyTorch, a network of one output usually is a regression, or gives the logit of two classes.
    """
    return "softmax" if classes > 1 else None


def half(kernel: Kernel) -> tuple[int, int]:
    """The padding that keeps the size at stride 1."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return height // 2, width // 2


def conv(
    x: Any, filters: int, kernel: Kernel = 1, strides: int = 1, padding: Any = None, name: str | None = None
) -> Any:
    """Convolution with bias and ReLU; padded by half its kernel unless told otherwise."""
    pads = half(kernel) if padding is None else padding
    return Conv2D(
        filters, kernel, strides, pads, activation="relu", kernel_initializer="he_normal", name=name
    )(x)  # fmt: skip


def conv_bn(
    x: Any,
    filters: int,
    kernel: Kernel = 1,
    strides: int = 1,
    padding: Any = None,
    *,
    names: tuple[str | None, str | None] = (None, None),
    activation: str | None = "relu",
    epsilon: float = 1e-5,
) -> Any:
    """Convolution without bias, batch normalization, activation; padded by half its kernel unless told otherwise.

    Arguments:
        names: of the convolution and of the normalization.
        epsilon: of the normalization.
    """
    pads = half(kernel) if padding is None else padding
    convolution = Conv2D(
        filters, kernel, strides, pads, use_bias=False, kernel_initializer="he_normal", name=names[0]
    )  # fmt: skip
    return normalized(convolution(x), names[1], activation, epsilon)


def normalized(x: Any, name: str | None, activation: str | None = "relu", epsilon: float = 1e-5) -> Any:
    """Batch normalization with PyTorch's settings (its momentum 0.1 is Keras's 0.9), then an activation."""
    x = BatchNormalization(momentum=0.9, epsilon=epsilon, name=name)(x)
    return Activation(activation, name=name and f"{name}.{activation}")(x) if activation else x


def ceil_max_pool(x: Any, pool_size: int = 3, strides: int = 2, name: str | None = None) -> Any:
    """Max pooling whose last windows may reach past the edge, as Caffe's do: what PyTorch calls ceil_mode."""
    pads = tuple((0, -(side - pool_size) % strides) for side in x.shape[1:3])
    return MaxPooling2D(pool_size, strides, pads, name=name)(x)
