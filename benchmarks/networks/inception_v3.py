"""Inception v3 for images of 299×299, without its auxiliary head.

Source: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception architecture for computer vision" (2016).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.networks.network import Network, Shape

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model

POOLED = (32, 64, 64)  # maps after the pooling of the three blocks at 35×35
SEVENS = (128, 160, 160, 192)  # maps inside the 7×7 convolutions of the four blocks at 17×17, each split in 1×7 and 7×1
EPSILON = 1e-3


def striate_model(input_shape: Shape, classes: int) -> Model:
    from striate.architectures import inception_v3

    height, width, channels = input_shape
    return inception_v3(classes=classes, input_shape=(height, width, channels))


def torch_model(input_shape: Shape, classes: int) -> nn.Module:
    from torch import nn

    from benchmarks.networks.torch_blocks import Branches, conv_bn, global_average

    conv = partial(conv_bn, epsilon=EPSILON)
    chain = nn.Sequential

    def average() -> nn.Module:
        return nn.AvgPool2d(3, 1, 1)

    def split() -> nn.Module:
        return Branches(conv(384, 384, (1, 3)), conv(384, 384, (3, 1)))

    steps = [conv(input_shape[-1], 32, 3, 2, 0), conv(32, 32, 3, 1, 0), conv(32, 64, 3), nn.MaxPool2d(3, 2)]
    steps += [conv(64, 80), conv(80, 192, 3, 1, 0), nn.MaxPool2d(3, 2)]
    channels = 192
    for pooled in POOLED:
        steps.append(
            Branches(
                conv(channels, 64),
                chain(conv(channels, 48), conv(48, 64, 5)),
                chain(conv(channels, 64), conv(64, 96, 3), conv(96, 96, 3)),
                chain(average(), conv(channels, pooled)),
            )
        )
        channels = 224 + pooled
    steps.append(
        Branches(
            conv(288, 384, 3, 2, 0),
            chain(conv(288, 64), conv(64, 96, 3), conv(96, 96, 3, 2, 0)),
            nn.MaxPool2d(3, 2),
        )
    )
    for c in SEVENS:
        deep = [conv(768, c), conv(c, c, (7, 1)), conv(c, c, (1, 7)), conv(c, c, (7, 1)), conv(c, 192, (1, 7))]
        steps.append(
            Branches(
                conv(768, 192),
                chain(conv(768, c), conv(c, c, (1, 7)), conv(c, 192, (7, 1))),
                chain(*deep),
                chain(average(), conv(768, 192)),
            )
        )
    steps.append(
        Branches(
            chain(conv(768, 192), conv(192, 320, 3, 2, 0)),
            chain(conv(768, 192), conv(192, 192, (1, 7)), conv(192, 192, (7, 1)), conv(192, 192, 3, 2, 0)),
            nn.MaxPool2d(3, 2),
        )
    )
    for channels in (1280, 2048):
        steps.append(
            Branches(
                conv(channels, 320),
                chain(conv(channels, 384), split()),
                chain(conv(channels, 448), conv(448, 384, 3), split()),
                chain(average(), conv(channels, 192)),
            )
        )
    return nn.Sequential(*steps, *global_average(), nn.Dropout(0.5), nn.Linear(2048, classes))


INCEPTION_V3 = Network("inception_v3", (299, 299, 3), 1000, striate_model, torch_model)
