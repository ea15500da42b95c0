"""ResNet for CIFAR: three stages of 16, 32 and 64 maps; 6n + 2 layers deep, 20 where nothing else is said.

Where the shape changes, the shortcut is a 1×1 convolution (the paper's option B).

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), section 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.networks.network import Network, Shape
from benchmarks.networks.residual import striate_body, torch_body

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model

WIDTHS = (16, 32, 64)


def striate_model(input_shape: Shape, classes: int, blocks: int = 3) -> Model:
    from striate import Input, Model, layers
    from striate.architectures.blocks import conv_bn

    image = Input(input_shape)
    x = striate_body(conv_bn(image, 16, 3), WIDTHS, (blocks,) * 3)
    return Model(image, layers.Dense(classes, activation="softmax")(x), name=f"resnet{6 * blocks + 2}")


def torch_model(input_shape: Shape, classes: int, blocks: int = 3) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import conv_bn

    return nn.Sequential(
        conv_bn(input_shape[-1], 16, 3), *torch_body(16, WIDTHS, (blocks,) * 3), nn.Linear(64, classes)
    )


RESNET20 = Network("resnet20", (32, 32, 3), 10, striate_model, torch_model)
