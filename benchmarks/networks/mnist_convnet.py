"""The MNIST ConvNet of Keras's first example: two convolutions of 32 and 64 filters, dropout, one dense layer.

Source: F. Chollet, "Simple MNIST convnet", keras.io (2015).
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
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ],
        name="mnist_convnet",
    )


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import flat_size

    features = nn.Sequential(
        nn.Conv2d(input_shape[-1], 32, 3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    return nn.Sequential(features, nn.Dropout(0.5), nn.Linear(flat_size(features, input_shape), classes))


MNIST_CONVNET = Network("mnist_convnet", (28, 28, 1), 10, striate_model, torch_model)
