"""Opening and reading files that somebody else made."""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO

from striate.errors import FormatError

GIB = 1 << 30
CHUNK = 1 << 20


def open_regular(path: str | os.PathLike[str], operation: str) -> BufferedReader:
    """Open a regular file for reading; a folder, pipe or device, which could block or never end, is a FormatError.

    Raises FileNotFoundError and PermissionError as ``open`` does.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FormatError(f"{operation}: expected a regular file, got a folder, pipe or device: {path}.")
    return path.open("rb")


def open_beside(folder: Path, name: object) -> BufferedReader:
    """Open a file that another one refers to: a regular file in its folder, or in a folder below that.

    A path that leads elsewhere, a link (also a hard link, another file's second name), a pipe or a device is refused.
    The error's text continues "its numbers are in".

    Raises:
        FormatError: it is refused, or cannot be opened.
    """
    outside = not isinstance(name, str) or not name.strip(".") or any(letter in name for letter in "\\:\0")
    if outside or Path(str(name)).is_absolute() or ".." in Path(str(name)).parts:
        raise FormatError(f"{name!r:.80}, which is not a file in the model's folder")
    place = Path(os.path.realpath(folder)) / str(name)
    if os.path.realpath(place) != str(place):
        raise FormatError(f"{name!r:.80}, which is a link")
    try:
        file = open(place, "rb", opener=_without_links)  # noqa: SIM115 (whoever asked for it closes it)
    except OSError as error:
        raise FormatError(f"{name!r:.80}: {error.strerror}") from None
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        file.close()
        raise FormatError(f"{name!r:.80}, which is not a regular file with a single name")
    return file


def _without_links(place: str, flags: int) -> int:
    """Open a file unless it has become a link in the meantime; do not wait for a pipe."""
    return os.open(place, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def read_at_most(stream: IO[bytes], count: int) -> bytearray:
    """Read up to ``count`` bytes, in pieces: a header that lies about its size costs no memory."""
    content = bytearray()
    while piece := stream.read(min(CHUNK, count - len(content))):
        content += piece
    return content


def write_atomically(path: str | os.PathLike[str], content: bytes, operation: str) -> None:
    """Write a file so that at any moment, even after a crash, either the old or the new content is there.

    Raises:
        FormatError: the folder does not exist or cannot be written to.
    """
    with replacing(path, operation) as file:
        file.write(content)


@contextmanager
def replacing(path: str | os.PathLike[str], operation: str) -> Iterator[IO[bytes]]:
    """A new file, to be written in the body of a ``with`` statement, that becomes ``path`` unless the body fails.

    The content goes to a temporary file beside it, is forced to the disk, and then takes the file's name.

    Raises:
        FormatError: the folder does not exist or cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        if hasattr(os, "O_DIRECTORY"):  # the new name itself has to reach the disk too
            folder = os.open(path.parent, os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise FormatError(f"{operation}: cannot write {path}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # it is gone already, unless something went wrong, or Ctrl-C came
            temporary.unlink()
