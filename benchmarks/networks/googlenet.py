"""GoogLeNet (Inception v1) as in the paper's table 1, without its two auxiliary heads.

Local response normalisation is left out for the reason that `benchmarks.networks.alexnet` gives.

Source: Szegedy et al., "Going deeper with convolutions" (2015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.networks.network import Network, Shape

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model

#: Filters of 1×1; 1×1 before 3×3, 3×3; 1×1 before 5×5, 5×5; 1×1 after pooling. None: pooling that halves.
INCEPTIONS: tuple[tuple[int, int, int, int, int, int] | None, ...] = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def striate_model(input_shape: Shape, classes: int) -> Model:
    from striate import Input, Model, layers
    from striate.architectures.blocks import conv

    def halve(x: Any) -> Any:
        return layers.MaxPooling2D(3, 2, padding="same")(x)

    def inception(x: Any, one: int, before_three: int, three: int, before_five: int, five: int, pooled: int) -> Any:
        return layers.concatenate(
            [
                conv(x, one),
                conv(conv(x, before_three), three, 3),
                conv(conv(x, before_five), five, 5),
                conv(layers.MaxPooling2D(3, 1, padding="same")(x), pooled),
            ]
        )

    image = x = Input(input_shape)
    x = conv(x, 64, 7, strides=2)
    x = halve(x)
    x = conv(conv(x, 64), 192, 3)
    x = halve(x)
    for filters in INCEPTIONS:
        x = inception(x, *filters) if filters else halve(x)
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    return Model(image, layers.Dense(classes, activation="softmax")(x), name="googlenet")


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import Branches, conv, global_average

    def halve() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)  # for an even size, which is all there is here, padding "same"

    steps = [conv(input_shape[-1], 64, 7, 2), halve(), conv(64, 64), conv(64, 192, 3), halve()]
    channels = 192
    for filters in INCEPTIONS:
        if filters is None:
            steps.append(halve())
            continue
        one, before_three, three, before_five, five, pooled = filters
        steps.append(
            Branches(
                conv(channels, one),
                nn.Sequential(conv(channels, before_three), conv(before_three, three, 3)),
                nn.Sequential(conv(channels, before_five), conv(before_five, five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(channels, pooled)),
            )
        )
        channels = one + three + five + pooled
    return nn.Sequential(*steps, *global_average(), nn.Dropout(0.4), nn.Linear(channels, classes))


GOOGLENET = Network("googlenet", (224, 224, 3), 1000, striate_model, torch_model)
