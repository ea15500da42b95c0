"""AlexNet, in the two forms that go by this name."""

from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import shares
from striate.architectures.imagenet import PYTORCH, imagenet_classes
from striate.data.photo import PhotoPreprocessing
from striate.layers import (
    AdaptiveAveragePooling2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LocalResponseNormalization,
    MaxPooling2D,
)
from striate.models import Input, Model, Sequential


def alexnet(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """AlexNet in one piece, as torchvision has it: (N, 224, 224, 3) → (N, classes), 61,100,840 parameters.

    Five convolutions, of which three are followed by pooling, and three dense layers.

    Arguments:
        weights: a file with torchvision's weights, or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014).
    """
    return ALEXNET.model(weights, lambda: _alexnet(classes, input_shape))


def _alexnet(classes: int, input_shape: InputShape) -> Model:
    return Sequential(
        [
            Input(input_shape),
            Conv2D(64, 11, 4, padding=2, activation="relu", name="features.0"),
            MaxPooling2D(3, 2),
            Conv2D(192, 5, padding=2, activation="relu", name="features.3"),
            MaxPooling2D(3, 2),
            Conv2D(384, 3, padding=1, activation="relu", name="features.6"),
            Conv2D(256, 3, padding=1, activation="relu", name="features.8"),
            Conv2D(256, 3, padding=1, activation="relu", name="features.10"),
            MaxPooling2D(3, 2),
            AdaptiveAveragePooling2D(6),
            Flatten(),
            Dropout(0.5),
            Dense(4096, activation="relu", name="classifier.1"),
            Dropout(0.5),
            Dense(4096, activation="relu", name="classifier.4"),
            Dense(classes, activation=shares(classes), name="classifier.6"),
        ],
        name="alexnet",
    )


def alexnet_2012(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (227, 227, 3)) -> Model:
    """AlexNet as in the paper: (N, 227, 227, 3) → (N, classes), 60,965,224 parameters.

    Two of its five convolutions are followed by local response normalization. The second, fourth and fifth are split
    into two groups, one for each of the two graphics cards. The paper's figure says 224, but its sizes need 227.

    Arguments, errors: as `alexnet`; layers have Caffe's names, conv1 … fc8.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
    """
    return ALEXNET_2012.model(weights, lambda: _alexnet_2012(classes, input_shape))


def _alexnet_2012(classes: int, input_shape: InputShape) -> Model:
    return Sequential(
        [
            Input(input_shape),
            Conv2D(96, 11, 4, activation="relu", name="conv1"),
            LocalResponseNormalization(2, 2.0, 1e-4, 0.75, name="norm1"),
            MaxPooling2D(3, 2, name="pool1"),
            Conv2D(256, 5, padding=2, groups=2, activation="relu", name="conv2"),
            LocalResponseNormalization(2, 2.0, 1e-4, 0.75, name="norm2"),
            MaxPooling2D(3, 2, name="pool2"),
            Conv2D(384, 3, padding=1, activation="relu", name="conv3"),
            Conv2D(384, 3, padding=1, groups=2, activation="relu", name="conv4"),
            Conv2D(256, 3, padding=1, groups=2, activation="relu", name="conv5"),
            MaxPooling2D(3, 2, name="pool5"),
            Flatten(),
            Dense(4096, activation="relu", name="fc6"),
            Dropout(0.5),
            Dense(4096, activation="relu", name="fc7"),
            Dropout(0.5),
            Dense(classes, activation=shares(classes), name="fc8"),
        ],
        name="alexnet_2012",
    )


ALEXNET = Architecture(
    name="alexnet",
    year=2014,
    parameters=61_100_840,
    paper="A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997, 2014",
    card="What most libraries call AlexNet is this one: one piece, fewer maps in the first two layers, no local "
    "response normalization. The network that won the ImageNet challenge of 2012 is alexnet_2012. Error of "
    "torchvision's weights on one centre crop.",
    build=alexnet,
    imagenet_error=(43.48, 20.93),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)

ALEXNET_2012 = Architecture(
    name="alexnet_2012",
    year=2012,
    parameters=60_965_224,
    paper="A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet classification with deep convolutional neural networks, "
    "NIPS 2012",
    card="The winner of 2012 was the mean of several such networks (15.3 % top-5 error on the test photographs). "
    "Error of one network as in the paper's table 2, mean over ten crops. Photographs are "
    "prepared as for Caffe's copy of it.",
    build=alexnet_2012,
    imagenet_error=(40.7, 18.2),
    preprocessing=PhotoPreprocessing(
        (227, 227), shorter_side=256, mean=(104.0, 117.0, 123.0), std=(1.0,), colours="BGR"
    ),
    classes=imagenet_classes,
)
