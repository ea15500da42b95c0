"""How fast a convolution is at each step from plain loops to what the library runs: ``python -m benchmarks.ladder``.

    --seconds S     for each step of each layer
    --write         put the tables into docs/convolution.md, between its two marks, instead of printing them

The page walks through the functions above `Layer`, word for word. They take an image that has a border of zeros around
it; the library's steps take it without. All of it runs in a new process in which NumPy has one thread, too.
"""

import argparse
import ctypes
import json
import textwrap
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import striate
from benchmarks.machine import commit, describe
from benchmarks.processes import ROOT, ask, environment
from benchmarks.timing import Timing, interleaved
from striate import ops
from striate.codegen import Function, Kernel, Pointer, Tile, compiler, fit, host, kernel, pieces
from striate.codegen.values import FLOAT
from striate.graph import Array, Graph, Tensor, Variable
from striate.kernels import Launch
from striate.runtime import Executor, ReferenceExecutor
from striate.runtime.arena import ALIGNMENT
from striate.runtime.native import NativeExecutor

Pair = tuple[int, int]


def loops(x: Any, w: Any) -> Any:
    """y[i][j][k] = Σ over a, b, c of x[i + a][j + b][c] · w[a][b][c][k], all of them lists."""
    height, width, channels, outputs = len(x) - 2, len(x[0]) - 2, len(w[0][0]), len(w[0][0][0])
    y = [[[0.0] * outputs for _ in range(width)] for _ in range(height)]
    for i in range(height):
        for j in range(width):
            for k in range(outputs):
                total = 0.0
                for a in range(3):
                    for b in range(3):
                        for c in range(channels):
                            total += x[i + a][j + b][c] * w[a][b][c][k]
                y[i][j][k] = total
    return y


def native(write: Kernel, *arrays: Array, items: int, **settings: Hashable) -> Callable[[], None]:
    """A call of a kernel's machine code on these arrays, for all items."""
    code = write.code(host(), (FLOAT,) * len(arrays), tuple(sorted(settings.items())))
    loaded = compiler.addresses([code])
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    function = kind(loaded[code.symbol])

    def call(_: Any = loaded) -> None:  # as long as there is this call, the code is in memory
        table = np.array([array.ctypes.data for array in arrays], np.uint64)
        function(table.ctypes.data, 0, items, None)

    return call


@kernel
def scalar(f: Function, x: Pointer, w: Pointer, y: Pointer, *, size: int, channels: int, outputs: int) -> None:
    """One sum at a time; an item is a row of y."""
    for i in f.items():
        for j in f.range(0, size):
            for k in f.range(0, outputs):
                total = f.accumulator(0.0)
                for a in f.range(0, 3):
                    for b in f.range(0, 3):
                        for c in f.range(0, channels):
                            number = x[((i + a) * (size + 2) + j + b) * channels + c]
                            weight = w[((a * 3 + b) * channels + c) * outputs + k]
                            total.value = f.fma(number, weight, total.value)
                (y + ((i * size + j) * outputs + k)).store(total.value)


@kernel
def vector(f: Function, x: Pointer, w: Pointer, y: Pointer, *, size: int, channels: int, outputs: int) -> None:
    """As many sums at a time as a vector register has lanes, of neighbouring output channels."""
    lanes = f.target.lanes
    for i in f.items():
        for j in f.range(0, size):
            for k in f.range(0, outputs, lanes):
                total = f.accumulator(f.zeros(lanes))
                for a in f.range(0, 3):
                    for b in f.range(0, 3):
                        for c in f.range(0, channels):
                            number = x[((i + a) * (size + 2) + j + b) * channels + c]
                            weights = (w + (((a * 3 + b) * channels + c) * outputs + k)).load(lanes)
                            total.value = f.fma(number, weights, total.value)
                (y + ((i * size + j) * outputs + k)).store(total.value)


