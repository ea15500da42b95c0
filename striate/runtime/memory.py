"""The addresses of all buffers of a plan, in one table that kernels read."""

import ctypes
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from striate.graph import Array, Tensor
from striate.kernels import Buffer, Launch, Plan
from striate.ops.operation import known_shape
from striate.runtime.arena import Span, pack
from striate.runtime.blocks import Block, View, address_of, aligned
from striate.runtime.prepared import Prepared
from striate.runtime.reference import check_inputs

#: Inputs and outputs of fewer bytes have places of their own: copying them is quicker than asking for their addresses.
SMALL_ARRAY = 8192


class Memory:
    """The addresses of all buffers of a plan, in one table that kernels read.

    Arguments:
        plan: whose buffers.
        kept: where the buffers lie that are kept between runs.
    """

    def __init__(self, plan: Plan, kept: Mapping[Buffer, Prepared]):
        arena, offsets, self.arena_bytes = _arena(plan)
        self._offsets = dict(zip(arena, offsets, strict=True))
        self._kept = kept
        self.arena_address = -1  # it is where the last run had it
        self.random = np.zeros(2, np.uint64)
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
        in_arena: list[tuple[int, int]] = []  # places in the table, and what lies there: offsets in the arena
        place = 0
        for launch in self._launches:
            self._starts[launch] = place
            for buffer in launch.buffers:
                if buffer.home in self._places:
                    self._places[buffer.home][buffer.number].append(place)
                elif buffer.home == "arena":
                    in_arena.append((place, self._offsets[buffer]))
                else:
                    self._table[place] = self._address(buffer)
                place += 1
        self._words = np.frombuffer(memoryview(self._table), np.uint64)
        places, bytes_before = np.array(in_arena, np.int64).reshape(-1, 2).T
        self._arena_places, self._arena_offsets = places.copy(), bytes_before.astype(np.uint64)
        for home, slots in (("input", self._inputs), ("output", self._outputs)):
            for number, slot in enumerate(slots):
                if slot.own is not None:
                    self._bind(home, number, slot.own)

    @property
    def bytes(self) -> int:
        """Bytes that are kept between runs, except those shared with others."""
        own = sum(slot.own.nbytes for slot in (*self._inputs, *self._outputs) if slot.own is not None)
        return int(own + sum(array.nbytes for array in self._constants) + 3 * self._words.nbytes)

    def move_arena(self, address: int) -> None:
        """Use an arena at this address from now on."""
        self._words[self._arena_places] = self._arena_offsets + np.uint64(address)
        self.arena_address = address

    def table(self, launch: Launch) -> int:
        """The address of a launch's part of the table."""
        return ctypes.addressof(self._table) + 8 * self._starts[launch]

    def take(self, inputs: Sequence[Array]) -> list[Array]:
        """Use these inputs for one run; returns the arrays that kernels will read.

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
        """The outputs, in ``into`` where it has them. Large arrays belong to the caller from now on."""
        for number, slot in enumerate(self._outputs):
            if slot.own is None or number in into:
                self._bound["output"][number] = None
            else:
                outputs[number] = slot.own.copy()
        self._release_inputs()
        return outputs

    def release(self) -> None:
        """Keep no array of a caller's alive, after an error."""
        self._bound["output"] = [None] * len(self._outputs)
        self._release_inputs()

    def _release_inputs(self) -> None:
        for number, slot in enumerate(self._inputs):
            if slot.own is None:
                self._bound["input"][number] = None

    def bind_variables(self, arrays: list[Array]) -> None:
        """Use these arrays as variables from now on."""
        for number, array in enumerate(arrays):
            self._bind("variable", number, array)

    def _bind(self, home: str, number: int, array: Array) -> None:
        if array is not self._bound[home][number]:
            self._bound[home][number] = array
            address = address_of(array)
            for place in self._places[home][number]:
                self._table[place] = address

    def array(self, buffer: Buffer, block: Block) -> Array:
        """What lies in a buffer, in place; the arena is in this block."""
        if buffer.home == "arena":
            return View(self._offsets[buffer], buffer.shape, buffer.dtype).on(block)
        if buffer.home == "kept":
            return cast(Array, self._kept[buffer].array.view(buffer.dtype).reshape(buffer.shape))
        if buffer.home == "constant":
            return self._constants[buffer.number].reshape(buffer.shape)
        if buffer.home == "random":
            return self.random
        return cast(Array, self._bound[buffer.home][buffer.number]).reshape(buffer.shape)

    def _address(self, buffer: Buffer) -> int:
        if buffer.home == "kept":
            return address_of(self._kept[buffer].array)
        return address_of(self.random if buffer.home == "random" else self._constants[buffer.number])


class _Slot:
    """What an input or output is, whether a kernel needs it, and its own place if it is small."""

    def __init__(self, tensor: Tensor, used: bool = True):
        self.used = used
        self.shape, self.dtype = known_shape(tensor), tensor.dtype
        size = math.prod(self.shape) * self.dtype.itemsize
        self.own: Array | None = None
        if size < SMALL_ARRAY:
            self.own = aligned(size).view(self.dtype).reshape(self.shape)


def _fill(own: Array, array: Array) -> None:
    if array.dtype == own.dtype:
        own[...] = array
    else:
        with np.errstate(all="ignore"):  # what does not fit is infinite, as IEEE 754 has it
            own[...] = array


def _buffers(plan: Plan) -> list[Buffer]:
    return list(dict.fromkeys(buffer for part in (*plan.preparation, *plan.schedule) for buffer in part.buffers))


def _arena(plan: Plan) -> tuple[list[Buffer], list[int], int]:
    """The buffers in the arena, where each begins, and its size."""
    buffers = [buffer for buffer in _buffers(plan) if buffer.home == "arena"]
    lives = _lives(plan, buffers)
    offsets, size = pack([lives[buffer] for buffer in buffers])
    return buffers, list(offsets), size


def spans(plan: Plan) -> list[Span]:
    """The lifetime of each array of a run, except inputs, variables and what is kept; outputs live until the end."""
    arrays = [buffer for buffer in _buffers(plan) if buffer.home in ("arena", "output")]
    end = len(plan.schedule)
    found = _lives(plan, arrays)
    return [span._replace(last=end) if buffer.home == "output" else span for buffer, span in found.items()]


def _lives(plan: Plan, buffers: list[Buffer]) -> dict[Buffer, Span]:
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for number, part in enumerate(plan.schedule):
        for buffer in part.buffers:
            first.setdefault(buffer, number)
            last[buffer] = number
    return {buffer: Span(buffer.bytes, first[buffer], last[buffer]) for buffer in buffers if buffer in first}


def _plain(array: Array, dtype: Any) -> Array:
    """The array as kernels read it: C-contiguous, of the graph's type, each number at a multiple of its size."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    with np.errstate(all="ignore"):  # what does not fit is infinite, as IEEE 754 has it
        return np.require(array, dtype, ("C", "ALIGNED"))
