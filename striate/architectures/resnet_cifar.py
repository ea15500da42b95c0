"""Residual networks for the 32×32 images of CIFAR-10: ResNet-20, 32, 44 and 56."""

from typing import Any

from striate import ops
from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import conv_bn, shares
from striate.architectures.imagenet import PYTORCH
from striate.data.photo import PhotoPreprocessing
from striate.layers import Activation, Add, Dense, GlobalAveragePooling2D, MaxPooling2D
from striate.models import Input, Model

WIDTHS = (16, 32, 64)


def resnet20(weights: Weights = None, classes: int = 10, input_shape: InputShape = (32, 32, 3)) -> Model:
    """ResNet-20 for CIFAR-10: (N, 32, 32, 3) → (N, classes), 269,722 parameters.

    Three stages of 16, 32 and 64 maps, each of three blocks of two 3×3 convolutions. Where the shape changes, the
    shortcut has no weights: it takes every second row and column, and zeros for the new maps (the paper's option A).

    Arguments:
        weights: a file with weights under the names of the usual PyTorch version (conv1, layer1.0.bn1, …, linear);
            None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), section 4.2.
    """
    return RESNET20.model(weights, lambda: _resnet("resnet20", 3, classes, input_shape))


def resnet32(weights: Weights = None, classes: int = 10, input_shape: InputShape = (32, 32, 3)) -> Model:
    """ResNet-32 for CIFAR-10: (N, 32, 32, 3) → (N, classes), 464,154 parameters.

    Arguments, errors, source: as `resnet20`; five blocks in each stage.
    """
    return RESNET32.model(weights, lambda: _resnet("resnet32", 5, classes, input_shape))


def resnet44(weights: Weights = None, classes: int = 10, input_shape: InputShape = (32, 32, 3)) -> Model:
    """ResNet-44 for CIFAR-10: (N, 32, 32, 3) → (N, classes), 658,586 parameters.

    Arguments, errors, source: as `resnet20`; seven blocks in each stage.
    """
    return RESNET44.model(weights, lambda: _resnet("resnet44", 7, classes, input_shape))


def resnet56(weights: Weights = None, classes: int = 10, input_shape: InputShape = (32, 32, 3)) -> Model:
    """ResNet-56 for CIFAR-10: (N, 32, 32, 3) → (N, classes), 853,018 parameters.

    Arguments, errors, source: as `resnet20`; nine blocks in each stage.
    """
    return RESNET56.model(weights, lambda: _resnet("resnet56", 9, classes, input_shape))


def _resnet(name: str, blocks: int, classes: int, input_shape: InputShape) -> Model:
    image = Input(input_shape)
    x = conv_bn(image, WIDTHS[0], 3, names=("conv1", "bn1"))
    for stage, width in enumerate(WIDTHS, 1):
        for number in range(blocks):
            x = _block(x, width, 2 if stage > 1 and number == 0 else 1, f"layer{stage}.{number}")
    x = GlobalAveragePooling2D()(x)
    return Model(image, Dense(classes, activation=shares(classes), name="linear")(x), name=name)


def _block(x: Any, width: int, strides: int, name: str) -> Any:
    y = conv_bn(x, width, 3, strides, names=(f"{name}.conv1", f"{name}.bn1"))
    y = conv_bn(y, width, 3, names=(f"{name}.conv2", f"{name}.bn2"), activation=None)
    if strides > 1:
        x = MaxPooling2D(1, strides, name=f"{name}.shortcut")(x)  # every second row and column
        new = (width - x.shape[-1]) // 2
        x = ops.pad(x, ((0, 0), (0, 0), (0, 0), (new, new)))  # (N, H, W, C) → (N, H, W, new + C + new)
    return Activation("relu", name=name)(Add(name=f"{name}.add")([y, x]))


def cifar10_classes() -> tuple[str, ...]:
    """The names of CIFAR-10's classes, in its order."""
    return ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


PAPER = (
    "K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016 (arXiv:1512.03385, "
    "2015), section 4.2"
)
#: The usual PyTorch version normalizes by ImageNet's mean and deviation.
PREPROCESSING = PhotoPreprocessing((32, 32), mean=PYTORCH.mean, std=PYTORCH.std)


def _entry(build: Any, parameters: int, error: float) -> Architecture:
    return Architecture(
        name=build.__name__,
        year=2015,
        parameters=parameters,
        paper=PAPER,
        card="For the 32×32 images of CIFAR-10, not for ImageNet, and far smaller than those for it. "
        f"The paper's error on CIFAR-10 is {error} %.",
        build=build,
        preprocessing=PREPROCESSING,
        classes=cifar10_classes,
    )


RESNET20 = _entry(resnet20, 269_722, 8.75)
RESNET32 = _entry(resnet32, 464_154, 7.51)
RESNET44 = _entry(resnet44, 658_586, 7.17)
RESNET56 = _entry(resnet56, 853_018, 6.97)
