"""From the start of a process to its first result; the process is `benchmarks.first_result`."""

import tempfile
import time
from dataclasses import asdict
from typing import Any

from benchmarks.processes import ask, environment
from benchmarks.timing import Timing
from benchmarks.workloads import COMPILE_SECONDS

WORKLOAD = "lenet5-infer-b1"


def first(side: str, workload: str, threads: int, cache: str) -> tuple[float, dict[str, Any]]:
    """Seconds from start to first result of a new process, and what else it tells."""
    started = time.clock_gettime(time.CLOCK_MONOTONIC)
    told = ask("benchmarks.first_result", side, workload, threads, env=environment(threads, tuned=False, cache=cache))
    return told["clock"] - started, told


def measure(threads: int, runs: int) -> dict[str, Any]:
    """Start to first prediction of LeNet-5: ours without and with compiled kernels in the cache, and PyTorch's."""
    times: dict[str, list[float]] = {"striate cold": [], "striate cached": [], "torch": []}
    for side in ("striate", "torch"):  # until then there may be no bytecode, and files may not be in memory
        first(side, WORKLOAD, threads, tempfile.gettempdir())
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
