"""How well is the way to compute a convolution chosen? ``python -m benchmarks.cost_model [--measure]``.

--measure times every way to compute each convolution of a list, on one thread and with cold caches, and keeps the times
in benchmarks/cost_model.json. Without it, the times that are there are used. Either way, prints the constants that fit
them best beside those in striate/kernels/conv/cost.py, and how much time is lost because the model and no measurement
chooses.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import striate
from benchmarks.machine import commit, describe
from striate.codegen import host
from striate.graph import Graph, Node, Tensor, trace
from striate.kernels import Plan
from striate.kernels.conv import cost, geometry, ways, winograd
from striate.kernels.conv.cost import Cost
from striate.kernels.conv.fourier.tiling import cost as fourier_cost
from striate.kernels.conv.winograd.choice import cost as winograd_cost
from striate.kernels.conv.winograd.tiling import Convolution
from striate.ops.conv import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.runtime.tuning import least_times

DATA = Path(__file__).with_suffix(".json")

#: Images, height and width, channels before and after, kernel: layers of known networks, and what lies between them.
LAYERS = [
    *((128, 32, 16, 16, 3), (128, 16, 32, 32, 3), (128, 8, 64, 64, 3), (128, 13, 32, 64, 3)),
    *((1, 56, 64, 64, 3), (1, 28, 128, 128, 3), (1, 14, 256, 256, 3), (1, 7, 512, 512, 3)),
    *((8, 56, 64, 64, 3), (8, 28, 128, 128, 3), (8, 14, 256, 256, 3), (8, 7, 512, 512, 3)),
    *((16, 28, 96, 128, 3), (16, 14, 160, 320, 3), (1, 35, 96, 96, 3), (1, 8, 448, 384, 3), (4, 20, 24, 24, 3)),
    *((128, 14, 6, 16, 5), (16, 28, 16, 32, 5), (16, 14, 32, 64, 5), (16, 27, 48, 128, 5), (1, 35, 48, 64, 5)),
    *((1, 64, 32, 32, 5), (1, 17, 128, 128, 7), (8, 56, 32, 32, 7), (8, 28, 64, 64, 7), (1, 112, 3, 64, 7)),
    *((4, 40, 16, 16, 9), (1, 64, 32, 64, 11), (8, 28, 32, 32, 11), (4, 24, 64, 64, 2), (1, 32, 64, 64, 4)),
]


class Measured(NamedTuple):
    """One way to compute one convolution: what it is made of, and how long it took at least."""

    signature: str
    way: str
    cost: Cost
    seconds: float


def nodes() -> Iterator[Node]:
    """Convolutions and their gradients, each the last node of a graph of its own."""
    for images, size, channels, outputs, kernel in LAYERS:
        before = (kernel - 1) // 2
        pad = ((before, kernel - 1 - before),) * 2
        settings: dict[str, Any] = {"strides": (1, 1), "padding": pad, "dilation": (1, 1), "groups": 1}
        x, w = (images, size, size, channels), (kernel, kernel, channels, outputs)
        y = (images, size, size, outputs)
        for operation, shapes, more in (
            (CONV, (x, w), {}),
            (CONV_GRAD_INPUT, (y, w), {"size": (size, size)}),
            (CONV_GRAD_WEIGHT, (x, y), {"kernel": (kernel, kernel)}),
        ):
            graph = trace(
                lambda a, b, operation=operation, more=more, settings=settings: operation(a, b, **more, **settings),
                [Tensor(shape) for shape in shapes],
            )
            yield graph.nodes[-1]


def cost_of(node: Node, way: ways.Way) -> Cost:
    """What the model knows of a way."""
    sums, is_gradient = geometry.of_node(node), node.name != "conv"
    if isinstance(way, winograd.Choice):
        return winograd_cost(host(), Convolution.of(way.m, sums), sums.images, is_gradient)
    return fourier_cost(way, is_gradient) if way else cost.direct(host(), sums)


def measure(node: Node) -> list[Measured]:
    """All ways, in turns."""
    symbols = [Tensor(tensor.shape, tensor.dtype) for tensor in node.inputs]
    graph = Graph(symbols, [node.operation(*symbols, **node.attributes)])
    signature = ways.signature(node)
    found = {ways.name(way): way for way in ways.ways(Plan(graph, host()), graph.nodes[-1])}
    least = least_times(graph, list(found))
    return [Measured(signature, name, cost_of(node, way), least[name]) for name, way in found.items()]


def fit(rows: list[Measured]) -> dict[str, float]:
    """The constants with the least squared relative error; times in units of direct summation's multiply-adds."""
    direct = [row for row in rows if row.way == "direct"]
    unit = float(np.median([row.seconds / row.cost.products for row in direct]))
    constants = {"seconds of a multiply-add": unit}
    for family in ("winograd", "fourier"):
        some = [row for row in rows if row.way.startswith(family)]
        columns: NDArray[np.float64] = np.array([row.cost for row in some]) / np.array([[r.seconds] for r in some])
        products, transforms, weights = np.linalg.lstsq(columns, np.ones(len(some)), rcond=None)[0] / unit
        constants |= {
            f"{family}: products": float(products),
            f"{family}: transform": float(transforms),
            f"{family}: bytes in a cycle": float(1 / weights),
        }
    return constants


def regret(rows: list[Measured]) -> NDArray[np.float64]:
    """For each convolution, the time of the way that is taken over that of the fastest."""
    lost = []
    for node in nodes():
        times = {row.way: row.seconds for row in rows if row.signature == ways.signature(node)}
        graph = Graph(node.inputs, [node.output])
        lost.append(times[ways.name(ways.choose(Plan(graph, host()), node))] / min(times.values()))
    return np.array(lost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    if parser.parse_args().measure:
        striate.set_threads(1)
        rows = []
        for node in nodes():
            rows += measure(node)
            print(rows[-1].signature, flush=True)
        content = {"machine": describe(), "commit": commit(), "rows": rows}
        DATA.write_text(json.dumps(content).replace("], [", "],\n [") + "\n")
    content = json.loads(DATA.read_text())
    rows = [Measured(signature, way, Cost(*parts), seconds) for signature, way, parts, seconds in content["rows"]]
    print(f"{len(rows)} ways to compute {len({row.signature for row in rows})} convolutions, {content['machine']}")
    print(f"in the code: Winograd {cost.WINOGRAD}, Fourier {cost.FOURIER}, bytes in a cycle {cost.BYTES}")
    for name, value in fit(rows).items():
        print(f"  {name}: {value:.3g}")
    lost = regret(rows)
    print(
        f"the model's choice takes {lost.mean():.3f} times the fastest's time; median {np.median(lost):.3f}, "
        f"90 % below {np.quantile(lost, 0.9):.3f}, most {lost.max():.3f}"
    )


if __name__ == "__main__":
    main()
