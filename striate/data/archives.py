"""ZIP archives, read without trusting them: all members are listed and checked before any is unpacked.

Nothing is ever written to disk, so that no name in an archive can lead anywhere.
"""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from striate.data.files import read_at_most
from striate.errors import FormatError, LimitError

STORED_OR_DEFLATED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1
LOCAL_HEADER = 30  # bytes before a member's name and content
#: Members of an archive; the largest models have some thousands.
MAX_MEMBERS = 65536
#: Bytes of the list of members, which Python's reader turns into objects before anybody can count them.
MAX_DIRECTORY = 4 << 20
#: Names that would lead out of the folder into which somebody else unpacks the archive.
OUTSIDE = re.compile(r"([/\\]|[A-Za-z]:).*|(.*[/\\])?\.\.([/\\].*)?", re.DOTALL)
#: What Python's reader raises on damaged archives.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, NotImplementedError)


class Archive(Mapping[str, zipfile.ZipInfo]):
    """The members of an open archive by name.

    Arguments:
        archive: what Python's reader made of the file.
        where: the reader and the file, for messages.
        max_bytes: the most that all members together may hold, unpacked.

    Raises:
        FormatError: two members have the same name or overlap; or one is encrypted, a link, compressed with anything
            but deflate, or has a name that leads outside the archive.
        LimitError: there are too many members, or they declare more than ``max_bytes``.
    """

    def __init__(self, archive: zipfile.ZipFile, where: str, max_bytes: int):
        self._archive, self._where = archive, where
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise LimitError(f"{where}: expected at most {MAX_MEMBERS:,} members, got {len(members):,}.")
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            if member.filename in self._members:
                raise FormatError(f"{where}: expected members with different names, got {member.filename!r} twice.")
            if member.flag_bits & ENCRYPTED or member.compress_type not in STORED_OR_DEFLATED:
                raise FormatError(
                    f"{where}: expected members that are stored or deflated, not encrypted, got {member.filename!r} "
                    f"with method {member.compress_type}."
                )
            if OUTSIDE.fullmatch(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
                raise FormatError(
                    f"{where}: expected members inside the archive, got {member.filename!r}, which leads outside."
                )
            self._members[member.filename] = member
        ends = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            if member.header_offset < ends:
                raise FormatError(f"{where}: expected members that do not overlap, {member.filename!r} is in another.")
            ends = member.header_offset + LOCAL_HEADER + member.compress_size
        if (announced := sum(member.file_size for member in members)) > max_bytes:
            raise LimitError(
                f"{where}: expected at most {max_bytes:,} bytes, the archive declares {announced:,}. "
                f"Raise max_bytes if you trust the file."
            )

    def __getitem__(self, name: str) -> zipfile.ZipInfo:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def open(self, name: str) -> IO[bytes]:
        """A member's content as a stream; it ends with an error if the content's checksum is wrong."""
        return self._archive.open(self._members[name])

    def read(self, name: str) -> bytearray:
        """A member's content.

        Raises:
            FormatError: its length is not the declared one.
        """
        announced = self._members[name].file_size
        with self.open(name) as stream:
            content = read_at_most(stream, announced + 1)
        if len(content) != announced:
            raise FormatError(f"{self._where}: expected {announced:,} bytes in {name!r}, got {len(content):,}.")
        return content


class _Pieces:
    """A file that is read in pieces of limited size; only the list of members is read at once."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(count if 0 <= count <= MAX_DIRECTORY else MAX_DIRECTORY + 1)
        if len(content) > MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"a list of members of more than {MAX_DIRECTORY:,} bytes")
        return content


@contextmanager
def open_archive(file: IO[bytes], where: str, max_bytes: int) -> Iterator[Archive]:
    """Open an archive for the body of a ``with`` statement.

    Arguments: as `Archive`.

    Raises:
        FormatError, LimitError: as `Archive`; and FormatError where the archive turns out to be damaged.
    """
    try:
        with zipfile.ZipFile(_Pieces(file)) as archive:
            yield Archive(archive, where, max_bytes)
    except DAMAGED as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{where}: expected an intact ZIP archive, got {error}.") from error
