"""AlexNet with the input of 227×227 and its two groups: `striate.architectures.alexnet_2012` without normalisation.

Local response normalisation is left out: PyTorch's takes so long that it would decide the comparison, in our favour.

Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.networks.network import Network, Shape

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model


def striate_model(input_shape: Shape, classes: int) -> Model:
    from striate import Input, Sequential, layers

    return Sequential(
        [
            Input(input_shape),
            layers.Conv2D(96, 11, strides=4, activation="relu"),
            layers.MaxPooling2D(3, 2),
            layers.Conv2D(256, 5, padding="same", groups=2, activation="relu"),
            layers.MaxPooling2D(3, 2),
            layers.Conv2D(384, 3, padding="same", activation="relu"),
            layers.Conv2D(384, 3, padding="same", groups=2, activation="relu"),
            layers.Conv2D(256, 3, padding="same", groups=2, activation="relu"),
            layers.MaxPooling2D(3, 2),
            layers.Flatten(),
            layers.Dense(4096, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(4096, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ],
        name="alexnet",
    )


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import flat_size

    features = nn.Sequential(
        nn.Conv2d(input_shape[-1], 96, 11, stride=4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 384, 3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
    )
    return nn.Sequential(
        features,
        nn.Linear(flat_size(features, input_shape), 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, classes),
    )


ALEXNET = Network("alexnet", (227, 227, 3), 1000, striate_model, torch_model)
