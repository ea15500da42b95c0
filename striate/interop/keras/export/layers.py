"""Our layers as Keras's: the same names and arguments. The reverse of `layer_configs`.

Where Keras has no such argument, several of its layers together compute the same:

    pads of its own, "full", "same_lower"    zeros around the input (of max pooling the lowest number), then no padding
    pads of a transposed convolution         no padding, then the edges cropped
    a layer as ``activation``                none, then that layer

What even these cannot express is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.configurable import snake_case
from striate.errors import ModelError
from striate.graph import Array, Variable
from striate.interop.keras.layer_configs import COUNTERPARTS
from striate.interop.keras.objects import described
from striate.interop.keras.operations import BY_NAME
from striate.layers import (
    Activation,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    Normalization,
    SeparableConv1D,
    SeparableConv2D,
)
from striate.layers.activations import NAMES
from striate.layers.initializers import Constant, PresetFilters
from striate.layers.layer import LAYERS, Layer, serialize
from striate.ops.operation import Operation
from striate.ops.shape import PAD
from striate.ops.windows import Pads, resolve_padding

TRANSPOSED = (Conv1DTranspose, Conv2DTranspose, Conv3DTranspose)
AVERAGE = (AveragePooling1D, AveragePooling2D, AveragePooling3D)
POOLING = (MaxPooling1D, MaxPooling2D, MaxPooling3D, *AVERAGE)
WINDOWED = (
    Conv1D, Conv2D, Conv3D, DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D, *TRANSPOSED, *POOLING,
)  # fmt: skip
#: Arguments of all layers, which are written for every part.
COMMON = {"name", "trainable", "dtype", "input_shape", "input_dim", "kwargs"}
#: Arguments that Keras does not have, by what it does.
BEYOND: dict[type[Layer], dict[str, Any]] = {
    **{cls: {"groups": 1} for cls in TRANSPOSED},
    **{cls: {"dilation_rate": 1, "count_include_pad": ...} for cls in POOLING},
}
#: What max pooling finds outside of its input: every number is larger, or the same.
LOWEST = float(np.finfo(np.float32).min)
#: How many batches a `Normalization` has seen, which Keras keeps beside mean and variance and does not use.
COUNT = np.zeros((), np.int32)


class UnwritableError(Exception):
    """Something that Keras's files cannot express; its text is the reason."""


@dataclass
class Part:
    """One of Keras's layers or operations, of which one or several make a layer of ours.

    Arguments:
        kind: the class's name.
        config: its arguments.
        variables: in the order in which Keras makes them.
        ending: the suffix of its name, after that of our layer.
        module: where Keras has the class.
        keywords: what it is called with beside its input.
        listed: whether it is an operation that is called on a list.
    """

    kind: str
    config: dict[str, Any]
    variables: Sequence[Variable | Array] = ()
    ending: str = ""
    module: str = "keras.layers"
    keywords: dict[str, Any] = field(default_factory=dict)
    listed: bool = False


def parts_of(layer: Layer, size: Sequence[int | None]) -> list[Part]:
    """The layers that compute in Keras what one of ours does, one after the other.

    Arguments:
        layer: not a network.
        size: of its input between batch and channels, on which some paddings depend.

    Raises:
        UnwritableError: there are none.
    """
    kind = type(layer).__name__
    if LAYERS.get(kind) is not type(layer) or kind not in COUNTERPARTS:
        raise UnwritableError("Keras has no such layer" if kind in LAYERS else "it is a class of your own")
    if isinstance(layer, Activation) and isinstance(layer.activation, Layer):
        return parts_of(layer.activation, size)
    main = Part(kind, _arguments(layer), own_variables(layer))
    if isinstance(layer, Normalization) and main.variables:
        main.variables = [*main.variables, COUNT]
    parts = [*_around(layer, size, main)] if isinstance(layer, WINDOWED) else [main]
    activation = getattr(layer, "activation", None)
    if isinstance(activation, Layer):
        for part in parts_of(activation, size):
            part.ending = f"_{snake_case(type(activation).__name__)}{part.ending}"
            parts.append(part)
    return parts


def operation_part(operation: Operation, settings: dict[str, Any], ending: str = "") -> Part:
    """What stands for one of our operations.

    Raises:
        UnwritableError: Keras has none, or none with all of its settings.
    """
    one = BY_NAME.get(operation.name)
    if one is None or settings.keys() != {*one.settings.values(), *one.called_with.values()}:
        raise UnwritableError("its export to Keras is not supported; use a layer instead")
    config, keywords = (
        {theirs: serialize(settings[ours]) for theirs, ours in some.items()} for some in (one.settings, one.called_with)
    )
    return Part(one.kind, config | one.fixed, (), ending, one.module, keywords, one.listed)


