"""What two threads take, by how far apart their cores are: ``python -m benchmarks.distance [WORKLOAD …] [--batch 32]``.

A virtual machine's two cores may share a last-level cache in one second and be on two chips in the next, and what one
of them has written then takes several times as long to reach the other. So before and after each block of steps the
cores' distance is measured: how long a stage of two items that do nothing takes, which is passing two counters from
core to core. Blocks that began and ended alike are sorted by that, and printed: how many, medians and quartiles of a
training step of ours, of PyTorch's in the better of its two memory formats with tuned malloc, and of their ratio.
"""

import argparse
import ctypes
import json
import statistics
import time
from dataclasses import replace
from typing import Any

from benchmarks.machine import commit, describe
from benchmarks.processes import ask, environment
from benchmarks.timing import REST, Timing
from benchmarks.workloads import WORKLOADS, Workload
from striate.codegen import Function, compiler, host, kernel
from striate.runtime.team import Program, set_threads, shared_team

THREADS, STAGES, TRIES = 2, 1000, 5
FAR = 100e-9  # seconds of a stage; near, or two threads of one core: some 50e-9, far: some 160e-9
BLOCK = 0.1  # seconds of steps, about


@kernel
def nothing(f: Function) -> None:
    """An item is nothing."""


class Distance:
    """Measures how long it takes two threads to agree that two items, one of each, are done."""

    def __init__(self) -> None:
        code = nothing.code(host(), (), ())
        self._arguments = (ctypes.c_uint64 * 1)()
        self._loaded = compiler.addresses([code])
        row = (self._loaded[code.symbol], ctypes.addressof(self._arguments), THREADS, 1)
        self._program = Program([row] * STAGES)

    def measure(self) -> float:
        """Seconds of a stage, the least of some tries: the first ones wake the other thread."""
        times = []
        for _ in range(TRIES):
            start = time.perf_counter()
            shared_team().run(self._program)
            times.append(time.perf_counter() - start)
        return min(times) / STAGES


def measure(workload: Workload, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Seconds of a step of ours and of PyTorch's, block by block, while the cores were near and while they were far."""
    import torch

    from benchmarks.contenders import ours, pytorch

    set_threads(THREADS)
    torch.set_num_threads(THREADS)
    distance = Distance()
    calls = [ours.step(workload, ours.compiled(workload))]
    calls += [pytorch.train_step(workload, pytorch.module(workload), layout, fused=True) for layout in pytorch.FORMATS]
    found: dict[str, list[tuple[float, float]]] = {"near": [], "far": []}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        medians, distances = [], [distance.measure()]
        for call in calls:
            time.sleep(REST)
            call()
            times: list[float] = []
            while sum(times) < BLOCK:
                start = time.perf_counter()
                call()
                times.append(time.perf_counter() - start)
            medians.append(statistics.median(times))
        time.sleep(REST)
        distances.append(distance.measure())
        for state, throughout in (("near", max(distances) < FAR), ("far", min(distances) >= FAR)):
            if throughout:
                found[state].append((medians[0], min(medians[1:])))
    return found


def line(pairs: list[tuple[float, float]]) -> str:
    """Both sides' times, and their ratios."""
    if not pairs:
        return "n 0"
    own, theirs = (Timing.of([1e3 * pair[side] for pair in pairs]) for side in (0, 1))
    ratio = Timing.of([their / our for our, their in pairs])
    return (
        f"n {ratio.n}: ours {own.median:.1f} ms ({own.q1:.1f} … {own.q3:.1f}), PyTorch's {theirs.median:.1f} ms "
        f"({theirs.q1:.1f} … {theirs.q3:.1f}), ratio {ratio.median:.2f} ({ratio.q1:.2f} … {ratio.q3:.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["resnet20-train-b128"], help="training steps")
    parser.add_argument("--batch", type=int, help="images, in place of the workload's own number")
    parser.add_argument("--seconds", type=float, default=60, help="for each workload")
    parser.add_argument("--here", action="store_true", help="measure in this process, as the whole run has it done")
    options = parser.parse_args()
    steps = {name: workload for name, workload in WORKLOADS.items() if workload.kind == "train"}
    for name in options.workloads:
        if name not in steps:
            parser.error(f"{name}: expected a training step: {', '.join(steps)}")
    if options.here:
        (name,) = options.workloads
        workload = replace(steps[name], batch=options.batch or steps[name].batch)
        print(json.dumps(measure(workload, options.seconds)))
        return
    print(f"{describe()['processor']}, version {commit()}, {THREADS} threads")
    settings: list[Any] = ["--seconds", options.seconds, *(["--batch", options.batch] if options.batch else [])]
    for name in options.workloads:
        found = ask("benchmarks.distance", name, *settings, "--here", env=environment(THREADS, tuned=True))
        for state, pairs in found.items():
            print(f"{name}{f' with {options.batch}' if options.batch else ''}, {state}, {line(pairs)}", flush=True)


if __name__ == "__main__":
    main()
