"""Tracing: calling a function on symbols to record the graph of what it computes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.graph.graph import Call, Graph
from striate.graph.tensor import ARITHMETIC, Tensor, map_tensors, tensors_in

if TYPE_CHECKING:
    from striate.graph.variable import Variable

_ACTIVE: ContextVar["Trace | None"] = ContextVar("trace", default=None)


def active_trace() -> "Trace | None":
    """The trace that is being recorded, or None outside of one."""
    return _ACTIVE.get()


class Trace:
    """What a function did while it was called on symbols.

    Arguments:
        training: the default of the layers' ``training`` argument.
        dtype: floating type in which variables appear; float64 when gradients are checked.
    """

    def __init__(self, training: bool = False, dtype: Any = np.float32):
        self.training = training
        self.dtype = np.dtype(dtype)
        #: The symbols that each variable was read as: its value before the run, then what was assigned to it.
        self.reads: dict[Variable, list[Tensor]] = {}
        self._assigned: dict[Variable, Tensor] = {}
        self._unread: set[Variable] = set()
        #: What layers add to a loss, by layer.
        self.losses: dict[Any, list[Tensor]] = {}
        self.calls: list[Call] = []
        self.random: Tensor | None = None
        self.streams = 0

    @contextmanager
    def recording(self) -> Iterator["Trace"]:
        """Make this the active trace for a while."""
        token = _ACTIVE.set(self)
        try:
            yield self
        finally:
            _ACTIVE.reset(token)

    def symbol(self, variable: "Variable") -> Tensor:
        """The tensor that stands for a variable at this point of the trace: after an assignment, what was assigned.

        Gradients end at a read: they do not flow into what the assigned value was computed from.
        """
        reads = self.reads.setdefault(variable, [])
        if not reads:
            reads.append(Tensor(variable.shape, self.dtype, name=variable.name))
        if variable in self._unread:
            self._unread.remove(variable)
            reads.append(ARITHMETIC["stop_gradient"](self._assigned[variable]))
        return reads[-1]

    def assign(self, variable: "Variable", value: Tensor) -> None:
        """Set a variable to ``value`` from here on; after each run executors store what was assigned last."""
        self._assigned[variable] = value
        self._unread.add(variable)

    def graph(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Graph:
        """What was recorded, from these inputs to these outputs."""
        variables = {variable: reads[0] for variable, reads in self.reads.items()}
        updates = list(self._assigned.items())
        return Graph(list(inputs), list(outputs), variables, updates, self.random, self.calls)

    def random_stream(self) -> tuple[Tensor, int]:
        """The symbol for (seed, step), and a stream number that no other layer of this network draws from."""
        if self.random is None:
            self.random = Tensor((2,), np.uint64, name="random")
        self.streams += 1
        return self.random, self.streams - 1


def trace(
    function: Callable[..., Any], inputs: Sequence[Tensor], training: bool = False, dtype: Any = np.float32
) -> Graph:
    """The graph of ``function(*inputs)``.

    Arguments:
        function: computes with operations and layers only; may return tensors in nested lists and dictionaries.
        inputs: symbols of known shape.
        training: see `Trace`.
        dtype: see `Trace`.
    """
    with Trace(training, dtype).recording() as scope:
        outputs = tensors_in(function(*inputs))
    return scope.graph(inputs, outputs)


def probe(function: Callable[..., Any], arguments: Any, attributes: dict[str, Any]) -> Any:
    """What ``function`` would return for tensors whose batch size is not known yet.

    Traces it at two batch sizes; a size that differs between them depends on the batch and becomes None.
    """
    results = []
    for batch in (2, 3):
        known_arguments, known_attributes = map_tensors((arguments, attributes), partial(_with_batch, batch))
        with Trace().recording():
            results.append(function(*known_arguments, **known_attributes))
    seconds = iter(tensors_in(results[1]))

    def merge(first: Tensor) -> Tensor:
        second = next(seconds)
        return Tensor(tuple(a if a == b else None for a, b in zip(first.shape, second.shape, strict=True)), first.dtype)

    return map_tensors(results[0], merge)


def _with_batch(batch: int, tensor: Tensor) -> Tensor:
    if tensor.value is not None:
        return tensor
    return Tensor(tuple(batch if size is None else size for size in tensor.shape), tensor.dtype, name=tensor.name)
