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
from striate.interop.onnx.operators.axes import SPATIAL, TRANSPARENT

__all__ = ["OPERATORS", "SPATIAL", "TRANSPARENT"]

_FAMILIES = (convolution, pooling, normalization, activations, elementwise, shapes, reductions, resizing, quantization)

#: Each operator's function: (node, inputs …) → output, or a tuple of outputs.
OPERATORS: dict[str, Callable[..., Any]] = {
    name: function
    for family in _FAMILIES
    for name, function in vars(family).items()
    if name[0].isupper() and inspect.isfunction(function) and function.__module__ == family.__name__
}

# Element-wise operators leave the axes as they are.
TRANSPARENT |= {
    name
    for name, function in OPERATORS.items()
    if inspect.getmodule(function) in (activations, elementwise, quantization)
} - SPATIAL
