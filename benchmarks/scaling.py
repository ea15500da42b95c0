"""How cost grows with batch size, image size and depth: ``python -m benchmarks.scaling [--threads 2] [--quick]``.

Writes ``benchmarks/scaling.json`` and ``docs/scaling.svg``; if quick, into the temporary folder. Both sides take turns
as in `benchmarks.measure`; PyTorch is the better of its two memory formats, with tuned malloc.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.networks import NETWORKS, Network, resnet20
from benchmarks.plot import Panel, svg
from benchmarks.processes import ROOT, ask, environment
from benchmarks.workloads import Workload

SERIES = {
    "batch": "mnist_convnet, training: images in a batch",
    "image": "resnet18, inference of one image: its height and width",
    "depth": "residual network for CIFAR, training, batch 32: layers",
}
SECONDS = 2.0


def workloads(series: str, quick: bool) -> dict[int, Workload]:
    """The workloads of a series by what varies."""
    if series == "batch":
        sizes = (1, 4) if quick else (1, 2, 4, 8, 16, 32, 64, 128, 256)
        return {n: Workload(f"b{n}", NETWORKS["mnist_convnet"], "train", n, "adam") for n in sizes}
    if series == "image":
        sides = (32, 64) if quick else (32, 64, 96, 128, 160, 192, 224, 256)
        whole = NETWORKS["resnet18"]
        return {s: Workload(f"{s}px", replace(whole, input_shape=(s, s, 3)), "infer", 1) for s in sides}
    counts = (1, 2) if quick else (1, 2, 3, 5, 7, 9)
    return {6 * n + 2: Workload(f"{6 * n + 2} layers", _residual(n), "train", 32, "sgd") for n in counts}


def _residual(blocks: int) -> Network:
    return replace(
        NETWORKS["resnet20"],
        striate_model=partial(resnet20.striate_model, blocks=blocks),
        torch_model=partial(resnet20.torch_model, blocks=blocks),
    )


def measure(series: str, threads: int, quick: bool) -> dict[str, Any]:
    """Both sides' times along a series."""
    import torch

    import striate
    from benchmarks.contenders import ours, pytorch
    from benchmarks.timing import interleaved

    striate.set_threads(threads)
    torch.set_num_threads(threads)
    points = []
    for size, workload in workloads(series, quick).items():
        calls = {"striate": ours.step(workload, ours.compiled(workload))}
        for layout in pytorch.FORMATS:
            network = pytorch.module(workload)
            if workload.kind == "train":
                calls[layout] = pytorch.train_step(workload, network, layout, fused=True)
            else:
                calls[layout] = pytorch.inference(workload, network, layout)
        timings = interleaved(calls, 0.2 if quick else SECONDS)
        torch_best = min((timings[layout] for layout in pytorch.FORMATS), key=lambda timing: timing.median)
        points.append({"size": size, "striate": asdict(timings["striate"]), "torch": asdict(torch_best)})
    return {"points": points}


def panel(series: str, found: dict[str, Any]) -> Panel:
    """Milliseconds of both sides along a series."""
    lines = {
        name: [(point["size"], 1e3 * point[side]["median"]) for point in found["points"]]
        for name, side in (("Striate", "striate"), ("PyTorch", "torch"))
    }
    return Panel(SERIES[series], "ms", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--series", choices=SERIES, help="measure one here and print it, as the whole run has it done")
    options = parser.parse_args()
    if options.series:
        print(json.dumps(measure(options.series, options.threads, options.quick)))
        return
    env = environment(options.threads, tuned=True)
    settings = ["--threads", options.threads, *(["--quick"] if options.quick else [])]
    results = {name: ask("benchmarks.scaling", "--series", name, *settings, env=env) for name in SERIES}
    described = {"machine": machine.describe(), "threads": options.threads, "quick": options.quick, "series": results}
    quick = Path(tempfile.gettempdir())
    data, plot = (quick, quick) if options.quick else (ROOT / "benchmarks", ROOT / "docs")
    (data / "scaling.json").write_text(json.dumps(described, indent=1) + "\n")
    (plot / "scaling.svg").write_text(svg([panel(name, found) for name, found in results.items()]))


if __name__ == "__main__":
    main()
