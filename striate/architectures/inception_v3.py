"""Inception v3: large kernels factorized into small ones, and into rows and columns."""

from typing import Any

from striate.architectures.architecture import Architecture, InputShape, Weights
from striate.architectures.blocks import Kernel, conv_bn, shares
from striate.architectures.imagenet import TENSORFLOW, imagenet_classes
from striate.data.photo import PhotoPreprocessing
from striate.layers import AveragePooling2D, Concatenate, Dense, Dropout, GlobalAveragePooling2D, MaxPooling2D
from striate.models import Input, Model

EPSILON = 1e-3
#: Maps after the pooling of the blocks at 35×35, and inside the 7×7 convolutions of the blocks at 17×17.
POOLED = {"5b": 32, "5c": 64, "5d": 64}
SEVENS = {"6b": 128, "6c": 160, "6d": 160, "6e": 192}


def inception_v3(
    weights: Weights = None, classes: int = 1000, input_shape: InputShape = (299, 299, 3), auxiliary: bool = False
) -> Model:
    """Inception v3: (N, 299, 299, 3) → (N, classes), 23,834,568 parameters.

    Arguments:
        weights: a file with torchvision's weights, or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels; at least 75×75.
        auxiliary: whether there is one more output (N, classes) from the middle of the network, as the paper has it for
            training (torchvision counts it 0.4 in the loss); 27,161,264 parameters then.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.
        ShapeError: the input is too small.

    Source: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception architecture for computer vision"
    (2016).
    """
    return INCEPTION_V3.model(weights, lambda: _inception_v3(classes, input_shape, auxiliary))


def _inception_v3(classes: int, input_shape: InputShape, auxiliary: bool) -> Model:
    image = Input(input_shape)
    x = _conv(image, 32, 3, 2, "valid", name="Conv2d_1a_3x3")
    x = _conv(x, 32, 3, 1, "valid", name="Conv2d_2a_3x3")
    x = MaxPooling2D(3, 2, name="maxpool1")(_conv(x, 64, 3, name="Conv2d_2b_3x3"))
    x = _conv(x, 80, name="Conv2d_3b_1x1")
    x = MaxPooling2D(3, 2, name="maxpool2")(_conv(x, 192, 3, 1, "valid", name="Conv2d_4a_3x3"))
    for module, pooled in POOLED.items():
        x = _block_35(x, pooled, f"Mixed_{module}")
    x = _halving_35(x, "Mixed_6a")
    for module, maps in SEVENS.items():
        x = _block_17(x, maps, f"Mixed_{module}")
    heads = [_head(x, classes, "AuxLogits")] if auxiliary else []
    x = _halving_17(x, "Mixed_7a")
    for module in ("7b", "7c"):
        x = _block_8(x, f"Mixed_{module}")
    x = Dropout(0.5)(GlobalAveragePooling2D(name="avgpool")(x))
    y = Dense(classes, activation=shares(classes), name="fc")(x)
    return Model(image, [y, *heads] if auxiliary else y, name="inception_v3")


def _conv(x: Any, filters: int, kernel: Kernel = 1, strides: int = 1, padding: Any = None, *, name: str) -> Any:
    return conv_bn(x, filters, kernel, strides, padding, names=(f"{name}.conv", f"{name}.bn"), epsilon=EPSILON)


def _average(x: Any, name: str) -> Any:
    """The mean of 3×3 windows; those at the edge count zeros outside, as in torchvision."""
    return AveragePooling2D(3, 1, padding=1, count_include_pad=True, name=name)(x)


def _block_35(x: Any, pooled: int, name: str) -> Any:
    """The paper's figure 5: 5×5 convolution as two of 3×3; one of 5×5 stayed, as in the authors' own network."""
    five = _conv(_conv(x, 48, name=f"{name}.branch5x5_1"), 64, 5, name=f"{name}.branch5x5_2")
    double = _conv(_conv(x, 64, name=f"{name}.branch3x3dbl_1"), 96, 3, name=f"{name}.branch3x3dbl_2")
    branches = [
        _conv(x, 64, name=f"{name}.branch1x1"),
        five,
        _conv(double, 96, 3, name=f"{name}.branch3x3dbl_3"),
        _conv(_average(x, f"{name}.pool"), pooled, name=f"{name}.branch_pool"),
    ]
    return Concatenate(name=name)(branches)


