"""Measured tuning: each convolution is computed in every way there is, and the fastest is written down.

Another way has other rounding errors, so what was measured is kept in a file: the same file means the same bits.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from striate.codegen import host
from striate.data.files import write_atomically
from striate.errors import FormatError
from striate.graph import Array, Graph, Node, Tensor, Variable, trace
from striate.kernels import Plan
from striate.kernels.conv import ways
from striate.ops.conv import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.ops.operation import known_shape
from striate.runtime.native import NativeExecutor

#: Runs of each way that are timed, in turns; the least counts.
ROUNDS = 7
#: Bytes that are written before each run, so that it finds its numbers in memory, as in a network, and not in a cache.
OTHER_WORK = 2**26


def choices(graph: Graph, path: str | os.PathLike[str], *, exact: bool, hoist: bool) -> Mapping[str, str]:
    """The recorded way of each convolution of a graph; those that the file does not have are measured and added.

    Arguments:
        graph: whose convolutions.
        path: the record, a JSON file; made if there is none.
        exact, hoist: as `NativeExecutor`.

    Raises:
        FormatError: the file is not such a record, or cannot be written.
    """
    record = read(path)
    before = len(record)
    for node in graph.nodes:
        if node.name in (CONV.name, CONV_GRAD_INPUT.name, CONV_GRAD_WEIGHT.name) and node.output.dtype == np.float32:
            signature = ways.signature(node)
            if signature not in record:
                alone = _alone(node, hoist)
                found = ways.ways(Plan(alone, host(), exact=exact), alone.nodes[-1])
                names = [ways.name(way) for way in found]
                if len(names) > 1:
                    times = least_times(alone, names, exact=exact, hoist=hoist)
                    names.sort(key=lambda name: times[name])
                record[signature] = names[0]
    if len(record) > before:
        content = json.dumps({"cpu": host().cpu, "choices": record}, indent=1, sort_keys=True) + "\n"
        write_atomically(path, content.encode(), "set_tuning")
    return record


def read(path: str | os.PathLike[str]) -> dict[str, str]:
    """The choices in a record; none if there is no file.

    Raises:
        FormatError: the file is not such a record.
    """
    try:
        content = json.loads(Path(path).read_text("utf-8"))
        found = dict(content["choices"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"set_tuning: expected a record of choices in {path}, got {error!r}.") from error
    if not all(isinstance(way, str) for way in found.values()):
        raise FormatError(f"set_tuning: expected a record of choices in {path}, got one that is not text.")
    return found


def least_times(graph: Graph, names: Sequence[str], *, exact: bool = False, hoist: bool = False) -> dict[str, float]:
    """The least seconds that each way takes, run in turns with cold caches.

    Arguments:
        graph: of one convolution.
        names: of the ways; see `striate.kernels.conv.ways.name`.
        exact, hoist: as `NativeExecutor`.
    """
    signature = ways.signature(graph.nodes[-1])
    runners = {name: NativeExecutor(graph, exact=exact, hoist=hoist, choices={signature: name}) for name in names}
    given = [_numbers(known_shape(tensor)) for tensor in graph.inputs]
    least = dict.fromkeys(names, float("inf"))
    other = np.zeros(OTHER_WORK // 4, np.float32)
    for _ in range(ROUNDS):
        for name, runner in runners.items():
            other += 1
            start = time.perf_counter()
            runner.run(given)
            least[name] = min(least[name], time.perf_counter() - start)
    return least


def _alone(node: Node, hoist: bool) -> Graph:
    """A graph of this node alone; weights that may be packed beforehand are a variable."""
    shapes = [known_shape(tensor) for tensor in node.inputs]
    if hoist and node.name != CONV_GRAD_WEIGHT.name:
        weights = Variable(_numbers(shapes[1]))
        return trace(lambda x: node.operation(x, weights, **node.attributes), [Tensor(shapes[0])])
    return trace(lambda a, b: node.operation(a, b, **node.attributes), [Tensor(shape) for shape in shapes])


def _numbers(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).standard_normal(shape, np.float32)
