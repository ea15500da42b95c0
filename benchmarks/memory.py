"""Peak memory of training steps, one process for each side.

    python -m benchmarks.memory SIDE WORKLOAD THREADS STEPS

SIDE is "striate", "torch nchw" or "torch channels_last". Prints, in bytes, what the process holds once everything is
imported, and the most it ever held.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import ask, environment
from benchmarks.workloads import WORKLOADS, Workload

SIDES = ("torch nchw", "torch channels_last")
STEPS = 5


def resident(field: str) -> int:
    """Bytes of this process in memory: "VmRSS" now, "VmHWM" at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}; memory can only be measured on Linux.")


def prepared(side: str, threads: int) -> Callable[[Workload], Callable[[], Any]]:
    """Import all that a side needs, and return how it makes a workload's step."""
    if side == "striate":
        import striate
        from benchmarks.contenders import ours

        striate.set_threads(threads)
        return lambda workload: ours.step(workload, ours.compiled(workload))
    import torch

    from benchmarks.contenders import pytorch

    torch.set_num_threads(threads)
    layout = side.removeprefix("torch ")
    return lambda workload: pytorch.train_step(workload, pytorch.built(workload), layout, fused=True)


def measure(workload: str, threads: int, steps: int = STEPS) -> dict[str, Any]:
    """Peak and baseline of each side, in bytes; ours with nothing in its cache of kernels, and with everything."""
    with tempfile.TemporaryDirectory() as cache:
        env = environment(threads, tuned=False, cache=cache)
        found = {
            "striate cold": ask("benchmarks.memory", "striate", workload, threads, steps, env=env),
            "striate cached": ask("benchmarks.memory", "striate", workload, threads, steps, env=env),
        }
    return found | {side: ask("benchmarks.memory", side, workload, threads, steps, env=env) for side in SIDES}


def main() -> None:
    side, workload, threads, steps = sys.argv[1:]
    make = prepared(side, int(threads))
    baseline = resident("VmRSS")
    step = make(WORKLOADS[workload])
    for _ in range(int(steps)):
        step()
    print(json.dumps({"baseline": baseline, "peak": resident("VmHWM")}))


if __name__ == "__main__":
    main()
