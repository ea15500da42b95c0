"""R3: ZIP archives that lie, as PyTorch's files and as NumPy's, end in our error."""

import io
import struct
import warnings
import zipfile

import numpy as np
import pytest

from tests.attacks.harness import attack, refused
from tests.attacks.pickling import TENSOR, list_of, pickled

READER = "striate.interop.states:read_state"
PICKLE = pickled(list_of(TENSOR), 2)
MIB = 1 << 20


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


#: The members of innocent archives of both kinds, and the one in which something is made wrong.
KINDS = {
    "torch": ({"archive/data.pkl": PICKLE, "archive/version": b"3\n", "archive/data/0": bytes(16)}, "archive/data/0"),
    "npz": ({"a.npy": npy(np.zeros(4)), "b.npy": npy(np.zeros(4))}, "b.npy"),
}


def write(
    members: dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_STORED
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content, method)
    return file.getvalue()


def patched(content: bytes, member: str, **fields: int) -> bytes:
    """The archive with other values in a member's local header and in the list of members."""
    #: field: offset in the local header, offset in the list, format
    places = {"flags": (6, 8, "<H"), "method": (8, 10, "<H"), "crc": (14, 16, "<I"), "packed": (18, 20, "<I"),
              "size": (22, 24, "<I"), "begin": (None, 42, "<I")}  # fmt: skip
    changed = bytearray(content)
    listed = content.index(member.encode(), content.index(b"PK\x01\x02")) - 46
    local = content.index(member.encode()) - 30
    for field, value in fields.items():
        in_local, in_list, kind = places[field]
        struct.pack_into(kind, changed, listed + in_list, value)
        if in_local is not None:
            struct.pack_into(kind, changed, local + in_local, value)
    return bytes(changed)


def link(name: str) -> zipfile.ZipInfo:
    information = zipfile.ZipInfo(name)
    information.create_system, information.external_attr = 3, 0o120777 << 16
    return information


def bomb(members: dict[str, bytes], largest: str) -> bytes:
    """A thousand times as large as the file, and of the right size for its reader."""
    if largest == "b.npy":
        return write(members | {largest: npy(np.zeros(128 * MIB, np.uint8))}, zipfile.ZIP_DEFLATED)
    pickle = PICKLE.replace(b"\x8a\x01\x04", b"\x8a\x04" + struct.pack("<I", 32 * MIB))
    return write(members | {"archive/data.pkl": pickle, largest: bytes(128 * MIB)}, zipfile.ZIP_DEFLATED)


def nested(members: dict[str, bytes], largest: str) -> bytes:
    inner = write(members)
    for _ in range(20):
        inner = write({largest: inner})
    return write(dict.fromkeys(members, inner))


def overlapping(members: dict[str, bytes], largest: str) -> bytes:
    """All members' entries lead to the same bytes (Fifield, "A better zip bomb", 2019)."""
    twice = write([*members.items(), ("x" * len(largest), members[largest])])
    return patched(twice, "x" * len(largest), begin=twice.index(largest.encode()) - 30)


CASES = {
    "a name with ..": lambda m, big: write(m | {"../../etc/cron.d/x": b""}),
    "a name with .. in the middle": lambda m, big: write(m | {"archive/../../x.npy": b""}),
    "a name with .. after backslashes": lambda m, big: write(m | {"..\\..\\x.npy": b""}),
    "an absolute name": lambda m, big: write(m | {"/etc/x.npy": b""}),
    "an absolute name of Windows": lambda m, big: write(m | {"C:\\x.npy": b""}),
    "a name on another machine": lambda m, big: write(m | {"\\\\host\\x.npy": b""}),
    "a name with a zero in it, twice without": lambda m, big: write(
        [*m.items(), ("y" * len(big), b"")]
    ).replace(b"y" * len(big), big.encode()),
    "a name twice": lambda m, big: write([*m.items(), (big, m[big])]),
    "a link": lambda m, big: write(
        [*((name, content) for name, content in m.items() if name != big), (link(big), b"/etc/passwd")]
    ),
    "an encrypted member": lambda m, big: patched(write(m), big, flags=1),
    "a member packed with LZMA": lambda m, big: write(m, zipfile.ZIP_LZMA),
    "a member packed in an unknown way": lambda m, big: patched(write(m), big, method=97),
    "a patch for another member": lambda m, big: patched(write(m), big, flags=0x20),
    "a bomb": bomb,
    "a bomb of archives in archives": nested,
    "entries that overlap": overlapping,
    "a size that is too small": lambda m, big: patched(write(m, zipfile.ZIP_DEFLATED), big, size=1),
    "a size of 4 GiB": lambda m, big: patched(write(m, zipfile.ZIP_DEFLATED), big, size=(1 << 32) - 2),
    "a packed size beyond the end": lambda m, big: patched(write(m), big, packed=1 << 30, size=1 << 30),
    "a packed size of nothing": lambda m, big: patched(write(m), big, packed=0),
    "a wrong checksum": lambda m, big: patched(write(m), big, crc=1),
    "a beginning beyond the end": lambda m, big: patched(write(m), big, begin=1 << 30),
    "a beginning in another member": lambda m, big: patched(write(m), big, begin=7),
    "a hundred thousand members": lambda m, big: write(m | {f"archive/{i}.npy": b"" for i in range(100_000)}),
    "a member without content": lambda m, big: write(m | {big: b""}),
    "the list of members cut": lambda m, big: write(m)[:-30],
    "the end cut": lambda m, big: write(m)[:-3],
    "the beginning cut": lambda m, big: write(m)[20:],
    "an empty archive": lambda m, big: write({}),
    "nothing it should hold": lambda m, big: write({"readme.txt": b"hello"}),
}  # fmt: skip

#: Of PyTorch's files alone.
TORCH = {
    "TorchScript": write({"archive/data.pkl": PICKLE, "archive/constants.pkl": PICKLE, "archive/code/m.py": b"x"}),
    "torch.export": write({"archive/data.pkl": PICKLE, "archive/models/model.json": b"{}"}),
    "an unknown byte order": write(KINDS["torch"][0] | {"archive/byteorder": b"middle"}),
    "a storage missing": write({"archive/data.pkl": PICKLE}),
    "a storage in another folder": write({"archive/data.pkl": PICKLE, "other/data/0": bytes(16)}),
    "a size that is too large": patched(write(KINDS["torch"][0], zipfile.ZIP_DEFLATED), "archive/data.pkl", size=9999),
    "two pickles": write(KINDS["torch"][0] | {"other/data.pkl": PICKLE}),
    "a pickle of 100 MiB": write({"archive/data.pkl": bytes(100 * MIB)}),
}


def test_every_class_has_its_cases():
    assert (len(CASES), len(TORCH)) == (30, 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_R3_archives_that_lie(tmp_path, kind, case):
    file = tmp_path / "file"
    file.write_bytes(CASES[case](*KINDS[kind]))
    refused(READER, file)


@pytest.mark.parametrize("case", TORCH)
def test_R3_archives_that_are_no_state_file(tmp_path, case):
    file = tmp_path / "file"
    file.write_bytes(TORCH[case])
    refused(READER, file)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("kind", KINDS)
def test_innocent_archives_made_in_the_same_way_are_opened(tmp_path, kind, method):
    file = tmp_path / "file"
    file.write_bytes(write(KINDS[kind][0], method))
    outcome = attack(READER, file)
    assert (outcome.error, outcome.events) == ("", ()), outcome
