"""The native executor: a graph as machine code. One call runs the whole of it."""

import ctypes
import math
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, cast

import numpy as np

from striate.codegen import compiler, host
from striate.codegen.values import element
from striate.graph import Array, Graph, Node, Tensor, Variable
from striate.kernels import Buffer, Launch, Plan, make_plan
from striate.kernels.plan import Reference
from striate.ops.operation import known_shape
from striate.runtime.arena import ALIGNMENT, Span, pack
from striate.runtime.reference import check_inputs
from striate.runtime.team import Program, shared_team, team_code

_EXECUTORS: "weakref.WeakSet[NativeExecutor]" = weakref.WeakSet()


class NativeExecutor:
    """Runs a graph with compiled kernels; a node that has none runs on the reference.

    Arguments:
        graph: what to run. It is planned and compiled here, once.
        exact: whether to use only kernels whose error is that of direct summation.
        fuse: whether element-wise operations may end other operations' kernels.
        hoist: whether to keep what depends on variables alone, such as packed weights, until one of them changes; worth
            its memory where they seldom do.
        choices: recorded ways to compute some convolutions; see `striate.runtime.tuning`.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        exact: bool = False,
        fuse: bool = True,
        hoist: bool = False,
        choices: Mapping[str, str] | None = None,
    ):
        self.graph = graph
        self.plan = make_plan(graph, host(), exact=exact, fuse=fuse, hoist=hoist, choices=choices)
        self._memory = _Memory(self.plan)
        #: What a run computes: programs of kernels, and between them nodes that have none.
        self.parts: list[Program | Reference]
        (self._preparation, self.parts) = self._compile()
        self._seen_changes = -1  # of variables: what `Variable.changes` was when we last looked at them
        self.lock = threading.Lock()  # of the memory: runs from several threads take turns
        _EXECUTORS.add(self)

    @property
    def without_kernel(self) -> list[Node]:
        """The nodes that run on the reference."""
        return [part.node for part in self.plan.schedule if isinstance(part, Reference)]

    @property
    def arena_bytes(self) -> int:
        """Memory for everything between inputs and outputs."""
        return self._memory.arena.nbytes

    def run(
        self, inputs: Sequence[Array], seed: int = 0, step: int = 0, into: Mapping[int, Array] | None = None
    ) -> list[Array]:
        """The values of the graph's outputs; see `striate.runtime.reference.ReferenceExecutor.run`."""
        with self.lock:
            outputs = self.begin(inputs, seed, step, into or {})
            for part in self.parts:
                self.compute(part)
            return self.end(outputs, into or {})

    def begin(self, inputs: Sequence[Array], seed: int, step: int, into: Mapping[int, Array]) -> list[Array]:
        """Bind what one run reads and writes; returns the outputs, not yet computed. The caller holds `lock`."""
        memory = self._memory
        given = memory.take(inputs)
        for number, check in self.plan.checks:
            check(given[number])
        outputs = memory.offer(into)
        if self.graph.random is not None:
            memory.random[:] = seed, step
        if self._seen_changes != Variable.changes:
            memory.bind_variables([variable.array for variable in self.plan.variables])
            if self._preparation:
                shared_team().run(self._preparation)
            self._seen_changes = Variable.changes
        return outputs

    def compute(self, part: Program | Reference) -> None:
        """Run one of `parts`."""
        if isinstance(part, Reference):
            self._run_reference(part)
        else:
            shared_team().run(part)

    def end(self, outputs: list[Array], into: Mapping[int, Array]) -> list[Array]:
        """The outputs that `begin` returned, after all parts were computed."""
        if self.graph.updates:
            Variable.count_change()
        return self._memory.results(outputs, into)

    def _compile(self) -> tuple[Program | None, list[Program | Reference]]:
        target, plan = host(), self.plan
        launches = plan.launches
        codes = [
            launch.kernel.code(target, tuple(element(b.dtype) for b in launch.buffers), launch.settings)
            for launch in launches
        ]
        addresses = compiler.addresses([*codes, team_code()])
        rows = iter(
            (addresses[code.symbol], self._memory.table(launch), launch.items, launch.grain)
            for launch, code in zip(launches, codes, strict=True)
        )

        def program(some: list[Launch]) -> Program:
            return Program([next(rows) for _ in some], max(launch.scratch for launch in some))

        preparation = program(plan.preparation) if plan.preparation else None
        parts: list[Program | Reference] = []
        for kind, some in groupby(plan.schedule, type):
            if kind is Launch:
                parts.append(program(cast(list[Launch], list(some))))
            else:
                parts.extend(cast(list[Reference], some))
        return preparation, parts

    def forget_turns(self) -> None:
        """After a fork, in the child: a lock that another thread held would stay locked."""
        self.lock = threading.Lock()

    def _run_reference(self, part: Reference) -> None:
        given = zip(part.inputs, part.node.inputs, strict=True)
        arrays = [self._memory.array(buffer).reshape(known_shape(tensor)) for buffer, tensor in given]
        with np.errstate(all="ignore"):
            result = part.node.operation.forward(*arrays, **part.node.attributes)
        self._memory.array(part.output)[...] = result


