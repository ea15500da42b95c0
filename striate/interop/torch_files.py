"""The files that ``torch.save`` writes, as a tree of tensors that have not been read.

Since PyTorch 1.6 a file is a ZIP archive: ``data.pkl`` refers to the storages ``data/0``, ``data/1``, … beside it, each
in the byte order that ``byteorder`` names. Before, it was four pickles (a magic number, the version, facts about the
machine, the object), a fifth with the storages' keys, and then the storages: number of elements (8 bytes) and elements.

Source: ``torch/serialization.py`` of PyTorch 2.
"""

import os
import re
from collections.abc import Callable
from io import BufferedReader, BytesIO
from typing import Any, TypeAlias

from striate.data.archives import Archive
from striate.data.files import read_at_most
from striate.interop.pickled import ElementType, Storage, storage
from striate.interop.pickles import unpickle
from striate.interop.refusal import refuse, refuse_size

Path: TypeAlias = str | os.PathLike[str]
#: The pickle with which the old format begins: 0x1950a86a20f9469cfc6c, protocols 2 to 5.
MAGIC = re.compile(rb"\x80[\x02-\x05](\x95.{8})?\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL)
VERSION = 1001
DATA = "/data.pkl"
#: Members that only archives with code in them have.
CODE = re.compile(r"[^/]*/(constants\.pkl|code/.*|models/.*|serialized_\w+\.json)")
BYTE_ORDERS = {b"little": "<", b"big": ">"}
MAX_FACTS = 4096  # bytes of each of the three pickles before the object
MAX_PICKLE = 64 << 20  # bytes of data.pkl, which holds no numbers


class Storages:
    """The storages of a file; each is read once, when it is first asked for.

    Arguments:
        order: of the bytes, "<" or ">".
        read: reads exactly the bytes of a storage.
    """

    def __init__(self, order: str, read: Callable[[Storage], bytearray]):
        self.named: dict[str, tuple[ElementType, int]] = {}  # type and number of elements
        self._order, self._read = order, read
        self._contents: dict[str, bytearray] = {}

    def refer(self, reference: Any) -> Storage:
        """The storage to which a pickle refers.

        Raises:
            ValueError: it is not a reference, or contradicts another one to the same storage.
        """
        block = storage(reference, self.content)
        if self.named.setdefault(block.key, (block.type, block.count)) != (block.type, block.count):
            raise ValueError(f"expected one type and length for the storage {block.key[:80]!r}")
        return block

    def content(self, block: Storage) -> tuple[bytearray, str]:
        """A storage's bytes and their order."""
        if block.key not in self._contents:
            self._contents[block.key] = self._read(block)
        return self._contents[block.key], self._order


def read_zip(path: Path, archive: Archive) -> Any:
    """The tree of a file as PyTorch writes it since 1.6.

    Raises:
        FormatError, LimitError: it is damaged, holds code or more than tensors and plain containers.
    """
    if code := next((name for name in archive if CODE.fullmatch(name)), None):
        refuse(path, f"it holds code ({code[:80]}: TorchScript or torch.export); save model.state_dict() instead")
    name, *more = (name for name in archive if name.endswith(DATA))
    if more:
        refuse(path, f"expected one data.pkl, got {name[:80]!r} and {more[0][:80]!r}")
    folder = name.removesuffix(DATA)
    if archive[name].file_size > MAX_PICKLE:
        refuse_size(path, f"expected {name[:80]!r} of at most {MAX_PICKLE:,} bytes, got {archive[name].file_size:,}")
    byte_order = archive.read(f"{folder}/byteorder") if f"{folder}/byteorder" in archive else b"little"
    if bytes(byte_order) not in BYTE_ORDERS:
        refuse(path, f"expected the byte order little or big, got {bytes(byte_order[:20])!r}")

    def read(block: Storage) -> bytearray:
        member = f"{folder}/data/{block.key}"
        if member not in archive:
            refuse(path, f"the storage {member[:80]!r} is missing")
        if (got := archive[member].file_size) != block.nbytes:
            refuse(path, f"expected {block.nbytes:,} bytes in the storage {member[:80]!r}, got {got:,}")
        return archive.read(member)

    content = archive.read(name)
    stream = BytesIO(content)
    tree = unpickle(stream, len(content), path, Storages(BYTE_ORDERS[bytes(byte_order)], read).refer)
    if stream.tell() != len(content):
        refuse(path, f"expected one pickle in {name[:80]!r}, something follows it at byte {stream.tell():,}")
    return tree


def read_legacy(path: Path, file: BufferedReader) -> Any:
    """The tree of a file as PyTorch wrote it before 1.6; the file is positioned at its beginning.

    Raises:
        FormatError: as `read_zip`.
    """
    size = os.fstat(file.fileno()).st_size
    begins: dict[str, int] = {}

    def read(block: Storage) -> bytearray:
        file.seek(begins[block.key])
        content = read_at_most(file, block.nbytes)
        if len(content) != block.nbytes:
            refuse(path, f"expected {block.nbytes:,} bytes in the storage {block.key[:80]!r}, got {len(content):,}")
        return content

    _, version, _ = (unpickle(file, min(size, file.tell() + MAX_FACTS), path) for _ in range(3))
    storages = Storages("<", read)
    tree, keys = unpickle(file, size, path, storages.refer), unpickle(file, size, path)
    if version != VERSION:
        refuse(path, f"expected PyTorch's format {VERSION}, got another")
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(storages.named):
        refuse(path, "expected each of the tensors' storages exactly once")
    for key in keys:
        (kind, expected), count = storages.named[key], int.from_bytes(file.read(8), "little")
        if count != expected:
            refuse(path, f"expected {expected:,} elements in the storage {key[:80]!r}, got {count:,}")
        begins[key] = file.tell()
        file.seek(count * kind.itemsize, os.SEEK_CUR)
    if file.tell() != size:
        refuse(path, f"expected {file.tell():,} bytes, got {size:,}")
    return tree
