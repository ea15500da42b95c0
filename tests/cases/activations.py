"""Cases of the activations and their gradients."""

from typing import Any

import numpy as np

from striate.graph import Array
from striate.ops.activations import (
    ELU,
    ERF,
    GELU,
    HARD_SIGMOID,
    HARD_SILU,
    LEAKY_RELU,
    LOG_SOFTMAX,
    LOG_SOFTMAX_GRAD,
    MISH,
    PRELU,
    RELU,
    RELU6,
    SELU,
    SIGMOID,
    SILU,
    SOFTMAX,
    SOFTMAX_GRAD,
    SOFTPLUS,
    SOFTSIGN,
    TANH,
    Activation,
)
from tests.cases.case import Case, Maker

SHAPES: list[tuple[int, ...]] = [(), (7,), (3, 8), (0, 4), (2, 5, 3), (2, 4, 3, 5)]

SETTINGS: dict[Activation, list[dict[str, Any]]] = {
    LEAKY_RELU: [{"negative_slope": 0.2}, {"negative_slope": 0.0}, {"negative_slope": -0.5}],
    ELU: [{"alpha": 1.0}, {"alpha": 0.3}],
    GELU: [{"approximate": True}, {"approximate": False}],
}

ELEMENT_WISE: list[Activation] = [
    *(ELU, GELU, HARD_SIGMOID, HARD_SILU, LEAKY_RELU, MISH, RELU, RELU6),
    *(SELU, SIGMOID, SILU, SOFTPLUS, SOFTSIGN, TANH),
]


def wide(shape: tuple[int, ...]) -> Maker:
    """Numbers wide enough to meet every piece of every function: `relu6` bends at 6."""

    def make(generator: np.random.Generator) -> Array:
        return np.asarray(4 * generator.standard_normal(shape))

    return make


CASES = [
    Case(operation, inputs, settings)
    for activation in ELEMENT_WISE
    for settings in SETTINGS.get(activation, [{}])
    for shape in SHAPES
    for operation, inputs in [(activation, (wide(shape),)), (activation.grad, (wide(shape), shape))]
]
CASES += [
    Case(PRELU, inputs)
    for inputs in [((3, 8), (8,)), ((3, 8), ()), ((2, 4, 3, 5), (1, 1, 5)), ((2, 4, 3, 5), (4, 3, 5)), ((0, 4), (4,))]
]
CASES += [
    Case(operation, (shape,) * len(operation.inputs), {"axis": axis})
    for operation in [SOFTMAX, SOFTMAX_GRAD, LOG_SOFTMAX, LOG_SOFTMAX_GRAD]
    for shape in [*SHAPES[1:], (2, 40), (3, 17, 21)]
    for axis in range(len(shape))
]
CASES += [Case(ERF, (wide(shape),)) for shape in SHAPES]
