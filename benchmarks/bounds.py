"""What bounds a workload: ``python -m benchmarks.bounds [WORKLOAD …] [--threads 2]``.

Two rates in turns, several times, because the clock of a shared machine changes from minute to minute: multiply-adds of
a tile whose numbers never leave the nearest cache (the peak), and the workload's own. Printed for each workload: the
multiply-adds of its convolutions and dense layers in the way each is computed (Winograd's and Fourier's are fewer, and
what vectors are filled up with counts), how long they take at the peak, how long the workload takes, and the share.
PyTorch's convolutions are direct: what they take at the same peak is what its time can at best be.
"""

import argparse
import ctypes
import statistics
import time

import numpy as np

from benchmarks.contenders import ours
from benchmarks.workloads import WORKLOADS, Workload
from striate.codegen import Function, Pointer, Tile, compiler, host, kernel, most_rows
from striate.codegen.values import element
from striate.graph import Graph, Node, Tensor, trace
from striate.kernels import Plan
from striate.kernels.conv import geometry, ways, winograd
from striate.kernels.conv.cost import Cost, direct
from striate.kernels.conv.fourier.tiling import cost as fourier_cost
from striate.kernels.conv.winograd.choice import cost as winograd_cost
from striate.kernels.conv.winograd.tiling import Convolution
from striate.ops.operation import known_shape
from striate.runtime.team import Program, set_threads, shared_team

DEPTH, REPEATS, ITEMS, VECTORS = 96, 1000, 64, 2
ROUNDS = 15
CONVOLUTIONS = ("conv", "conv_grad_input", "conv_grad_weight")


@kernel
def tiles(f: Function, a: Pointer, b: Pointer, y: Pointer, *, rows: int, columns: int) -> None:
    """The same product of matrices again and again; an item is `REPEATS` of them."""
    for item in f.items():
        tile = Tile(f, rows, columns, f.target.lanes)
        for _ in f.range(0, REPEATS):
            tile.multiply(a, DEPTH, 1, b, columns, DEPTH)
        for r, column, count, value in tile.results():
            (y + ((item * rows + r) * columns + column)).store(value, count=count)


class Peak:
    """Measures the multiply-adds of a tile in the nearest cache."""

    def __init__(self) -> None:
        target = host()
        rows, columns = most_rows(target, VECTORS), VECTORS * target.lanes
        settings = (("rows", rows), ("columns", columns))
        code = tiles.code(target, (element(np.dtype(np.float32)),) * 3, settings)
        sizes = (rows * DEPTH, DEPTH * columns, ITEMS * rows * columns)
        self._arrays = [np.full(size, 1e-3, np.float32) for size in sizes]
        self._table = (ctypes.c_uint64 * 3)(*(array.ctypes.data for array in self._arrays))
        self._loaded = compiler.addresses([code])
        self._program = Program([(self._loaded[code.symbol], ctypes.addressof(self._table), ITEMS, 1)])
        self._products = ITEMS * REPEATS * rows * columns * DEPTH

    def measure(self) -> float:
        """Multiply-adds in a second, of all threads."""
        start = time.perf_counter()
        shared_team().run(self._program)
        return self._products / (time.perf_counter() - start)


def products(node: Node, hoist: bool) -> tuple[float, float]:
    """Multiply-adds of a convolution or dense layer as it is computed, and as PyTorch does: directly."""
    target = host()
    if node.name.startswith("dense"):
        count = float(np.prod(known_shape(node.inputs[0])) * known_shape(node.inputs[1])[-1])
        return count, count
    if node.name not in CONVOLUTIONS or node.attributes["groups"] > 1:
        return 0.0, 0.0
    symbols = [Tensor(tensor.shape, tensor.dtype) for tensor in node.inputs]
    alone = Graph(symbols, [node.operation(*symbols, **node.attributes)])
    way, sums = ways.choose(Plan(alone, target, hoist=hoist), alone.nodes[-1]), geometry.of_node(node)
    plain = float(sums.images * np.prod([axis.count for axis in sums.axes]) * sums.depth * sums.outputs)
    cost: Cost
    if isinstance(way, winograd.Choice):
        cost = winograd_cost(target, Convolution.of(way.m, sums), sums.images, node.name != "conv")
    else:
        cost = fourier_cost(way, node.name != "conv") if way else direct(target, sums)
    return cost.products * target.lanes, plain


def total(workload: Workload) -> tuple[float, float]:
    """Multiply-adds of one prediction for a batch: ours, and directly."""
    model = ours.compiled(workload)
    shape = (workload.batch, *workload.net.input_shape)
    graph = trace(model, [Tensor(shape)])
    counts = [products(node, hoist=True) for node in graph.nodes]
    return sum(own for own, _ in counts), sum(plain for _, plain in counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["resnet50-infer-b8", "resnet18-infer-b8", "resnet50-infer-b1"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_threads(options.threads)
    peak = Peak()
    for name in options.workloads:
        workload = WORKLOADS[name]
        if workload.kind != "infer":
            parser.error(f"{name}: only predictions are taken apart here")
        own, plain = total(workload)
        call = ours.step(workload, ours.compiled(workload))
        call()
        rates, seconds = [], []
        for _ in range(ROUNDS):
            rates.append(peak.measure())
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        rate, took = statistics.median(rates), statistics.median(seconds)
        print(
            f"{name}, {options.threads} threads, n {ROUNDS}: peak {rate / 1e9:.1f} ({min(rates) / 1e9:.1f} … "
            f"{max(rates) / 1e9:.1f}) thousand million multiply-adds a second; ours {own / 1e9:.2f}, at the peak "
            f"{1e3 * own / rate:.1f} ms, took {1e3 * took:.1f} ms: {own / rate / took:.0%} of it; directly "
            f"{plain / 1e9:.2f}, at the peak {1e3 * plain / rate:.1f} ms"
        )


if __name__ == "__main__":
    main()