#: Inputs and outputs of fewer bytes have places of their own: copying them is quicker than asking for their addresses.
SMALL_ARRAY = 8192


class _Memory:
    """The addresses of all buffers of a plan, in one table that kernels read."""

    def __init__(self, plan: Plan):
        arena, arena_offsets, size = _arena(plan)
        kept = [buffer for buffer in _buffers(plan) if buffer.home == "kept"]
        kept_offsets, kept_size = pack([Span(buffer.bytes, 0, 0) for buffer in kept])
        self.arena: Array = _aligned(size)
        self.kept: Array = _aligned(kept_size)
        self.random = np.zeros(2, np.uint64)
        self._offsets = dict(zip([*arena, *kept], [*arena_offsets, *kept_offsets], strict=True))
        self._launches = plan.launches
        self._constants = plan.constants
        self._graph = graph = plan.graph
        #: For each home, the arrays that are there now, and for each array its places in the table.
        counts = {"input": len(graph.inputs), "output": len(graph.outputs), "variable": len(plan.variables)}
        self._bound: dict[str, list[Array | None]] = {home: [None] * count for home, count in counts.items()}
        self._places: dict[str, list[list[int]]] = {home: [[] for _ in range(n)] for home, n in counts.items()}
        #: Shape and type of each input and output, and its own place if it is small.
        read = {buffer.number for buffer in _buffers(plan) if buffer.home == "input"}
        self._inputs = [_Slot(tensor, number in read) for number, tensor in enumerate(graph.inputs)]
        self._outputs = [_Slot(tensor) for tensor in graph.outputs]
        self._table = (ctypes.c_uint64 * sum(len(launch.buffers) for launch in self._launches))()
        self._starts: dict[Launch, int] = {}
        place = 0
        for launch in self._launches:
            self._starts[launch] = place
            for buffer in launch.buffers:
                if buffer.home in self._places:
                    self._places[buffer.home][buffer.number].append(place)
                else:
                    self._table[place] = self._address(buffer)
                place += 1
        for home, slots in (("input", self._inputs), ("output", self._outputs)):
            for number, slot in enumerate(slots):
                if slot.own is not None:
                    self._bind(home, number, slot.own)

    def table(self, launch: Launch) -> int:
        """The address of a launch's part of the table."""
        return ctypes.addressof(self._table) + 8 * self._starts[launch]

    def take(self, inputs: Sequence[Array]) -> list[Array]:
        """Use these inputs for one run; what is returned is what kernels will read.

        Raises:
            ShapeError: they are not what the graph takes.
        """
        if len(inputs) != len(self._inputs):
            check_inputs(self._graph, inputs)
        given: list[Array] = []
        for number, slot in enumerate(self._inputs):
            array = inputs[number]
            if array.shape != slot.shape:
                check_inputs(self._graph, inputs)
            if not slot.used:
                given.append(array)
            elif slot.own is None:
                array = _plain(array, slot.dtype)
                self._bind("input", number, array)
                given.append(array)
            else:
                _fill(slot.own, array)
                given.append(slot.own)
        return given

    def offer(self, into: Mapping[int, Array]) -> list[Array]:
        """Where kernels will write the outputs of one run."""
        outputs: list[Array] = []
        for number, slot in enumerate(self._outputs):
            array = into.get(number, slot.own)
            outputs.append(np.empty(slot.shape, slot.dtype) if array is None else array)
            self._bind("output", number, outputs[-1])
        return outputs

    def results(self, outputs: list[Array], into: Mapping[int, Array]) -> list[Array]:
        """The outputs, where they are wanted. Large arrays are their owners' business from now on."""
        for number, slot in enumerate(self._outputs):
            if number in into:
                continue
            if slot.own is None:
                self._bound["output"][number] = None
            else:
                outputs[number] = slot.own.copy()
        for number, slot in enumerate(self._inputs):
            if slot.own is None:
                self._bound["input"][number] = None
        return outputs

    def bind_variables(self, arrays: list[Array]) -> None:
        """Use these arrays as variables from now on."""
        for number, array in enumerate(arrays):
            self._bind("variable", number, array)

    def _bind(self, home: str, number: int, array: Array) -> None:
        if array is not self._bound[home][number]:
            self._bound[home][number] = array
            address = _address(array)
            for place in self._places[home][number]:
                self._table[place] = address

    def array(self, buffer: Buffer) -> Array:
        """What lies in a buffer, in place."""
        if buffer.home in ("arena", "kept"):
            start = self._offsets[buffer]
            memory = self.arena if buffer.home == "arena" else self.kept
            array: Array = memory[start : start + buffer.bytes].view(buffer.dtype).reshape(buffer.shape)
            return array
        if buffer.home == "constant":
            return self._constants[buffer.number].reshape(buffer.shape)
        if buffer.home == "random":
            return self.random
        return cast(Array, self._bound[buffer.home][buffer.number]).reshape(buffer.shape)

    def _address(self, buffer: Buffer) -> int:
        if buffer.home in ("arena", "kept"):
            return _address(self.arena if buffer.home == "arena" else self.kept) + self._offsets[buffer]
        return _address(self.random if buffer.home == "random" else self._constants[buffer.number])


