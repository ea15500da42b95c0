"""GoogLeNet, which is Inception v1."""

from typing import Any

from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import ceil_max_pool, conv_bn, shares
from striate.architectures.imagenet import TENSORFLOW, imagenet_classes
from striate.layers import (
    AdaptiveAveragePooling2D,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
)
from striate.models import Input, Model

EPSILON = 1e-3

#: Maps of 1×1; of 1×1 before 3×3, and 3×3; of 1×1 before the second 3×3, and that; of 1×1 after pooling.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
#: What comes after some of these: pooling, and the auxiliary heads of training.
POOLS = {"3b": (3, "maxpool3"), "4e": (2, "maxpool4")}
HEADS = {"4a": "aux1", "4d": "aux2"}


def googlenet(
    weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3), auxiliary: bool = False
) -> Model:
    """GoogLeNet as torchvision has it: (N, 224, 224, 3) → (N, classes), 6,624,904 parameters.

    Nine modules, in each of which convolutions of several sizes and pooling lie side by side. It differs from the paper
    in three points: batch normalization follows each convolution, there is no local response normalization, and what
    is 5×5 in the paper is 3×3.

    Arguments:
        weights: a file with torchvision's weights, or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.
        auxiliary: whether there are two more outputs, each (N, classes), from the middle of the network, as the paper
            has them for training (with 0.3 of the loss); 13,004,888 parameters then.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: Szegedy et al., "Going deeper with convolutions" (2015), table 1.
    """
    return GOOGLENET.model(weights, lambda: _googlenet(classes, input_shape, auxiliary))


def _googlenet(classes: int, input_shape: InputShape, auxiliary: bool) -> Model:
    image = Input(input_shape)
    x = ceil_max_pool(_conv(image, 64, 7, 2, name="conv1"), name="maxpool1")
    x = _conv(_conv(x, 64, name="conv2"), 192, 3, name="conv3")
    x = ceil_max_pool(x, name="maxpool2")
    heads = []
    for module, maps in INCEPTIONS.items():
        x = _inception(x, *maps, name=f"inception{module}")
        if module in POOLS:
            size, pool = POOLS[module]
            x = ceil_max_pool(x, size, name=pool)
        if auxiliary and module in HEADS:
            heads.append(_head(x, classes, HEADS[module]))
    x = Dropout(0.2)(GlobalAveragePooling2D(name="avgpool")(x))
    y = Dense(classes, activation=shares(classes), name="fc")(x)
    return Model(image, [y, *heads] if auxiliary else y, name="googlenet")


def _conv(x: Any, filters: int, kernel: int = 1, strides: int = 1, *, name: str) -> Any:
    return conv_bn(x, filters, kernel, strides, names=(f"{name}.conv", f"{name}.bn"), epsilon=EPSILON)


def _inception(
    x: Any, one: int, before_three: int, three: int, before_last: int, last: int, pooled: int, name: str
) -> Any:
    branches = [
        _conv(x, one, name=f"{name}.branch1"),
        _conv(_conv(x, before_three, name=f"{name}.branch2.0"), three, 3, name=f"{name}.branch2.1"),
        _conv(_conv(x, before_last, name=f"{name}.branch3.0"), last, 3, name=f"{name}.branch3.1"),
        _conv(MaxPooling2D(3, 1, padding=1, name=f"{name}.branch4.0")(x), pooled, name=f"{name}.branch4.1"),
    ]
    return Concatenate(name=name)(branches)


def _head(x: Any, classes: int, name: str) -> Any:
    x = _conv(AdaptiveAveragePooling2D(4)(x), 128, name=f"{name}.conv")
    x = Dense(1024, activation="relu", name=f"{name}.fc1")(Flatten()(x))
    return Dense(classes, activation=shares(classes), name=f"{name}.fc2")(Dropout(0.7)(x))


GOOGLENET = Architecture(
    name="googlenet",
    year=2014,
    parameters=6_624_904,
    paper="C. Szegedy et al., Going deeper with convolutions, CVPR 2015 (arXiv:1409.4842, 2014)",
    card="GoogLeNet is Inception v1, the winner of the ImageNet challenge of 2014; Inception v3 is a later network. "
    "Error of torchvision's weights on one centre crop; the paper has 10.07 % top-5 for one network and one crop, "
    "and 6.67 % for seven networks and 144 crops.",
    build=googlenet,
    imagenet_error=(30.22, 10.47),
    preprocessing=TENSORFLOW,
    classes=imagenet_classes,
    ignored=("aux1.", "aux2."),
)
