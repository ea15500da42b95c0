"""From LLVM IR to the address of machine code: compile or find on disk, then load."""

import hashlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable

from striate.codegen import cache, llvm
from striate.codegen.kernel import Code
from striate.codegen.target import host

_LIBRARIES: weakref.WeakValueDictionary[str, llvm.Library] = weakref.WeakValueDictionary()  # by symbol
_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):  # a fork waits until nothing compiles: the child would find LLVM's locks held
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


class Addresses(dict[str, int]):
    """The address on this CPU of each function, by symbol; the code stays loaded as long as this is in use."""

    libraries: frozenset[llvm.Library]


def addresses(codes: Iterable[Code]) -> Addresses:
    """Load functions into this process.

    Modules that are neither loaded nor on disk are compiled, several at a time.
    """
    with _LOCK:
        codes = list(codes)
        libraries = {code.symbols[0]: _LIBRARIES.get(code.symbols[0]) for code in codes}
        missing = list({code.symbols: code for code in codes if libraries[code.symbols[0]] is None}.values())
        if missing:
            llvm.unload()
            objects = {code: content for code in missing if (content := cache.load(_key(code))) is not None}
            objects |= _compile_all([code for code in missing if code not in objects])
            library = llvm.Library((content, code.symbols) for code, content in objects.items())
            for code in objects:
                libraries[code.symbols[0]] = _LIBRARIES[code.symbols[0]] = library
        found = Addresses()
        found.libraries = frozenset(library for library in libraries.values() if library is not None)
        for library in found.libraries:
            found.update(library.addresses)
        return found


def _key(code: Code) -> str:
    return hashlib.sha256(f"{llvm.versions()}\n{host()}\n{code.text}".encode()).hexdigest()


def _compile_all(codes: list[Code]) -> dict[Code, bytes]:
    """Compile with all cores; the longest first, so that none of them is left for the end.

    Not with `concurrent.futures`: it holds a lock of its own during a fork, and we could not finish.
    """
    left = iter(sorted(codes, key=lambda code: len(code.text), reverse=True))
    objects: dict[Code, bytes] = {}
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for code in left:
                objects[code] = llvm.emit_object(code.text, host())
                cache.save(_key(code), objects[code])
        except BaseException as error:  # raised below, in the thread that waits for all of them
            errors.append(error)
            deque(left, maxlen=0)  # start nothing more

    helpers = [threading.Thread(target=work) for _ in range(min(os.cpu_count() or 1, len(codes)) - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return objects
