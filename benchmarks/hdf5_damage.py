"""How libhdf5, through h5py, takes damaged files: the measurement behind docs/decisions/0011.

    python -m benchmarks.hdf5_damage [FILE.h5] [--count 3000]

Each mutant of the file (bytes overwritten, bits flipped, pieces moved, mostly in its metadata) is opened by a process
of its own, which reads every attribute and every array that h5py shows, and catches every Python exception. Counted is
how these processes end: by themselves, by a signal, or not within 5 seconds. With --ours, `striate`'s reader instead.
"""

import argparse
import io
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE = 5.0
MEMORY = 4 << 30  # bytes of address space; h5py believes any shape that a file declares
SIGNATURES = (b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"\x89HDF")


def small_file() -> bytes:
    """Twelve arrays in packed chunks, with attributes that are text: all that models are made of, in 86 KB."""
    import h5py
    import numpy as np

    generator, memory = np.random.default_rng(0), io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["names"], file.attrs["fixed"], file.attrs["text"] = ["a", "bb", "ccc"], [b"aa", b"b"], "text"
        for i in range(12):
            numbers = generator.random((37, 23)).astype(np.float32)
            settings = {"chunks": (10, 7), "compression": "gzip", "shuffle": True, "fletcher32": bool(i % 2)}
            file.create_dataset(f"g{i % 3}/{i}", data=numbers, **settings)
            file[f"g{i % 3}"].attrs["weight_names"] = [b"kernel:0", b"bias:0"]
    return memory.getvalue()


def mutant(content: bytes, generator: random.Random) -> bytes:
    """The file with one to four small damages, most of them near structures rather than among the weights."""
    changed = bytearray(content)
    places = [at for name in SIGNATURES for at in _all(content, name)]
    for _ in range(generator.randint(1, 4)):
        near = places and generator.random() < 0.8
        at = generator.choice(places) + generator.randrange(512) if near else generator.randrange(len(content))
        at = min(at, len(content) - 16)
        match generator.randrange(4):
            case 0:
                changed[at] ^= 1 << generator.randrange(8)
            case 1:
                changed[at] = generator.randrange(256)
            case 2:
                changed[at : at + 8] = generator.choice([b"\xff" * 8, bytes(8), at.to_bytes(8, "little")])
            case 3:
                source = generator.choice(places or [0])
                changed[at : at + 16] = content[source : source + 16].ljust(16, b"\0")
    return bytes(changed)


def _all(content: bytes, name: bytes) -> list[int]:
    found, at = [], content.find(name)
    while at >= 0:
        found.append(at)
        at = content.find(name, at + 1)
    return found


def walk_h5py(path: str) -> None:
    """Read all that h5py shows of a file."""
    import h5py

    def visit(thing: Any, depth: int) -> None:
        for name in list(thing.attrs):
            with suppress(Exception):
                thing.attrs[name]
        if isinstance(thing, h5py.Dataset):
            thing[()]
        elif depth < 32:
            for name in list(thing):
                with suppress(Exception):
                    visit(thing[name], depth + 1)

    with h5py.File(path, "r") as file:
        visit(file, 0)


def walk_ours(path: str) -> None:
    """Read all that Striate's reader shows of a file."""
    from striate.interop.hdf5 import read_hdf5

    def visit(group: Any) -> None:
        for array in group.arrays.values():
            array.read()
        for below in group.groups.values():
            visit(below)

    visit(read_hdf5(path))


def ending(walk: Callable[[str], None], path: str) -> str:
    """How a process ends that walks through the file."""
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            walk(path)
        except BaseException:
            os._exit(1)
        os._exit(0)
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if os.WIFSIGNALED(status):
                return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
            return "ended with a Python exception" if os.WEXITSTATUS(status) else "read, or parts of it"
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"not done after {PATIENCE:g} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", help="default: a small file with packed chunks and text")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--ours", action="store_true")
    given = parser.parse_args()
    content = given.file.read_bytes() if given.file else small_file()
    generator, endings = random.Random(0), Counter[str]()
    walk = walk_ours if given.ours else walk_h5py
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.h5"
        path.write_bytes(content)
        walk(str(path))  # what is imported is imported once, before the processes part
        for _ in range(given.count):
            path.write_bytes(mutant(content, generator))
            endings[ending(walk, str(path))] += 1
    if not given.ours:
        import h5py

        print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
    name = given.file.name if given.file else "small file"
    print(f"{name}, {len(content):,} bytes, {given.count} mutants, Python {sys.version.split()[0]}")
    for how, count in endings.most_common():
        print(f"{count:6} {how}")


if __name__ == "__main__":
    main()