class _Slot:
    """What an input or output is, whether a kernel needs it, and its own place if it is small."""

    def __init__(self, tensor: Tensor, used: bool = True):
        self.used = used
        self.shape, self.dtype = known_shape(tensor), tensor.dtype
        size = math.prod(self.shape) * self.dtype.itemsize
        self.own: Array | None = None
        if size < SMALL_ARRAY:
            self.own = _aligned(size).view(self.dtype).reshape(self.shape)


def _fill(own: Array, array: Array) -> None:
    if array.dtype == own.dtype:
        own[...] = array
    else:
        with np.errstate(all="ignore"):  # what does not fit is infinite, as IEEE 754 has it
            own[...] = array


def arena_size(plan: Plan) -> int:
    """Bytes that a plan needs for everything between inputs and outputs."""
    return _arena(plan)[2]


def _buffers(plan: Plan) -> list[Buffer]:
    return list(dict.fromkeys(buffer for part in (*plan.preparation, *plan.schedule) for buffer in part.buffers))


def _arena(plan: Plan) -> tuple[list[Buffer], list[int], int]:
    """The buffers in the arena, where each begins, and its size."""
    buffers = [buffer for buffer in _buffers(plan) if buffer.home == "arena"]
    lives = _lives(plan, buffers)
    offsets, size = pack([lives[buffer] for buffer in buffers])
    return buffers, list(offsets), size


def _lives(plan: Plan, buffers: list[Buffer]) -> dict[Buffer, Span]:
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for number, part in enumerate(plan.schedule):
        for buffer in part.buffers:
            first.setdefault(buffer, number)
            last[buffer] = number
    return {buffer: Span(buffer.bytes, first[buffer], last[buffer]) for buffer in buffers if buffer in first}


def _aligned(size: int) -> Array:
    block = np.empty(size + ALIGNMENT, np.uint8)
    start = -_address(block) % ALIGNMENT
    return block[start : start + size]


def _address(array: Any) -> int:
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # much quicker than asking NumPy
    except (TypeError, ValueError):  # one that must not be written, or that is empty
        return int(array.__array_interface__["data"][0])


def _plain(array: Array, dtype: Any) -> Array:
    """The array as kernels read it: C-contiguous, of the graph's type, each number at a multiple of its size."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    with np.errstate(all="ignore"):  # what does not fit is infinite, as IEEE 754 has it
        return np.require(array, dtype, ("C", "ALIGNED"))


def _after_fork() -> None:
    for executor in _EXECUTORS:
        executor.forget_turns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