@kernel
def tiled(
    f: Function, x: Pointer, w: Pointer, y: Pointer, *, size: int, channels: int, outputs: int, tile: Pair
) -> None:
    """A tile of sums at a time: some neighbouring pixels × some output channels, all in registers."""
    for i in f.items():
        for j, pixels in pieces(f, 0, size, size, tile[0]):
            for k, columns in pieces(f, 0, outputs, outputs, tile[1]):
                sums = Tile(f, pixels, columns, f.target.lanes)
                for a in f.range(0, 3):
                    for b in f.range(0, 3):
                        window = x + ((i + a) * (size + 2) + j + b) * channels
                        weights = w + ((a * 3 + b) * (channels * outputs) + k)
                        sums.multiply(window, channels, 1, weights, outputs, channels)
                for pixel, column, count, value in sums.results():
                    (y + ((i * size + j + pixel) * outputs + k + column)).store(value, count=count)


def panels(w: Array, columns: int) -> Array:
    """w (3, 3, C, K) panel by panel, each (3, 3, C, columns); the last one may be narrower."""
    return np.concatenate([w[..., k : k + columns].ravel() for k in range(0, w.shape[-1], columns)])


@kernel
def packed(
    f: Function, x: Pointer, w: Pointer, y: Pointer, *, size: int, channels: int, outputs: int, tile: Pair
) -> None:
    """The same tiles, with weights as `panels` has them; one panel for all rows, then the next."""
    line = 3 * channels  # three neighbouring pixels are one row of numbers, and so are their weights
    for k, columns in pieces(f, 0, outputs, outputs, tile[1]):
        for i in f.items():
            for j, pixels in pieces(f, 0, size, size, tile[0]):
                sums = Tile(f, pixels, columns, f.target.lanes)
                for a in f.range(0, 3):
                    window = x + ((i + a) * (size + 2) + j) * channels
                    weights = w + (k * (3 * line) + a * (line * columns))
                    sums.multiply(window, channels, 1, weights, columns, line)
                for pixel, column, count, value in sums.results():
                    (y + ((i * size + j + pixel) * outputs + k + column)).store(value, count=count)


@kernel
def peak(f: Function, y: Pointer, *, sums: int, rounds: int) -> None:
    """Nothing but multiply-adds of what is in registers: s ← s/2 + 1/2 for each of some independent sums."""
    half = f.constant(0.5, FLOAT.wide(f.target.lanes))
    accumulators = [f.accumulator(f.zeros(f.target.lanes)) for _ in range(sums)]
    for _ in f.range(0, rounds):
        for accumulator in accumulators:
            accumulator.value = f.fma(accumulator.value, half, half)
    for i, accumulator in enumerate(accumulators):
        (y + i * f.target.lanes).store(accumulator.value)


# What is measured

FEW = 4  # pixels and channels of the image that plain Python gets
ROUNDS = 50_000
TOLERANCE = 1e-4  # of the largest number
PAGE = ROOT / "docs" / "convolution.md"
MARKS = ("<!-- ladder: python -m benchmarks.ladder --write -->\n", "<!-- end of the ladder -->\n")


@dataclass(frozen=True)
class Layer:
    """A 3×3 convolution of one image, with zeros around it, into as many channels as it has.

    Arguments:
        size: height and width.
        channels: of the image and of the result.
    """

    size: int
    channels: int

    @property
    def label(self) -> str:
        return f"{self.channels} → {self.channels} channels, {self.size} × {self.size} pixels"

    def operations(self, rows: int) -> int:
        """Multiplications and additions of some rows of the result, if each sum is computed as it stands."""
        return 2 * rows * self.size * 9 * self.channels**2


#: Two layers of ResNet-18 with equally many products: many pixels with few weights, and few pixels with many.
LAYERS = (Layer(56, 64), Layer(7, 512))


