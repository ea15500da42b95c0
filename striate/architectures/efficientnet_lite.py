"""EfficientNet-Lite0: EfficientNet-B0 for devices that compute in integers."""

from typing import Any

from striate.architectures.architecture import Architecture, InputShape, Published, Weights
from striate.architectures.blocks import conv_bn, normalized, shares
from striate.architectures.imagenet import imagenet_classes
from striate.data.photo import PhotoPreprocessing
from striate.layers import Add, Dense, DepthwiseConv2D, Dropout, GlobalAveragePooling2D
from striate.models import Input, Model

EPSILON = 1e-3

#: Expansion, kernel, maps, blocks and first stride of each stage: the paper's table 1.
STAGES = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)


def efficientnet_lite0(weights: Weights = None, classes: int = 1000, input_shape: InputShape = (224, 224, 3)) -> Model:
    """EfficientNet-Lite0: (N, 224, 224, 3) → (N, classes), 4,652,008 parameters.

    The blocks of MobileNet v2, some with 5×5 kernels, in the proportions that a search found for EfficientNet-B0, but
    without squeeze-and-excitation, and with ReLU6 in place of Swish. Padding is TensorFlow's "same".

    Arguments:
        weights: a file with timm's weights (tf_efficientnet_lite0), or weights under the same names; None: random ones.
        classes: outputs of the softmax; a single output has no softmax, and may be any number. If the file has another
            number of classes, all layers but the last are loaded from it.
        input_shape: height, width and channels.

    Raises:
        FormatError: the file cannot be read, or does not hold this network's weights.

    Source: Tan, Le, "EfficientNet: Rethinking model scaling for convolutional neural networks" (2019); R. Liu, "Higher
    accuracy on vision models with EfficientNet-Lite" (TensorFlow blog, 2020).
    """
    return EFFICIENTNET_LITE0.model(weights, lambda: _efficientnet_lite0(classes, input_shape))


def _efficientnet_lite0(classes: int, input_shape: InputShape) -> Model:
    image = Input(input_shape)
    x = _conv(image, 32, 3, 2, names=("conv_stem", "bn1"))
    for stage, (expansion, kernel, maps, count, first) in enumerate(STAGES):
        for number in range(count):
            x = _block(x, expansion, kernel, maps, 1 if number else first, f"blocks.{stage}.{number}")
    x = _conv(x, 1280, names=("conv_head", "bn2"))
    x = Dropout(0.2)(GlobalAveragePooling2D()(x))
    return Model(image, Dense(classes, activation=shares(classes), name="classifier")(x), name="efficientnet_lite0")


def _block(x: Any, expansion: int, kernel: int, maps: int, strides: int, name: str) -> Any:
    """Widen, filter, narrow; timm calls the two pointwise convolutions conv_pw and conv_pwl, a lone one conv_pw."""
    y, norms, last = x, iter((f"{name}.bn1", f"{name}.bn2", f"{name}.bn3")), f"{name}.conv_pw"
    if expansion > 1:
        y, last = _conv(x, expansion * x.shape[-1], names=(last, next(norms))), f"{name}.conv_pwl"
    y = DepthwiseConv2D(
        kernel, strides, "same", use_bias=False, depthwise_initializer="he_normal", name=f"{name}.conv_dw"
    )(y)  # fmt: skip
    y = normalized(y, next(norms), "relu6", EPSILON)
    y = _conv(y, maps, names=(last, next(norms)), activation=None)
    return Add(name=name)([x, y]) if strides == 1 and x.shape[-1] == maps else y


def _conv(
    x: Any, filters: int, kernel: int = 1, strides: int = 1, *, names: tuple[str, str], activation: str | None = "relu6"
) -> Any:
    return conv_bn(x, filters, kernel, strides, "same", names=names, activation=activation, epsilon=EPSILON)


def _numbered_layers() -> dict[str, str]:
    """The layers' names in files that number all blocks, from 0 to 15, and their names here."""
    ends = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    widening, filtering = {"_expand_conv": "conv_pw", "_bn0": "bn1"}, {"_depthwise_conv": "conv_dw", "_bn1": "bn2"}
    widened = widening | filtering | {"_project_conv": "conv_pwl", "_bn2": "bn3"}
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    blocks = [
        (f"blocks.{stage}.{number}", widened if expansion > 1 else plain)
        for stage, (expansion, _, _, count, _) in enumerate(STAGES)
        for number in range(count)
    ]
    return ends | {
        f"_blocks.{number}.{theirs}": f"{block}.{ours}"
        for number, (block, layers) in enumerate(blocks)
        for theirs, ours in layers.items()
    }


NUMBERED = PhotoPreprocessing((224, 224), shorter_side=256, mean=(127.0,), std=(128.0,), interpolation="bicubic")

EFFICIENTNET_LITE0 = Architecture(
    name="efficientnet_lite0",
    year=2020,
    parameters=4_652_008,
    paper="M. Tan, Q. Le, EfficientNet: Rethinking model scaling for convolutional neural networks, ICML 2019; "
    "R. Liu, Higher accuracy on vision models with EfficientNet-Lite, TensorFlow blog, 2020",
    card="No paper describes the Lite versions: they are EfficientNet without squeeze-and-excitation and Swish, which "
    "integer hardware computes poorly. Error of timm's copy of the authors' weights on one centre crop; the "
    "authors have 24.9 % top-1. The port's file efficientnet-lite0-57934424.pth is right in 87 of the 100 photographs "
    "of our tests, and in 98 among five answers.",
    build=efficientnet_lite0,
    imagenet_error=(25.17, 7.83),
    preprocessing=PhotoPreprocessing(
        (224, 224), shorter_side=256, mean=(127.5,), std=(127.5,), interpolation="bicubic"
    ),
    classes=imagenet_classes,
    published=(Published(_numbered_layers(), NUMBERED),),
)
