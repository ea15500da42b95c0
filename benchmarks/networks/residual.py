"""The body that all residual networks share, on both sides.

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def striate_body(x: Any, widths: tuple[int, ...], counts: tuple[int, ...]) -> Any:
    """Stages of residual blocks; all but the first begin by halving the maps."""
    from striate import layers

    for stage, (width, count) in enumerate(zip(widths, counts, strict=True)):
        for number in range(count):
            x = _block(x, width, 2 if stage and not number else 1)
    return layers.GlobalAveragePooling2D()(x)


def _block(x: Any, width: int, strides: int) -> Any:
    """Two 3×3 convolutions; beside them nothing, or a 1×1 convolution where the shape changes."""
    from striate import layers
    from striate.architectures.blocks import conv_bn

    y = conv_bn(conv_bn(x, width, 3, strides), width, 3, activation=None)
    shortcut = conv_bn(x, width, 1, strides, activation=None) if strides > 1 else x
    return layers.Activation("relu")(layers.add([y, shortcut]))


def torch_body(
    channels: int, widths: tuple[int, ...], counts: tuple[int, ...], bottleneck: bool = False
) -> list[nn.Module]:
    """The same stages for PyTorch; ``channels`` enter the first."""
    from torch import nn

    from benchmarks.networks.torch_blocks import Residual, conv_bn, global_average

    steps: list[nn.Module] = []
    for stage, (width, count) in enumerate(zip(widths, counts, strict=True)):
        for number in range(count):
            stride = 2 if stage and not number else 1
            filters = 4 * width if bottleneck else width
            if bottleneck:
                main = nn.Sequential(
                    conv_bn(channels, width),
                    conv_bn(width, width, 3, stride),
                    conv_bn(width, filters, activation=None),
                )
            else:
                main = nn.Sequential(conv_bn(channels, width, 3, stride), conv_bn(width, width, 3, activation=None))
            changes = stride > 1 or channels != filters
            steps.append(Residual(main, conv_bn(channels, filters, 1, stride, activation=None) if changes else None))
            channels = filters
    return [*steps, *global_average()]
