"""ResNet-18: pairs of 3×3 convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.networks.network import Network, Shape
from benchmarks.networks.residual import torch_body

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model

WIDTHS = (64, 128, 256, 512)
COUNTS = (2, 2, 2, 2)


def striate_model(input_shape: Shape, classes: int) -> Model:
    from striate.architectures import resnet18

    height, width, channels = input_shape
    return resnet18(classes=classes, input_shape=(height, width, channels))


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import conv_bn

    stem = [conv_bn(input_shape[-1], 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *torch_body(64, WIDTHS, COUNTS), nn.Linear(512, classes))


RESNET18 = Network("resnet18", (224, 224, 3), 1000, striate_model, torch_model)
