"""All parameters of a network as one flat vector, and their gradients as another."""

from collections.abc import Sequence

import numpy as np

from striate.graph import Array, Variable


class ParameterVector:
    """Moves variables into one vector; each variable's value becomes a view of its part.

    One optimizer step is then a few operations on whole vectors.

    Arguments:
        variables: whose values are moved; they keep them.
    """

    def __init__(self, variables: Sequence[Variable]):
        self.variables = list(variables)
        self.sizes = [v.value.size for v in self.variables]
        self.values: Array = np.concatenate([v.value.ravel() for v in self.variables] or [np.empty(0, np.float32)])
        self.gradients: Array = np.zeros_like(self.values)
        self._views = [part.reshape(v.shape) for part, v in zip(self._parts(self.values), self.variables, strict=True)]
        for variable, view in zip(self.variables, self._views, strict=True):
            variable.value = view

    def holds_values(self) -> bool:
        """Whether the variables' values are still here; the vector of a network that shares some takes them over."""
        return all(v.value is view for v, view in zip(self.variables, self._views, strict=True))

    def set_gradients(self, arrays: Sequence[Array]) -> None:
        """Copy each variable's gradient to its place in the vector."""
        for part, array in zip(self._parts(self.gradients), arrays, strict=True):
            part[...] = array.ravel()

    def _parts(self, vector: Array) -> list[Array]:
        return np.split(vector, np.cumsum(self.sizes)[:-1]) if self.sizes else []
