"""A cache of recent pictures' layers, so that their maps can be shown, limited in bytes."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something that takes memory."""

    @property
    def size(self) -> int:
        """In bytes."""


T = TypeVar("T", bound=Sized)


class Kept(Generic[T]):
    """Things by name, within a number of bytes; the least recently used are dropped.

    Any number of threads may use it.

    Arguments:
        most: bytes; no single thing may be larger.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._things: OrderedDict[str, T] = OrderedDict()

    def keep(self, name: str, thing: T) -> None:
        """Keep a thing under a name, replacing any other of that name."""
        with self._lock:
            self._things.pop(name, None)
            self._things[name] = thing
            while sum(kept.size for kept in self._things.values()) > self._most:
                self._things.popitem(last=False)

    def get(self, name: str) -> T | None:
        """The thing of a name; None if there is none, or not any more."""
        with self._lock:
            if name in self._things:
                self._things.move_to_end(name)
            return self._things.get(name)
