"""Two graphs that run one after the other: on the native executor in one call."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from striate.graph import Array
from striate.runtime.choice import WholeExecutor
from striate.runtime.reference import ReferenceExecutor

if TYPE_CHECKING:
    from striate.kernels.plan import Reference
    from striate.runtime.native import NativeExecutor
    from striate.runtime.team import Program


class Chain:
    """Runs two executors, the second on arrays that the first one has just written.

    Arguments:
        first: what computes those arrays.
        second: what reads them, and does not change what the first one reads before that has finished.
    """

    def __init__(self, first: WholeExecutor, second: WholeExecutor):
        self.first, self.second = first, second
        self._parts: list[tuple[NativeExecutor, Program | Reference]] | None = None
        if not isinstance(first, ReferenceExecutor) and not isinstance(second, ReferenceExecutor):
            self._parts = _joined(first, second)

    def run(
        self, inputs: Sequence[Array], seed: int, step: int, into: Mapping[int, Array], then: Sequence[Array]
    ) -> list[Array]:
        """The first executor's outputs.

        Arguments:
            inputs, seed, step, into: of the first one; see `striate.runtime.reference.ReferenceExecutor.run`.
            then: inputs of the second one.
        """
        if self._parts is None:
            results = self.first.run(inputs, seed, step, into)
            self.second.run(then)
            return results
        first, second = cast("NativeExecutor", self.first), cast("NativeExecutor", self.second)
        with first.lock, second.lock:
            try:
                outputs = first.begin(inputs, seed, step, into)
                changed = second.begin(then, seed, step, {})
                for executor, part in self._parts:
                    executor.compute(part)
                second.end(changed, {})
                return first.end(outputs, into)
            except BaseException:
                first.abandon()
                second.abandon()
                raise


def _joined(first: "NativeExecutor", second: "NativeExecutor") -> "list[tuple[NativeExecutor, Program | Reference]]":
    """The parts of both, each with its executor, and the two programs that meet in the middle as one."""
    from striate.runtime.team import Program

    before: list[tuple[NativeExecutor, Program | Reference]] = [(first, part) for part in first.parts]
    after: list[tuple[NativeExecutor, Program | Reference]] = [(second, part) for part in second.parts]
    if before and after:
        (_, last), (_, head) = before[-1], after[0]
        if isinstance(last, Program) and isinstance(head, Program):
            return [*before[:-1], (first, last.then(head)), *after[1:]]
    return [*before, *after]
