"""From the start of a process to its first result: ``python -m benchmarks.startup SIDE WORKLOAD THREADS``.

SIDE is "striate" or "torch". Prints the machine's monotonic clock after the first result, which the process that
started this one compares with its own, and how long the first and the second call took.
"""

import json
import sys
import tempfile
import time
from dataclasses import asdict
from typing import Any

from benchmarks.processes import ask, environment
from benchmarks.timing import Timing
from benchmarks.workloads import COMPILE_SECONDS, WORKLOADS

WORKLOAD = "lenet5-infer-b1"


def first(side: str, workload: str, threads: int, cache: str) -> tuple[float, dict[str, Any]]:
    """Seconds from start to first result of a new process, and what else it tells."""
    started = time.clock_gettime(time.CLOCK_MONOTONIC)
    told = ask("benchmarks.startup", side, workload, threads, env=environment(threads, tuned=False, cache=cache))
    return told["clock"] - started, told


def measure(threads: int, runs: int) -> dict[str, Any]:
    """Start to first prediction of LeNet-5: ours without and with compiled kernels in the cache, and PyTorch's."""
    times: dict[str, list[float]] = {"striate cold": [], "striate cached": [], "torch": []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as cache:
            for name, spent in times.items():
                spent.append(first(name.split()[0], WORKLOAD, threads, cache)[0])
    return {name: asdict(Timing.of(spent)) for name, spent in times.items()}


def compile_times(workload: str, threads: int, runs: int) -> dict[str, Any]:
    """How much longer the first call takes than the second: tracing and compiling, or reading the cache."""
    times: dict[str, list[float]] = {"cold": [], "cached": []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as cache:
            for spent in times.values():
                told = first("striate", workload, threads, cache)[1]
                spent.append(told["first"] - told["second"])
    return {name: asdict(Timing.of(spent)) for name, spent in times.items()}


def measure_compiling(threads: int, runs: int) -> dict[str, Any]:
    """The compile times that have a limit."""
    return {workload: compile_times(workload, threads, runs) for workload in COMPILE_SECONDS}


def main() -> None:
    side, workload, threads = sys.argv[1], WORKLOADS[sys.argv[2]], int(sys.argv[3])
    if side == "striate":
        import striate
        from benchmarks.contenders import ours

        striate.set_threads(threads)
        call = ours.step(workload, ours.compiled(workload))
    else:
        import torch

        from benchmarks.contenders import pytorch

        torch.set_num_threads(threads)
        call = pytorch.inference(workload, pytorch.built(workload), "nchw")
    begun = time.perf_counter()
    call()
    clock = time.clock_gettime(time.CLOCK_MONOTONIC)
    done = time.perf_counter()
    call()
    print(json.dumps({"clock": clock, "first": done - begun, "second": time.perf_counter() - done}))


if __name__ == "__main__":
    main()
