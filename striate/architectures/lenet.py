"""LeNet-5, the network that read a good part of the cheques in the United States in the 1990s."""

from striate.architectures.architecture import Architecture
from striate.layers import AveragePooling2D, Conv2D, Dense, Flatten
from striate.models import Input, Sequential


def lenet5(classes: int = 10, input_shape: tuple[int, int, int] = (28, 28, 1)) -> Sequential:
    """LeNet-5 as it is taught today: (N, 28, 28, 1) → (N, classes), 61,706 parameters for ten classes.

    Two stages of 5×5 convolution, tanh and 2×2 average pooling, then three dense layers. It differs from the paper in
    three points: the second convolution sees all six maps (the paper's table connects 60 of 96 pairs), pooling has no
    trained scale, and the end is a softmax instead of distances to drawn digits. The paper's frame of 32×32 is the
    "same" padding.

    Arguments:
        classes: outputs of the softmax.
        input_shape: height, width and channels.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998).
    """
    return Sequential(
        [
            Input(input_shape),
            Conv2D(6, 5, padding="same", activation="tanh"),
            AveragePooling2D(2),
            Conv2D(16, 5, activation="tanh"),
            AveragePooling2D(2),
            Flatten(),
            Dense(120, activation="tanh"),
            Dense(84, activation="tanh"),
            Dense(classes, activation="softmax"),
        ],
        name="lenet5",
    )


LENET5 = Architecture(
    name="lenet5",
    year=1998,
    paper="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, "
    "Proceedings of the IEEE 86 (11), 1998",
    card="LeNet-5 is from 1998 and reads handwritten characters. It was never an ImageNet entry: the ImageNet "
    "challenge began in 2010. The network of 1989 that it grew from is often confused with it.",
    build=lenet5,
)
