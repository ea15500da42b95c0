"""MobileNet v2: narrow maps between blocks, wide ones inside, filtered channel by channel."""

from typing import Any

from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import conv_bn, normalized, shares
from striate.architectures.imagenet import PYTORCH, imagenet_classes
from striate.layers import Add, Dense, DepthwiseConv2D, Dropout, GlobalAveragePooling2D
from striate.models import Input, Model

#: Expansion, maps, blocks and first stride of each stage: the paper's table 2.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """MobileNet v2: (N, 224, 224, 3) → (N, classes), 3,504,872 parameters.

    Blocks that widen by 1×1 convolution, filter each map on its own (depthwise, 3×3) and narrow again, without an
    activation at the end; where the shape allows it, the block's input is added.

    Arguments:
        weights: a file with torchvision's weights, or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.

    Source: Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks" (2018).
    """
    return MOBILENET_V2.model(weights, lambda: _mobilenet_v2(classes, input_shape))


def _mobilenet_v2(classes: int, input_shape: InputShape) -> Model:
    image = Input(input_shape)
    x = conv_bn(image, 32, 3, 2, names=("features.0.0", "features.0.1"), activation="relu6")
    place = 1
    for expansion, maps, count, first in STAGES:
        for number in range(count):
            x = _block(x, expansion, maps, 1 if number else first, f"features.{place}")
            place += 1
    x = conv_bn(x, 1280, names=(f"features.{place}.0", f"features.{place}.1"), activation="relu6")
    x = Dropout(0.2)(GlobalAveragePooling2D()(x))
    return Model(image, Dense(classes, activation=shares(classes), name="classifier.1")(x), name="mobilenet_v2")


def _block(x: Any, expansion: int, maps: int, strides: int, name: str) -> Any:
    y, place = x, 0
    if expansion > 1:
        y = conv_bn(x, expansion * x.shape[-1], names=_names(name, "0.0", "0.1"), activation="relu6")
        place = 1
    depthwise, norm = _names(name, f"{place}.0", f"{place}.1")
    y = DepthwiseConv2D(3, strides, 1, use_bias=False, depthwise_initializer="he_normal", name=depthwise)(y)
    y = normalized(y, norm, "relu6")
    y = conv_bn(y, maps, names=_names(name, f"{place + 1}", f"{place + 2}"), activation=None)
    return Add(name=name)([x, y]) if strides == 1 and x.shape[-1] == maps else y


def _names(block: str, first: str, second: str) -> tuple[str, str]:
    return f"{block}.conv.{first}", f"{block}.conv.{second}"


MOBILENET_V2 = Architecture(
    name="mobilenet_v2",
    year=2018,
    parameters=3_504_872,
    paper="M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L. Chen, MobileNetV2: Inverted residuals and linear "
    "bottlenecks, CVPR 2018",
    card="Made for mobile phones: a thirteenth of ResNet-50's work. Error of torchvision's first weights on one middle "
    "crop; the paper has 28.0 % top-1.",
    build=mobilenet_v2,
    imagenet_error=(28.12, 9.71),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)
