"""R3: archives of tar, in which PyTorch once kept its files, are refused before anything in them is looked at."""

import bz2
import gzip
import io
import lzma
import os
import tarfile

import pytest

from tests.attacks.harness import refused

READER = "striate.opening:open_model"
MIB = 1 << 20


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                name, content = member
                information = tarfile.TarInfo(name)
                information.size = len(content)
                archive.addfile(information, io.BytesIO(content))
    return stream.getvalue()


def special(kind: bytes, name: str, target: str = "") -> tarfile.TarInfo:
    information = tarfile.TarInfo(name)
    information.type, information.linkname = kind, target
    return information


STATE = ("storages", b"\x80\x02K\x01."), ("tensors", b"\x80\x02K\x00."), ("pickle", b"\x80\x02}.")

CASES = {
    "PyTorch's, of 2016": tar(*STATE),
    "a name with ..": tar(*STATE, ("../../etc/cron.d/x", b"")),
    "an absolute name": tar(*STATE, ("/etc/cron.d/x", b"")),
    "a name twice": tar(*STATE, STATE[0]),
    "a link": tar(*STATE[1:], special(tarfile.SYMTYPE, "storages", "/etc/passwd")),
    "a hard link": tar(*STATE[1:], special(tarfile.LNKTYPE, "storages", "/etc/passwd")),
    "a device": tar(*STATE, special(tarfile.CHRTYPE, "zero")),
    "a pipe": tar(*STATE, special(tarfile.FIFOTYPE, "pipe")),
    "a link, and a file in what it leads to": tar(special(tarfile.SYMTYPE, "a", "/home"), ("a/x", b"")),
    "a size of 8 GiB": tar(*STATE)[:124] + b"77777777777\0" + tar(*STATE)[136:],
    "a negative size": tar(*STATE)[:124] + b"\xff" * 12 + tar(*STATE)[136:],
    "cut off": tar(*STATE)[:700],
    "packed by gzip": gzip.compress(tar(*STATE)),
    "packed by bzip2": bz2.compress(tar(*STATE)),
    "packed by xz": lzma.compress(tar(*STATE)),
    "a bomb packed by gzip": gzip.compress(tar(("storages", bytes(256 * MIB)))),
    "a bomb packed by bzip2": bz2.compress(bytes(256 * MIB)),
    "a bomb packed by xz": lzma.compress(bytes(256 * MIB), preset=0),
    "ten thousand members": tar(*((f"{i}.npy", b"") for i in range(10_000))),
}


def test_every_class_has_its_cases():
    assert len(CASES) == 19


@pytest.mark.parametrize("name", ["model.tar", "model.pth", "model.onnx"])
@pytest.mark.parametrize("case", CASES)
def test_R3_archives_of_tar(tmp_path, case, name):
    file = tmp_path / name
    file.write_bytes(CASES[case])
    refused(READER, file)
    assert os.listdir(tmp_path) == [name]
