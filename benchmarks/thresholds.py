"""What the planner's thresholds are worth: ``python -m benchmarks.thresholds [NAME …] [--write docs/thresholds.md]``.

Each threshold that decides how a kernel is cut is set to other values, and the operations that it decides about are
timed with each, in turns. Printed is the time beside that of the value in force: below 1, the other value is faster.
A threshold is well chosen if no other value is faster on average; where all are alike, it is taste.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import commit, describe
from benchmarks.timing import Timing, interleaved
from striate.graph import Array, Graph, Tensor, Variable, gradients, trace
from striate.kernels import dense, plan
from striate.kernels.conv import blocking, grad_weight
from striate.ops import conv2d, relu
from striate.ops import dense as product
from striate.ops.operation import known_shape
from striate.runtime.native import NativeExecutor
from striate.runtime.team import available_cores, set_threads

SECONDS = 0.4  # for each value and operation


def convolution(images: int, size: int, channels: int, filters: int, kernel: int = 3, stride: int = 1) -> Graph:
    """A convolution of square images with "same" padding."""
    w = Variable(np.zeros((kernel, kernel, channels, filters), np.float32))
    return trace(lambda x: conv2d(x, w, strides=stride, padding="same"), [Tensor((images, size, size, channels))])


def convolution_gradient(images: int, size: int, channels: int, filters: int, kernel: int = 3) -> Graph:
    """The gradient of a convolution's weights."""
    x, w = Tensor((images, size, size, channels)), Tensor((kernel, kernel, channels, filters))
    g = Tensor((images, size, size, filters))
    return Graph([x, w, g], _gradients(conv2d(x, w, padding="same"), w, g))


def matrices(rows: int, features: int, units: int) -> Graph:
    """A dense layer."""
    w = Variable(np.zeros((features, units), np.float32))
    return trace(lambda x: product(x, w), [Tensor((rows, features))])


def matrices_backward(rows: int, features: int, units: int) -> Graph:
    """The gradient of a dense layer's input."""
    x, w, g = Tensor((rows, features)), Tensor((features, units)), Tensor((rows, units))
    return Graph([x, w, g], _gradients(product(x, w), x, g))


def _gradients(y: Tensor, by: Tensor, g: Tensor) -> list[Tensor]:
    return [found for found in gradients(y, [by], g) if found is not None]


def elementwise(numbers: int) -> Graph:
    """One element-wise operation."""
    return trace(relu, [Tensor((numbers,))])


class Threshold(NamedTuple):
    """A constant, other values for it, and the operations that it decides about."""

    module: ModuleType
    name: str
    others: tuple[Any, ...]
    cases: dict[str, Callable[[], Graph]]

    @property
    def label(self) -> str:
        return f"{self.module.__name__.removeprefix('striate.kernels.')}.{self.name}"


def _cases(make: Callable[..., Graph], *settings: Sequence[int]) -> dict[str, Callable[[], Graph]]:
    return {f"{make.__name__} {' '.join(map(str, one))}": lambda one=one: make(*one) for one in settings}


DENSE = (32, 1024, 1024), (64, 784, 512), (128, 4096, 1024), (16, 512, 512)
FEW_ROWS = (1, 4096, 4096), (4, 2048, 2048), (8, 1024, 1000), (24, 512, 512)
POINTWISE = (8, 56, 64, 256, 1), (8, 28, 128, 512, 1), (1, 56, 64, 256, 1), (16, 56, 64, 64, 1)
DIRECT = (1, 28, 128, 128, 5), (8, 56, 64, 64, 3, 2), (1, 7, 512, 512, 1), (32, 28, 16, 32, 5)
WEIGHTS = (8, 28, 64, 64, 5), (32, 7, 32, 128, 5), (8, 14, 256, 64, 1), (64, 28, 1, 32, 3)