@dataclass(frozen=True)
class Step:
    """A way to compute a layer, or a part of it.

    Arguments:
        operations: of one call.
        result: where the call leaves it.
        expected: what is to be there.
        threads: how many compute.
    """

    name: str
    operations: int
    call: Callable[[], object]
    result: Array
    expected: Array
    threads: int = 1

    def is_right(self) -> bool:
        """Whether the call computes what is expected."""
        self.result[...] = np.nan
        self.call()
        apart = np.abs(self.result - self.expected).max() / np.abs(self.expected).max()
        return bool(apart < TOLERANCE)


def ladder(layer: Layer) -> list[Step]:
    """The steps in the order of the page; the last is the most that a core can do."""
    random, size, channels = np.random.default_rng(0), layer.size, layer.channels
    x = aligned(random.standard_normal((size, size, channels), np.float32))
    w = aligned(random.standard_normal((3, 3, channels, channels), np.float32))
    b = random.standard_normal(channels, np.float32)
    bordered = aligned(np.pad(x, ((1, 1), (1, 1), (0, 0))))
    sums = ops.conv2d(x[None], w, padding="same")[0]
    finished = np.maximum(sums + b, 0)
    tile = fit(host(), size, channels)

    def written(name: str, write: Kernel, weights: Array, rows: int, **settings: Hashable) -> Step:
        y = aligned(np.zeros_like(sums))
        settings |= {"size": size, "channels": channels, "outputs": channels}
        call = native(write, bordered, weights, y, items=rows, **settings)
        return Step(name, layer.operations(rows), call, y[:rows], sums[:rows])

    def planned(name: str, executor: Executor, expected: Array, threads: int = 1) -> Step:
        y = aligned(np.zeros_like(sums)[None])

        def call() -> None:
            executor.run([x[None]], into={0: y})

        names = f": {_kernels(executor)}" if isinstance(executor, NativeExecutor) else ""
        return Step(name + names, layer.operations(size), call, y[0], expected, threads)

    convolution, with_relu = graph(layer, w), graph(layer, w, b)
    fused = NativeExecutor(with_relu, hoist=True)
    return [
        python_loops(),
        planned("NumPy, the reference", ReferenceExecutor(convolution), sums),
        written("one sum at a time", scalar, w, 1),
        written("a vector of sums", vector, w, 1),
        written(f"a tile of sums, {tile[0]} × {tile[1]}", tiled, w, size, tile=tile),
        written("… and weights packed", packed, aligned(panels(w, tile[1])), size, tile=tile),
        planned("the library, exact", NativeExecutor(convolution, exact=True, hoist=True), sums),
        planned("the library", NativeExecutor(convolution, hoist=True), sums),
        planned("… then bias, then ReLU", NativeExecutor(with_relu, fuse=False, hoist=True), finished),
        planned("… bias and ReLU fused", fused, finished),
        planned("… on 2 threads", fused, finished, threads=2),
        registers_only(),
    ]


def python_loops() -> Step:
    """Plain Python, for an image so small that one call takes no longer than those of other steps."""
    random = np.random.default_rng(0)
    x = random.standard_normal((FEW + 2, FEW + 2, FEW), np.float32)
    w = random.standard_normal((3, 3, FEW, FEW), np.float32)
    lists, y = (x.tolist(), w.tolist()), np.zeros((FEW, FEW, FEW), np.float32)

    def call() -> None:
        y[...] = loops(*lists)

    return Step("loops in Python", Layer(FEW, FEW).operations(FEW), call, y, ops.conv2d(x[None], w)[0])


def registers_only() -> Step:
    """The most that a core can do: more sums than a multiply-add takes cycles, and no memory."""
    target = host()
    sums = target.registers - 4
    y = np.zeros(sums * target.lanes, np.float32)
    call = native(peak, y, items=1, sums=sums, rounds=ROUNDS)
    return Step("multiply-adds alone: a core's peak", 2 * ROUNDS * y.size, call, y, np.ones_like(y))


