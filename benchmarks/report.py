"""Results as a page: ``python -m benchmarks.report [RESULTS.json] [PAGE.md]``.

A ratio is how many times less we need, time or memory, than the best variant of a peer; above 1 we are ahead. There is
none where the two did not compute the same.
"""

import json
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.workloads import COMPILE_SECONDS, LAYER, MEMORY, START_CACHED, START_COLD, WORKLOADS, Goal

WORST_LAYERS = 40
Rows = list[list[str]]

HEAD = """# Benchmarks

Written by `python -m benchmarks.run`; do not edit. What is measured, and how, is in `benchmarks/`.

A training step is what a user pays: a batch that lies in memory as a NumPy array, forward, loss, backward, update, and
the loss as a number. Everybody has the same weights and data. Before anything is timed, everybody's losses of three
steps (without dropout, whose random numbers differ) or probabilities are compared with PyTorch's; who differs by more
than 1e-3 of the loss, or 1e-4 of the largest log-probability, gets no ratio. Contenders take turns in one process, in
short blocks with 60 ms of rest before each. Times are medians, with quartiles in brackets. A ratio is against the best
of a peer's variants: for PyTorch, both memory formats with ordinary and fused optimizers, or with batch normalisation
folded. "No kernel" counts the operations of our network that ran on the reference executor.

"Tuned" malloc lets glibc keep memory that was freed, which spares PyTorch the page faults of fresh big outputs; the
floors are set against that.
"""


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    parts: dict[str, dict[str, Any]] = results["parts"]
    sections = [HEAD]
    if any(part["quick"] for part in parts.values()):
        sections.append("**Some of these figures come from a quick run. They show that it runs, not how fast.**\n")
    commits = ", ".join(dict.fromkeys(part["commit"] for part in parts.values()))
    sections.append(f"Measured at {commits}.\n")
    sections.append(_table(["", ""], [[name, value] for name, value in results["machine"].items()]))
    for malloc in ("tuned", "default"):
        rows = [row for name, part in _parts(parts, "workload") if name[2] == malloc for row in _workload(name, part)]
        if rows:
            header = ["workload", "threads", "Striate", "no kernel", "peer", "its time", "ratio", "floor", "aim", ""]
            sections += [f"## Whole networks, {malloc} malloc\n", _table(header, rows)]
    rows = [row for name, part in _parts(parts, "startup") for row in _start(name, part)]
    if rows:
        sections += ["## From process start to first prediction, LeNet-5\n"]
        sections += [_table(["kernels", "threads", "Striate", "PyTorch", "ratio", "floor", "aim", ""], rows)]
    rows = [row for name, part in _parts(parts, "compile") for row in _compile(name, part)]
    if rows:
        sections += ["## Compiling: how much longer the first call takes than the second\n"]
        sections += [_table(["workload", "threads", "cold", "cached", "limit, cold", ""], rows)]
    rows = [row for name, part in _parts(parts, "memory") for row in _memory(name, part)]
    if rows:
        sections += [
            "## Peak memory of training steps\n",
            "Of the whole process, and above what it held after its imports; the verdict is on the worse of the two.\n",
            _table(["workload", "threads", "kernels", "Striate", "PyTorch", "ratios", "floor", "aim", ""], rows),
        ]
    sections += _layers(parts)
    failed = [[":".join(name), part["error"].splitlines()[-1]] for name, part in _parts(parts, "", failed=True)]
    if failed:
        sections += ["## Not measured\n", _table(["part", "error"], failed)]
    if (ROOT / "docs" / "scaling.svg").exists():
        sections += ["## How cost grows\n", "Written by `python -m benchmarks.scaling`.\n", "![scaling](scaling.svg)\n"]
    return "\n".join(sections)


def verdict(ratio: float | None, goal: Goal | None) -> str:
    """What a ratio means for its goal."""
    if goal is None:
        return ""
    if ratio is None:
        return "DIFFERS"
    if ratio < goal.floor:
        return "BELOW"
    return "PASS, aim reached" if ratio >= goal.aim else "PASS"


def best(contenders: list[dict[str, Any]], side: str) -> dict[str, Any] | None:
    """The fastest of a side's variants among those that compute the right thing."""
    right = [one for one in contenders if one["side"] == side and one["apart"] <= 1]
    return min(right, key=lambda one: float(one["median"])) if right else None


