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

#: What operators such as ``tensor + other`` mean. ``striate.ops`` fills it: imports go down only, and ops lie above us.
ARITHMETIC: dict[str, Callable[..., Any]] = {}


class Arithmetic:
    """Operators for what may be computed later: ``a + b`` means ``striate.ops.add(a, b)``.

    Comparisons such as ``==`` are element-wise too. To test for the *same* tensor or variable use ``is``, or a set or a
    dictionary, which compare identities; ``in`` on a list would compare numbers.
    """

    __slots__ = ()
    __array_ufunc__ = None  # array + tensor asks the tensor, so that it becomes a node
    __hash__ = object.__hash__

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

    def __abs__(self) -> Any:
        return ARITHMETIC["absolute"](self)

    def __matmul__(self, other: Any) -> Any:
        return ARITHMETIC["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return ARITHMETIC["matmul"](other, self)

    def __eq__(self, other: Any) -> Any:
        return ARITHMETIC["equal"](self, other)

    def __ne__(self, other: Any) -> Any:
        return ARITHMETIC["not_equal"](self, other)

    def __lt__(self, other: Any) -> Any:
        return ARITHMETIC["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return ARITHMETIC["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return ARITHMETIC["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return ARITHMETIC["greater_equal"](self, other)

    def __and__(self, other: Any) -> Any:
        return ARITHMETIC["logical_and"](self, other)

    def __rand__(self, other: Any) -> Any:
        return ARITHMETIC["logical_and"](other, self)

    def __or__(self, other: Any) -> Any:
        return ARITHMETIC["logical_or"](self, other)

    def __ror__(self, other: Any) -> Any:
        return ARITHMETIC["logical_or"](other, self)

    def __xor__(self, other: Any) -> Any:
        return ARITHMETIC["logical_xor"](self, other)

    def __rxor__(self, other: Any) -> Any:
        return ARITHMETIC["logical_xor"](other, self)

    def __invert__(self) -> Any:
        return ARITHMETIC["logical_not"](self)

    def __getitem__(self, index: Any) -> Any:
        return ARITHMETIC["get_item"](self, index)

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self!r} cannot be iterated; index it, such as x[:, 0], or split it with striate.ops.")


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
        raise TypeError(
            f"{self!r} has no truth value: a network's graph cannot branch on numbers it has not computed. "
            "Select element-wise with striate.ops.where; to ask whether two symbols are the same one, use `is`."
        )


class Node:
    """One step of a network: an operation, what it is applied to, and its settings.

    Arguments:
        operation: what is applied: an operation, or between layers a layer.
        arguments: positional arguments; tensors, or lists of tensors as ``Concatenate`` takes them.
        attributes: settings that are not tensors, such as strides.
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
