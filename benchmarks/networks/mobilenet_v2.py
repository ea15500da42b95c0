"""MobileNet v2: depthwise convolutions between a 1×1 convolution that widens and one that narrows.

Source: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted residuals and linear bottlenecks" (2018).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.networks.network import Network, Shape

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model

#: The paper's table 2: expansion, filters, how many, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def striate_model(input_shape: Shape, classes: int) -> Model:
    from striate.architectures import mobilenet_v2

    height, width, channels = input_shape
    return mobilenet_v2(classes=classes, input_shape=(height, width, channels))


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import Residual, conv_bn, global_average

    def block(channels: int, expansion: int, filters: int, stride: int) -> nn.Module:
        wide = expansion * channels
        main = nn.Sequential(
            *([conv_bn(channels, wide, activation=nn.ReLU6)] if expansion > 1 else []),
            conv_bn(wide, wide, 3, stride, activation=nn.ReLU6, groups=wide),
            conv_bn(wide, filters, activation=None),
        )
        return Residual(main, relu=False) if stride == 1 and channels == filters else main

    steps: list[nn.Module] = [conv_bn(input_shape[-1], 32, 3, 2, activation=nn.ReLU6)]
    channels = 32
    for expansion, filters, count, first in STAGES:
        for number in range(count):
            steps.append(block(channels, expansion, filters, 1 if number else first))
            channels = filters
    steps += [conv_bn(channels, 1280, activation=nn.ReLU6), *global_average(), nn.Dropout(0.2)]
    return nn.Sequential(*steps, nn.Linear(1280, classes))


MOBILENET_V2 = Network("mobilenet_v2", (224, 224, 3), 1000, striate_model, torch_model)
