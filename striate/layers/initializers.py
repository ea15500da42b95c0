"""Initializers: they set the initial weights, with Keras's names.

Below, fan_in is how many inputs one output has, and fan_out how many outputs one input reaches: for a kernel
(KH, KW, C, K) they are KH·KW·C and KH·KW·K. Numbers are drawn by `striate.random` as a function of the seed and of how
many arrays of weights were drawn since it was set; an initializer with its own seed draws the same every time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import random
from striate.configurable import Names, Settings
from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Shape
from striate.layers.filters import preset_filters

#: The standard deviation of a standard normal number that is drawn again until it lies within ±2.
TRUNCATED_STDDEV = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))


class Initializer(Settings):
    """Base of all initializers: calling one with a shape returns an array of that shape."""

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """An array of this shape and type.

        Raises:
            ArgumentError, ShapeError: the initializer cannot fill this shape.
        """
        raise NotImplementedError(f"{type(self).__name__}: define __call__(self, shape, dtype).")


@dataclass(eq=False, repr=False)
class Zeros(Initializer):
    """Every number 0."""

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        return np.zeros(shape, dtype)


@dataclass(eq=False, repr=False)
class Ones(Initializer):
    """Every number 1."""

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        return np.ones(shape, dtype)


@dataclass(eq=False, repr=False)
class Constant(Initializer):
    """The same number everywhere, or an array that broadcasts to the shape.

    Arguments:
        value: the number or array.
    """

    value: Any = 0.0

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        return np.array(np.broadcast_to(self.value, shape), dtype)


@dataclass(eq=False, repr=False)
class Identity(Initializer):
    """A matrix with ``gain`` on the diagonal and 0 elsewhere.

    Arguments:
        gain: what is on the diagonal.
    """

    gain: float = 1.0

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        if len(shape) != 2:
            raise ShapeError(f"Identity: expected the shape of a matrix, got {tuple(shape)}.")
        return np.asarray(self.gain * np.eye(*shape), dtype)


@dataclass(eq=False, repr=False)
class RandomUniform(Initializer):
    """Uniform from ``minval`` up to ``maxval``.

    Arguments:
        minval, maxval: the bounds.
        seed: a separate seed; None: that of `set_seed`.
    """

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        drawn = random.uniform(tuple(shape), **_source(self.seed)).astype(np.float64)
        return np.asarray(self.minval + (self.maxval - self.minval) * drawn, dtype)


@dataclass(eq=False, repr=False)
class RandomNormal(Initializer):
    """Normal with mean ``mean`` and standard deviation ``stddev``.

    Arguments:
        mean, stddev: see above.
        seed: a separate seed; None: that of `set_seed`.
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        return np.asarray(self.mean + self.stddev * random.normal(tuple(shape), **_source(self.seed)), dtype)


@dataclass(eq=False, repr=False)
class TruncatedNormal(Initializer):
    """Normal, but numbers further than 2·``stddev`` from ``mean`` are drawn again.

    Arguments:
        mean, stddev: of the normal distribution before it is cut; what is drawn has 0.88·``stddev``.
        seed: a separate seed; None: that of `set_seed`.
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        return np.asarray(self.mean + self.stddev * _truncated_normal(tuple(shape), self.seed), dtype)


@dataclass(eq=False, repr=False)
class VarianceScaling(Initializer):
    """Random weights whose variance is ``scale`` / n, so that signals keep their size from layer to layer.

    Arguments:
        scale: above 0.
        mode: n is "fan_in", "fan_out", or "fan_avg": their mean.
        distribution: "truncated_normal" (cut at 2 standard deviations and corrected), "untruncated_normal", "uniform".
        seed: a separate seed; None: that of `set_seed`.

    Raises:
        ArgumentError: ``scale`` is not above 0, or another mode or distribution.

    Source: He et al., "Delving deep into rectifiers" (2015).
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ArgumentError(f"VarianceScaling: expected scale above 0, got {self.scale!r}.")
        if self.mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ArgumentError(f"VarianceScaling: expected mode 'fan_in', 'fan_out' or 'fan_avg', got {self.mode!r}.")
        if self.distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ArgumentError(
                "VarianceScaling: expected distribution 'truncated_normal', 'untruncated_normal' or 'uniform', "
                f"got {self.distribution!r}."
            )

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(n, 1))
        if self.distribution == "uniform":  # from −a to a has standard deviation a / √3
            return RandomUniform(-math.sqrt(3) * stddev, math.sqrt(3) * stddev, self.seed)(shape, dtype)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, stddev, self.seed)(shape, dtype)
        return TruncatedNormal(0.0, stddev / TRUNCATED_STDDEV, self.seed)(shape, dtype)


