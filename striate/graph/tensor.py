"""Tensors stand for arrays that are not computed yet; nodes say how they will be.

The same two classes describe a network at both zoom levels. Between layers, a node's operation is a layer and the
batch size is None: ``Input`` and ``Model`` work there. Inside a trace, a node's operation is an operation of
``striate.ops`` and every size is known: that is what executors run.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

#: What ``tensor + other`` and its like mean. ``striate.ops`` fills it: imports go down only, and ops lie above us.
ARITHMETIC: dict[str, Callable[..., Any]] = {}


class Arithmetic:
    """Operators for what may be computed later: ``a + b`` means ``striate.ops.add(a, b)``."""

    __slots__ = ()
    __array_ufunc__ = None  # array + tensor asks the tensor, so that it becomes a node

    def __add__(self, other: Any) -> Any:
        return ARITHMETIC["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return ARITHMETIC["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return ARITHMETIC["subtract"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return ARITHMETIC["subtract"](other, self)

    def __mul__(self, other: Any) -> Any:
        return ARITHMETIC["multiply"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return ARITHMETIC["multiply"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return ARITHMETIC["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return ARITHMETIC["divide"](other, self)

    def __neg__(self) -> Any:
        return ARITHMETIC["negative"](self)

    def __pow__(self, exponent: float) -> Any:
        return ARITHMETIC["power"](self, exponent)

    def __rpow__(self, base: float) -> Any:
        return ARITHMETIC["power"](base, self)

    def __matmul__(self, other: Any) -> Any:
        return ARITHMETIC["dense"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return ARITHMETIC["dense"](other, self)


class Tensor(Arithmetic):
    """A symbol for an array: its shape, its dtype, and the node that will compute it.

    Arguments:
        shape: sizes; the first may be None, the batch size that is known only at run time.
        dtype: NumPy dtype of the array.
        node: the node whose result this is; None for an input of the graph.
        name: shown in messages and listings.
        value: the array itself, for a constant.
    """

    __slots__ = ("dtype", "name", "node", "shape", "value")

    def __init__(
        self,
        shape: tuple[int | None, ...],
        dtype: Any = np.float32,
        node: "Node | None" = None,
        name: str = "",
        value: Array | None = None,
    ):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.node = node
        self.name = name
        self.value = value

    @classmethod
    def constant(cls, value: Array) -> "Tensor":
        """A tensor whose array is known while the graph is built."""
        return cls(value.shape, value.dtype, name="constant", value=value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        made_by = f" by {self.node.name}" if self.node else ""
        return f"<Tensor {self.name or ''}{self.shape} {self.dtype}{made_by}>"

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError(f"{self!r} has no values yet: it is a symbol in a graph. Run a model on arrays to get numbers.")

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no truth value: a network's graph cannot branch on numbers it has not computed.")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self!r} cannot be iterated; use striate.ops to take it apart.")


class Node:
    """One step of a network: an operation, what it is applied to, and its settings.

    Arguments:
        operation: what is applied: an operation, or between layers a layer.
        arguments: positional arguments; tensors, or lists of tensors as ``Concatenate`` takes them.
        attributes: settings that are no tensors, such as strides.
    """

    __slots__ = ("arguments", "attributes", "operation", "outputs")

    def __init__(self, operation: Any, arguments: tuple[Any, ...], attributes: dict[str, Any]):
        self.operation = operation
        self.arguments = arguments
        self.attributes = attributes
        self.outputs: tuple[Tensor, ...] = ()

    @property
    def name(self) -> str:
        return str(getattr(self.operation, "name", self.operation))

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors among the arguments, in order."""
        return tensors_in(self.arguments)

    @property
    def output(self) -> Tensor:
        """The result of a node that has one, as every operation's node has."""
        (output,) = self.outputs
        return output

    def __repr__(self) -> str:
        return f"<Node {self.name} {[t.shape for t in self.inputs]} → {[t.shape for t in self.outputs]}>"


def tensors_in(structure: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dictionaries, in order."""
    if isinstance(structure, Tensor):
        return [structure]
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, (list, tuple)):
        return [tensor for item in structure for tensor in tensors_in(item)]
    return []


def map_tensors(structure: Any, replace: Callable[[Tensor], Any]) -> Any:
    """The same nested structure with every tensor replaced."""
    if isinstance(structure, Tensor):
        return replace(structure)
    if isinstance(structure, dict):
        return {key: map_tensors(item, replace) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_tensors(item, replace) for item in structure)
    return structure
