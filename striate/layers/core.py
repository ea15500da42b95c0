"""Fully connected layers, and the two simplest: the identity and a change of scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from striate import ops
from striate.graph import Shape, Variable
from striate.layers.activation import activation_function, then
from striate.layers.arguments import at_least, integer, real
from striate.layers.initializers import Initializer
from striate.layers.layer import Layer
from striate.layers.weighted import Weighted


class Dense(Weighted):
    """Fully connected: every output number is a weighted sum of all numbers on the last axis.

    y[…, k] = f(bias[k] + Σ over c of x[…, c] · kernel[c, k])

    Shapes: (N, …, C) → (N, …, K), whatever the rank; kernel (C, K), bias (K,). ``Dense(16)`` on (20, 20, 3) gives
    (20, 20, 16): to connect all pixels with all units, put `Flatten` before it.

    Arguments:
        units: K, the number of outputs.
        activation: a name such as "relu", a function, or a layer; None: none.
        use_bias: whether to add a learned number to each unit.
        kernel_initializer, bias_initializer: set the initial weights.
        kernel_regularizer, bias_regularizer: added to the loss, such as "l2".
        activity_regularizer, kernel_constraint, bias_constraint: not supported; must be None.

    Raises:
        ArgumentError: an argument is invalid.
        ShapeError: the input's last axis does not fit the kernel.

    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors" (1986).
    """

    kernel_initializer: Initializer

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: None = None,
        kernel_constraint: None = None,
        bias_constraint: None = None,
        **kwargs: Any,
    ):
        kernel = kernel_initializer, kernel_regularizer, kernel_constraint
        bias = bias_initializer, bias_regularizer, bias_constraint
        super().__init__({"kernel": kernel, "bias": bias}, activity_regularizer, **kwargs)
        self.units = integer("Dense", "units", units, least=1)
        self.activation = activation_function("Dense", activation)
        self.use_bias = use_bias
        self.bias: Variable | None = None

    def build(self, input_shape: Shape) -> None:
        at_least("Dense", input_shape, 2, "(N, …, C)")
        self.kernel = self.add("kernel", (input_shape[-1], self.units))
        if self.use_bias:
            self.bias = self.add("bias", (self.units,))

    def call(self, inputs: Any) -> Any:
        at_least("Dense", inputs.shape, 2, "(N, …, C)")
        return self.activation(ops.dense(inputs, self.kernel, self.bias))

    def describe(self) -> str:
        one = self.units == 1
        units = "1 unit" if one else f"{self.units} units"
        what = "all inputs"
        if self.built:
            *places, count = self.input_shape[1:]
            units += " at each place" if places else ""
            what = f"the {count} numbers there" if places else f"all {count} inputs"
        return f"{units}, {'' if one else 'each '}a weighted sum of {what}{then(self.activation)}."


class Identity(Layer):
    """The input, unchanged: any shape → the same."""

    def call(self, inputs: Any) -> Any:
        return ops.linear(inputs)

    def describe(self) -> str:
        return "The input, unchanged."


class Rescaling(Layer):
    """A change of scale: y = x · scale + offset; any shape → the same.

    Arguments:
        scale: such as 1/255 to bring pixels to 0…1; a number, or one for each channel.
        offset: added afterwards; a number, or one for each channel.

    Raises:
        ArgumentError: they are not finite numbers.
    """

    def __init__(self, scale: float | Sequence[float], offset: float | Sequence[float] = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = _one_or_each("scale", scale)
        self.offset = _one_or_each("offset", offset)

    def call(self, inputs: Any) -> Any:
        scale, offset = (np.array(n, np.float32) if isinstance(n, tuple) else n for n in (self.scale, self.offset))
        return ops.add(ops.multiply(inputs, scale), offset)

    def describe(self) -> str:
        scale, offset = map(_listed, (self.scale, self.offset))
        return f"Every number times {scale}" + (f", plus {offset}." if self.offset else ".")


def _listed(value: float | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return f"{', '.join(f'{number:g}' for number in value)}, one for each channel"
    return f"{value:g}"


def _one_or_each(name: str, value: Any) -> float | tuple[float, ...]:
    if isinstance(value, list | tuple):
        return tuple(real("Rescaling", name, one) for one in value)
    return real("Rescaling", name, value)
