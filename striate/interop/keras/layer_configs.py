"""Keras's layers as ours: the same names, and nearly the same arguments."""

from collections.abc import Callable
from typing import Any

from striate.errors import StriateError
from striate.interop.keras.objects import (
    RefusedError,
    activation,
    check_type,
    constraint,
    initializer,
    parse_object,
    regularizer,
    shown,
)
from striate.layers import InputLayer
from striate.layers.layer import LAYERS, Layer

#: Layers that Keras does not have: a file cannot mean them.
OURS_ALONE = {"BrightestPooling2D", "LocalResponseNormalization", "LpPooling2D", "MixedPooling2D"}
#: Noise and random changes of pictures, which Keras's layers apply in training only; here they do nothing.
IN_TRAINING = (
    "ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "GaussianDropout", "GaussianNoise", "MixUp",
    "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast",
    "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue",
    "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness",
    "RandomShear", "RandomTranslation", "RandomZoom",
)  # fmt: skip
#: Ours by Keras's name: the same, or under the names of other versions.
COUNTERPARTS = {
    **{name: name for name, cls in LAYERS.items() if cls.__module__.startswith("striate.layers.")},
    "ThresholdedReLU": "ReLU",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    **dict.fromkeys(IN_TRAINING, "Identity"),
}
for _name in OURS_ALONE:
    del COUNTERPARTS[_name]

RENAMED = {("LeakyReLU", "alpha"): "negative_slope", ("ThresholdedReLU", "theta"): "threshold"}
#: Arguments that we do not have and that change nothing while they have one of these values; ...: any value.
WITHOUT_EFFECT: dict[str, Any] = {
    "autocast": ...,
    "batch_input_shape": ...,
    "batch_shape": ...,
    "data_format": (None, "channels_last"),
    "filters": (None,),
    "fused": ...,
    "groups": (1,),
    "input_dtype": ...,
    "kernel_initializer": ...,
    "kernel_regularizer": ...,
    "lora_alpha": ...,
    "lora_rank": (None,),
    "noise_shape": (None,),
    "quantization_config": (None,),
    "renorm": (False,),
    "renorm_clipping": ...,
    "renorm_momentum": ...,
    "rms_scaling": (False,),
    "synchronized": ...,
    "virtual_batch_size": (None,),
}
#: What to do about a file that leaves sizes open.
GIVE_IT = "give the shape of one sample, as in open_model(path, input_shape=(224, 224, 3))"
#: What files say beside a class that we do not have.
WHY_NOT = {
    "Lambda": "it is Python code, and nothing in a file is executed",
    "TFOpLambda": "it is a call of TensorFlow; use layers instead",
    "SlicingOpLambda": "it is a call of TensorFlow; use layers instead",
    "TensorFlowOpLayer": "it is a call of TensorFlow; use layers instead",
}


def layer_from(description: Any, legacy: bool) -> Layer:
    """One of our layers, without variables yet.

    Arguments:
        description: the layer as the file has it.
        legacy: whether the file is older than Keras 3.

    Raises:
        RefusedError: the layer, or the value of one of its arguments, is not supported.
    """
    name, config = parse_object(description)
    if name not in COUNTERPARTS:
        raise RefusedError(WHY_NOT.get(name, "this layer is not supported"))
    if not isinstance(config, dict):
        raise RefusedError(f"expected its arguments, got {shown(config)}")
    try:
        if name == "InputLayer":
            return _input(config)
        cls = LAYERS[COUNTERPARTS[name]]
        return cls(**_arguments(name, cls, config, legacy))
    except (StriateError, TypeError, ValueError, ArithmeticError) as error:
        raise RefusedError(str(error).rstrip(".")) from None


def input_shape(config: dict[str, Any]) -> tuple[int, ...] | None:
    """Of one sample, from a layer's arguments; None: they do not say it."""
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    if shape is None and "input_shape" not in config:
        return None
    sizes = tuple(shape[1:] if isinstance(shape, list) else config.get("input_shape") or ())
    if not sizes or None in sizes:
        raise RefusedError(f"expected an input of known size, got {shown(shape)}; {GIVE_IT}")
    return sizes


def _input(config: dict[str, Any]) -> Layer:
    if config.get("sparse") or config.get("ragged"):
        raise RefusedError("sparse and ragged inputs are not supported here")
    kind = config.get("dtype")
    if not isinstance(kind, str):
        check_type(kind)
        kind = None
    name = config.get("name")
    return InputLayer(input_shape(config), dtype=None if kind in ("bfloat16", None) else kind, name=name)


def _arguments(name: str, cls: type[Layer], config: dict[str, Any], legacy: bool) -> dict[str, Any]:
    """The arguments of our layer from those of Keras's."""
    ours = cls.__signature__.parameters
    found: dict[str, Any] = {}
    for key, value in config.items():
        argument = RENAMED.get((name, key), key)
        if key == "dtype":
            check_type(value)
        elif key.endswith("_constraint"):
            constraint(value)
        elif key == "activity_regularizer":
            regularizer(value)
        elif key in ("name", "trainable"):
            found[key] = value
        elif argument in ours:
            found[argument] = _translated(name, key, value, legacy)
        elif name in IN_TRAINING:
            continue  # how strong the noise is
        elif key not in WITHOUT_EFFECT or (WITHOUT_EFFECT[key] is not ... and value not in WITHOUT_EFFECT[key]):
            raise RefusedError(f"its argument {shown(key)} = {shown(value)} is not supported here")
    return found


def _translated(name: str, key: str, value: Any, legacy: bool) -> Any:
    if key == "activation":
        return activation(value, legacy)
    for ending, translate in ENDINGS.items():
        if key.endswith(ending):
            return translate(value)
    if key == "seed":
        return value if isinstance(value, int) else None
    if key == "axis" and name != "LayerNormalization" and isinstance(value, list) and len(value) == 1:
        return value[0]  # TensorFlow writes [3]
    return _tuples(value)


ENDINGS: dict[str, Callable[[Any], Any]] = {"_initializer": initializer, "_regularizer": regularizer}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