def own_variables(layer: Layer) -> list[Variable]:
    """A layer's variables without those of layers in it."""
    below = {variable for inner in layer.sublayers() for variable in inner.weights}
    return [variable for variable in layer.weights if variable not in below]


# Arguments


def _arguments(layer: Layer) -> dict[str, Any]:
    """The arguments that both have, all of them: defaults may differ between versions."""
    given = {name: one.default for name, one in type(layer).__signature__.parameters.items()}
    try:
        given |= layer.get_config()
    except ModelError as error:  # a custom function
        raise UnwritableError(str(error).partition(": ")[2].rstrip(".")) from None
    beyond = BEYOND.get(type(layer), {})
    config: dict[str, Any] = {}
    for name, value in given.items():
        if name in COMMON:
            continue
        if name in beyond:
            if beyond[name] is not ... and any(one != beyond[name] for one in np.ravel(value)):
                raise UnwritableError(f"Keras has no {name} there, it is {value!r}")
        elif name.endswith(("_constraint", "activity_regularizer")):
            continue  # None, or the layer would not be there
        elif name == "data_format":
            config[name] = "channels_last"
        elif name == "activation":
            config[name] = _activation(layer.activation)  # type: ignore[attr-defined]
        elif name.endswith(("_initializer", "_regularizer")):
            thing = getattr(layer, name)
            module = "keras.initializers" if name.endswith("_initializer") else "keras.regularizers"
            if not _is_ours_alone(thing):
                config[name] = None if thing is None else described(thing, module)
        else:
            config[name] = serialize(value)
    return config


def _activation(activation: Any) -> str:
    """Its name; a layer follows as a part."""
    return "linear" if isinstance(activation, Layer) else NAMES[activation]


def _is_ours_alone(thing: Any) -> bool:
    """Whether Keras cannot make an initializer. It need not: the weights are in the file."""
    return isinstance(thing, PresetFilters) or (isinstance(thing, Constant) and np.ndim(thing.value) > 0)


# Paddings that Keras does not have


def _around(layer: Any, size: Sequence[int | None], main: Part) -> Iterator[Part]:
    """A layer whose window moves, with what puts zeros around its input or cuts its output."""
    axes, counted = layer.axes, isinstance(layer, AVERAGE) and layer.count_include_pad
    words = ["valid", *["same"] * (not counted), *["causal"] * isinstance(layer, Conv1D)]
    if isinstance(layer.padding, str) and layer.padding in words:
        yield main
        return
    pads = _pads(layer, size)
    main.config["padding"] = "valid"
    if isinstance(layer, TRANSPOSED):
        # Unless it is given, "valid" compensates for strides longer than the kernel, and pads do not.
        main.config["output_padding"] = serialize(layer.output_padding or (0,) * axes)
        yield main
        if np.any(pads):
            yield Part(f"Cropping{axes}D", {"cropping": _widths(pads)} | _format(axes), ending="_crop")
        return
    if np.any(pads):
        if isinstance(layer, AVERAGE) and not counted:
            raise UnwritableError(
                f"Keras's average pooling counts the padding {pads} as zeros, and this layer does not count it"
            )
        if isinstance(layer, POOLING) and not counted:
            yield operation_part(PAD, {"padding": [[0, 0], *pads, [0, 0]], "value": LOWEST}, ending="_pad")
        else:
            yield Part(f"ZeroPadding{axes}D", {"padding": _widths(pads)} | _format(axes), ending="_pad")
    yield main


def _pads(layer: Any, size: Sequence[int | None]) -> Pads:
    where = type(layer).__name__
    window = layer.pool_size if isinstance(layer, POOLING) else layer.kernel_size
    depends = isinstance(layer.padding, str) and layer.padding.startswith("same")
    if depends and None in size:
        raise UnwritableError(f"its padding {layer.padding!r} depends on a size that is not known")
    known = [n if n is not None else 1 for n in size]
    return resolve_padding(where, layer.padding, known, window, layer.strides, layer.dilation_rate)


def _widths(pads: Pads) -> Any:
    """Keras wants a pair for one axis, and a list of pairs for several."""
    return list(pads[0]) if len(pads) == 1 else [list(pair) for pair in pads]


def _format(axes: int) -> dict[str, Any]:
    return {"data_format": "channels_last"} if axes > 1 else {}
