"""A plan: which kernels compute a graph, in which order, and on which buffers.

Here are its parts, and what lowerings use of it; `striate.kernels.planning` fills it.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from striate.codegen import Kernel, Target
from striate.errors import ArgumentError
from striate.graph import Array, Graph, Node, Shape, Tensor, Variable
from striate.kernels.pointwise import Epilogue, Pointwise, placement
from striate.ops.operation import Operation, known_shape

#: A launch that touches fewer bytes is not worth sharing.
SMALL_LAUNCH = 32_768
#: Parts that a launch is cut into: enough for many threads to finish together, few enough to hand out cheaply.
BLOCKS = 64

Home = Literal["arena", "kept", "input", "variable", "output", "constant", "random"]

#: Operation name → what adds its kernels to a plan; `lowers` fills it.
LOWERINGS: dict[str, Callable[["Plan", Node], bool | None]] = {}


class Fusion(NamedTuple):
    """How a node that is not element-wise, such as a normalization, can still end another kernel.

    Arguments:
        operands: ``(plan, node)`` → name of the pointwise operation to apply, and its operands after the result so far.
        shapes: node → the shapes of these operands, each of which broadcasts to the node's result.
    """

    operands: Callable[["Plan", Node], tuple[str, list["Buffer"]]]
    shapes: Callable[[Node], Sequence[Shape]]


#: Operation name → how its nodes are applied at the end of another kernel.
FUSIONS: dict[str, Fusion] = {}


def lowers(*operations: Operation) -> Callable[[Any], Any]:
    """Decorator: this function ``(plan, node) → False if there is no kernel`` lowers nodes of these operations."""

    def register(function: Any) -> Any:
        LOWERINGS.update({operation.name: function for operation in operations})
        return function

    return register


@dataclass(eq=False)
class Buffer:
    """A place where an array lies while the plan runs: C-contiguous, aligned to its elements.

    Arguments:
        shape, dtype: of the array.
        home: whose memory it is. The plan's own is the arena, where buffers share space, and what is kept between runs.
        number: which input, variable, output or constant.
    """

    shape: Shape
    dtype: Any
    home: Home = "arena"
    number: int = 0

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * int(np.dtype(self.dtype).itemsize)


@dataclass(eq=False)
class Launch:
    """One kernel, its settings, the buffers it gets, and how many items of work it has.

    Arguments:
        grain: items that one thread computes at once.
        scratch: bytes that each thread needs for itself.
    """

    kernel: Kernel
    buffers: tuple[Buffer, ...]
    items: int
    settings: tuple[tuple[str, Hashable], ...]
    grain: int
    scratch: int
    node: Node | None


@dataclass(eq=False)
class Reference:
    """A node that no kernel computes: its operation's ``forward`` does."""

    node: Node
    inputs: list[Buffer]
    output: Buffer

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return (*self.inputs, self.output)


