"""Regularizers: penalties on large weights, added to the training loss, with Keras's names."""

import math
from dataclasses import dataclass
from typing import Any

from striate import ops
from striate.configurable import Names, Settings
from striate.errors import ArgumentError


class Regularizer(Settings):
    """Base of all regularizers: calling one with weights, arrays or symbols, returns a scalar."""

    def __call__(self, x: Any) -> Any:
        """The penalty on the weights ``x``."""
        raise NotImplementedError(f"{type(self).__name__}: define __call__(self, x).")

    def _check(self, **factors: float) -> None:
        for name, factor in factors.items():
            if not 0 <= factor < math.inf:
                raise ArgumentError(f"{type(self).__name__}: expected {name} of at least 0, got {factor!r}.")


@dataclass(eq=False, repr=False)
class L1(Regularizer):
    """l1 · Σ|w|, which makes many weights exactly 0.

    Arguments:
        l1: the factor.

    Raises:
        ArgumentError: it is negative.

    Source: Tibshirani, "Regression shrinkage and selection via the lasso" (1996).
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        self._check(l1=self.l1)

    def __call__(self, x: Any) -> Any:
        return ops.multiply(ops.sum(ops.absolute(x)), self.l1)


@dataclass(eq=False, repr=False)
class L2(Regularizer):
    """l2 · Σw², which keeps all weights small.

    Arguments:
        l2: the factor.

    Raises:
        ArgumentError: it is negative.

    Source: Hoerl, Kennard, "Ridge regression" (1970).
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        self._check(l2=self.l2)

    def __call__(self, x: Any) -> Any:
        return ops.multiply(ops.sum(ops.square(x)), self.l2)


@dataclass(eq=False, repr=False)
class L1L2(Regularizer):
    """l1 · Σ|w| + l2 · Σw².

    Arguments:
        l1, l2: the factors.

    Raises:
        ArgumentError: one is negative.

    Source: Zou, Hastie, "Regularization and variable selection via the elastic net" (2005).
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        self._check(l1=self.l1, l2=self.l2)

    def __call__(self, x: Any) -> Any:
        return ops.add(L1(self.l1)(x), L2(self.l2)(x))


# Keras has these spellings too, and most programs use them.
l1 = L1
l2 = L2
l1_l2 = L1L2

NAMES: Names[Regularizer] = Names("regularizers.get", [L1, L1L2, L2])


def get(identifier: Any) -> Any:
    """A regularizer from its name ("l2"), from ``{"class_name": …, "config": …}``; a function, or None, as it is.

    A function takes weights and returns a scalar, computed with operations of `striate.ops`.

    Raises:
        ArgumentError: the name or the config's arguments are unknown.
    """
    if identifier is None or (callable(identifier) and not isinstance(identifier, type)):
        return identifier
    return NAMES.make(identifier)
