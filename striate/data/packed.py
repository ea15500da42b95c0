"""Files that are plain or compressed with gzip or xz, as a stream that is decompressed no further than it is read.

``lzma.open`` would grant a file whatever memory it asks for, which is up to 4 GiB; here the dictionary has a limit.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from typing import IO, Any, cast

from striate.data.files import CHUNK, open_regular
from striate.errors import FormatError

GZIP = b"\x1f\x8b"
XZ = b"\xfd7zXZ\0"
#: Memory for unpacking xz; its strongest preset, 9, asks for 65 MiB.
XZ_MEMORY = 80 << 20


class _XZ(RawIOBase):
    """The content of an xz file, one stream of blocks."""

    def __init__(self, file: BufferedReader):
        import lzma

        self._file, self._unpacker = file, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacker.eof:
            packed = self._file.read(CHUNK) if self._unpacker.needs_input else b""
            if not packed and self._unpacker.needs_input:
                raise EOFError("a file that ends too early")
            if content := self._unpacker.decompress(packed, len(buffer)):
                buffer[: len(content)] = content
                return len(content)
        if self._unpacker.unused_data or self._file.read(1):
            raise EOFError("a file with more data after its end")
        return 0


@contextmanager
def open_unpacked(path: str | os.PathLike[str], operation: str) -> Iterator[IO[bytes]]:
    """Open a file's decompressed content for the body of a ``with`` statement; its first bytes tell the compression.

    Arguments:
        path: the file.
        operation: the reader, for messages.

    Raises:
        FormatError: it is not a regular file, or its compressed content is damaged.
        FileNotFoundError: there is no such file.
    """
    with open_regular(path, operation) as file:
        start = file.read(len(XZ))
        file.seek(0)
        if start == XZ:
            import lzma

            try:
                yield BufferedReader(_XZ(file), CHUNK)
            except (EOFError, lzma.LZMAError) as error:
                raise FormatError(f"{operation}: expected an intact xz file, got {error}: {path}.") from error
        elif start.startswith(GZIP):
            import gzip
            import zlib

            try:
                with gzip.open(file) as stream:
                    yield cast(IO[bytes], stream)
            except (EOFError, OSError, zlib.error) as error:
                raise FormatError(f"{operation}: expected an intact gzip file, got {error}: {path}.") from error
        else:
            yield file