class Plan:
    """How a graph is computed on a target; empty until `striate.kernels.planning.make_plan` has filled it.

    Arguments:
        graph: what to compute.
        target: the machine.
        exact: whether to use only kernels whose error is that of direct summation.
        hoist: whether what depends on variables alone is computed once, until a variable changes.
        choices: recorded ways to compute some convolutions; see `striate.kernels.conv.ways`.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        *,
        exact: bool = False,
        hoist: bool = False,
        choices: Mapping[str, str] | None = None,
    ):
        self.graph, self.target, self.exact = graph, target, exact
        self.choices = choices or {}
        #: What is run, in order; and what is run before that if a variable has changed.
        self.schedule: list[Launch | Reference] = []
        self.preparation: list[Launch] = []
        self.constants: list[Array] = []
        self.buffers: dict[Tensor, Buffer] = {}
        #: What lowerings have computed that others may need too, such as statistics, by what it was computed from.
        self.shared: dict[Hashable, Any] = {}
        #: Which inputs are checked before each run, and what raises if one is wrong.
        self.checks: list[tuple[int, Callable[[Array], None]]] = []
        self.variables = list(dict.fromkeys([*graph.variables, *(variable for variable, _ in graph.updates)]))
        self._numbers = {variable: number for number, variable in enumerate(self.variables)}
        #: The node that is being lowered, and the element-wise nodes after it that may be fused to its kernel.
        self.node: Node | None = None
        self.chain: list[Node] = []
        self._readers: dict[Tensor, list[Node]] = {}
        for node in graph.nodes:
            for tensor in dict.fromkeys(node.inputs):
                self._readers.setdefault(tensor, []).append(node)
        self._hoist = hoist
        self._written: set[Buffer] = set()
        self._place_what_is_given()

    @property
    def launches(self) -> list[Launch]:
        """All launches: the preparation's, then the others."""
        return [*self.preparation, *(part for part in self.schedule if isinstance(part, Launch))]

    # What lowerings use

    def read(self, tensor: Tensor) -> Buffer:
        """Where a tensor that was computed before lies."""
        if tensor.value is not None and tensor not in self.buffers:
            self.buffers[tensor] = self.constant(tensor.value)
        return self.buffers[tensor]

    def write(self, tensor: Tensor) -> Buffer:
        """A place for a tensor that a launch computes; nothing is fused to it."""
        return self.buffers.setdefault(tensor, Buffer(known_shape(tensor), tensor.dtype))

    def finish(self, node: Node) -> tuple[Buffer, Epilogue, list[Buffer]]:
        """Where the node's kernel stores, what it does to each number before that, and the buffers which this reads.

        The caller must apply the epilogue.
        """
        chain, self.chain = self.chain, []
        operations: list[Pointwise] = []
        others: list[Buffer] = []
        modes: list[str] = []
        current = node.output
        for following in chain:
            if following.name in FUSIONS:
                name, operands = FUSIONS[following.name].operands(self, following)
                operations.append(Pointwise(name, (), (-1, *range(len(others), len(others) + len(operands)))))
                others += operands
                modes += [placement(buffer.shape, known_shape(current)) for buffer in operands]
                current = following.output
                continue
            arguments = []
            for tensor in following.inputs:
                if tensor is current:
                    arguments.append(-1)
                else:
                    arguments.append(len(others))
                    others.append(self.read(tensor))
                    modes.append(placement(known_shape(tensor), known_shape(current)))
            operations.append(Pointwise(following.name, tuple(sorted(following.attributes.items())), tuple(arguments)))
            current = following.output
        return self.write(current), Epilogue(tuple(operations), tuple(modes)), others

    def readers(self, tensor: Tensor) -> list[Node]:
        """The nodes that read a tensor."""
        return self._readers.get(tensor, [])

    def alias(self, tensor: Tensor, buffer: Buffer) -> None:
        """Say that a tensor's numbers are those of a buffer, in the same order."""
        self.buffers[tensor] = buffer

    def temporary(self, *shape: int, dtype: Any = np.float32) -> Buffer:
        """A place for numbers between two launches of one lowering."""
        return Buffer(shape, dtype)

    def constant(self, value: Array) -> Buffer:
        """Numbers that are known now."""
        self.constants.append(np.ascontiguousarray(value))
        return Buffer(value.shape, value.dtype, "constant", len(self.constants) - 1)

    def launch(
        self,
        kernel: Kernel,
        *buffers: Buffer,
        items: int,
        grain: int | None = None,
        scratch: int = 0,
        **settings: Hashable,
    ) -> None:
        """Have a kernel compute ``items`` items of work on these buffers; nothing if there are none.

        Arguments:
            kernel: what to run; its code is written later, once for each distinct settings.
            buffers: in the order of the kernel's pointers.
            items: parts that threads may share; the kernel's calls cover 0 … items − 1.
            grain: items that one thread computes at once; default: all where the buffers are small, else a part small
                enough to share the work fairly.
            scratch: bytes that each thread needs for itself.
            settings: the kernel's keyword arguments.
        """
        if items:
            if grain is None:
                small = sum(buffer.bytes for buffer in buffers) < SMALL_LAUNCH
                grain = items if small else -(-items // BLOCKS)
            self._written.update(buffers)
            order = tuple(sorted(settings.items()))
            self.schedule.append(Launch(kernel, buffers, items, order, grain, scratch, self.node))

    def check(self, tensor: Tensor, check: Callable[[Array], None]) -> bool:
        """Have ``check`` look at an array before each run, and raise if it is wrong; False if this is not an input."""
        buffer = self.read(tensor)
        if buffer.home == "input":
            self.checks.append((buffer.number, check))
        return buffer.home == "input"

    def prepare(self, kernel: Kernel, *buffers: Buffer, **settings: Any) -> None:
        """`launch` something that only has to run again when variables change, such as packing weights.

        Arguments:
            kernel, settings: as `launch`.
            buffers: what it reads, then what it alone writes and others only read.
        """
        read = [buffer for buffer in buffers if buffer.home != "arena" or buffer in self._written]
        before = len(self.schedule)
        self.launch(kernel, *buffers, **settings)
        if self._hoist and all(buffer.home in ("variable", "constant", "kept") for buffer in read):
            self.preparation += cast(list[Launch], self.schedule[before:])
            del self.schedule[before:]
            for buffer in buffers:
                if buffer.home == "arena":
                    buffer.home = "kept"

    def fall_back(self, node: Node) -> None:
        """Have the reference compute a node."""
        step = Reference(node, [self.read(tensor) for tensor in node.inputs], self.write(node.output))
        self._written.add(step.output)
        self.schedule.append(step)

    def variable(self, variable: Variable) -> Buffer:
        """Where a variable lies.

        Raises:
            ArgumentError: it is not of float32.
        """
        if variable.dtype != np.float32:
            raise ArgumentError(
                f"{variable.name}: kernels compute with float32, got {variable.dtype}. Use the reference executor."
            )
        return Buffer(variable.shape, variable.dtype, "variable", self._numbers[variable])

    def _place_what_is_given(self) -> None:
        graph = self.graph
        for number, tensor in enumerate(graph.inputs):
            self.buffers[tensor] = Buffer(known_shape(tensor), tensor.dtype, "input", number)
        for variable, tensor in graph.variables.items():
            self.buffers[tensor] = self.variable(variable)
        if graph.random is not None:
            self.buffers[graph.random] = Buffer((2,), np.uint64, "random")
