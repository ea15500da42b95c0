"""All parameters of a network as one flat vector, and their gradients as another."""

import ctypes
import sys
from collections.abc import Sequence

import numpy as np

from striate.graph import Array, Variable


class ParameterVector:
    """Moves variables into one vector; each variable's value becomes a view of its part.

    One optimizer step is then a few operations on whole vectors.

    Arguments:
        variables: those whose values are moved; the values stay the same.
    """

    def __init__(self, variables: Sequence[Variable]):
        self.variables = list(variables)
        self.sizes = [v.array.size for v in self.variables]
        self.values: Array = np.concatenate([v.array.ravel() for v in self.variables] or [np.empty(0, np.float32)])
        self.gradients: Array = np.zeros_like(self.values)
        self._views = self._parts(self.values)
        #: Each variable's part of the gradient.
        self.gradient_parts = self._parts(self.gradients)
        for variable, view in zip(self.variables, self._views, strict=True):
            variable.keep_in(view)
        if self.variables:
            _give_memory_back()

    def rate_factors(self) -> Array | None:
        """The `Variable.rate_factor` of each number, or None if all are 1."""
        factors = [v.rate_factor for v in self.variables]
        return None if all(f == 1 for f in factors) else np.repeat(np.array(factors, np.float32), self.sizes)

    def holds_values(self) -> bool:
        """Whether the variables' values are still here; another network's vector takes over those it shares."""
        return all(v.is_kept_in(view) for v, view in zip(self.variables, self._views, strict=True))

    def _parts(self, vector: Array) -> list[Array]:
        parts = np.split(vector, np.cumsum(self.sizes)[:-1]) if self.sizes else []
        return [part.reshape(v.shape) for part, v in zip(parts, self.variables, strict=True)]


def _give_memory_back() -> None:
    """Return the variables' former memory to the system: glibc keeps it unless asked."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(ctypes.c_size_t(0))
