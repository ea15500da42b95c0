"""Layers that bring numbers to a common scale: each kind takes mean and variance over different axes."""

from typing import Any

import numpy as np

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Shape, Variable
from striate.layers import initializers
from striate.layers.arguments import at_least, integer, real, share
from striate.layers.layer import Layer
from striate.layers.weighted import Weighted
from striate.ops.reductions import normalized_axes


class _Normalization(Weighted):
    """What batch, layer and group normalization share: a learned scale gamma and offset beta."""

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        gamma: tuple[Any, Any, None],
        beta: tuple[Any, Any, None],
        **kwargs: Any,
    ):
        super().__init__({"gamma": gamma, "beta": beta}, **kwargs)
        self.epsilon = real(type(self).__name__, "epsilon", epsilon, least=0)
        self.center = center
        self.scale = scale
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def _learned_term(self) -> str:
        """The end of a sentence that describes the layer."""
        learned = [*(["times a learned γ"] if self.scale else []), *(["plus a learned β"] if self.center else [])]
        return f", then {', '.join(learned)}" if learned else ""

    def _add_scale_and_offset(self, shape: Shape) -> None:
        if self.scale:
            self.gamma = self.add("gamma", shape)
        if self.center:
            self.beta = self.add("beta", shape)


class BatchNormalization(_Normalization):
    """Batch normalization: y = γ·(x − mean)/√(variance + ε) + β, for each channel separately.

    In training, mean and variance are those of the batch, over all axes but ``axis``; the moving ones follow:
    moving ← momentum · moving + (1 − momentum) · batch. Otherwise, and while ``trainable`` is False, the moving ones
    are used, and a sample's output does not depend on the others.

    Shapes: (N, …, C) → the same; gamma, beta, moving_mean, moving_variance (C,).

    Arguments:
        axis: the axis whose entries are normalized separately; −1: the channels.
        momentum: how much of the moving statistics stays at each step, from 0 to below 1.
        epsilon: added to the variance.
        center, scale: whether there is a β, a γ.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: initial values.
        beta_regularizer, gamma_regularizer: added to the loss, such as "l2".
        beta_constraint, gamma_constraint: not supported; must be None.

    Raises:
        ArgumentError: an argument is invalid, or the input has no such axis.

    Source: Ioffe, Szegedy, "Batch normalization: Accelerating deep network training" (2015).
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: None = None,
        gamma_constraint: None = None,
        **kwargs: Any,
    ):
        gamma = gamma_initializer, gamma_regularizer, gamma_constraint
        beta = beta_initializer, beta_regularizer, beta_constraint
        super().__init__(epsilon, center, scale, gamma, beta, **kwargs)
        self.axis = integer("BatchNormalization", "axis", axis)
        self.momentum = share("BatchNormalization", "momentum", momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Shape) -> None:
        at_least("BatchNormalization", input_shape, 2, "(N, …, C)")
        shape = (input_shape[self._own_axis(len(input_shape))],)
        self._add_scale_and_offset(shape)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, "moving_mean", trainable=False)
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, "moving_variance", trainable=False
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        rank = len(inputs.shape)
        own = (self._own_axis(rank),)
        gamma, beta = along(self.gamma, own, rank), along(self.beta, own, rank)
        if not (training and self.trainable):
            mean, variance = along(self.moving_mean, own, rank), along(self.moving_variance, own, rank)
            return ops.standardize_with(inputs, mean, variance, gamma, beta, self.epsilon)
        others = tuple(axis for axis in range(rank) if axis not in own)
        for moving, batch in (
            (self.moving_mean, ops.mean(inputs, others)),
            (self.moving_variance, ops.variance(inputs, others)),
        ):
            moving.assign(self.momentum * moving + (1 - self.momentum) * batch)
        return ops.standardize(inputs, gamma, beta, others, self.epsilon)

    def _own_axis(self, rank: int) -> int:
        (axis,) = normalized_axes("BatchNormalization", self.axis, rank)
        if axis == 0:
            raise ArgumentError(f"BatchNormalization: expected another axis than the batch, got axis={self.axis}.")
        return axis

    def describe(self) -> str:
        what = "Every map" if self.axis == -1 else f"Every entry along axis {self.axis}"
        batch = " (in training, those of the batch)" if self.trainable else ""
        return f"{what} minus its stored mean, divided by its stored standard deviation{batch}{self._learned_term()}."


class LayerNormalization(_Normalization):
    """Layer normalization: y = γ·(x − mean)/√(variance + ε) + β, with mean and variance along ``axis`` of each sample.

    Shapes: any → the same; gamma and beta of the sizes along ``axis``.

    Arguments:
        axis: one axis or several; −1: the last.
        Others: as `BatchNormalization`.

    Raises:
        ArgumentError: an argument is invalid, or the input has no such axis.

    Source: Ba, Kiros, Hinton, "Layer normalization" (2016).
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: None = None,
        gamma_constraint: None = None,
        **kwargs: Any,
    ):
        gamma = gamma_initializer, gamma_regularizer, gamma_constraint
        beta = beta_initializer, beta_regularizer, beta_constraint
        super().__init__(epsilon, center, scale, gamma, beta, **kwargs)
        axes = axis if isinstance(axis, list | tuple) else (axis,)
        self.axis = tuple(integer("LayerNormalization", "axis", one) for one in axes)

    def build(self, input_shape: Shape) -> None:
        axes = normalized_axes("LayerNormalization", self.axis, len(input_shape))
        if 0 in axes:
            raise ArgumentError(f"LayerNormalization: expected other axes than the batch, got axis={self.axis}.")
        self._add_scale_and_offset(tuple(input_shape[axis] for axis in axes))

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        axes = normalized_axes("LayerNormalization", self.axis, rank)
        gamma, beta = along(self.gamma, axes, rank), along(self.beta, axes, rank)
        return ops.standardize(inputs, gamma, beta, axes, self.epsilon)

    def describe(self) -> str:
        return f"The numbers {_where(self.axis)} shifted and scaled to mean 0 and variance 1{self._learned_term()}."


