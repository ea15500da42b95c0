"""Networks that are a sequence of layers."""

from collections.abc import Sequence
from typing import Any

from striate.errors import ArgumentError, ModelError
from striate.graph import Tensor
from striate.layers.input import Input, InputLayer
from striate.layers.layer import Layer
from striate.models import saving
from striate.models.model import Model
from striate.models.network import unique_names


class Sequential(Model):
    """A network whose layers follow one another.

    Arguments:
        layers: layers; the first may be an `Input`, else the network is built when it sees its first input.
        name: shown in summaries and files.
    """

    def __init__(self, layers: Sequence[Any] = (), name: str | None = None, trainable: bool = True):
        super().__init__(name=name, trainable=trainable)
        self._stack: list[Layer] = []
        for layer in layers:
            self._append(layer)
        self._rebuild()
        if not trainable:
            self.trainable = False

    def add(self, layer: Any) -> None:
        """Append a layer.

        Raises:
            ArgumentError: it is not a layer.
        """
        self._append(layer)
        self._rebuild()

    def pop(self) -> Layer:
        """Remove the last layer.

        Raises:
            ModelError: there is none.
        """
        if not self.layers:
            raise ModelError(f"{self.name}: pop: there are no layers.")
        layer = self._stack.pop()
        self._rebuild()
        return layer

    @property
    def layers(self) -> list[Layer]:
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _append(self, layer: Any) -> None:
        if isinstance(layer, Tensor) and layer.node and isinstance(layer.node.operation, InputLayer):
            layer = layer.node.operation
        if not isinstance(layer, Layer):
            raise ArgumentError(f"{self.name}: expected a layer, got {layer!r}.")
        if isinstance(layer, InputLayer) and self._stack:
            raise ArgumentError(f"{self.name}: an Input can only be the first layer.")
        self._stack.append(layer)

    def _rebuild(self) -> None:
        """Build the network, if the shape of its input is known."""
        self._ends, self.nodes_in_order, self.built = None, [], False
        unique_names(self._stack)
        if not self._stack:
            return
        first, rest = self._stack[0], self._stack[1:]
        if isinstance(first, InputLayer):
            self._chain(first.output, rest)
        elif first.given_input_shape is not None:
            self._chain(Input(first.given_input_shape), self._stack)
        elif isinstance(first, Model) and first.is_graph:
            self._chain(Input(first.input_specs()[0][0]), self._stack)

    def build(self, input_shape: Any) -> None:
        """Build the network for inputs of this shape, None being the batch size."""
        if self._ends is None and self.layers:
            self._chain(Input(tuple(input_shape)[1:]), self._stack)

    def _chain(self, begin: Tensor, layers: list[Layer]) -> None:
        symbol = begin
        for layer in layers:
            layer.nodes.clear()  # this chain replaces the one of a shorter stack
            symbol = layer.extend((symbol,), {})
        if layers:
            self._connect(begin, symbol)

    def get_config(self) -> dict[str, Any]:
        return saving.sequential_config(self, self._stack)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sequential":
        return saving.sequential_from_config(cls, config)
