"""Compiled kernels on disk, so that the second start of a network compiles nothing.

One file for each kernel, named by the hash of everything its machine code depends on. A file is written under a
temporary name and then renamed, so a reader sees all of it or none, and it begins with its own checksum: whatever else
is in the folder is compiled again. A folder that cannot be read or written costs time, never an error.
"""

import contextlib
import hashlib
import os
import threading
from pathlib import Path

MAGIC = b"striate1"


def folder() -> Path | None:
    """Where compiled kernels are kept: ``$STRIATE_CACHE``, or the user's cache folder; None if there is none."""
    if chosen := os.environ.get("STRIATE_CACHE"):
        return Path(chosen)
    with contextlib.suppress(RuntimeError):  # a user without a home
        base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
        return Path(base) / "striate" / "kernels"
    return None


def load(key: str) -> bytes | None:
    """The object file kept under this key, or None."""
    where = folder()
    if where is None:
        return None
    try:
        content = (where / f"{key}.o").read_bytes()
    except OSError:
        return None
    head = len(MAGIC) + 32
    if content[: len(MAGIC)] != MAGIC or content[len(MAGIC) : head] != _checksum(content[head:]):
        return None
    return content[head:]


def save(key: str, code: bytes) -> None:
    """Keep an object file."""
    where = folder()
    if where is None:
        return
    with contextlib.suppress(OSError):  # read-only, full, or not ours
        where.mkdir(parents=True, exist_ok=True)
        temporary = where / f"{key}.{os.getpid()}.{threading.get_ident()}.tmp"
        try:
            with temporary.open("xb") as file:
                file.write(MAGIC + _checksum(code) + code)
            temporary.replace(where / f"{key}.o")
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _checksum(code: bytes) -> bytes:
    return hashlib.sha256(code).digest()
