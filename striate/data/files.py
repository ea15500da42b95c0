"""Opening and reading files that somebody else made."""

import os
from pathlib import Path
from typing import IO, BinaryIO

from striate.errors import FormatError

GIB = 1 << 30
CHUNK = 1 << 20


def open_regular(path: str | os.PathLike[str], operation: str) -> BinaryIO:
    """Open a regular file for reading; a folder, pipe or device, which could block or never end, is a FormatError.

    Raises FileNotFoundError and PermissionError as ``open`` does.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FormatError(f"{operation}: expected a regular file, got a folder, pipe or device: {path}.")
    return path.open("rb")


def read_at_most(stream: IO[bytes], count: int) -> bytearray:
    """Read up to ``count`` bytes, in pieces: a header that lies about its size costs no memory."""
    content = bytearray()
    while piece := stream.read(min(CHUNK, count - len(content))):
        content += piece
    return content
