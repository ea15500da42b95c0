"""The harness notices what it is there to notice: each reader below does what no reader may."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from striate.errors import FormatError
from tests.attacks.harness import MIB, attack, refused

HERE = "tests.attacks.test_harness"


def refuses(path):
    Path(path).read_bytes()
    raise FormatError("no")


def opens(path):
    return Path(path).read_bytes()


def reads_outside(path):
    with open(Path(path).parent.parent / "outside.txt"):
        raise FormatError("no")


def writes(path):
    Path(path).with_name("written").write_text("x")
    raise FormatError("no")


def runs_a_command(path):
    os.system("true")  # noqa: S605
    raise FormatError("no")


def starts_a_process(path):
    subprocess.run(["true"], check=False)
    raise FormatError("no")


def evaluates(path):
    eval("1 + 1")  # noqa: S307
    raise FormatError("no")


def imports(path):
    import this  # noqa: F401

    raise FormatError("no")


def connects(path):
    socket.socket().close()
    raise FormatError("no")


def hoards(path):
    bytearray(os.urandom(1)) * (300 * MIB)
    raise FormatError("no")


def computes(path):
    begin = time.process_time()
    while time.process_time() - begin < 5.5:
        pass
    raise FormatError("no")


def dies(path):
    os.abort()


@pytest.fixture
def file(tmp_path):
    (tmp_path / "outside.txt").write_text("secret")
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "file"
    path.write_bytes(b"hello")
    return path


def test_a_refusal_is_all_that_may_happen(file):
    outcome = refused(f"{HERE}:refuses", file)
    assert (outcome.error, outcome.message, outcome.events) == ("FormatError", "no", ())


@pytest.mark.parametrize(
    ("reader", "event"),
    [
        (reads_outside, "open .*outside.txt"),
        (writes, "open .*written for writing"),
        (runs_a_command, "os.system"),
        (starts_a_process, "subprocess.Popen"),
        (evaluates, "compile"),
        (imports, "import this"),
        (connects, "socket"),
        (opens, "error=''"),
        (hoards, "memory=31"),
        (computes, "seconds=5"),
        (dies, "killed"),
    ],
)
def test_anything_else_is_noticed(file, reader, event):
    with pytest.raises(AssertionError, match=event):
        refused(f"{HERE}:{reader.__name__}", file)


def test_the_server_goes_on_after_a_reader_has_died(file):
    assert attack(f"{HERE}:dies", file).error == "killed"
    assert attack(f"{HERE}:refuses", file).error == "FormatError"
