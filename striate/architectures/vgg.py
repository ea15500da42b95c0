"""VGG-16 and VGG-19: nothing but 3×3 convolutions, pooling, and three dense layers."""

from collections.abc import Iterator

from striate.architectures.architecture import Architecture, InputShape, Published, Weights
from striate.architectures.blocks import conv, shares
from striate.architectures.imagenet import PYTORCH, imagenet_classes
from striate.data.photo import PhotoPreprocessing
from striate.layers import AdaptiveAveragePooling2D, Dense, Dropout, Flatten, MaxPooling2D
from striate.models import Input, Model

MAPS = (64, 128, 256, 512, 512)
CONVOLUTIONS_16 = (2, 2, 3, 3, 3)
CONVOLUTIONS_19 = (2, 2, 4, 4, 4)


def vgg16(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """VGG-16, the paper's network D: (N, 224, 224, 3) → (N, classes), 138,357,544 parameters.

    Arguments:
        weights: a file with the weights of torchvision or Keras, or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition" (2015).
    """
    return VGG16.model(weights, lambda: _vgg("vgg16", CONVOLUTIONS_16, classes, input_shape))


def vgg19(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """VGG-19, the paper's network E: (N, 224, 224, 3) → (N, classes), 143,667,240 parameters.

    Arguments, errors, source: as `vgg16`.
    """
    return VGG19.model(weights, lambda: _vgg("vgg19", CONVOLUTIONS_19, classes, input_shape))


def _vgg(name: str, counts: tuple[int, ...], classes: int, input_shape: InputShape) -> Model:
    image = x = Input(input_shape)
    places = _places(counts)
    for block, (maps, count) in enumerate(zip(MAPS, counts, strict=True), 1):
        for _ in range(count):
            x = conv(x, maps, 3, name=next(places))
        x = MaxPooling2D(2, name=f"pool{block}")(x)
    x = Flatten()(AdaptiveAveragePooling2D(7)(x))
    for place in (0, 3):
        x = Dense(4096, activation="relu", kernel_initializer="he_normal", name=f"classifier.{place}")(x)
        x = Dropout(0.5)(x)
    return Model(image, Dense(classes, activation=shares(classes), name="classifier.6")(x), name=name)


def _places(counts: tuple[int, ...]) -> Iterator[str]:
    """The names of the convolutions: in torchvision's list each takes two places, and each pooling one."""
    place = 0
    for count in counts:
        for _ in range(count):
            yield f"features.{place}"
            place += 2
        place += 1


def _keras(counts: tuple[int, ...]) -> Published:
    """Keras's files: block1_conv1, …, and pictures as Caffe had them."""
    names = [f"block{block}_conv{i}" for block, count in enumerate(counts, 1) for i in range(1, count + 1)]
    layers = dict(zip(names, _places(counts), strict=True))
    layers |= {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}
    return Published(layers, PhotoPreprocessing((224, 224), mean=(103.939, 116.779, 123.68), std=(1.0,), colours="BGR"))


PAPER = (
    "K. Simonyan, A. Zisserman, Very deep convolutional networks for large-scale image recognition, "
    "ICLR 2015 (arXiv:1409.1556, 2014)"
)

VGG16 = Architecture(
    name="vgg16",
    year=2014,
    parameters=138_357_544,
    paper=PAPER,
    card="Second in the ImageNet challenge of 2014, after GoogLeNet; nine in ten of its parameters are in the dense "
    "layers. Error of torchvision's weights on one centre crop; the paper has 25.6 % and 8.1 % for network D with "
    "several scales.",
    build=vgg16,
    imagenet_error=(28.41, 9.62),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
    published=(_keras(CONVOLUTIONS_16),),
)

VGG19 = Architecture(
    name="vgg19",
    year=2014,
    parameters=143_667_240,
    paper=PAPER,
    card="VGG-16 with three more convolutions, which gain little. Error of torchvision's weights on one centre crop; "
    "the paper has 25.5 % and 8.0 % for network E with several scales.",
    build=vgg19,
    imagenet_error=(27.62, 9.12),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
    published=(_keras(CONVOLUTIONS_19),),
)
