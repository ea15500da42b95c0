"""What layers with weights share: an initializer and a regularizer for each weight."""

from collections.abc import Mapping
from typing import Any

from striate.graph import Shape, Variable
from striate.layers import initializers, regularizers
from striate.layers.arguments import not_supported
from striate.layers.layer import Layer


class Weighted(Layer, abstract=True):
    """A layer whose weights have an initializer and a regularizer each.

    Arguments:
        weights: for each weight (initializer, regularizer, constraint), by the word that begins their names.
        activity_regularizer, and all constraints: not supported; must be None.

    Raises:
        ArgumentError: one of them is not None, or there is no initializer or regularizer of that name.
    """

    def __init__(self, weights: Mapping[str, tuple[Any, Any, None]], activity_regularizer: None = None, **kwargs: Any):
        super().__init__(**kwargs)
        constraints = {f"{word}_constraint": constraint for word, (_, _, constraint) in weights.items()}
        not_supported(type(self).__name__, activity_regularizer=activity_regularizer, **constraints)
        for word, (initializer, regularizer, _) in weights.items():
            setattr(self, f"{word}_initializer", initializers.get(initializer))
            setattr(self, f"{word}_regularizer", regularizers.get(regularizer))

    def add(self, word: str, shape: Shape, name: str = "") -> Variable:
        """Make a weight, by the arguments that begin with ``word``; ``name``: of the variable, default the word."""
        initializer, regularizer = getattr(self, f"{word}_initializer"), getattr(self, f"{word}_regularizer")
        return self.add_weight(shape, initializer, name or word, regularizer=regularizer)
