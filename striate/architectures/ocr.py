"""The small network for printed and written signs that lectures on character recognition use."""

from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import shares
from striate.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from striate.models import Input, Model, Sequential


def ocr(weights: Weights = None, classes: int = 40, input_shape: InputShape = (20, 20, 1)) -> Model:
    """A network for 40 signs: (N, 20, 20, 1) → (N, 40), sides 20 → 22 → 20 → 10.

    A 3×3 convolution with full padding, one without, 2×2 max pooling, and two dense layers with dropout before each.

    Arguments:
        weights: a file with weights under the names of these layers; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: the network of this shape in lectures on optical character recognition; no paper.
    """
    return OCR.model(weights, lambda: _ocr(classes, input_shape))


def _ocr(classes: int, input_shape: InputShape) -> Model:
    return Sequential(
        [
            Input(input_shape),
            Conv2D(32, 3, padding="full", activation="relu"),
            Conv2D(32, 3, activation="relu"),
            MaxPooling2D(2),
            Dropout(0.25),
            Flatten(),
            Dense(128, activation="relu"),
            Dropout(0.5),
            Dense(classes, activation=shares(classes)),
        ],
        name="ocr",
    )


OCR = Architecture(
    name="ocr",
    year=2015,
    parameters=424_456,
    paper="no paper; lectures on optical character recognition",
    card="A teaching network: it shows full padding (20 → 22), valid padding (22 → 20) and pooling (20 → 10) in three "
    "layers. Its year is about when such networks became the usual first example.",
    build=ocr,
)
