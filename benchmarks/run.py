"""Measure ourselves and our peers: ``python -m benchmarks.run``.

    --only PART …     parts whose name contains one of these, such as "lenet5", "workload:resnet18" or "memory:"
    --threads 1,2     numbers of threads
    --quick           few repetitions: to see that everything runs, not for figures; kept in the temporary folder
    --compile         torch.compile too, which takes minutes
    --out PATH        results as JSON; what is there already stays unless it is measured anew
    --page PATH       the same as a page

Everything is measured in new processes, since threads and memory allocators are settled when a process starts. Nothing
else should run on the machine.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, memory, report, startup
from benchmarks.processes import ROOT, ask, environment
from benchmarks.workloads import WORKLOADS

SECONDS = 3.0  # for each contender of a workload
LAYER_SECONDS = 0.15  # for each contender of a layer's operation
RUNS = 11  # of processes whose start is timed

Job = tuple[str, Callable[[], dict[str, Any]]]


def jobs(threads: list[int], quick: bool, compiled: bool) -> Iterator[Job]:
    """What can be measured: a name, under which the result is kept, and how."""
    seconds, layer_seconds, runs = (0.3, 0.02, 2) if quick else (SECONDS, LAYER_SECONDS, RUNS)
    for count in threads:
        for malloc in ("tuned", "default"):
            env = environment(count, malloc == "tuned")
            for name in WORKLOADS:
                done = partial(ask, "benchmarks.measure", name, count, seconds, compiled, env=env)
                yield f"workload:{name}:{count}:{malloc}", done
        yield f"startup:lenet5:{count}", partial(startup.measure, count, runs)
        yield f"compile:{count}", partial(startup.measure_compiling, count, runs)
        for name, workload in WORKLOADS.items():
            if workload.kind == "train":
                yield f"memory:{name}:{count}", partial(memory.measure, name, count)
        env = environment(count, tuned=True)
        for name in WORKLOADS:
            yield f"layers:{name}:{count}", partial(ask, "benchmarks.layers", name, count, layer_seconds, env=env)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.gettempdir())
    out = options.out or (folder / "striate-benchmarks.json" if options.quick else ROOT / "benchmarks" / "results.json")
    written = options.page or (folder / "striate-benchmarks.md" if options.quick else ROOT / "docs" / "benchmarks.md")

    results: dict[str, Any] = {"machine": machine.describe(), "parts": {}}
    if out.exists():
        before = json.loads(out.read_text())
        if before["machine"] == results["machine"]:  # figures of another machine or version are not to be mixed in
            results = before
    failures, commit = 0, machine.commit()
    for name, measure in jobs([int(count) for count in options.threads.split(",")], options.quick, options.compile):
        if options.only and not any(part in name for part in options.only):
            continue
        print(name, flush=True)
        try:
            found = measure()
        except RuntimeError as error:
            failures += 1
            found = {"error": str(error)}
            print(f"  {error}", flush=True)
        results["parts"][name] = found | {"quick": options.quick, "commit": commit}
        out.write_text(json.dumps(results, indent=1) + "\n")
    written.write_text(report.page(results))
    print(f"{out}\n{written}")
    if failures:
        raise SystemExit(f"{failures} parts failed")


if __name__ == "__main__":
    main()