def _workload(name: list[str], part: dict[str, Any]) -> Iterator[list[str]]:
    contenders = part["contenders"]
    ours = best(contenders, "striate")
    for peer in dict.fromkeys(one["side"] for one in contenders if one["side"] != "striate"):
        theirs = best(contenders, peer)
        goal = WORKLOADS[name[0]].goals.get(peer) if name[2] == "tuned" else None
        ratio = theirs["median"] / ours["median"] if ours and theirs else None
        label = f"{peer} {theirs['variant']}".strip() if theirs else peer
        missing = str(len(part["without_kernel"]))
        yield [name[0], name[1], _time(ours), missing, label, _time(theirs), *_judged(ratio, goal)]


def _start(name: list[str], part: dict[str, Any]) -> Iterator[list[str]]:
    for kernels, goal in (("cached", START_CACHED), ("cold", START_COLD)):
        ours, theirs = part[f"striate {kernels}"], part["torch"]
        ratio = theirs["median"] / ours["median"]
        yield [kernels, name[1], _time(ours), _time(theirs), *_judged(ratio, goal)]


def _compile(name: list[str], part: dict[str, Any]) -> Iterator[list[str]]:
    for workload, limit in COMPILE_SECONDS.items():
        cold, cached = part[workload]["cold"], part[workload]["cached"]
        met = "PASS" if cold["median"] < limit else "BELOW"
        yield [workload, name[0], _time(cold), _time(cached), f"{limit:g} s", met]


def _memory(name: list[str], part: dict[str, Any]) -> Iterator[list[str]]:
    torch = [one for side, one in part.items() if side.startswith("torch")]
    theirs = [min(one["peak"] for one in torch), min(one["peak"] - one["baseline"] for one in torch)]
    for kernels in ("cached", "cold"):
        one = part[f"striate {kernels}"]
        ours = [one["peak"], one["peak"] - one["baseline"]]
        ratios = [their / max(our, 1) for our, their in zip(ours, theirs, strict=True)]
        shown = [" / ".join(f"{size / 1e6:.0f}" for size in side) + " MB" for side in (ours, theirs)]
        _, *judged = _judged(min(ratios), MEMORY)
        yield [*name, kernels, *shown, " / ".join(f"{ratio:.2f}×" for ratio in ratios), *judged]


def _layers(parts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The worst rows of the table of layers; all of them are in the results."""
    found = []
    for name, part in _parts(parts, "layers"):
        for one in part["layers"]:
            theirs = min((one[side] for side in one if side.startswith("torch")), key=lambda timing: timing["median"])
            ratio = theirs["median"] / one["striate"]["median"] if one["apart"] <= 1 else None
            row = [name[0], name[1], one["operation"], one["layer"], _time(one["striate"]), _time(theirs)]
            found.append((ratio or 0.0, [*row, *_judged(ratio, LAYER)]))
    if not found:
        return
    found.sort(key=lambda pair: pair[0])
    below = sum(ratio < LAYER.floor for ratio, _ in found)
    middle = statistics.median(ratio for ratio, _ in found)
    yield "## Layers alone, tuned malloc, the worst first\n"
    yield f"{len(found)} operations; median ratio {middle:.2f}×; {below} below the floor; the {WORST_LAYERS} worst:\n"
    header = ["network", "threads", "operation", "layer", "Striate", "PyTorch", "ratio", "floor", "aim", ""]
    yield _table(header, [row for _, row in found[:WORST_LAYERS]])


def _parts(
    parts: dict[str, dict[str, Any]], kind: str, failed: bool = False
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The parts of a kind that were measured, or all that failed, with their names taken apart."""
    for name, part in parts.items():
        first, *rest = name.split(":")
        if failed and "error" in part:
            yield [first, *rest], part
        elif not failed and first == kind and "error" not in part:
            yield rest, part


def _judged(ratio: float | None, goal: Goal | None) -> list[str]:
    """The last columns: ratio, floor, aim, verdict."""
    shown = "–" if ratio is None else f"{ratio:.2f}×"
    return [shown, f"{goal.floor:g}×" if goal else "", f"{goal.aim:g}×" if goal else "", verdict(ratio, goal)]


def _time(timing: dict[str, Any] | None) -> str:
    if timing is None:
        return "differs"
    units = ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (-math.inf, 1e6, "µs"))  # a difference may be below 0
    scale, unit = next((scale, unit) for least, scale, unit in units if timing["median"] >= least)
    median, q1, q3 = (f"{timing[name] * scale:.3g}" for name in ("median", "q1", "q3"))
    return f"{median} {unit} ({q1} … {q3}, n {timing['n']})"


def _table(header: list[str], rows: Rows) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |\n" for line in lines)


def main() -> None:
    paths = [ROOT / "benchmarks" / "results.json", ROOT / "docs" / "benchmarks.md"]
    source, target = [*map(Path, sys.argv[1:]), *paths[len(sys.argv) - 1 :]]
    target.write_text(page(json.loads(source.read_text())))


if __name__ == "__main__":
    main()
