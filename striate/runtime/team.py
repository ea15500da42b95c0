"""The thread team: several threads run a whole program of compiled kernels in one native call.

How the threads share the work is written, and explained, in ``team.ll`` beside this file. Here is the rest: what a
program is, and when workers start, sleep, wake and exit. A worker is a Python thread that spends its life in the
native function ``work``, where it does not hold Python's lock; after a run it watches for the next one for a moment,
and then sleeps until it is woken.
"""

import atexit
import contextlib
import ctypes
import functools
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from striate.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from striate.codegen.kernel import Code

_Words = npt.NDArray[np.int64]

#: How long a worker watches for the next run before it sleeps, in seconds: longer than the Python code between two
#: steps of a training loop takes, shorter than anybody who wants the core for something else would notice.
_WATCH = 0.5e-3
#: How long it takes from waking a worker until it helps, in nanoseconds (measured: 50,000 to 200,000, the longer the
#: core has been idle). For less work than this no worker is woken.
_WAKE_COST = 100_000
_MOST_THREADS = 2**16 - 1  # the call is one word, with the number of threads in its lower 16 bits

# The team's memory, in words, as the type %team of team.ll has it.
_LINE = 16
_CALL, _SCRATCH, _SCRATCH_BYTES, _THREADS = 0, 2, 3, 4
_LINES_BEFORE_SHARES = 3
_GO_HOME = -1


