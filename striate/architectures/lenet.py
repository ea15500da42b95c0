"""LeNet-5, the network that read a good part of the cheques in the United States in the 1990s."""

from typing import Any

from striate import ops
from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import shares
from striate.layers import AveragePooling2D, Concatenate, Conv2D, Dense, Flatten
from striate.models import Input, Model

#: The paper's table 1: which of the six maps before it each map of the second convolution sees.
TABLE = (
    ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    ((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    ((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    ((0, 1, 2, 3, 4, 5),),
)


def lenet5(
    weights: Weights = None, classes: int = 10, input_shape: InputShape = (28, 28, 1), partial_connections: bool = False
) -> Model:
    """LeNet-5 as it is taught today: (N, 28, 28, 1) → (N, classes), 61,706 parameters for ten classes.

    Two stages of 5×5 convolution, tanh and 2×2 average pooling, then three dense layers. It differs from the paper in
    three points: the second convolution sees all six maps (the paper's table connects 60 of 96 pairs), pooling has no
    trained scale, and the end is a softmax instead of distances to drawn digits. The paper's frame of 32×32 is the
    "same" padding.

    Arguments:
        weights: a file with weights under the names of these layers; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.
        partial_connections: whether the second convolution follows the paper's table; 60,806 parameters then.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998).
    """
    return LENET5.model(weights, lambda: _lenet5(classes, input_shape, partial_connections))


def _lenet5(classes: int, input_shape: InputShape, partial_connections: bool) -> Model:
    image = Input(input_shape)
    x = AveragePooling2D(2)(Conv2D(6, 5, padding="same", activation="tanh")(image))
    x = _by_table(x) if partial_connections else Conv2D(16, 5, activation="tanh")(x)
    x = Flatten()(AveragePooling2D(2)(x))
    x = Dense(84, activation="tanh")(Dense(120, activation="tanh")(x))
    return Model(image, Dense(classes, activation=shares(classes))(x), name="lenet5")


def _by_table(x: Any) -> Any:
    """The paper's second convolution: maps that see as many maps each are the groups of one convolution."""
    maps = [ops.slice_axis(x, 3, i, i + 1) for i in range(6)]
    parts = []
    for rows in TABLE:
        seen = ops.concatenate([maps[i] for row in rows for i in row], axis=-1)
        parts.append(Conv2D(len(rows), 5, groups=len(rows), activation="tanh")(seen))
    return Concatenate()(parts)


LENET5 = Architecture(
    name="lenet5",
    year=1998,
    parameters=61_706,
    paper="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, "
    "Proceedings of the IEEE 86 (11), 1998",
    card="LeNet-5 is from 1998 and reads handwritten characters. It was never an ImageNet entry: the ImageNet "
    "challenge began in 2010. The network of 1989 that it grew from is often confused with it.",
    build=lenet5,
)
