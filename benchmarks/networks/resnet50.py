"""ResNet-50: 1×1, 3×3 and 1×1 convolutions; the 3×3 one has the stride, as in most published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.networks.network import Network, Shape
from benchmarks.networks.residual import torch_body

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model

WIDTHS = (64, 128, 256, 512)
COUNTS = (3, 4, 6, 3)


def striate_model(input_shape: Shape, classes: int) -> Model:
    from striate.architectures import resnet50

    height, width, channels = input_shape
    return resnet50(classes=classes, input_shape=(height, width, channels))


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import conv_bn

    stem = [conv_bn(input_shape[-1], 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *torch_body(64, WIDTHS, COUNTS, bottleneck=True), nn.Linear(2048, classes))


RESNET50 = Network("resnet50", (224, 224, 3), 1000, striate_model, torch_model)
