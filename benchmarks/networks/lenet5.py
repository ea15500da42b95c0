"""LeNet-5 (1998) as it is taught today: `striate.architectures.lenet5`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.networks.network import Network, Shape

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model


def striate_model(input_shape: Shape, classes: int) -> Model:
    from striate.architectures import lenet5

    height, width, channels = input_shape
    return lenet5(classes=classes, input_shape=(height, width, channels))


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import flat_size

    features = nn.Sequential(
        nn.Conv2d(input_shape[-1], 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
    )
    return nn.Sequential(
        features,
        nn.Linear(flat_size(features, input_shape), 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, classes),
    )


LENET5 = Network("lenet5", (28, 28, 1), 10, striate_model, torch_model)
