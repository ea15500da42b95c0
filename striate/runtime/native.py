"""The native executor: a graph as machine code. One call runs the whole of it."""

import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, cast

import numpy as np

from striate.codegen import compiler, host
from striate.codegen.values import element
from striate.graph import Array, Graph, Node, Variable
from striate.kernels import Launch, make_plan
from striate.kernels.plan import Reference
from striate.ops.operation import known_shape
from striate.runtime import budget, prepared
from striate.runtime.blocks import Block, borrow, give_back
from striate.runtime.memory import Memory, spans
from striate.runtime.prepared import Preparation
from striate.runtime.team import Program, shared_team, team_code

_EXECUTORS: "weakref.WeakSet[NativeExecutor]" = weakref.WeakSet()


class NativeExecutor:
    """Runs a graph with compiled kernels; a node that has none runs on the reference.

    Arguments:
        graph: what to run. It is planned and compiled here, once.
        exact: whether to use only kernels whose error is that of direct summation.
        fuse: whether element-wise operations may end other operations' kernels.
        hoist: whether to keep what depends on variables alone, such as packed weights, until one of them changes; worth
            its memory where they rarely do.
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
        self._preparation = Preparation(self.plan)
        self._memory = Memory(self.plan, self._preparation.places)
        self._check_limit()
        #: What a run computes: programs of kernels, and between them nodes that have none.
        self.parts: list[Program | Reference] = self._compile()
        self._block: Block | None = None  # where the arena is during a run
        self._seen_changes = -1  # of variables: what `Variable.changes` was when we last looked at them
        self.lock = threading.Lock()  # of the memory: runs from several threads take turns
        budget.count(self, graph.variables)
        _EXECUTORS.add(self)

    @property
    def without_kernel(self) -> list[Node]:
        """The nodes that run on the reference."""
        return [part.node for part in self.plan.schedule if isinstance(part, Reference)]

    @property
    def arena_bytes(self) -> int:
        """Memory for everything between inputs and outputs."""
        return self._memory.arena_bytes

    def kept(self) -> dict[Any, int]:
        """What this keeps between runs, alone or with others, and the bytes of each."""
        own = self._memory.bytes + budget.OBJECTS * (len(self.graph.nodes) + len(self.plan.launches))
        prepared = {prepared: prepared.array.nbytes for prepared in self._preparation.places.values()}
        return {self: own, **prepared, **{library: library.bytes for library in self._code.libraries}}

    def run(
        self, inputs: Sequence[Array], seed: int = 0, step: int = 0, into: Mapping[int, Array] | None = None
    ) -> list[Array]:
        """The values of the graph's outputs; see `striate.runtime.reference.ReferenceExecutor.run`."""
        into = into or {}
        with self.lock:
            try:
                outputs = self.begin(inputs, seed, step, into)
                for part in self.parts:
                    self.compute(part)
                return self.end(outputs, into)
            except BaseException:
                self.abandon()
                raise

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
            changes = Variable.changes
            memory.bind_variables([variable.array for variable in self.plan.variables])
            self._preparation.follow(shared_team())
            self._seen_changes = changes
        self._block = block = borrow(memory.arena_bytes)
        if block.address != memory.arena_address:
            memory.move_arena(block.address)
        return outputs

    def compute(self, part: Program | Reference) -> None:
        """Run one of `parts`."""
        if isinstance(part, Reference):
            self._run_reference(part)
        else:
            shared_team().run(part)

    def end(self, outputs: list[Array], into: Mapping[int, Array]) -> list[Array]:
        """The outputs that `begin` returned, after all parts were computed."""
        self._give_back()
        if self.graph.updates:
            Variable.count_change()
        return self._memory.results(outputs, into)

    def abandon(self) -> None:
        """Let go of what `begin` took, after an error."""
        self._give_back()
        self._memory.release()

    def _give_back(self) -> None:
        block, self._block = self._block, None
        if block is not None:
            give_back(block, self._memory.arena_bytes)

    def _check_limit(self) -> None:
        needed = self._memory.arena_bytes + sum(map(budget.bytes_of, self.graph.outputs))
        nodes = [part.node for part in self.plan.schedule]
        budget.check_limit(needed, lambda: spans(self.plan), nodes)

    def _compile(self) -> list[Program | Reference]:
        target, plan = host(), self.plan
        launches = plan.launches
        codes = [
            launch.kernel.code(target, tuple(element(b.dtype) for b in launch.buffers), launch.settings)
            for launch in launches
        ]
        self._code = compiler.addresses([*codes, team_code()])
        rows = iter(
            (self._code[code.symbol], self._memory.table(launch), launch.items, launch.grain)
            for launch, code in zip(launches, codes, strict=True)
        )
        self._preparation.compile([next(rows) for _ in plan.preparation])

        def program(some: list[Launch]) -> Program:
            return Program([next(rows) for _ in some], max(launch.scratch for launch in some))

        parts: list[Program | Reference] = []
        for kind, some in groupby(plan.schedule, type):
            if kind is Launch:
                parts.append(program(cast(list[Launch], list(some))))
            else:
                parts.extend(cast(list[Reference], some))
        return parts

    def forget_turns(self) -> None:
        """After a fork, in the child: a lock that another thread held would stay locked."""
        self.lock = threading.Lock()

    def _run_reference(self, part: Reference) -> None:
        block = cast(Block, self._block)
        given = zip(part.inputs, part.node.inputs, strict=True)
        arrays = [self._memory.array(buffer, block).reshape(known_shape(tensor)) for buffer, tensor in given]
        with np.errstate(all="ignore"):
            result = part.node.operation.forward(*arrays, **part.node.attributes)
        self._memory.array(part.output, block)[...] = result


def _after_fork() -> None:
    prepared.forget_turns()
    for executor in _EXECUTORS:
        executor.forget_turns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