def _halving_35(x: Any, name: str) -> Any:
    double = _conv(_conv(x, 64, name=f"{name}.branch3x3dbl_1"), 96, 3, name=f"{name}.branch3x3dbl_2")
    branches = [
        _conv(x, 384, 3, 2, "valid", name=f"{name}.branch3x3"),
        _conv(double, 96, 3, 2, "valid", name=f"{name}.branch3x3dbl_3"),
        MaxPooling2D(3, 2, name=f"{name}.pool")(x),
    ]
    return Concatenate(name=name)(branches)


def _block_17(x: Any, maps: int, name: str) -> Any:
    """Figure 6: 7×7 convolution as 1×7 and 7×1."""
    seven = _conv(_conv(x, maps, name=f"{name}.branch7x7_1"), maps, (1, 7), name=f"{name}.branch7x7_2")
    double = _conv(x, maps, name=f"{name}.branch7x7dbl_1")
    for number, kernel in enumerate(((7, 1), (1, 7), (7, 1)), 2):
        double = _conv(double, maps, kernel, name=f"{name}.branch7x7dbl_{number}")
    branches = [
        _conv(x, 192, name=f"{name}.branch1x1"),
        _conv(seven, 192, (7, 1), name=f"{name}.branch7x7_3"),
        _conv(double, 192, (1, 7), name=f"{name}.branch7x7dbl_5"),
        _conv(_average(x, f"{name}.pool"), 192, name=f"{name}.branch_pool"),
    ]
    return Concatenate(name=name)(branches)


def _halving_17(x: Any, name: str) -> Any:
    three = _conv(x, 192, name=f"{name}.branch3x3_1")
    seven = _conv(x, 192, name=f"{name}.branch7x7x3_1")
    for number, kernel in enumerate(((1, 7), (7, 1)), 2):
        seven = _conv(seven, 192, kernel, name=f"{name}.branch7x7x3_{number}")
    branches = [
        _conv(three, 320, 3, 2, "valid", name=f"{name}.branch3x3_2"),
        _conv(seven, 192, 3, 2, "valid", name=f"{name}.branch7x7x3_4"),
        MaxPooling2D(3, 2, name=f"{name}.pool")(x),
    ]
    return Concatenate(name=name)(branches)


def _block_8(x: Any, name: str) -> Any:
    """Figure 7: rows and columns side by side."""
    three = _conv(x, 384, name=f"{name}.branch3x3_1")
    double = _conv(_conv(x, 448, name=f"{name}.branch3x3dbl_1"), 384, 3, name=f"{name}.branch3x3dbl_2")
    branches = [
        _conv(x, 320, name=f"{name}.branch1x1"),
        _split(three, f"{name}.branch3x3_2"),
        _split(double, f"{name}.branch3x3dbl_3"),
        _conv(_average(x, f"{name}.pool"), 192, name=f"{name}.branch_pool"),
    ]
    return Concatenate(name=name)(branches)


def _split(x: Any, name: str) -> Any:
    return Concatenate(name=name)([_conv(x, 384, (1, 3), name=f"{name}a"), _conv(x, 384, (3, 1), name=f"{name}b")])


def _head(x: Any, classes: int, name: str) -> Any:
    x = _conv(AveragePooling2D(5, 3, name=f"{name}.pool")(x), 128, name=f"{name}.conv0")
    x = GlobalAveragePooling2D()(_conv(x, 768, 5, 1, "valid", name=f"{name}.conv1"))
    return Dense(classes, activation=shares(classes), name=f"{name}.fc")(x)


INCEPTION_V3 = Architecture(
    name="inception_v3",
    year=2015,
    parameters=23_834_568,
    paper="C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, Rethinking the Inception architecture for computer "
    "vision, CVPR 2016 (arXiv:1512.00567, 2015)",
    card="The third of its family: GoogLeNet is Inception v1, and v2 is an earlier step of the same paper. Error of "
    "torchvision's weights on one centre crop of 299 (they come from TensorFlow); the paper has 21.2 % and 5.6 % for "
    "one network and one crop.",
    build=inception_v3,
    imagenet_error=(22.71, 6.55),
    preprocessing=PhotoPreprocessing((299, 299), shorter_side=342, mean=TENSORFLOW.mean, std=TENSORFLOW.std),
    classes=imagenet_classes,
    ignored=("AuxLogits.",),
)
