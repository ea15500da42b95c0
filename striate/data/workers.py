"""Processes that prepare data while another one trains, with bounded memory.

Each worker is a fresh interpreter that runs `serve`. It reads its task, then one item after the other, as lines of
JSON, and writes each item's result as frames of bytes. Items are dealt in turn and results taken in turn, so results
have the order of the items, whatever the number of workers. A finished worker blocks while it writes, because a pipe
holds little, until its result is read: so there are never more results than workers.

A task is one of the classes in the table that `serve` is given, and plain data that says what to do; nothing is
pickled.
"""

import json
import os
import signal
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Protocol, Self

from striate.data.files import read_at_most
from striate.errors import ArgumentError, DataError, StriateError

__all__ = ["Note", "Task", "WorkerPool", "workers_wanted"]

#: Called by a task with what it is about to read, so that an error can name it if that kills the process.
Note = Callable[[str], None]

#: What a worker runs: it has the table of all tasks, whose modules import this one.
PROGRAM = "from striate.data.tasks import main; main()"
HEADER = struct.Struct("<cQ")  # what kind of frame, and how many bytes follow
NOTE, RESULT, ERROR = b"n", b"r", b"e"
#: How many items a worker holds: the one it works on and the next.
DEALT = 2


class Task(Protocol):
    """What workers do: a function of an item and of what the task was made with."""

    def to_json(self) -> dict[str, Any]: ...

    def run(self, item: Any, note: Note) -> bytes: ...


def workers_wanted(workers: int | None) -> int:
    """``workers``, or as many as are worth starting on this machine."""
    return min(2, os.cpu_count() or 1) if workers is None else workers


class WorkerPool:
    """Processes that share a task; a context manager that stops them and waits for them.

    Arguments:
        task: what to do with an item.
        workers: how many processes; 0: run the task in this process.

    Raises:
        ArgumentError: ``workers`` is negative.
    """

    def __init__(self, task: Task, workers: int):
        if workers < 0:
            raise ArgumentError(f"WorkerPool: expected workers of at least 0, got {workers}.")
        self.task = task
        self.workers = workers
        self._processes: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the processes, whatever they are doing."""
        for worker in self._processes:
            worker.process.kill()
        for worker in self._processes:
            worker.close()
        self._processes = []

    def map(self, items: Iterable[Any]) -> Iterator[bytes]:
        """The task's result for each item, in order.

        Raises:
            StriateError: as the task raised it.
            DataError: a file cannot be read; or a process died, and the message names what it was reading.
        """
        if not self.workers:
            for item in items:
                yield _run(self.task, item, lambda name: None)
            return
        if not self._processes:
            self._processes = [_Worker(self.task) for _ in range(self.workers)]
        waiting: deque[_Worker] = deque()
        left = iter(items)
        complete = False
        try:
            for number, item in enumerate(left):
                if len(waiting) == DEALT * self.workers:
                    yield waiting.popleft().result()
                worker = self._processes[number % self.workers]
                worker.send(item)
                waiting.append(worker)
            while waiting:
                yield waiting.popleft().result()
            complete = True
        finally:
            if not complete:  # what is left in the pipes would be taken for answers to the next items
                self.close()


class _Worker:
    """A worker process, from the side of the one that started it."""

    def __init__(self, task: Task):
        # The same modules as here, even where the path was changed at run time.
        program = f"import sys; sys.path[:] = {sys.path!r}; {PROGRAM}"
        self.process = subprocess.Popen(  # noqa: S603 (this interpreter, and nothing of a user's)
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the main process only
        )
        self._note = "nothing yet"
        self.send({"task": type(task).__name__, "settings": task.to_json()})

    def send(self, item: Any) -> None:
        with suppress(BrokenPipeError):  # if it has died, `result` says so
            self._stdin.write(json.dumps(item).encode() + b"\n")
            self._stdin.flush()

    def result(self) -> bytes:
        while True:
            header = read_at_most(self._stdout, HEADER.size)
            kind, size = HEADER.unpack(header) if len(header) == HEADER.size else (b"", 0)
            content = bytes(read_at_most(self._stdout, size))
            if not kind or len(content) < size:
                raise DataError(
                    f"WorkerPool: a worker process died (exit code {self.process.wait()}) while it read {self._note}. "
                    "Take that file out, or use fewer workers if memory was short."
                )
            if kind == RESULT:
                return content
            if kind == ERROR:
                raise _error(json.loads(content))
            self._note = os.fsdecode(content)

    def close(self) -> None:
        for pipe in (self._stdin, self._stdout):
            with suppress(BrokenPipeError):  # there was something left to write for a process that is gone
                pipe.close()
        self.process.wait()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None  # noqa: S101 (it was asked for)
        return self.process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None  # noqa: S101 (it was asked for)
        return self.process.stdout


def _run(task: Task, item: Any, note: Note) -> bytes:
    try:
        return task.run(item, note)
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror or error}.") from error


def _error(described: dict[str, str]) -> StriateError:
    """The error that a worker met, as it would have been raised here."""
    from striate import errors

    kind = getattr(errors, described["kind"], DataError)
    return kind(described["message"])


def serve(tasks: Mapping[str, Callable[[dict[str, Any]], Task]]) -> None:
    """Run as a worker: do the task that stdin gives, until stdin ends.

    Arguments:
        tasks: how each is made from what its `Task.to_json` gave, by the name of its class.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    results = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what anything else prints must not end up among the results

    def write(kind: bytes, content: bytes) -> None:
        frame = memoryview(HEADER.pack(kind, len(content)) + content)
        while frame:
            frame = frame[results.write(frame) :]

    try:
        first = json.loads(sys.stdin.buffer.readline())
        task = tasks[first["task"]](first["settings"])
        for line in sys.stdin.buffer:
            try:
                content = _run(task, json.loads(line), lambda name: write(NOTE, os.fsencode(name)))
            except StriateError as error:
                described = {"kind": type(error).__name__, "message": str(error)}
                write(ERROR, json.dumps(described).encode())
            else:
                write(RESULT, content)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the other side has gone
