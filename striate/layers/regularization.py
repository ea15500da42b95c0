"""Layers that disturb training so that a network relies on no single number; afterwards they change nothing."""

from typing import Any, ClassVar

from striate import ops
from striate.graph import active_trace
from striate.layers.arguments import channels, channels_last, integer, share
from striate.layers.layer import Layer
from striate.random import get_seed, next_weights

#: Layers with their own seed draw from streams beyond those that networks count.
OWN_STREAMS = 2**62


class _Dropout(Layer):
    """What all dropouts share: the rate, and where random numbers come from."""

    def __init__(self, rate: float, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = share(type(self).__name__, "rate", rate)
        self.seed = None if seed is None else integer(type(self).__name__, "seed", seed, least=0)

    def sentence(self, what: str) -> str:
        """The description of what the layer does to numbers, or to maps."""
        return (
            f"In training, a random fraction of {self.rate:.3g} of all {what} becomes 0, and the others are "
            f"divided by {1 - self.rate:.3g}; otherwise nothing changes."
        )

    def drop(self, inputs: Any, noise_shape: Any) -> Any:
        """``inputs`` with a fraction ``rate`` of its numbers, or of its axes of size 1 in ``noise_shape``, set to 0."""
        # Outside of a network there are no steps to tell calls apart, so they are numbered like drawn weights.
        random = None if active_trace() else (get_seed(), next_weights())
        stream = None if self.seed is None else OWN_STREAMS + self.seed
        return ops.dropout(inputs, self.rate, random, stream, noise_shape)


class Dropout(_Dropout):
    """Dropout: in training, a random fraction ``rate`` of all numbers becomes 0; the others are divided by 1 − rate.

    This preserves the mean; outside of training the layer is the identity. A rate of 0.25 drops a quarter.

    Shapes: any → the same.

    Arguments:
        rate: from 0 to below 1.
        noise_shape: for each axis 1 to drop it as a whole, None or its size to drop place by place; None: every number
            on its own.
        seed: with `striate.set_seed` it determines which numbers are dropped; two layers with the same seed drop the
            same. None: every layer of a network drops others.

    Raises:
        ArgumentError: rate or seed is out of range.
        ShapeError: ``noise_shape`` does not fit the input.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout" (2014).
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any):
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = noise_shape

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.drop(inputs, self.noise_shape) if training and self.rate else inputs

    def describe(self) -> str:
        return self.sentence("numbers")


class _SpatialDropout(_Dropout):
    axes: ClassVar[int]

    def call(self, inputs: Any, training: bool = False) -> Any:
        channels(type(self).__name__, inputs.shape, self.axes)
        if not (training and self.rate):
            return inputs
        return self.drop(inputs, (None, *(1,) * self.axes, None))

    def describe(self) -> str:
        return self.sentence("maps")


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of series: (N, W, C) → the same.

    Arguments, errors: as `SpatialDropout2D`.
    """

    axes = 1

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(rate, seed, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole maps: neighbouring pixels are so alike that dropping single ones would change little.

    Shapes: (N, H, W, C) → the same.

    Arguments:
        rate, seed: as `Dropout`.
        data_format: only "channels_last".

    Raises:
        ArgumentError: rate or seed is out of range.
        ShapeError: the input has the wrong rank.

    Source: Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient object localization using convolutional
    networks" (2015).
    """

    axes = 2

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(rate, seed, **kwargs)
        channels_last("SpatialDropout2D", data_format)


class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole channels of volumes: (N, D, H, W, C) → the same.

    Arguments, errors: as `SpatialDropout2D`.
    """

    axes = 3

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(rate, seed, **kwargs)
        channels_last("SpatialDropout3D", data_format)
