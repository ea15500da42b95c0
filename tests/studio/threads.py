"""Threads that meet at a lock, in an order that a test chooses, whatever the machine is busy with."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

#: Seconds after which a test that hangs fails; nothing waits for them otherwise.
PATIENCE = 30


class Watched:
    """A lock, and a count of those who came while somebody had it: ``waiting``."""

    def __init__(self, lock):
        self._lock = lock
        self.waiting = Semaphore(0)

    def __enter__(self):
        if not self._lock.acquire(blocking=False):
            self.waiting.release()
            self._lock.acquire()

    def __exit__(self, *error):
        self._lock.release()


def in_a_thread(function):
    """What a function returns in a thread of its own, if it returns."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result(PATIENCE)


def one_at_a_time(monkeypatch, owner, model, name, calls):
    """Assert that two calls, in threads of their own, are never both inside of a method of ``model``.

    The first stays there until the second is inside, too, which is what must not be, or waits for ``owner``'s lock.
    """
    lock = owner._lock = Watched(owner._lock)
    method = getattr(model, name)
    first_is_inside = Event()
    inside, together = [], []

    def watched(*arguments):
        inside.append(arguments)
        if len(inside) > 1:
            together.append(arguments)
            lock.waiting.release()
        elif not first_is_inside.is_set():
            first_is_inside.set()
            assert lock.waiting.acquire(timeout=PATIENCE)
        try:
            return method(*arguments)
        finally:
            inside.pop()

    monkeypatch.setattr(model, name, watched)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(calls[0])
        assert first_is_inside.wait(PATIENCE)
        second = threads.submit(calls[1])
        first.result(PATIENCE), second.result(PATIENCE)
    assert not together