def graph(layer: Layer, w: Array, b: Array | None = None) -> Graph:
    """The layer as a graph of one node; or with bias and ReLU, of three."""
    x, weights = Tensor((1, layer.size, layer.size, layer.channels)), Tensor(w.shape)
    variables = {Variable(w): weights}
    y = ops.conv2d(x, weights, padding="same")
    if b is not None:
        bias = Tensor(b.shape)
        variables[Variable(b)] = bias
        y = ops.relu(y + bias)
    return Graph([x], [y], variables)


def aligned(array: Array) -> Array:
    """A copy where the library would have it: no vector lies across two cache lines that need not."""
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy: Array = memory[start : start + array.nbytes].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy


def _kernels(executor: NativeExecutor) -> str:
    """The kernels of each run."""
    return ", ".join(f"`{step.kernel.name}`" for step in executor.plan.schedule if isinstance(step, Launch))


# The page


def measure(seconds: float) -> dict[str, Any]:
    """Timings of all steps of each layer, by its label; the result of each is checked before.

    Raises:
        RuntimeError: a step computes something else.
    """
    found: dict[str, Any] = {}
    for layer in LAYERS:
        steps = ladder(layer)
        timings: dict[str, Timing] = {}
        for threads in (1, 2):
            striate.set_threads(threads)
            some = {step.name: step for step in steps if step.threads == threads}
            for step in some.values():
                if not step.is_right():
                    raise RuntimeError(f"{step.name}, {layer.label}: differs from the reference.")
            timings |= interleaved({name: step.call for name, step in some.items()}, seconds)
        found[layer.label] = [
            {"name": step.name, "operations": step.operations, **asdict(timings[step.name])} for step in steps
        ]
    return found


def tables(found: dict[str, Any]) -> str:
    """The measurements as text of the page."""
    note = (
        f"Measured on {describe()['processor']}, version {commit()}, by `python -m benchmarks.ladder --write`. "
        "One thread unless a step says otherwise, batch 1. GFLOP/s count 2 · 9 · C · K operations for each pixel of "
        "the result, also where fewer are done. Steps take turns, in blocks with a rest before each. *Best* is the "
        "least time of n calls; *of peak* compares it with the last line. ≈: extrapolated to the whole layer; Python "
        f"computes {FEW} × {FEW} pixels of {FEW} → {FEW} channels, steps 2 and 3 one row of the result."
    )
    text = textwrap.fill(note, 120) + "\n"
    for label, steps in found.items():
        most, whole = _rates(steps[-1])[0], max(step["operations"] for step in steps[:-1])
        text += f"\n**{label}**\n\n"
        text += "| | step | best GFLOP/s | of peak | median (quartiles) | n | whole layer, best |\n"
        text += "|--:|---|--:|--:|--:|--:|--:|\n"
        for number, step in enumerate(steps):
            best, median, low, high = _rates(step)
            rates = f"{best:.3g} | {100 * best / most:.3g} % | {median:.3g} ({low:.3g} … {high:.3g})"
            text += f"| {number} | {step['name']} | {rates} | {step['n']} | {_duration(step, whole)} |\n"
    return text


def _rates(step: dict[str, Any]) -> list[float]:
    """GFLOP/s of the best call, the median, and the quartiles."""
    return [step["operations"] / step[name] / 1e9 for name in ("least", "median", "q3", "q1")]


def _duration(step: dict[str, Any], whole: int) -> str:
    """The least time of a step, and if it computes but a part, what the whole would take."""
    seconds = float(step["least"] * whole / step["operations"])
    about = "" if step["operations"] == whole else "≈ "
    return about + (f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms")


def insert(page: str, text: str) -> str:
    """The page with this text between the marks."""
    before, rest = page.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    return before + MARKS[0] + text + MARKS[1] + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.seconds)))
        return
    text = tables(ask("benchmarks.ladder", "--here", "--seconds", options.seconds, env=environment(1, tuned=True)))
    if options.write:
        PAGE.write_text(insert(PAGE.read_text("utf-8"), text), "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
