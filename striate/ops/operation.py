"""What an operation is: checks and shape rule, reference forward, gradient rule, and the terms behind one number."""

import functools
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np

from striate.errors import ArgumentError, MemoryLimitError, ShapeError
from striate.graph import Array, Node, Shape, Tensor, Variable, active_trace, as_numbers, probe

Index = tuple[int, ...]

#: Every operation by name; an operation registers itself when it is constructed.
OPERATIONS: dict[str, "Operation"] = {}


@dataclass(frozen=True, slots=True)
class Read:
    """One number that a term was computed from: which input, the index in it, and the number."""

    source: str
    index: Index
    value: float


class Term(NamedTuple):
    """One summand of an output number, and the numbers it was computed from."""

    value: float
    reads: tuple[Read, ...]


class Terms(NamedTuple):
    """The exact sum that one output number came from.

    Arguments:
        formula: the operation in the field's notation, such as ``Σ x·w``.
        terms: the summands. Where an operation picks instead of adding (max pooling), what was not picked counts as 0.
    """

    formula: str
    terms: tuple[Term, ...]

    @property
    def total(self) -> float:
        """The sum of all terms, correctly rounded: the output number."""
        return math.fsum(term.value for term in self.terms)


class Operation:
    """Base of all operations; calling one on arrays computes, calling it on symbols adds a node to their graph.

    A subclass sets ``name`` (the standard term, in messages, files and listings) and ``inputs`` (what its array
    arguments are called) and defines `shape`, `forward`, `terms` and, unless it is itself a gradient, `gradient`.
    """

    name: str
    inputs: tuple[str, ...]

    def __init__(self) -> None:
        if self.name in OPERATIONS:
            raise ArgumentError(f"{self.name}: there is already an operation of this name.")
        OPERATIONS[self.name] = self

    def shape(self, *inputs: Any, **attributes: Any) -> Shape:
        """The shape of the result, from anything that has a ``shape`` and a ``dtype``; raises on what does not fit."""
        raise NotImplementedError

    def dtype(self, *inputs: Any, **attributes: Any) -> Any:
        """The dtype of the result: the widest floating type among the inputs, unless an operation says otherwise."""
        floating = [value.dtype for value in inputs if value.dtype.kind == "f"]
        return np.result_type(*floating) if floating else inputs[0].dtype

    def forward(self, *arrays: Any, **attributes: Any) -> Array:
        """The definition, in plain NumPy."""
        raise NotImplementedError

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Nodes for the gradient with respect to each input of ``node``; None for inputs that have none."""
        raise ArgumentError(f"{self.name}: has no gradient rule; gradients in Striate are of first order.")

    def terms(self, index: Index, *arrays: Any, **attributes: Any) -> Terms:
        """The summands behind the output number at ``index``."""
        raise NotImplementedError

    def multiply_adds(self, node: Node) -> int:
        """How many multiply-adds one run takes; 0 where an operation does not multiply and add."""
        return 0

    def fan_in(self, node: Node) -> int:
        """How many numbers of its first input one output number is computed from."""
        return 1

    def reach(self, node: Node, box: "Box") -> "list[Box | None]":
        """For each input, the rectangle that the output rectangle ``box`` depends on; None: all of the input.

        The default is that of an element-wise operation: the same places.
        """
        return [box if len(tensor.shape) == len(node.output.shape) else None for tensor in node.inputs]

    @np.errstate(all="ignore")  # infinities and NaN propagate, as in IEEE 754
    def __call__(self, *inputs: Any, **attributes: Any) -> Any:
        inputs = self.same_kind(*inputs)
        if not any(isinstance(value, Tensor) for value in inputs):
            arrays = tuple(value.array if isinstance(value, Variable) else value for value in inputs)
            shape = self.shape(*arrays, **attributes)
            check_memory(self.name, shape, np.dtype(self.dtype(*arrays, **attributes)).itemsize)
            try:
                return self.forward(*arrays, **attributes)
            except MemoryError as error:
                raise MemoryLimitError(f"{self.name}: not enough memory for a result of {shape}: {error}") from None
        node = Node(self, inputs, attributes)
        if any(None in tensor.shape for tensor in node.inputs):
            known = probe(self, inputs, attributes)
            output = Tensor(known.shape, known.dtype, node)
        else:
            output = Tensor(self.shape(*inputs, **attributes), self.dtype(*inputs, **attributes), node)
        node.outputs = (output,)
        return output

    @np.errstate(all="ignore")
    def same_kind(self, *inputs: Any) -> tuple[Any, ...]:
        """Inputs as native arrays, or all as symbols if one of them is a symbol; numbers take the others' type."""
        scope = active_trace()
        if scope is not None:
            inputs = tuple(scope.symbol(value) if isinstance(value, Variable) else value for value in inputs)
        types = (getattr(value, "dtype", None) for value in inputs)  # other libraries' arrays have their own types
        dtype = np.result_type(np.float32, *(t for t in types if isinstance(t, np.dtype) and t.kind == "f"))
        symbolic = any(isinstance(value, Tensor) for value in inputs)
        converted: list[Any] = []
        for name, value in zip(self.input_names(len(inputs)), inputs, strict=True):
            if isinstance(value, (Tensor, Variable)):
                converted.append(value)
            else:
                array = self.as_input(name, value, dtype)
                converted.append(Tensor.constant(array) if symbolic else array)
        return tuple(converted)

    def input_names(self, count: int) -> tuple[str, ...]:
        """The names of ``count`` inputs; an operation that takes any number of inputs overrides this."""
        return self.inputs

    def as_input(self, name: str, value: Any, dtype: Any) -> Array:
        """``value`` as a native array; numbers that are not floating become ``dtype``."""
        return as_array(value, dtype, f"{self.name}: {name}")