class GroupNormalization(_Normalization):
    """Group normalization: the channels are split into groups; mean and variance are those of one group in one sample.

    Shapes: (N, …, C) → the same; gamma, beta (C,). With as many groups as channels it is instance normalization.

    Arguments:
        groups: the number of groups, which divides C. −1: as many as channels.
        axis: only −1, the channels.
        Others: as `BatchNormalization`.

    Raises:
        ArgumentError: an argument is invalid.
        ShapeError: the groups do not divide the channels.

    Source: Wu, He, "Group normalization" (2018).
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: None = None,
        gamma_constraint: None = None,
        **kwargs: Any,
    ):
        gamma = gamma_initializer, gamma_regularizer, gamma_constraint
        beta = beta_initializer, beta_regularizer, beta_constraint
        super().__init__(epsilon, center, scale, gamma, beta, **kwargs)
        if axis != -1:
            raise ArgumentError(f"GroupNormalization: expected axis=-1, the channels, got {axis!r}.")
        self.groups = groups if groups == -1 else integer("GroupNormalization", "groups", groups, least=1)

    def build(self, input_shape: Shape) -> None:
        at_least("GroupNormalization", input_shape, 2, "(N, …, C)")
        count = input_shape[-1]
        if count % self._groups(count):
            raise ShapeError(
                f"GroupNormalization: expected channels that groups={self.groups} divides, got {count} "
                f"(input is {input_shape})."
            )
        self._add_scale_and_offset((count,))

    def call(self, inputs: Any) -> Any:
        shape = tuple(inputs.shape)
        at_least("GroupNormalization", shape, 2, "(N, …, C)")
        groups = self._groups(shape[-1])
        apart = (groups, shape[-1] // groups)
        grouped = ops.reshape(inputs, (*shape[:-1], *apart))  # (N, …, C) → (N, …, G, C/G)
        gamma, beta = (None if v is None else ops.reshape(v, apart) for v in (self.gamma, self.beta))
        within = (*range(1, len(shape) - 1), len(shape))
        return ops.reshape(ops.standardize(grouped, gamma, beta, within, self.epsilon), shape)

    def _groups(self, count: int) -> int:
        return count if self.groups == -1 else self.groups

    def describe(self) -> str:
        if self.groups == -1:
            what = "Each map of each sample"
        else:
            what = f"The maps of each sample in {self.groups} groups, the numbers of each group"
        return f"{what} shifted and scaled to mean 0 and variance 1{self._learned_term()}."


class Normalization(Layer):
    """Shifts and scales by statistics known before training, such as those of pixels: y = (x − mean)/√variance.

    They are given, or taken from data by `adapt`, and training does not change them.

    Shapes: any → the same; mean and variance of the sizes along ``axis``.

    Arguments:
        axis: the axis, or axes, whose entries have separate statistics; −1: the last; None: one for all numbers.
        mean, variance: a number, or an array of the sizes along ``axis``; None: until `adapt`, 0 and 1.
        invert: whether to compute the inverse: y = x·√variance + mean.

    Raises:
        ArgumentError: an argument is invalid, or the input has no such axis.
        ShapeError: mean and variance do not have the sizes along ``axis``.
    """

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        where = "Normalization"
        axes = () if axis is None else axis if isinstance(axis, list | tuple) else (axis,)
        self.axis = tuple(integer(where, "axis", one) for one in axes)
        if (mean is None) != (variance is None):
            raise ArgumentError(f"{where}: expected mean and variance, or neither, got {mean!r} and {variance!r}.")
        self.given = None if mean is None else (_numbers("mean", mean), _numbers("variance", variance))
        if self.given and (self.given[1] < 0).any():
            raise ArgumentError(f"{where}: expected a variance of at least 0, got {variance!r}.")
        self.invert = bool(invert)
        self.mean: Variable | Array
        self.variance: Variable | Array

    def build(self, input_shape: Shape) -> None:
        sizes = tuple(input_shape[axis] for axis in normalized_axes("Normalization", self.axis, len(input_shape)))
        if self.given:
            try:
                self.mean, self.variance = (np.broadcast_to(array, sizes) for array in self.given)
            except ValueError:
                raise ShapeError(
                    f"Normalization: expected mean and variance of shape {sizes}, which the input has along axis="
                    f"{self.axis}, got {self.given[0].shape} and {self.given[1].shape}."
                ) from None
        elif None in sizes:
            raise ShapeError(f"Normalization: expected known sizes along axis={self.axis}, got {input_shape}.")
        else:
            self.mean = self.add_weight(sizes, "zeros", "mean", trainable=False)
            self.variance = self.add_weight(sizes, "ones", "variance", trainable=False)

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        axes = normalized_axes("Normalization", self.axis, rank)
        mean, variance = along(self.mean, axes, rank), along(self.variance, axes, rank)
        if self.invert:
            return ops.add(ops.multiply(inputs, ops.sqrt(variance)), mean)
        return ops.standardize_with(inputs, mean, variance, None, None, LEAST_VARIANCE)

    def adapt(self, data: Any) -> None:
        """Set mean and variance to those of data.

        Arguments:
            data: an array (N, …), as the layer's input.

        Raises:
            ArgumentError: the layer was made with a mean and a variance.
        """
        if self.given:
            raise ArgumentError("Normalization: mean and variance were given; make the layer without them to adapt it.")
        data = np.asarray(data)
        if not self.built:
            self(data[:1])
        axes = normalized_axes("Normalization", self.axis, data.ndim)
        others = tuple(axis for axis in range(data.ndim) if axis not in axes)
        mean, variance = self.weights
        mean.assign(data.mean(others, np.float64))
        variance.assign(data.var(others, np.float64))

    def describe(self) -> str:
        if self.invert:
            return "Every number times a known standard deviation, plus a known mean."
        return "Every number minus a known mean, divided by a known standard deviation."


#: Added to the variance: constant data would be divided by 0.
LEAST_VARIANCE = 1e-14


def _numbers(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ArgumentError(f"Normalization: expected {name} as finite numbers, got {value!r}.")
    return array.astype(np.float32)


class UnitNormalization(Layer):
    """Scales each sample's numbers along ``axis`` to a Euclidean length of 1: y = x / √(Σ x²).

    Shapes: any → the same. A length below 10⁻⁶ counts as 10⁻⁶.

    Arguments:
        axis: one axis or several, along which the length is computed; −1: the last.

    Raises:
        ArgumentError: an argument is invalid, or the input has no such axis.
    """

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        axes = axis if isinstance(axis, list | tuple) else (axis,)
        self.axis = tuple(integer("UnitNormalization", "axis", one) for one in axes)

    def call(self, inputs: Any) -> Any:
        axes = normalized_axes("UnitNormalization", self.axis, len(inputs.shape))
        squares = ops.sum(ops.multiply(inputs, inputs), axes, keepdims=True)
        return ops.divide(inputs, ops.sqrt(ops.maximum(squares, LEAST_SQUARES)))

    def describe(self) -> str:
        return f"The numbers {_where(self.axis)} divided by the root of the sum of their squares."


#: A smaller sum of squares counts as this.
LEAST_SQUARES = 1e-12


class LocalResponseNormalization(Layer):
    """Each number divided by a measure of how strong its neighbours in the channels are: y = x / (bias + α·Σ x²)^β.

    Shapes: (N, …, C) → the same. Keras has no such layer; the arguments are TensorFlow's.

    Arguments:
        depth_radius: how many channels on each side enter the sum.
        bias: above 0.
        alpha: 0 or more. AlexNet has a radius of 2, bias 2, alpha 10⁻⁴, beta 0.75.
        beta: the exponent.

    Raises:
        ArgumentError: an argument is invalid.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
    """

    def __init__(self, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5, **kwargs: Any):
        super().__init__(**kwargs)
        where = "LocalResponseNormalization"
        self.depth_radius = integer(where, "depth_radius", depth_radius, least=0)
        self.bias = real(where, "bias", bias, least=0)
        if not self.bias:
            raise ArgumentError(f"{where}: expected bias above 0, got {bias!r}: silent channels would be divided by 0.")
        self.alpha = real(where, "alpha", alpha, least=0)
        self.beta = real(where, "beta", beta)

    def call(self, inputs: Any) -> Any:
        return ops.local_response_normalization(inputs, self.depth_radius, self.bias, self.alpha, self.beta)

    def describe(self) -> str:
        beside = f"{self.depth_radius} maps on either side of its own"
        return f"Each number damped by the numbers at the same place in the {beside}."


def _where(axes: Shape) -> str:
    """Which numbers of a sample belong together."""
    return "at each place" if axes == (-1,) else f"along the axes {', '.join(map(str, axes))} of each sample"


def along(variable: Variable | Array | None, axes: Shape, rank: int) -> Any:
    """What has the sizes along ``axes``, in a shape that broadcasts to ``rank`` axes; None stays None."""
    if variable is None or axes == tuple(range(rank - len(axes), rank)):
        return variable  # on the last axes, broadcasting does it
    sizes = dict(zip(axes, variable.shape, strict=True))
    return ops.reshape(variable, tuple(sizes.get(axis, 1) for axis in range(rank)))