@dataclass(eq=False, repr=False)
class _Scaled(Initializer):
    """`VarianceScaling` with fixed settings that have a name."""

    seed: int | None = None
    settings = (1.0, "fan_in", "truncated_normal")

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        return VarianceScaling(*self.settings, seed=self.seed)(shape, dtype)


class GlorotUniform(_Scaled):
    """Uniform with variance 2 / (fan_in + fan_out): ±√(6 / (fan_in + fan_out)).

    Arguments:
        seed: a separate seed; None: that of `set_seed`.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
    """

    settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal with variance 2 / (fan_in + fan_out). Argument and source: see `GlorotUniform`."""

    settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform with variance 2 / fan_in, for layers with ReLU: ±√(6 / fan_in).

    Arguments:
        seed: a separate seed; None: that of `set_seed`.

    Source: He et al., "Delving deep into rectifiers" (2015).
    """

    settings = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal with variance 2 / fan_in, for layers with ReLU. Argument and source: see `HeUniform`."""

    settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform with variance 1 / fan_in: ±√(3 / fan_in).

    Arguments:
        seed: a separate seed; None: that of `set_seed`.

    Source: LeCun et al., "Efficient BackProp" (1998), section 4.6.
    """

    settings = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal with variance 1 / fan_in. Argument and source: see `LecunUniform`."""

    settings = (1.0, "fan_in", "truncated_normal")


@dataclass(eq=False, repr=False)
class Orthogonal(Initializer):
    """A random matrix (product of all axes but the last, last axis) whose rows or columns are orthogonal unit vectors.

    Arguments:
        gain: the vectors' length.
        seed: a separate seed; None: that of `set_seed`.

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks" (2014).
    """

    gain: float = 1.0
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        if len(shape) < 2:
            raise ShapeError(f"Orthogonal: expected a shape of at least 2 axes, got {tuple(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = random.normal((max(rows, columns), min(rows, columns)), **_source(self.seed))
        q, r = np.linalg.qr(drawn)
        q *= np.sign(np.diag(r))  # so that every orthogonal matrix is as likely as any other
        return np.asarray(self.gain * (q if rows >= columns else q.T).reshape(shape), dtype)


@dataclass(eq=False, repr=False)
class PresetFilters(Initializer):
    """Preset filters as the initial weights of a convolution: each is repeated for every input channel.

    Arguments:
        names: one for each output channel, see `preset_filter`.
        seed: for "random"; None: the one of `set_seed`.

    Raises:
        ArgumentError: an unknown name, or no name.
    """

    names: Sequence[str]
    seed: int | None = None

    def __post_init__(self) -> None:
        preset_filters(*self.names)  # raises at once, not when the layer is built

    def __call__(self, shape: Shape, dtype: Any = np.float32) -> Array:
        if len(shape) != 4 or shape[0] != shape[1] or shape[3] != len(self.names):
            raise ShapeError(
                f"PresetFilters: expected a shape (k, k, C, {len(self.names)}) for {len(self.names)} filters, "
                f"got {tuple(shape)}."
            )
        kernel = preset_filters(*self.names, size=shape[0], seed=self.seed)
        return np.array(np.broadcast_to(kernel, shape), dtype)


NAMES: Names[Initializer] = Names(
    "initializers.get",
    [
        Constant,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        Identity,
        LecunNormal,
        LecunUniform,
        Ones,
        Orthogonal,
        PresetFilters,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    ],
    {"normal": RandomNormal, "one": Ones, "uniform": RandomUniform, "zero": Zeros},
)


def get(identifier: Any) -> Any:
    """An initializer from its name ("he_normal"), from ``{"class_name": …, "config": …}``, or a function as it is.

    A function takes a shape and a dtype and returns an array.

    Raises:
        ArgumentError: the name or the config's arguments are unknown.
    """
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    return NAMES.make(identifier)


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of weights: (…, C, K) has C and K, each times the size of the kernel in front of them.

    A vector's fans are both its size, a scalar's are 1.
    """
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _source(seed: int | None, attempt: int = 0) -> dict[str, Any]:
    """The arguments of `striate.random` that determine what is drawn."""
    own = seed is not None
    return {
        "seed": seed if own else random.get_seed(),
        "purpose": "weights",
        "stream": 0 if own else random.next_weights(),
        "step": attempt,
    }


def _truncated_normal(shape: Shape, seed: int | None) -> NDArray[np.float64]:
    source = _source(seed)
    drawn = random.normal(shape, **source)
    while (outside := np.abs(drawn) > 2).any():
        source["step"] += 1
        drawn[outside] = random.normal((int(outside.sum()),), **source)
    return drawn