class Program:
    """Compiled kernels, one after another, that a team runs in one call.

    Each instruction begins when the one before it is finished. It is cut into blocks of ``grain`` items, and any thread
    may compute any number of blocks that lie side by side, so what a kernel computes for an item must not depend on the
    items that it gets together with it. Instructions of one block each that follow one another are done by one thread:
    where sharing would cost more than it gains, let ``grain`` be ``items``.

    Arguments:
        instructions: int64 array (n, 4). A row holds the address of a kernel ``void (ptr arguments, i64 lo, i64 hi,
            ptr scratch)`` that computes the items lo ≤ i < hi, the address of its arguments, the number of items, and
            the grain in items. Whoever makes the program keeps code and arguments alive.
        scratch: bytes of its own that a thread needs while it is in a kernel, from a multiple of 4096. A kernel may
            find anything in them.

    Raises:
        ShapeError: ``instructions`` is not (n, 4).
        ArgumentError: items or grain below 1, or scratch below 0.
    """

    def __init__(self, instructions: npt.ArrayLike, scratch: int = 0):
        rows: _Words = np.array(instructions, np.int64, order="C")
        if rows.ndim != 2 or rows.shape[1] != 4:
            raise ShapeError(f"Program: expected instructions of shape (n, 4), got {rows.shape}.")
        if scratch < 0:
            raise ArgumentError(f"Program: expected scratch ≥ 0 bytes, got {scratch}.")
        blocks: list[int] = []
        for number, (_, _, items, grain) in enumerate(rows.tolist()):
            if items < 1 or grain < 1:
                raise ArgumentError(
                    f"Program: instruction {number} has {items} items and grain {grain}, expected at least 1 of each. "
                    "Leave out an instruction that has nothing to do."
                )
            blocks.append(-(-items // grain))

        stages: list[list[int]] = []  # as the type %stage of team.ll has it
        start = 0
        for number, count in enumerate(blocks):
            if number > 0 and count == blocks[number - 1] == 1:
                stages[-1][1] += 1
            else:
                stages.append([rows.ctypes.data + number * rows.strides[0], 1, count, start])
                start += count
        self.scratch = scratch
        #: The most blocks of any instruction: more threads than this find nothing to do.
        self.widest = max(blocks, default=1)
        #: How long the last run took that began while workers slept. Before the first one: long enough to wake them.
        self.nanoseconds = _WAKE_COST
        table: _Words = np.array(stages, np.int64)
        head: _Words = np.array([table.ctypes.data, len(stages), rows.ctypes.data, len(rows), self.widest], np.int64)
        self.address = ctypes.c_void_p(head.ctypes.data)
        self._rows = rows
        self._memory = table, head  # keeps alive what is known by address

    def then(self, other: "Program") -> "Program":
        """This program and another one behind it, as one."""
        return Program(np.concatenate([self._rows, other._rows]), max(self.scratch, other.scratch))


class Team:
    """Threads that run programs together: the one that calls, and workers that help it.

    Workers start with the first program that has work for them, sleep while there is nothing to do, and exit at
    ``stop`` or when the interpreter exits. Programs run one at a time; a thread that calls ``run`` meanwhile waits.

    Arguments:
        threads: how many compute, the caller among them; 1 to 65535.

    Raises:
        ArgumentError: ``threads`` is not an integer, or out of range.
    """

    def __init__(self, threads: int):
        if not isinstance(threads, int | np.integer) or not 1 <= threads <= _MOST_THREADS:
            raise ArgumentError(f"threads: expected an integer from 1 to {_MOST_THREADS}, got {threads!r}.")
        self.threads = threads
        self._code = team_code()
        self._lock = threading.Lock()
        self._memory = _aligned((_LINES_BEFORE_SHARES + threads) * _LINE * 8, _LINE * 8)
        self._memory[_THREADS] = threads
        self._address = ctypes.c_void_p(self._memory.ctypes.data)
        self._reserve_scratch(4096)
        self._workers: list[_Worker] = []
        self._most_workers = threads - 1
        self._asleep: set[_Worker] = set()  # each worker adds and removes itself
        self._missed = 0  # nanoseconds of runs that began while workers slept, since some were last woken

    @functools.cached_property
    def _native(self) -> "_Native":  # not before the first program, whose kernels are compiled at the same time
        return _native(self._code)

    def run(self, program: Program) -> None:
        """Run a program; when this returns, it is finished, and nobody reads its memory any more."""
        with self._lock:
            if program.scratch > self._scratch_bytes:
                self._reserve_scratch(program.scratch)
            if program.widest > 1:
                if len(self._workers) < self._most_workers:
                    self._start()
                if self._asleep:
                    self._run_and_wake(program)
                    return
            self._native.run(self._address, program.address)

    def stop(self) -> None:
        """Stop the workers and wait until they have exited. Later runs are done by their callers alone."""
        with self._lock:
            self._most_workers, self._memory[_THREADS] = 0, 1
            self._memory[_CALL] = _GO_HOME
            for worker in self._workers:
                worker.bell.put([])  # a worker that is awake finds it when about to sleep
            for worker in self._workers:
                if worker.thread.is_alive():
                    worker.thread.join()
            _process.working.discard(self)

    def _reserve_scratch(self, size: int) -> None:
        """Give each thread ``size`` bytes, on pages of its own; a page lies near the core that first writes to it."""
        self._scratch_bytes = -(-size // 4096) * 4096
        self._scratch = _aligned(self._scratch_bytes * self.threads, 4096)
        self._memory[_SCRATCH] = self._scratch.ctypes.data
        self._memory[_SCRATCH_BYTES] = self._scratch_bytes

    def _start(self) -> None:
        _process.working.add(self)
        polls = round(_WATCH / _seconds_per_poll())
        cores = _own_cores()
        for index in range(len(self._workers) + 1, self.threads):
            worker = _Worker(index, self._work, polls, cores if self.threads <= len(cores) else set())
            self._workers.append(worker)  # before it starts: if Ctrl-C comes between, its number is not given twice
            worker.thread.start()

    def _work(self, worker: "_Worker", polls: int) -> None:
        while self._native.work(self._address, worker.index, polls):
            self._asleep.add(worker)
            others: list[_Worker] = []
            wanted = self._memory[_CALL] & _MOST_THREADS
            if wanted <= worker.index:  # else a run has begun whose caller could not see us asleep
                others = worker.sleep()
            self._asleep.discard(worker)
            _wake(others)

    def _run_and_wake(self, program: Program) -> None:
        """Run a program, and wake sleepers once what is done without them adds up to what waking costs.

        So a long program wakes them at once, many short ones in a row soon do, and a short one now and then hardly
        ever. Nobody waits for them: they join when they come.
        """
        sleepers = [worker for worker in self._asleep.copy() if worker.index < program.widest]
        self._missed += program.nanoseconds
        if sleepers and self._missed >= _WAKE_COST:
            self._missed = 0
            _wake(sleepers)
        start = time.perf_counter_ns()
        self._native.run(self._address, program.address)
        program.nanoseconds = time.perf_counter_ns() - start


class _Worker:
    """A thread that helps, and how it sleeps and is woken.

    On Linux it is woken onto another core than the waker's, if there is a core for each. Left alone, the system often
    puts it on the same one, where it stands in the way of the run that it was to help; measured on a virtual machine
    whose cores had been idle for 2 ms, nine times out of ten.

    Arguments:
        index: which thread of the team it is, from 1.
        work: what the thread does, called with this object and ``polls``.
        polls: how often it looks for the next run before it sleeps.
        cores: those it may run on; none leaves it to the system.
    """

    def __init__(self, index: int, work: Callable[["_Worker", int], None], polls: int, cores: set[int]):
        self.index = index
        #: Rings when there is something in it: other sleepers, which the woken worker must wake.
        self.bell: SimpleQueue[list[_Worker]] = SimpleQueue()
        self.thread = threading.Thread(target=work, args=(self, polls), name=f"striate-{index}", daemon=True)
        self._cores = cores

    def sleep(self) -> "list[_Worker]":
        others = self.bell.get()
        _let_run_on(self._cores, 0)
        return others

    def wake(self, others: "list[_Worker]") -> None:
        if self.bell.empty():  # else it was woken already, and has not run yet
            _let_run_on(self._cores - {_this_core()}, self.thread.native_id or 0)
            self.bell.put(others)


def _wake(sleepers: list[_Worker]) -> None:
    """Wake the first of each half, which wakes the rest of its half: even of 64 threads, none wakes more than two."""
    middle = (len(sleepers) + 1) // 2
    for half in (sleepers[:middle], sleepers[middle:]):
        if half:
            half[0].wake(half[1:])


def _own_cores() -> set[int]:
    """The cores that this thread may run on; none if the system does not say."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _let_run_on(cores: set[int], thread: int) -> None:
    """Set the cores that a thread may run on (0: this thread); an empty set changes nothing."""
    if cores:
        with contextlib.suppress(OSError):  # the process may have lost some of them since; the thread stays where it is
            os.sched_setaffinity(thread, cores)


@functools.cache
def _core_number() -> Callable[[], int]:
    found: Callable[[], int] | None = getattr(ctypes.CDLL(None), "sched_getcpu", None) if os.name == "posix" else None
    return found or (lambda: -1)


def _this_core() -> int:
    """The core that this thread is on right now; −1 if the system does not say."""
    return _core_number()()


class _Native(NamedTuple):
    """The functions of team.ll."""

    run: Callable[[Any, Any], None]
    work: Callable[[Any, int, int], int]
    loaded: Any = None  # keeps them in memory


@functools.cache
def team_code() -> "Code":
    """The module of team.ll, for those who have it compiled together with other code.

    It also imports what compiles: a process that is forked while a thread imports could never import that again.
    """
    from striate.codegen import compiler, host  # noqa: F401
    from striate.codegen.kernel import Code

    return Code(("run", "work"), _text(host().triple))


@functools.cache
def _native(code: "Code") -> _Native:
    from striate.codegen import compiler

    found = compiler.addresses([code])
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    work = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return _Native(run(found["run"]), work(found["work"]), found)


def _text(triple: str) -> str:
    """team.ll for one target, with its processor's instruction for waiting, or none where we know of none."""
    hint = ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)")
    declaration, call = {
        "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
        "aarch64": hint,
        "arm64": hint,
    }.get(triple.split("-", maxsplit=1)[0], ("", ""))
    text = Path(__file__).with_name("team.ll").read_text("utf-8")
    text = text.replace("declare void @pause()", declaration).replace("call void @pause()", call)
    return f'target triple = "{triple}"\n{text}'


@functools.cache
def _seconds_per_poll() -> float:
    """How long one look for a run takes, measured: pausing takes 1 cycle on some processors, 140 on others."""
    nobody = _aligned(_LINE * 8, _LINE * 8)  # a team that is never called
    polls = 2000
    times = []
    for _ in range(5):
        start = time.perf_counter()
        _native(team_code()).work(nobody.ctypes.data, 1, polls)
        times.append(time.perf_counter() - start)
    return min(times) / polls


def _aligned(size: int, alignment: int) -> _Words:
    """Words of zero, ``size`` bytes in all, from a multiple of ``alignment``; what is never touched takes no memory."""
    memory: _Words = np.zeros((size + alignment) // 8, np.int64)
    skip = -memory.ctypes.data % alignment // 8
    return memory[skip : skip + size // 8]


@dataclass
class _Process:
    """The state that a process has once."""

    team: Team | None = None
    working: set[Team] = field(default_factory=set)  # whose workers must exit before the interpreter does
    lock: threading.Lock = field(default_factory=threading.Lock)


_process = _Process()


def shared_team() -> Team:
    """The team of this process. Ask for it at each run: ``set_threads`` and ``fork`` replace it."""
    team = _process.team
    if team is not None:
        return team
    with _process.lock:
        if _process.team is None:
            _process.team = Team(available_cores())
        return _process.team


def set_threads(threads: int) -> None:
    """Set how many threads compute; the results have the same bits with any number.

    Arguments:
        threads: 1 to 65535. Until this is called, it is the number of cores that this process may use.

    Raises:
        ArgumentError: ``threads`` is not an integer, or out of range.
    """
    with _process.lock:
        before, _process.team = _process.team, Team(threads)
    if before is not None:
        before.stop()


def available_cores() -> int:
    """How many cores this process may use: those it may run on, or less if its container has a quota of their time."""
    cores = len(_own_cores()) or os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()  # "150000 100000", or "max 100000"
        return min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        return cores


def _stop_all() -> None:
    for team in list(_process.working):
        team.stop()


def _forget_all() -> None:
    """After a fork, in the child: there are no workers, and a lock that another thread held stays locked."""
    vars(_process).update(vars(_Process()))


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
