"""ONNX's operators: one function each, named like it; to add an operator is to write its function."""

import inspect
from collections.abc import Callable
from typing import Any

from striate.interop.onnx.operators import (
    activations,
    convolution,
    elementwise,
    normalization,
    pooling,
    quantization,
    reductions,
    resizing,
    shapes,
)

_FAMILIES = (convolution, pooling, normalization, activations, elementwise, shapes, reductions, resizing, quantization)

#: Each operator's function: (node, inputs …) → output, or a tuple of outputs.
OPERATORS: dict[str, Callable[..., Any]] = {
    name: function
    for family in _FAMILIES
    for name, function in vars(family).items()
    if name[0].isupper() and inspect.isfunction(function) and function.__module__ == family.__name__
}

#: What reads its first input as (N, C, …).
SPATIAL = {
    *(name for name in vars(pooling) if name in OPERATORS),
    *("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "BatchNormalization", "InstanceNormalization"),
    *("GroupNormalization", "LRN", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth"),
}
#: What leaves the axes as they are.
TRANSPARENT = {
    *(name for family in (activations, elementwise, quantization) for name in vars(family) if name in OPERATORS),
    *("Pad", "Cast", "Identity", "Slice", "Concat", "Split"),
} - SPATIAL