class Box(NamedTuple):
    """A rectangle of positions, first included and last excluded, one pair for each spatial axis."""

    sides: tuple[tuple[int, int], ...]


@functools.cache
def memory() -> int:
    """Bytes of memory of this machine; where that is not known, more than any machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 60


#: Bytes that one array may take; None: as many as the machine has.
_GRANTED: ContextVar[int | None] = ContextVar("granted", default=None)


@contextmanager
def granted(most: int) -> Iterator[None]:
    """Refuse larger arrays for a while, such as while computing what a file describes."""
    token = _GRANTED.set(most)
    try:
        yield
    finally:
        _GRANTED.reset(token)


def check_memory(where: str, shape: Shape, itemsize: int = 4) -> None:
    """Raise MemoryLimitError if an array of ``shape`` is larger than the machine's memory, or than is granted."""
    limit = _GRANTED.get()
    most, whose = (memory(), "this machine has") if limit is None else (limit, "are granted")
    if (size := math.prod(shape) * itemsize) > most:
        raise MemoryLimitError(f"{where}: an array of {tuple(shape)} takes {size:,} bytes; {most:,} {whose}.")


def as_array(value: Any, dtype: Any, where: str) -> Array:
    """``value`` as an array in native byte order; integers and booleans become ``dtype``, as do Python numbers.

    Raises:
        DataError: objects, strings, complex numbers or a ragged list.
    """
    array = as_numbers(where, value)
    if array.dtype.kind != "f" or array.dtype == np.float16 or not hasattr(value, "dtype"):
        return array.astype(dtype)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def as_number(where: str, name: str, value: Any) -> float:
    """A setting that is a single number, such as a rate, as a float.

    Raises:
        ArgumentError: it is not a number.
    """
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass  # refused below
    raise ArgumentError(f"{where}: expected {name} as a number, got {value!r}.")


def check_rank(operation: str, name: str, value: Any, rank: int, layout: str) -> None:
    """Raise ShapeError unless ``value`` has ``rank`` axes; ``layout`` names them in the message."""
    if len(value.shape) != rank:
        raise ShapeError(
            f"{operation}: expected {name} of rank {rank} {layout}, got rank {len(value.shape)} {tuple(value.shape)}."
        )


def read(source: str, array: Array, index: Index) -> Read:
    """The number of ``array`` at ``index``, as a `Read`."""
    return Read(source, tuple(int(i) for i in index), float(array[index]))


def known_shape(tensor: Tensor) -> Shape:
    """The shape of a symbol inside a trace, where no size is None."""
    return cast(Shape, tensor.shape)
