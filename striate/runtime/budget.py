"""How much memory compiled networks may keep between runs, and how much one run may take."""

import contextlib
import ctypes
import functools
import gc
import itertools
import math
import os
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from striate.errors import ArgumentError, MemoryLimitError
from striate.graph import Node, Tensor, Variable
from striate.ops.operation import known_shape
from striate.runtime.arena import Span, alive

#: Approximate bytes of Python's objects for each node and each launch of a kernel: a rough figure, found once by hand.
OBJECTS = 2048
#: The part of the machine's memory that is kept, and that one run may take, unless the user says otherwise: taste.
KEPT_PART, RUN_PART = 8, 1


class Keeper(Protocol):
    """What keeps memory between runs, some of it shared with others."""

    def kept(self) -> Mapping[Any, int]:
        """The bytes of each thing that it keeps."""


class ExecutorCache:
    """What runs a model, by what it was compiled for: shapes of a batch, settings.

    All of these in a process share one budget. Past it, the least recently used entries are dropped, and made again
    when they are needed. An entry that is running is freed after its run.
    """

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        with _process.lock:
            _process.owners.add(self)
            _process.made += 1

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make`` returned when it was last called for this key."""
        entry = self._entries.get(key)
        if entry is None:
            made = make()
            with _process.lock:
                entry = self._entries.setdefault(key, _Entry(made))
                entry.used = next(_NOW)
            keep_to_budget()
        entry.used = next(_NOW)
        return entry.value

    def values(self) -> list[Any]:
        """All entries."""
        with _process.lock:
            return [entry.value for entry in self._entries.values()]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


@dataclass
class _Entry:
    value: Any
    used: int = 0  # when it was last used


@dataclass
class _Process:
    """The state that a process has once."""

    owners: "weakref.WeakSet[ExecutorCache]" = field(default_factory=weakref.WeakSet)
    #: What keeps memory, and the variables that it reads.
    keepers: "weakref.WeakKeyDictionary[Keeper, Iterable[Variable]]" = field(default_factory=weakref.WeakKeyDictionary)
    lock: Any = field(default_factory=threading.RLock)
    made: int = 0  # owners so far
    made_before: int = 0  # those when we last looked for garbage
    budget: int | None = None
    limit: int | None = None


_process = _Process()
_NOW: Iterator[int] = itertools.count()


def set_memory_budget(size: float | None) -> None:
    """Set how much memory compiled networks may keep for their next run.

    A network is compiled for each shape of batch, and separately for training, prediction and inspection. Each version
    keeps its machine code and what was computed from weights alone, such as packed weights, which it shares with those
    for other batches. Past the budget, the least recently used versions are dropped; when one is needed again, it is
    loaded from the cache on disk. The last one used stays, whatever it needs, and so do the weights themselves. In
    addition there is one block of working memory, as large as the largest network that was run lately needs; several
    blocks if several threads run networks at once.

    Arguments:
        size: bytes; None: an eighth of the machine's memory, the default.

    Raises:
        ArgumentError: ``size`` is not a number of bytes.
    """
    _process.budget = _bytes("set_memory_budget", size)
    keep_to_budget()


def set_memory_limit(size: float | None) -> None:
    """Set how much memory one run of a network may take for what it computes, from its inputs to its outputs.

    A network that needs more, for the batch it is given, is refused before it runs.

    Arguments:
        size: bytes; None: the machine's memory, the default.

    Raises:
        ArgumentError: ``size`` is not a number of bytes.
    """
    _process.limit = _bytes("set_memory_limit", size)


def memory_budget() -> int:
    """Bytes that may be kept between runs."""
    return _machine_memory() // KEPT_PART if _process.budget is None else _process.budget


def memory_limit() -> int:
    """Bytes that one run may take."""
    return _machine_memory() // RUN_PART if _process.limit is None else _process.limit


def count(keeper: Keeper, variables: Iterable[Variable] = ()) -> None:
    """Count what this keeps, as long as it lives; it reads these variables."""
    with _process.lock:
        _process.keepers[keeper] = variables


def kept_bytes() -> int:
    """Approximate bytes that compiled networks keep in this process."""
    with _process.lock:
        things: dict[Any, int] = {}
        for keeper in list(_process.keepers):
            things.update(keeper.kept())
        return sum(things.values())


def _weights_bytes() -> int:
    """Bytes of the variables that compiled networks read."""
    with _process.lock:
        read = {variable for variables in list(_process.keepers.values()) for variable in variables}
        return sum(int(variable.array.nbytes) for variable in read)


def keep_to_budget() -> None:
    """Drop the least recently used entries until no more than the budget is kept.

    Before that, where there have been new models and this and all weights together are more than the budget, models
    that nobody uses any more are freed. Layers and nodes refer to each other, so it takes a search for garbage, which
    Python puts off for long: it counts objects, not bytes.
    """
    new = _process.made > _process.made_before
    if new and gc.isenabled() and kept_bytes() + _weights_bytes() > memory_budget():
        _process.made_before = _process.made
        gc.collect()
    with _process.lock:
        while kept_bytes() > memory_budget():
            entries = [(entry.used, owner, key) for owner in _process.owners for key, entry in owner._entries.items()]
            if len(entries) < 2:
                return
            _, owner, key = min(entries, key=lambda found: found[0])
            del owner._entries[key]


def bytes_of(tensor: Tensor) -> int:
    """Bytes of the array that a symbol stands for."""
    return math.prod(known_shape(tensor)) * int(tensor.dtype.itemsize)


def check_limit(needed: int, spans: Callable[[], Sequence[Span]], nodes: Sequence[Node | None]) -> None:
    """Refuse what needs more memory than one run may take.

    Arguments:
        needed: bytes.
        spans: gives the arrays of a run.
        nodes: what is computed at each step of it.

    Raises:
        MemoryLimitError: it is more than the limit.
    """
    limit = memory_limit()
    if needed > limit:
        at_each_step = alive(spans())
        most = at_each_step.index(max(at_each_step))
        node = nodes[most] if most < len(nodes) else None
        where = f", most of them at {node.name}, whose result is {known_shape(node.output)}" if node else ""
        raise MemoryLimitError(
            f"run: expected a network that computes in at most {limit:,} bytes, got one that needs {needed:,}{where}. "
            "Give it a smaller batch or smaller inputs, or raise the limit with striate.set_memory_limit."
        )


def _bytes(where: str, size: float | None) -> int | None:
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int | float | np.number) or not 0 <= size < float("inf")
    ):
        raise ArgumentError(f"{where}: expected a number of bytes of at least 0, or None, got {size!r}.")
    return None if size is None else int(size)


@functools.cache
def _machine_memory() -> int:
    """Bytes that this process may use: the machine's memory, or less if its container has less."""
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        found = _windows_memory()
    with contextlib.suppress(OSError, ValueError):
        found = min(found, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))  # a number, or "max"
    return found


def _windows_memory() -> int:
    kilobytes = ctypes.c_ulonglong(8 << 20)
    library = getattr(ctypes, "windll", None)
    if library is not None:
        library.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
    return kilobytes.value * 1024


def _after_fork() -> None:
    """In the child: a lock that another thread held would stay locked."""
    _process.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
