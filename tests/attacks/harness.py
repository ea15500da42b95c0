"""Opens hostile files where they can do no harm, and says what they did.

    from tests.attacks.harness import attack, refused

    outcome = attack("striate.interop.states:read_state", path)   # what happened
    refused("striate.interop.states:read_state", path)            # asserts that nothing but our error did

A server process imports the readers once and forks for each file. In the fork an audit hook reports what no reader may
do: open a file outside the folder of the file it was given, write, import what was not imported before, compile or
execute source, unpickle, load libraries, start processes, use the network. What libraries in C open is not seen by the
hook; there a canary has to tell.
"""

import atexit
import functools
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

LIMIT_SECONDS = 5.0  # of processor time, which neighbours do not change
ENDED_SECONDS = 10  # of processor time after which a fork is ended
HANGS = 120.0  # seconds after which it is ended, however little it computed
MIB = 1 << 20

#: What readers import when they need it.
PRELOADED = (
    *("difflib", "h5py", "json", "lzma", "numpy", "onnx", "safetensors.numpy", "zipfile", "PIL.Image", "PIL.ImageOps"),
    *(f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Png", "Ppm", "Tiff", "WebP")),
)
NOT_PRELOADED = ("striate.__main__", "striate.cli", "striate.studio")
MAY_BE_IMPORTED = ("encodings", "numpy", "striate")
FORBIDDEN = (
    "compile", "ctypes.", "os.chmod", "os.exec", "os.fork", "os.link", "os.mkdir", "os.posix_spawn", "os.putenv",
    "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.startfile", "os.symlink", "os.system", "os.truncate",
    "pickle.find_class", "pty.", "shutil.", "socket.", "subprocess.", "urllib.", "webbrowser.",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What opening a file did.

    Arguments:
        error: the class of the error: "FormatError"; "" if the file was opened; "killed" if the process hung or died.
        message: the error's text.
        seconds: processor time.
        memory: bytes, at most, more than before.
        events: what the audit hook reported; nothing, if all is well.
    """

    error: str
    message: str
    seconds: float
    memory: int
    events: tuple[str, ...]


def attack(reader: str, path: str | os.PathLike[str]) -> Outcome:
    """Open a file with a reader, given as ``module:function``, in a process of its own."""
    if not hasattr(os, "fork"):
        pytest.skip("attacks are watched in forks, which this system does not have")
    server = _server()
    server.stdin.write(json.dumps([reader, os.path.abspath(path)]) + "\n")
    server.stdin.flush()
    outcome = json.loads(server.stdout.readline())
    return Outcome(**outcome | {"events": tuple(outcome["events"])})


def refused(reader: str, path: str | os.PathLike[str]) -> Outcome:
    """Open a file and assert that it ends in our error, within limits of time and memory, and does nothing else."""
    outcome = attack(reader, path)
    assert outcome.events == (), outcome
    assert outcome.error in ("FormatError", "LimitError"), outcome
    assert outcome.seconds < LIMIT_SECONDS, outcome
    assert outcome.memory < 4 * os.path.getsize(path) + 100 * MIB, outcome
    return outcome


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.attacks.harness"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )

    def stop() -> None:
        server.stdin.close()
        server.wait()
        server.stdout.close()

    atexit.register(stop)
    return server


# In the server


def serve() -> None:
    """Answer requests until there are no more."""
    import striate

    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    for module in pkgutil.walk_packages(striate.__path__, "striate."):
        if not module.name.startswith(NOT_PRELOADED):
            importlib.import_module(module.name)
    _installed()  # the question imports, too
    for line in sys.stdin:
        reader, path = json.loads(line)
        print(json.dumps(asdict(_fork(reader, path))), flush=True)


def _fork(reader: str, path: str) -> Outcome:
    module, name = reader.split(":")
    function = getattr(importlib.import_module(module), name)
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        resource.setrlimit(resource.RLIMIT_CPU, (ENDED_SECONDS, ENDED_SECONDS))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # answers go there
        try:
            os.write(send, json.dumps(asdict(_open(function, path))).encode())
        finally:
            os._exit(0)
    os.close(send)
    ready, _, _ = select.select([receive], [], [], HANGS)
    answer = os.read(receive, 1 << 16) if ready else b""
    os.close(receive)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not answer:
        return Outcome("killed", f"status {status}", HANGS, 0, ())
    return Outcome(**json.loads(answer))


def _open(function, path: str) -> Outcome:
    """Open a file in this process, which ends after it."""
    events: list[str] = []
    watching = True
    folder = os.path.dirname(os.path.realpath(path))

    def watch(event: str, arguments: tuple) -> None:
        if watching and (deed := _deed(event, arguments, folder)):
            events.append(deed[:200])

    sys.addaudithook(watch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = message = ""
    begin = time.process_time()
    try:
        function(path)
    except Exception as raised:
        error, message = type(raised).__name__, str(raised)[:1000]
    seconds = time.process_time() - begin
    watching = False
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    memory = more if sys.platform == "darwin" else more * 1024
    return Outcome(error, message, seconds, memory, tuple(events[:20]))


def _deed(event: str, arguments: tuple, folder: str) -> str | None:
    """What an audit event means, if no reader may do it."""
    if event == "open":
        file, mode, flags = arguments
        if isinstance(file, int):
            return None
        real = os.path.realpath(os.fsdecode(file))
        if flags & (os.O_WRONLY | os.O_RDWR):
            return f"open {real} for writing ({mode})"
        return None if real.startswith(folder + os.sep) or _is_installed(real) else f"open {real}"
    if event == "import":
        return None if arguments[0].split(".")[0] in MAY_BE_IMPORTED else f"import {arguments[0]}"
    if event == "exec":
        return None if _is_installed(arguments[0].co_filename) else f"exec {arguments[0].co_filename}"
    return f"{event} {arguments!r:.100}" if event.startswith(FORBIDDEN) else None


def _is_installed(file: str) -> bool:
    """Whether a file is code of Python or of an installed package."""
    code = file.endswith((".py", ".pyc", ".so")) and os.path.realpath(file).startswith(_installed())
    return code or file.startswith("<frozen ")


@functools.cache
def _installed() -> tuple[str, ...]:
    import striate

    folders = [*(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")), striate.__path__[0]]
    return tuple(os.path.realpath(folder) + os.sep for folder in folders)


if __name__ == "__main__":
    serve()
