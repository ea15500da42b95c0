"""SqueezeNet: as accurate as AlexNet with a fiftieth of its parameters."""

from typing import Any

from striate.architectures.architecture import Architecture, InputShape, Published, Weights
from striate.architectures.blocks import ceil_max_pool, conv, shares
from striate.architectures.imagenet import PYTORCH, imagenet_classes
from striate.data.photo import PhotoPreprocessing
from striate.layers import Concatenate, Dropout, GlobalAveragePooling2D, Softmax
from striate.models import Input, Model

#: Maps that squeeze, and maps of each of the two expanding convolutions, of the eight fire modules.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
#: Places of the fire modules in torchvision's list, before which pooling has taken one.
PLACES_1_0 = (3, 4, 5, 7, 8, 9, 10, 12)
PLACES_1_1 = (3, 4, 6, 7, 9, 10, 11, 12)


def squeezenet1_0(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """SqueezeNet 1.0 as in the paper: (N, 224, 224, 3) → (N, classes), 1,248,424 parameters.

    A fire module squeezes its input into few maps by 1×1 convolution, and expands these by 1×1 and 3×3 convolutions
    side by side. There is no dense layer: the last convolution makes a map for each class, whose mean is its score.

    Arguments:
        weights: a file with torchvision's weights, or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50× fewer parameters and <0.5 MB model
    size" (2016).
    """
    return SQUEEZENET1_0.model(
        weights, lambda: _squeezenet("squeezenet1_0", (96, 7), PLACES_1_0, 0, classes, input_shape)
    )


def squeezenet1_0_caffe(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (227, 227, 3)) -> Model:
    """SqueezeNet 1.0 as its authors published it for Caffe: (N, 227, 227, 3) → (N, classes), 1,248,424 parameters.

    `squeezenet1_0` but for the last convolution, which is padded with zeros.

    Arguments, errors, source: as `squeezenet1_0`; ``weights`` are the authors', under the names fire2__conv1x1_1 ….
    """
    return SQUEEZENET1_0_CAFFE.model(
        weights, lambda: _squeezenet("squeezenet1_0_caffe", (96, 7), PLACES_1_0, 1, classes, input_shape)
    )


def squeezenet1_1(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """SqueezeNet 1.1, with less than half the work of 1.0: (N, 224, 224, 3) → (N, classes), 1,235,496 parameters.

    Pooling comes earlier, and the first convolution is smaller.

    Arguments, errors: as `squeezenet1_0`.

    Source: the release notes of SqueezeNet 1.1 (2016).
    """
    return SQUEEZENET1_1.model(
        weights, lambda: _squeezenet("squeezenet1_1", (64, 3), PLACES_1_1, 0, classes, input_shape)
    )


def _squeezenet(
    name: str, first: tuple[int, int], places: tuple[int, ...], frame: int, classes: int, input_shape: InputShape
) -> Model:
    """Arguments: maps and kernel of the first convolution; places of the fire modules; padding of the last layer."""
    image = Input(input_shape)
    x = conv(image, *first, strides=2, padding="valid", name="features.0")
    before = 1
    for (squeezed, expanded), place in zip(FIRES, places, strict=True):
        if place - before > 1:
            x = ceil_max_pool(x, name=f"features.{place - 1}")
        x = _fire(x, squeezed, expanded, f"features.{place}")
        before = place
    x = conv(Dropout(0.5)(x), classes, padding=frame, name="classifier.1")
    x = GlobalAveragePooling2D()(x)
    return Model(image, Softmax()(x) if shares(classes) else x, name=name)


def _fire(x: Any, squeezed: int, expanded: int, name: str) -> Any:
    x = conv(x, squeezed, name=f"{name}.squeeze")
    sides = [conv(x, expanded, 1, name=f"{name}.expand1x1"), conv(x, expanded, 3, name=f"{name}.expand3x3")]
    return Concatenate(name=name)(sides)


#: How the authors' file calls the layers, and what they are called here.
CAFFE_LAYERS = {"conv1": "features.0", "conv_final": "classifier.1"} | {
    f"fire{number}__{theirs}": f"features.{place}.{ours}"
    for number, place in enumerate(PLACES_1_0, 2)
    for theirs, ours in (("conv1x1_1", "squeeze"), ("conv1x1_2", "expand1x1"), ("conv3x3_2", "expand3x3"))
}
CAFFE = PhotoPreprocessing((227, 227), mean=(104.0, 117.0, 123.0), std=(1.0,), colours="BGR")

PAPER = (
    "F. Iandola, S. Han, M. Moskewicz, K. Ashraf, W. Dally, K. Keutzer, SqueezeNet: AlexNet-level accuracy with 50x "
    "fewer parameters and <0.5 MB model size, arXiv:1602.07360, 2016"
)

SQUEEZENET1_0 = Architecture(
    name="squeezenet1_0",
    year=2016,
    parameters=1_248_424,
    paper=PAPER,
    card="The 0.5 MB of the paper's title are those of a compressed file; in float32 it has 5 MB. Error of "
    "torchvision's weights on one centre crop.",
    build=squeezenet1_0,
    imagenet_error=(41.91, 19.58),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)

SQUEEZENET1_0_CAFFE = Architecture(
    name="squeezenet1_0_caffe",
    year=2016,
    parameters=1_248_424,
    paper=PAPER,
    card="The authors' own network, of which torchvision's differs in the last convolution's padding. Error as in the "
    "paper's table 2.",
    build=squeezenet1_0_caffe,
    imagenet_error=(42.5, 19.7),
    preprocessing=CAFFE,
    classes=imagenet_classes,
    published=(Published(CAFFE_LAYERS, CAFFE),),
)

SQUEEZENET1_1 = Architecture(
    name="squeezenet1_1",
    year=2016,
    parameters=1_235_496,
    paper=f"{PAPER}; version 1.1 in the authors' repository",
    card="No paper describes it: it is the authors' later release, 2.4 times less work than 1.0 at the same accuracy. "
    "Error of torchvision's weights on one centre crop.",
    build=squeezenet1_1,
    imagenet_error=(41.82, 19.38),
    preprocessing=PYTORCH,
    classes=imagenet_classes,
)
