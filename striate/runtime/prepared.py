"""What is computed from variables alone, such as packed weights: once for all executors that need the same.

Two executors need the same where the same kernel with the same settings reads the same variables.
"""

import threading
import weakref
from collections.abc import Hashable, Sequence
from typing import cast

from striate.graph import Array, Variable
from striate.kernels import Buffer, Plan
from striate.runtime.arena import Span, pack
from striate.runtime.blocks import own_pages
from striate.runtime.team import Program, Team


class Prepared:
    """Numbers that follow from variables; they live as long as some executor reads them.

    Arguments:
        array: bytes, to hold them.
    """

    def __init__(self, array: Array):
        self.array = array
        #: What `Variable.changes` was when they were computed.
        self.changes = -1


_KNOWN: weakref.WeakValueDictionary[Hashable, Prepared] = weakref.WeakValueDictionary()
_LOCK = threading.Lock()


class Preparation:
    """The launches of a plan that compute what it keeps between runs, and where they write.

    Arguments:
        plan: whose preparation.
    """

    def __init__(self, plan: Plan):
        self._launches = plan.preparation
        #: Where each buffer that is kept lies.
        self.places: dict[Buffer, Prepared]
        self._rows: list[tuple[int, int, int, int]] = []
        self._programs: dict[tuple[int, ...], Program] = {}
        keys: dict[Buffer, Hashable] = {}
        written: list[list[Buffer]] = []
        for launch in self._launches:
            new = [buffer for buffer in launch.buffers if buffer.home == "kept" and buffer not in keys]
            read = [_key(plan, buffer, keys) for buffer in launch.buffers if buffer not in new]
            shapes = tuple((buffer.shape, buffer.dtype) for buffer in launch.buffers)
            for number, buffer in enumerate(new):
                keys[buffer] = (launch.kernel, launch.settings, launch.items, shapes, tuple(read), number)
            written.append(new)
        with _LOCK:
            known = {key: _KNOWN.get(key) for key in keys.values()}
            missing = {key: buffer.bytes for buffer, key in keys.items() if known[key] is None}
            if missing:  # side by side: on large pages, addresses are translated quicker
                offsets, size = pack([Span(bytes_, 0, 0) for bytes_ in missing.values()])
                pages = own_pages(size)
                for (key, bytes_), start in zip(missing.items(), offsets, strict=True):
                    known[key] = _KNOWN[key] = Prepared(pages[start : start + bytes_])
            self.places = {buffer: cast(Prepared, known[key]) for buffer, key in keys.items()}
        self._written = [[self.places[buffer] for buffer in new] for new in written]

    def compile(self, rows: Sequence[tuple[int, int, int, int]]) -> None:
        """Take the instruction of each launch; see `striate.runtime.team.Program`."""
        self._rows = list(rows)

    def follow(self, team: Team) -> None:
        """Recompute what was computed before the last change of a variable, by this executor or another one."""
        with _LOCK:
            changes = Variable.changes
            stale = tuple(
                number
                for number, written in enumerate(self._written)
                if any(prepared.changes != changes for prepared in written)
            )
            if not stale:
                return
            if stale not in self._programs:
                scratch = max(self._launches[number].scratch for number in stale)
                self._programs[stale] = Program([self._rows[number] for number in stale], scratch)
            team.run(self._programs[stale])
            for number in stale:
                for prepared in self._written[number]:
                    prepared.changes = changes


def _key(plan: Plan, buffer: Buffer, keys: dict[Buffer, Hashable]) -> Hashable:
    """A key that identifies the contents of a buffer, as long as they are in use."""
    if buffer.home == "kept":
        return keys[buffer]
    read = plan.variables if buffer.home == "variable" else plan.constants
    return id(read[buffer.number])


def forget_turns() -> None:
    """After a fork, in the child: a lock that another thread held would stay locked."""
    global _LOCK  # noqa: PLW0603
    _LOCK = threading.Lock()
