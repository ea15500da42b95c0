"""The network that ``striate train mnist`` trains by default, and that the shipped digit reader is."""

from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import shares
from striate.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from striate.models import Input, Model, Sequential


def simple(weights: Weights = None, classes: int = 10, input_shape: InputShape = (28, 28, 1)) -> Model:
    """Three 3×3 convolutions with max pooling between, and two dense layers: (N, 28, 28, 1) → (N, classes).

    Arguments:
        weights: a file with weights under the names of these layers; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: the usual shape of a first convolutional network; no paper.
    """
    return SIMPLE.model(weights, lambda: _simple(classes, input_shape))


def _simple(classes: int, input_shape: InputShape) -> Model:
    return Sequential(
        [
            Input(input_shape),
            Conv2D(16, 3, padding="same", activation="relu"),
            MaxPooling2D(2),
            Conv2D(32, 3, padding="same", activation="relu"),
            MaxPooling2D(2),
            Conv2D(64, 3, padding="same", activation="relu"),
            Flatten(),
            Dropout(0.25),
            Dense(64, activation="relu"),
            Dropout(0.5),
            Dense(classes, activation=shares(classes)),
        ],
        name="simple",
    )


SIMPLE = Architecture(
    name="simple",
    year=2026,
    parameters=224_714,
    paper="no paper; the default of this library",
    card="Small enough to train in minutes on two cores with the reference executor, and to look at in one page.",
    build=simple,
)
