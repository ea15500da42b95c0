"""Residual networks for ImageNet: ResNet-18, 34, 50, 101 and 152."""

from typing import Any

from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import conv_bn, shares
from striate.architectures.imagenet import PYTORCH, imagenet_classes
from striate.layers import Activation, Add, Dense, GlobalAveragePooling2D, MaxPooling2D
from striate.models import Input, Model

WIDTHS = (64, 128, 256, 512)


def resnet18(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """ResNet-18: (N, 224, 224, 3) → (N, classes), 11,689,512 parameters.

    Blocks of two 3×3 convolutions, to whose result the block's input is added.

    Arguments:
        weights: a file with torchvision's weights, or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), table 1.
    """
    return RESNET18.model(weights, lambda: _resnet("resnet18", (2, 2, 2, 2), False, classes, input_shape))


def resnet34(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """ResNet-34: (N, 224, 224, 3) → (N, classes), 21,797,672 parameters.

    Arguments, errors, source: as `resnet18`.
    """
    return RESNET34.model(weights, lambda: _resnet("resnet34", (3, 4, 6, 3), False, classes, input_shape))


def resnet50(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """ResNet-50: (N, 224, 224, 3) → (N, classes), 25,557,032 parameters.

    Blocks of 1×1, 3×3 and 1×1 convolutions ("bottlenecks"). Where a block halves the maps, the 3×3 convolution has the
    stride, as in torchvision ("version 1.5"); in the paper it is the first 1×1 convolution.

    Arguments, errors, source: as `resnet18`.
    """
    return RESNET50.model(weights, lambda: _resnet("resnet50", (3, 4, 6, 3), True, classes, input_shape))


def resnet101(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """ResNet-101: (N, 224, 224, 3) → (N, classes), 44,549,160 parameters; blocks as in `resnet50`.

    Arguments, errors, source: as `resnet18`.
    """
    return RESNET101.model(weights, lambda: _resnet("resnet101", (3, 4, 23, 3), True, classes, input_shape))


def resnet152(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """ResNet-152: (N, 224, 224, 3) → (N, classes), 60,192,808 parameters; blocks as in `resnet50`.

    Arguments, errors, source: as `resnet18`.
    """
    return RESNET152.model(weights, lambda: _resnet("resnet152", (3, 8, 36, 3), True, classes, input_shape))


def _resnet(name: str, counts: tuple[int, ...], bottleneck: bool, classes: int, input_shape: InputShape) -> Model:
    image = Input(input_shape)
    x = conv_bn(image, 64, 7, strides=2, names=("conv1", "bn1"))
    x = MaxPooling2D(3, 2, padding=1, name="maxpool")(x)
    for stage, (width, count) in enumerate(zip(WIDTHS, counts, strict=True), 1):
        for number in range(count):
            strides = 2 if stage > 1 and number == 0 else 1
            x = (_bottleneck if bottleneck else _basic)(x, width, strides, f"layer{stage}.{number}")
    x = GlobalAveragePooling2D(name="avgpool")(x)
    return Model(image, Dense(classes, activation=shares(classes), name="fc")(x), name=name)


def _basic(x: Any, width: int, strides: int, name: str) -> Any:
    y = conv_bn(x, width, 3, strides, names=_names(name, 1))
    y = conv_bn(y, width, 3, names=_names(name, 2), activation=None)
    return _joined(x, y, strides, name)


def _bottleneck(x: Any, width: int, strides: int, name: str) -> Any:
    y = conv_bn(x, width, names=_names(name, 1))
    y = conv_bn(y, width, 3, strides, names=_names(name, 2))
    y = conv_bn(y, 4 * width, names=_names(name, 3), activation=None)
    return _joined(x, y, strides, name)


def _joined(x: Any, y: Any, strides: int, name: str) -> Any:
    """ReLU of a block's input plus its result; a 1×1 convolution brings the input to another shape where it must."""
    if strides > 1 or x.shape[-1] != y.shape[-1]:
        names = (f"{name}.downsample.0", f"{name}.downsample.1")
        x = conv_bn(x, y.shape[-1], 1, strides, names=names, activation=None)
    return Activation("relu", name=name)(Add(name=f"{name}.add")([y, x]))


def _names(block: str, number: int) -> tuple[str, str]:
    return f"{block}.conv{number}", f"{block}.bn{number}"


PAPER = (
    "K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016 (arXiv:1512.03385, 2015)"
)
MEASURED = "Error of torchvision's first weights (IMAGENET1K_V1) on one centre crop"

RESNET18 = Architecture(
    name="resnet18",
    year=2015,
    parameters=11_689_512,
    paper=PAPER,
    card=f"{MEASURED}; the paper has 27.88 % top-1 with ten crops.",
    build=resnet18,
    imagenet_error=(30.24, 10.92),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)

RESNET34 = Architecture(
    name="resnet34",
    year=2015,
    parameters=21_797_672,
    paper=PAPER,
    card=f"{MEASURED}; the paper has 25.03 % top-1 with ten crops.",
    build=resnet34,
    imagenet_error=(26.69, 8.58),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)

RESNET50 = Architecture(
    name="resnet50",
    year=2015,
    parameters=25_557_032,
    paper=PAPER,
    card="Its 3×3 convolutions have the strides, which most libraries call version 1.5 or simply ResNet-50; ResNet v2 "
    f"is another network, with the activations before the convolutions. {MEASURED}; the paper has 22.85 % top-1 "
    "with ten crops.",
    build=resnet50,
    imagenet_error=(23.87, 7.14),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)

RESNET101 = Architecture(
    name="resnet101",
    year=2015,
    parameters=44_549_160,
    paper=PAPER,
    card=f"{MEASURED}; the paper has 21.75 % top-1 with ten crops.",
    build=resnet101,
    imagenet_error=(22.63, 6.45),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)

RESNET152 = Architecture(
    name="resnet152",
    year=2015,
    parameters=60_192_808,
    paper=PAPER,
    card="The winner of the ImageNet challenge of 2015 was the mean of six residual networks (3.57 % top-5 error on "
    f"the test photographs), not this one alone. {MEASURED}; the paper has 21.43 % top-1 with ten crops.",
    build=resnet152,
    imagenet_error=(21.69, 5.95),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)
