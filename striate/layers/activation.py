"""Activations as layers, and what ``activation=`` of other layers may be."""

from collections.abc import Callable
from typing import Any

from striate import ops
from striate.errors import ArgumentError
from striate.graph import Shape
from striate.layers import activations, initializers, regularizers
from striate.layers.arguments import integer, not_supported, real
from striate.layers.layer import LAYERS, Layer
from striate.ops.operation import check_rank

#: What the field calls an activation where that does not follow from its name, see `term`.
TERMS = {"relu": "ReLU", "relu6": "ReLU capped at 6", "silu": "SiLU", "log_softmax": "log-softmax"}


def activation_function(where: str, identifier: Any) -> Callable[..., Any]:
    """The function that an ``activation`` argument stands for.

    Arguments:
        where: the layer's class, for messages.
        identifier: a name such as "relu", a function of tensors, a layer, a layer's config from a file, or None: the
            identity.

    Raises:
        ArgumentError: it is none of these.
    """
    if isinstance(identifier, dict) and identifier.get("class_name") in LAYERS:
        layer: Layer = LAYERS[identifier["class_name"]].from_config(identifier["config"])
        return layer
    return activations.find(where, identifier)


def term(activation: Callable[..., Any]) -> str:
    """What the field calls an activation: "leaky ReLU", "GELU", "softplus"; what ends in "lu" is a linear unit."""
    if isinstance(activation, Layer):
        return type(activation).__name__
    name: str = activations.NAMES.get(activation, getattr(activation, "__name__", "a function"))
    words = TERMS.get(name, name.replace("_", " ")).split(" ")
    return " ".join(TERMS.get(word, word.upper() if word.endswith("lu") else word) for word in words)


def then(activation: Callable[[Any], Any]) -> str:
    """The end of a sentence that describes a layer: ", then ReLU", or nothing where there is no activation."""
    return "" if activation is ops.linear else f", then {term(activation)}"


class Activation(Layer):
    """An activation as a separate layer; any shape → the same.

    Arguments:
        activation: a name such as "relu", a function of tensors, or a layer.

    Raises:
        ArgumentError: it is none of these.
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activation_function("Activation", activation)

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)

    def describe(self) -> str:
        name = term(self.activation)
        return ALONG.get(name, f"{name[0].upper()}{name[1:]} of every number.")


class ReLU(Layer):
    """Rectifier: y = x where x > threshold, else negative_slope · (x − threshold); at most max_value.

    Any shape → the same. The gradient at the threshold is 0 (with a slope, that of the lower side).

    Arguments:
        max_value: the largest y; None: no bound.
        negative_slope: 0 or more.
        threshold: 0 or more.

    Raises:
        ArgumentError: one of them is negative.

    Source: Nair, Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010).
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else real("ReLU", "max_value", max_value, least=0)
        self.negative_slope = real("ReLU", "negative_slope", negative_slope, least=0)
        self.threshold = real("ReLU", "threshold", threshold, least=0)

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def describe(self) -> str:
        slope = f"{self.negative_slope:g}"
        if not self.negative_slope:
            below = "become 0"
        elif self.threshold:
            below = f"become {slope} times their distance from it, negative"
        else:
            below = f"are multiplied by {slope}"
        cap = "" if self.max_value is None else f", and none exceeds {self.max_value:g}"
        return f"ReLU: numbers below {self.threshold:g} {below}{cap}."


class LeakyReLU(Layer):
    """Leaky rectifier: y = x where x > 0, else negative_slope · x; any shape → the same.

    Arguments:
        negative_slope: 0 or more.

    Raises:
        ArgumentError: it is negative.

    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models" (2013).
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        super().__init__(**kwargs)
        self.negative_slope = real("LeakyReLU", "negative_slope", negative_slope, least=0)

    def call(self, inputs: Any) -> Any:
        return ops.leaky_relu(inputs, self.negative_slope)

    def describe(self) -> str:
        return f"Leaky ReLU: negative numbers are multiplied by {self.negative_slope:g}."


class PReLU(Layer):
    """Rectifier whose slope is learned: y = x where x > 0, else α · x; any shape → the same.

    Variable: alpha, of the shape of one sample, 1 along ``shared_axes``.

    Arguments:
        alpha_initializer, alpha_regularizer: of α.
        alpha_constraint: not supported; must be None.
        shared_axes: axes along which α is the same, counted with the batch as 0; [1, 2] gives one α for each channel
            of images.

    Raises:
        ArgumentError: ``shared_axes`` are not axes of a sample.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers" (2015).
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: None = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        not_supported("PReLU", alpha_constraint=alpha_constraint)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        axes = shared_axes if isinstance(shared_axes, list | tuple) else () if shared_axes is None else (shared_axes,)
        self.shared_axes = tuple(integer("PReLU", "shared_axes", axis, least=1) for axis in axes)

    def build(self, input_shape: Shape) -> None:
        if max(self.shared_axes, default=0) >= len(input_shape):
            raise ArgumentError(
                f"PReLU: expected shared_axes from 1 to {len(input_shape) - 1} (input is {input_shape}), "
                f"got {self.shared_axes}."
            )
        shape = tuple(1 if axis in self.shared_axes else n for axis, n in enumerate(input_shape))[1:]
        self.alpha = self.add_weight(shape, self.alpha_initializer, "alpha", regularizer=self.alpha_regularizer)

    def call(self, inputs: Any) -> Any:
        check_rank("PReLU", "input", inputs, self.alpha.ndim + 1, "as it was built for")
        return ops.prelu(inputs, self.alpha)

    def describe(self) -> str:
        return "ReLU with learned slopes: negative numbers are multiplied by a learned α."


class ELU(Layer):
    """Exponential linear unit: y = x where x > 0, else α · (exp(x) − 1); any shape → the same.

    Arguments:
        alpha: α, 0 or more.

    Raises:
        ArgumentError: it is negative.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by ELUs" (2016).
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = real("ELU", "alpha", alpha, least=0)

    def call(self, inputs: Any) -> Any:
        return ops.elu(inputs, self.alpha)

    def describe(self) -> str:
        return f"ELU: negative numbers x become {self.alpha:g}·(exp(x) − 1)."


class Softmax(Layer):
    """yᵢ = exp(xᵢ) / Σ exp(xⱼ) along one axis: positive numbers that sum to 1; any shape → the same.

    Arguments:
        axis: the axis along which the outputs sum to 1; −1: the last.

    Raises:
        ArgumentError: the input has no such axis.

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs" (1990).
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        return ops.softmax(inputs, self.axis)

    def describe(self) -> str:
        return SHARES.format("at each place" if self.axis == -1 else f"along axis {self.axis}")


#: What softmax does, in one sentence.
SHARES = "Softmax: the numbers {} become shares that are positive and sum to 1."
#: What activations do that take all numbers along the last axis together.
ALONG = {
    "softmax": SHARES.format("at each place"),
    "log-softmax": "Log-softmax: the logarithms of the shares that a softmax makes of the numbers at each place.",
}
