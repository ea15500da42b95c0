"""Memory of programs that run for long: ``python -m benchmarks.resident [PAGE.md]``.

Each program runs in a process of its own and does something many times, each time with another shape, model or picture.
What the process holds is looked at after every time. It must level off: the second half of the times may add no more
than a tenth.
"""

import gc
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import striate
from benchmarks.machine import commit, describe
from benchmarks.memory import resident
from benchmarks.processes import ROOT, ask, environment
from striate import layers

PAGE = ROOT / "docs" / "memory.md"
#: What may be kept, in bytes: less than the default, so that fewer shapes show that it is kept to.
BUDGET = 2**24
#: By how much the second half of the times may grow what is held.
GROWTH = 1.1

HEAD = """# Memory of programs that run for long

Written by `python -m benchmarks.resident`; do not edit. Resident memory of one process in MB, after the first time,
after a tenth, half and all of them, and at most at any moment. Shapes come in random order, so that the largest comes
early. Python, NumPy and LLVM alone take about 75 MB. Models that are dropped are freed when Python's garbage collector
next runs, as a model and its layers refer to each other; it is run when weights and what is kept exceed the budget.

What bounds it: when more is kept than `striate.set_memory_budget` allows, here 16 MiB, the executors that were not used
for longest leave; all executors compute in the same block of memory; packed weights are shared by the executors of a
model; machine code that no executor uses is unloaded. Before that (commit 610d7e3) the first program held 112, 1032,
3961 and 7913 MB, the one with input sizes 126, 676, 2516 and 4917 MB, and LLVM ended the one with training steps.
"""


def _network() -> striate.Model:
    return striate.Sequential(
        [
            striate.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


class _AnySize(striate.Model):
    """A network that takes images of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]

    def call(self, inputs: Any) -> Any:
        for layer in self.steps:
            inputs = layer(inputs)
        return inputs


def _in_random_order(first: int, last: int) -> list[int]:
    return [int(size) for size in np.random.default_rng(0).permutation(np.arange(first, last + 1))]


def batch_sizes(count: int) -> Iterator[int]:
    """Predictions for batches of 1 … ``count`` images."""
    model = _network()
    for size in _in_random_order(1, count):
        model.predict_on_batch(np.zeros((size, 28, 28, 1), np.float32))
        yield resident("VmRSS")


def training_batch_sizes(count: int) -> Iterator[int]:
    """Training steps on batches of 1 … ``count`` images."""
    model = _network()
    model.compile("adam", "sparse_categorical_crossentropy")
    for size in _in_random_order(1, count):
        model.train_on_batch(np.zeros((size, 28, 28, 1), np.float32), np.zeros(size, np.int64))
        yield resident("VmRSS")


def input_sizes(count: int) -> Iterator[int]:
    """Predictions for images of 32 × 32 and more, each with one row and column more."""
    model = _AnySize()
    for size in _in_random_order(32, 31 + count):
        model.predict_on_batch(np.zeros((1, size, size, 3), np.float32))
        yield resident("VmRSS")


def models(count: int) -> Iterator[int]:
    """Models that are opened, asked once and dropped."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        _network().save(path)
        for _ in range(count):
            striate.open_model(path).predict_on_batch(np.zeros((1, 28, 28, 1), np.float32))
            yield resident("VmRSS")


def new_models(count: int) -> Iterator[int]:
    """Models that are made, each of another width, trained for a step and dropped."""
    for width in _in_random_order(8, 7 + count):
        model = striate.Sequential(
            [striate.Input((16, 16, 3)), layers.Conv2D(width, 3, activation="relu"), layers.Flatten(), layers.Dense(10)]
        )
        model.compile("sgd", "mse")
        model.fit(np.zeros((8, 16, 16, 3), np.float32), np.zeros((8, 10), np.float32), verbose=0)
        yield resident("VmRSS")


#: What is done, and how often.
PROGRAMS: dict[str, tuple[Callable[[int], Iterator[int]], int]] = {
    "batch sizes, predicted": (batch_sizes, 300),
    "batch sizes, trained on": (training_batch_sizes, 100),
    "input sizes": (input_sizes, 300),
    "models opened and dropped": (models, 100),
    "models made, trained and dropped": (new_models, 300),
}
if find_spec("benchmarks.resident_studio"):
    _studio = import_module("benchmarks.resident_studio")
    PROGRAMS |= {"pictures in the studio": (_studio.pictures, 1000), "drawings": (_studio.drawings, 10000)}


def row(name: str, part: dict[str, Any]) -> list[str]:
    """One line of the table."""
    held = part["held"]
    half = max(held[: len(held) // 2])
    verdict = "levels off" if max(held[len(held) // 2 :]) <= GROWTH * half else "GROWS"
    places = [0, len(held) // 10 - 1, len(held) // 2 - 1, len(held) - 1]
    sizes = [*(held[place] for place in places), part["peak"]]
    return [name, str(len(held)), *(f"{size / 1e6:.0f}" for size in sizes), verdict]


def page(parts: dict[str, dict[str, Any]]) -> str:
    """The table, and the machine that it is from."""
    header = ["program", "times", "first", "10 %", "50 %", "100 %", "most", ""]
    lines = [header, ["---", *["--:"] * 6, "---"], *(row(name, part) for name, part in parts.items())]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    machine = "".join(f"- {name}: {value}\n" for name, value in describe().items())
    return f"{HEAD}\n{table}\nCommit {commit()}.\n\n{machine}"


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        program, count = PROGRAMS[sys.argv[2]]
        striate.set_memory_budget(BUDGET)
        held = list(itertools.islice(program(count), count))
        gc.collect()
        print(json.dumps({"held": held, "peak": resident("VmHWM")}))
        return
    parts = {}
    for name in PROGRAMS:
        parts[name] = ask("benchmarks.resident", "--one", name, env=environment(2, tuned=False))
        print(*row(name, parts[name]), sep="\t", flush=True)
    (Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE).write_text(page(parts))


if __name__ == "__main__":
    main()
