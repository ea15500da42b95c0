"""Layers that bring numbers to a common scale: each kind takes mean and variance over other axes."""

from typing import Any

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Shape, Variable
from striate.layers import initializers, regularizers
from striate.layers.arguments import at_least, integer, not_offered, real, share, whole
from striate.layers.layer import Layer
from striate.ops.reductions import normalized_axes


class _Normalization(Layer):
    """What batch, layer and group normalization share: a learned scale gamma and offset beta."""

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: None,
        gamma_constraint: None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        where = type(self).__name__
        not_offered(where, beta_constraint=beta_constraint, gamma_constraint=gamma_constraint)
        self.epsilon = real(where, "epsilon", epsilon, least=0)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def _add_scale_and_offset(self, shape: Shape) -> None:
        if self.scale:
            self.gamma = self.add_weight(shape, self.gamma_initializer, "gamma", regularizer=self.gamma_regularizer)
        if self.center:
            self.beta = self.add_weight(shape, self.beta_initializer, "beta", regularizer=self.beta_regularizer)


class BatchNormalization(_Normalization):
    """Batch normalization: y = γ·(x − mean)/√(variance + ε) + β, for each channel on its own.

    In training, mean and variance are those of the batch, over all axes but ``axis``; the moving ones follow:
    moving ← momentum · moving + (1 − momentum) · batch. Otherwise, and while ``trainable`` is False, the moving ones
    are used, and a sample's output does not depend on the others.

    Shapes: (N, …, C) → the same; gamma, beta, moving_mean, moving_variance (C,).

    Arguments:
        axis: the axis whose entries are normalized apart; −1: the channels.
        momentum: how much of the moving statistics stays at each step, from 0 to below 1.
        epsilon: added to the variance.
        center, scale: whether there is a β, a γ.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: first values.
        beta_regularizer, gamma_regularizer: added to the loss, such as "l2".
        beta_constraint, gamma_constraint: not offered; only None.

    Raises:
        ArgumentError: an argument means nothing, or the input has no such axis.

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
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
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
            return ops.normalize_with(inputs, mean, variance, gamma, beta, self.epsilon)
        others = tuple(axis for axis in range(rank) if axis not in own)
        for moving, batch in (
            (self.moving_mean, ops.mean(inputs, others)),
            (self.moving_variance, ops.variance(inputs, others)),
        ):
            moving.assign(self.momentum * moving + (1 - self.momentum) * batch)
        return ops.normalize(inputs, gamma, beta, others, self.epsilon)

    def _own_axis(self, rank: int) -> int:
        (axis,) = normalized_axes("BatchNormalization", self.axis, rank)
        if axis == 0:
            raise ArgumentError(f"BatchNormalization: expected another axis than the batch, got axis={self.axis}.")
        return axis

    def describe(self) -> str:
        return "Every map shifted and scaled to mean 0 and variance 1 over the batch, then by learned β and γ."


class LayerNormalization(_Normalization):
    """Layer normalization: y = γ·(x − mean)/√(variance + ε) + β, with mean and variance along ``axis`` of each sample.

    Shapes: any → the same; gamma and beta of the sizes along ``axis``.

    Arguments:
        axis: one axis or several; −1: the last.
        Others: as `BatchNormalization`.

    Raises:
        ArgumentError: an argument means nothing, or the input has no such axis.

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
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
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
        return ops.normalize(inputs, gamma, beta, axes, self.epsilon)

    def describe(self) -> str:
        return "The numbers of each place shifted and scaled to mean 0 and variance 1, then by learned β and γ."


class GroupNormalization(_Normalization):
    """Group normalization: the channels are split into groups; mean and variance are those of one group in one sample.

    Shapes: (N, …, C) → the same; gamma, beta (C,). With as many groups as channels it is instance normalization.

    Arguments:
        groups: how many; it divides C. −1: as many as channels.
        axis: only −1, the channels.
        Others: as `BatchNormalization`.

    Raises:
        ArgumentError: an argument means nothing.
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
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        if axis != -1:
            raise ArgumentError(f"GroupNormalization: expected axis=-1, the channels, got {axis!r}.")
        self.groups = groups if groups == -1 else whole("GroupNormalization", "groups", groups)

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
        return ops.reshape(ops.normalize(grouped, gamma, beta, within, self.epsilon), shape)

    def _groups(self, count: int) -> int:
        return count if self.groups == -1 else self.groups

    def describe(self) -> str:
        groups = "as many groups as maps" if self.groups == -1 else f"{self.groups} groups"
        return f"The maps in {groups}, each shifted and scaled to mean 0 and variance 1, then by learned β and γ."


class LocalResponseNormalization(Layer):
    """Each number divided by a measure of how strong its neighbours in the channels are: y = x / (bias + α·Σ x²)^β.

    Shapes: (N, …, C) → the same. Keras has no such layer; the arguments are TensorFlow's.

    Arguments:
        depth_radius: how many channels on each side count.
        bias: above 0.
        alpha: 0 or more. AlexNet has a radius of 2, bias 2, alpha 10⁻⁴, beta 0.75.
        beta: the exponent.

    Raises:
        ArgumentError: an argument means nothing.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
    """

    def __init__(self, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5, **kwargs: Any):
        super().__init__(**kwargs)
        where = "LocalResponseNormalization"
        self.depth_radius = whole(where, "depth_radius", depth_radius, least=0)
        self.bias = real(where, "bias", bias, least=0)
        if not self.bias:
            raise ArgumentError(f"{where}: expected bias above 0, got {bias!r}: silent channels would be divided by 0.")
        self.alpha = real(where, "alpha", alpha, least=0)
        self.beta = real(where, "beta", beta)

    def call(self, inputs: Any) -> Any:
        return ops.local_response_normalization(inputs, self.depth_radius, self.bias, self.alpha, self.beta)

    def describe(self) -> str:
        return f"Each number weakened where the {self.depth_radius} maps on either side of its own are strong."


def along(variable: Variable | None, axes: Shape, rank: int) -> Any:
    """A variable with the sizes along ``axes``, in a shape that broadcasts to ``rank`` axes; None stays None."""
    if variable is None or axes == tuple(range(rank - len(axes), rank)):
        return variable  # on the last axes, broadcasting does it
    sizes = dict(zip(axes, variable.shape, strict=True))
    return ops.reshape(variable, tuple(sizes.get(axis, 1) for axis in range(rank)))
