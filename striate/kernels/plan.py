"""A plan: which kernels compute a graph, in which order, and on which buffers.

Operations that work element by element are not computed on their own where they follow another operation: what they do
is added to the end of its kernel, while its result is still in registers (`Plan.finish`).
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from striate.codegen import Kernel, Target
from striate.codegen.values import ELEMENTS
from striate.errors import ArgumentError
from striate.graph import Array, Graph, Node, Shape, Tensor, Variable
from striate.kernels.pointwise import POINTWISE, Epilogue, Step, placement
from striate.ops.operation import Operation, known_shape

#: A launch that touches fewer bytes is not worth sharing.
SMALL = 32_768
#: Parts that a launch is cut into: enough for many threads to finish together, few enough to hand out cheaply.
BLOCKS = 64

Home = Literal["arena", "kept", "input", "variable", "output", "constant", "random"]

#: Operation name → what adds its kernels to a plan; `lowers` fills it.
LOWERINGS: dict[str, Callable[["Plan", Node], bool | None]] = {}


class Fusion(NamedTuple):
    """What makes a step of an epilogue of a node that is none by itself.

    Arguments:
        operands: ``(plan, node)`` → name of a pointwise operation, and its operands behind the number so far.
        shapes: node → the shapes of these operands, each of which broadcasts to the node's result.
    """

    operands: Callable[["Plan", Node], tuple[str, list["Buffer"]]]
    shapes: Callable[[Node], Sequence[Shape]]


#: Operation name → how its nodes become steps.
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
    """How a graph is computed on a target.

    Arguments:
        graph: what to compute.
        target: the machine.
        exact: whether to use only kernels whose error is that of direct summation.
        fuse: whether element-wise operations may end other operations' kernels.
        hoist: whether what depends on variables alone is computed once, until a variable changes.
        choices: recorded ways to compute some convolutions; see `striate.kernels.conv.ways`.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        *,
        exact: bool = False,
        fuse: bool = True,
        hoist: bool = False,
        choices: Mapping[str, str] | None = None,
    ):
        self.graph, self.target, self.exact = graph, target, exact
        self.choices = choices or {}
        #: What is run, in order; and what is run before that if a variable has changed.
        self.steps: list[Launch | Reference] = []
        self.preparation: list[Launch] = []
        self.constants: list[Array] = []
        self.buffers: dict[Tensor, Buffer] = {}
        #: What lowerings have computed that others may need too, such as statistics, by what it is of.
        self.shared: dict[Hashable, Any] = {}
        #: Which inputs are looked at before each run, and what raises if one is wrong.
        self.checks: list[tuple[int, Callable[[Array], None]]] = []
        self.variables = list(dict.fromkeys([*graph.variables, *(variable for variable, _ in graph.updates)]))
        self._node: Node | None = None
        self._chain: list[Node] = []
        self._readers: dict[Tensor, list[Node]] = {}
        for node in graph.nodes:
            for tensor in dict.fromkeys(node.inputs):
                self._readers.setdefault(tensor, []).append(node)
        self._kept = {*graph.outputs, *(tensor for _, tensor in graph.updates)}
        self._fuse, self._hoist = fuse, hoist
        self._used: set[Buffer] = set()
        self._place_what_is_given()
        self._lower_all()
        self._place_results()

    @property
    def launches(self) -> list[Launch]:
        """All launches: the preparation's, then the others."""
        return [*self.preparation, *(step for step in self.steps if isinstance(step, Launch))]

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
        """Where the node's kernel is to store, what it does to each number before, and the buffers that this reads.

        Whoever calls this promises to apply the epilogue.
        """
        chain, self._chain = self._chain, []
        steps: list[Step] = []
        others: list[Buffer] = []
        modes: list[str] = []
        current = node.output
        for following in chain:
            if following.name in FUSIONS:
                name, operands = FUSIONS[following.name].operands(self, following)
                steps.append(Step(name, (), (-1, *range(len(others), len(others) + len(operands)))))
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
            steps.append(Step(following.name, tuple(sorted(following.attributes.items())), tuple(arguments)))
            current = following.output
        return self.write(current), Epilogue(tuple(steps), tuple(modes)), others

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
                small = sum(buffer.bytes for buffer in buffers) < SMALL
                grain = items if small else -(-items // BLOCKS)
            self._used.update(buffers)
            order = tuple(sorted(settings.items()))
            self.steps.append(Launch(kernel, buffers, items, order, grain, scratch, self._node))

    def check(self, tensor: Tensor, check: Callable[[Array], None]) -> bool:
        """Have ``check`` look at an array before each run, and raise if it is wrong; False if this is no input."""
        buffer = self.read(tensor)
        if buffer.home == "input":
            self.checks.append((buffer.number, check))
        return buffer.home == "input"

    def prepare(self, kernel: Kernel, *buffers: Buffer, **settings: Any) -> None:
        """`launch` something that need not run again while variables do not change, such as packing weights.

        Arguments:
            kernel, settings: as `launch`.
            buffers: what it reads, then what it alone writes and others only read.
        """
        read = [buffer for buffer in buffers if buffer.home != "arena" or buffer in self._used]
        before = len(self.steps)
        self.launch(kernel, *buffers, **settings)
        if self._hoist and all(buffer.home in ("variable", "constant", "kept") for buffer in read):
            self.preparation += cast(list[Launch], self.steps[before:])
            del self.steps[before:]
            for buffer in buffers:
                if buffer.home == "arena":
                    buffer.home = "kept"

    # The order of things

    def _place_what_is_given(self) -> None:
        graph = self.graph
        for number, tensor in enumerate(graph.inputs):
            self.buffers[tensor] = Buffer(known_shape(tensor), tensor.dtype, "input", number)
        for variable, tensor in graph.variables.items():
            self.buffers[tensor] = self._variable(variable)
        if graph.random is not None:
            self.buffers[graph.random] = Buffer((2,), np.uint64, "random")

    def _lower_all(self) -> None:
        from striate.kernels.cluster import lower_cluster

        nodes = self.graph.nodes
        chains = self._chains() if self._fuse else {}
        ends = {chain[-1]: (first, chain) for first, chain in chains.items()}
        inside = {node for first, chain in chains.items() for node in (first, *chain[:-1])}
        clusters = self._clusters(inside, {*ends}) if self._fuse else {}
        inside.update(node for run, _ in clusters.values() for node in run[:-1])
        for node in nodes:
            if node in ends:  # only now is everything computed that the whole chain reads
                self._lower(*ends[node])
            elif node in clusters:
                self._node = node
                lower_cluster(self, *clusters[node])
            elif node not in inside:
                self._lower(node, [])

    def _chains(self) -> dict[Node, list[Node]]:
        """Which element-wise nodes each other node's kernel can take along, if it takes any."""
        chains: dict[Node, list[Node]] = {}
        taken: set[Node] = set()
        for node in self.graph.nodes:
            if node in taken or node.name in POINTWISE or node.name not in LOWERINGS:
                continue
            chain: list[Node] = []
            current = node.output
            while current not in self._kept and len(readers := self._readers.get(current, [])) == 1:
                (reader,) = readers
                if reader in taken or not _follows(reader, current):
                    break
                chain.append(reader)
                current = reader.output
            if chain:
                chains[node] = chain
                taken.update(chain)
        return chains

    def _clusters(self, inside: set[Node], ends: set[Node]) -> dict[Node, tuple[list[Node], list[Tensor]]]:
        """Runs of element-wise nodes of one shape, by their last node, and the results that others need."""
        runs: list[list[Node]] = [[]]
        for node in self.graph.nodes:
            if node in inside:
                continue
            shape = known_shape(node.output)
            if node in ends or not _follows(node, Tensor(shape)):
                runs.append([])
            elif math.prod(shape) == 1 and runs[-1] and not {n.output for n in runs[-1]}.intersection(node.inputs):
                pass  # a single number on its own, which the run may read: it is computed before the run
            elif runs[-1] and known_shape(runs[-1][0].output) == shape:
                runs[-1].append(node)
            else:
                runs.append([node])
        clusters = {}
        for run in runs:
            if len(run) > 1:
                members = set(run)
                needed = [
                    node.output
                    for node in run
                    if node.output in self._kept or not members.issuperset(self._readers.get(node.output, ()))
                ]
                clusters[run[-1]] = (run, needed)
        return clusters

    def _lower(self, node: Node, chain: list[Node]) -> None:
        self._node, self._chain = node, chain
        supported = all(tensor.dtype.str[1:] in ELEMENTS for tensor in (*node.inputs, node.output))
        lowering = LOWERINGS.get(node.name)
        if not supported or lowering is None or lowering(self, node) is False:
            inputs = [self.read(tensor) for tensor in node.inputs]
            output = self.write(node.output)
            self._used.add(output)
            self.steps.append(Reference(node, inputs, output))
        left, self._chain = self._chain, []
        if left:  # the lowering did not take the chain along
            self._lower(left[0], left[1:])

    def _place_results(self) -> None:
        """Let results be computed where they are wanted; what is elsewhere for good reason is copied at the end."""
        from striate.kernels.copying import copy

        taken: set[Buffer] = set()
        for number, tensor in enumerate(self.graph.outputs):
            buffer = self.read(tensor)
            if buffer.home == "arena" and buffer not in taken and buffer.size == math.prod(known_shape(tensor)):
                buffer.home, buffer.number = "output", number
                taken.add(buffer)
            else:
                copy(self, buffer, Buffer(known_shape(tensor), tensor.dtype, "output", number))
        new = [self.read(tensor) for _, tensor in self.graph.updates]
        for number, buffer in enumerate(new):
            if buffer.home == "variable":  # the value before the run, which another update may be about to replace
                new[number] = self.temporary(*buffer.shape)
                copy(self, buffer, new[number])
        for (variable, _), buffer in zip(self.graph.updates, new, strict=True):
            target = self._variable(variable)
            if buffer.home == "arena" and self._may_overwrite(buffer, target):
                buffer.home, buffer.number = "variable", target.number
            else:
                copy(self, buffer, target)

    def _may_overwrite(self, buffer: Buffer, variable: Buffer) -> bool:
        """Whether ``buffer`` is first written when nobody reads the old value of ``variable`` any more."""
        if (buffer.size, buffer.dtype) != (variable.size, variable.dtype) or not buffer.size:
            return False
        first = next(number for number, step in enumerate(self.steps) if buffer in step.buffers)
        readers = [
            number
            for number, step in enumerate(self.steps)
            if any(b.home == "variable" and b.number == variable.number for b in step.buffers)
        ]
        writer = self.steps[first]
        in_place = isinstance(writer, Launch) and writer.kernel.in_place
        return max(readers, default=-1) < first + in_place

    def _variable(self, variable: Variable) -> Buffer:
        if variable.dtype != np.float32:
            raise ArgumentError(
                f"{variable.name}: kernels compute with float32, got {variable.dtype}. Use the reference executor."
            )
        return Buffer(variable.shape, variable.dtype, "variable", self.variables.index(variable))


def _follows(node: Node, tensor: Tensor) -> bool:
    """Whether an element-wise node can be done number by number while ``tensor`` is computed."""
    shape = known_shape(tensor)
    if known_shape(node.output) != shape or not node.output.dtype == np.float32 == tensor.dtype:
        return False
    if node.name in FUSIONS:
        shapes = FUSIONS[node.name].shapes(node)
        return tensor is node.inputs[0] and tensor not in node.inputs[1:] and all(placement(s, shape) for s in shapes)
    return node.name in POINTWISE and all(
        other is tensor or (other.dtype == np.float32 and placement(known_shape(other), shape)) for other in node.inputs
    )
