"""Where a network begins."""

from typing import Any

import numpy as np

from striate.errors import ArgumentError
from striate.graph import Node, Tensor
from striate.layers.layer import Layer


class InputLayer(Layer):
    """An input of a network; `Input` makes one and returns its symbol.

    Arguments:
        shape: of one sample, without the batch size.
        batch_size: None: any.
        dtype: of the data; unless it is an integer type, the network computes in float32.
        name: default "input_layer".

    Raises:
        ArgumentError: a size is missing, or below 1.
    """

    def __init__(self, shape: Any, batch_size: int | None = None, dtype: Any = None, name: str | None = None):
        super().__init__(name=name)
        sizes = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
        if not all(isinstance(n, int | np.integer) and n >= 1 for n in sizes):
            raise ArgumentError(f"Input: expected a shape of integers, each at least 1, got {shape!r}.")
        kind = np.dtype(dtype or np.float32)
        node = Node(self, (), {})
        symbol = Tensor(
            (batch_size, *(int(n) for n in sizes)), kind if kind.kind in "iu" else np.float32, node, self.name
        )
        node.outputs = (symbol,)
        self.nodes.append(node)
        self.built = True

    def describe(self) -> str:
        return "The input, as the network gets it."


def Input(shape: Any, batch_size: int | None = None, dtype: Any = None, name: str | None = None) -> Tensor:  # noqa: N802
    """The symbol with which a network begins; ``Model(inputs, outputs)`` is what was computed from it.

    Arguments, errors: as `InputLayer`.
    """
    return InputLayer(shape, batch_size, dtype, name).nodes[0].output