THRESHOLDS = [
    Threshold(plan, "SMALL_LAUNCH", (8_192, 131_072), _cases(elementwise, (2_000,), (6_000,), (15_000,), (60_000,))),
    Threshold(plan, "BLOCKS", (16, 256), _cases(elementwise, (100_000,), (1_000_000,), (4_000_000,))),
    Threshold(dense, "ITEMS", (4, 64), _cases(matrices, *DENSE)),
    Threshold(dense, "MANY", (24, 96), _cases(matrices, *DENSE) | _cases(matrices_backward, *DENSE)),
    Threshold(dense, "FEW", (2, 24), _cases(matrices_backward, *FEW_ROWS)),
    Threshold(dense, "NOT_MANY", (12, 96), _cases(matrices_backward, *FEW_ROWS)),
    Threshold(dense, "ROWS", (64, 1024), _cases(matrices, (2048, 256, 256), (4096, 512, 128))),
    Threshold(dense, "COPY", (16_384, 262_144), _cases(matrices, (128, 4096, 1024), (256, 9216, 512))),
    Threshold(dense, "LARGE", (2**18, 2**22), _cases(matrices, *FEW_ROWS)),
    Threshold(dense, "LINES", (4, 64), _cases(matrices, *FEW_ROWS)),
    Threshold(dense, "SLICES", (4, 64), _cases(matrices, *FEW_ROWS)),
    Threshold(blocking, "ITEM", (2**18, 2**22), _cases(convolution, *POINTWISE, *DIRECT)),
    Threshold(blocking, "FAR", (2**20, math.inf), _cases(convolution, *POINTWISE)),
    Threshold(blocking, "MANY", (16, 256), _cases(convolution, *POINTWISE)),
    Threshold(blocking, "SHARE", (1 / 3, 1.0), _cases(convolution, (1, 7, 128, 128, 5), (1, 7, 256, 256, 5))),
    Threshold(grad_weight, "ITEMS", (8, 128), _cases(convolution_gradient, *WEIGHTS)),
    Threshold(grad_weight, "FEW_ITEMS", (2, 32), _cases(convolution_gradient, *WEIGHTS)),
    Threshold(grad_weight, "PIXELS", (128, 2048), _cases(convolution_gradient, *WEIGHTS)),
    Threshold(grad_weight, "BLOCK", ((64, 32), (256, 128)), _cases(convolution_gradient, *WEIGHTS)),
    Threshold(grad_weight, "FAR", (2**18, math.inf), _cases(convolution_gradient, *WEIGHTS)),
]


@contextmanager
def changed(threshold: Threshold, value: Any) -> Iterator[None]:
    """For a while, the threshold is another one."""
    before = getattr(threshold.module, threshold.name)
    setattr(threshold.module, threshold.name, value)
    try:
        yield
    finally:
        setattr(threshold.module, threshold.name, before)


def ratios(threshold: Threshold, case: str) -> dict[Any, float]:
    """For each other value, the median time of a case as a share of that with the value in force."""
    graph = threshold.cases[case]()
    inputs = [_numbers(known_shape(tensor)) for tensor in graph.inputs]
    calls: dict[str, Callable[[], Any]] = {}
    for value in (getattr(threshold.module, threshold.name), *threshold.others):
        with changed(threshold, value):
            runner = NativeExecutor(graph, exact=True, hoist=True)
        calls[str(value)] = lambda runner=runner: runner.run(inputs)
    times: dict[str, Timing] = interleaved(calls, SECONDS)
    first, *_ = times.values()
    return {value: times[str(value)].median / first.median for value in threshold.others}


def _numbers(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def table(names: Sequence[str]) -> list[str]:
    """The lines of the page, for some thresholds or all."""
    lines = [
        "| threshold | in force | other value | time, geometric mean | least … most | cases |",
        "|---|---|---|---|---|---|",
    ]
    for threshold in THRESHOLDS:
        if names and threshold.label not in names:
            continue
        found = {case: ratios(threshold, case) for case in threshold.cases}
        for value in threshold.others:
            each = [found[case][value] for case in found]
            mean = math.exp(statistics.fmean(map(math.log, each)))
            now = getattr(threshold.module, threshold.name)
            spread = f"{min(each):.2f} … {max(each):.2f}"
            lines.append(
                f"| `{threshold.label}` | {_shown(now)} | {_shown(value)} | {mean:.2f} | {spread} | {len(each)} |"
            )
            print(lines[-1], flush=True)
    return lines


def _shown(value: Any) -> str:
    return "none" if value == math.inf else f"{value:.2g}" if isinstance(value, float) else f"{value}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="such as dense.MANY; default: all")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--write", type=Path, help="a page to write")
    options = parser.parse_args()
    set_threads(options.threads)
    lines = table(options.names)
    if options.write:
        note = (
            f"`python -m benchmarks.thresholds --write {options.write}`, {options.threads} threads, commit {commit()}, "
            f"{', '.join(describe().values())}. Times are those of the other value, beside those of the value in force."
        )
        options.write.write_text("# The planner's thresholds\n\n" + note + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
