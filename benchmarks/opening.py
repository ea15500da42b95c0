"""How long it takes to open somebody's file of 100 MB: ``python -m benchmarks.opening [RUNS]``.

ResNet-50, 25.6 million numbers, is written in each format by its own library (TensorFlow.js's, which has none in
Python, is one dense layer in shards of 4 MB). Each file is opened by a process of its own, whose imports do not count;
the file lies in the system's cache. Prints n, median and quartiles of the seconds that `striate.open_model` takes.
"""

import json
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import striate
from benchmarks.processes import ask, environment
from benchmarks.timing import Timing

RUNS = 7
SHARD = 4 << 20


def opened(path: str) -> dict[str, float]:
    """Open a file once."""
    from striate import architectures, opening  # noqa: F401 (what a second file would not wait for)

    start = time.perf_counter()
    model = striate.open_model(path)
    return {"seconds": time.perf_counter() - start, "numbers": model.count_params()}


def written(folder: Path) -> dict[str, Path]:
    """One file for each format."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    import torch
    from safetensors.torch import save_file

    from tests.architectures.oracles import torchvision

    names = ("ours.safetensors", "m.onnx", "torch.pth", "legacy.pth", "torch.safetensors", "m.npz", "m.pkl", "m.keras",
             "m.h5", "js")  # fmt: skip
    files = {name: folder / name for name in names}
    ours = striate.architectures.resnet50()
    ours.save(files["ours.safetensors"])
    ours.export(files["m.onnx"])
    state = torchvision("resnet50").state_dict()
    torch.save(state, files["torch.pth"])
    torch.save(state, files["legacy.pth"], _use_new_zipfile_serialization=False)
    save_file(state, files["torch.safetensors"])
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    np.savez(files["m.npz"], **arrays)
    files["m.pkl"].write_bytes(pickle.dumps(arrays))
    network = keras.applications.ResNet50(weights=None)
    network.save(files["m.keras"])
    network.save(files["m.h5"])
    write_tensorflowjs(files["js"])
    return files


def write_tensorflowjs(folder: Path) -> None:
    """25 million numbers in shards."""
    kernel = np.random.default_rng(0).standard_normal((5000, 5000), np.float32)
    content = kernel.tobytes() + np.zeros(5000, np.float32).tobytes()
    paths = [f"shard{number}" for number in range(-(-len(content) // SHARD))]
    folder.mkdir()
    for number, path in enumerate(paths):
        (folder / path).write_bytes(content[number * SHARD : (number + 1) * SHARD])
    layer = {"class_name": "Dense", "config": {"name": "dense", "units": 5000, "batch_input_shape": [None, 5000]}}
    weights = [
        {"name": "dense/kernel", "shape": [5000, 5000], "dtype": "float32"},
        {"name": "dense/bias", "shape": [5000], "dtype": "float32"},
    ]
    config = {"class_name": "Sequential", "config": {"name": "js", "layers": [layer]}}
    description = {
        "format": "layers-model",
        "modelTopology": {"keras_version": "2.2.4-tf", "backend": "tensorflow", "model_config": config},
        "weightsManifest": [{"paths": paths, "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(description))


def main() -> None:
    if len(sys.argv) > 1 and not sys.argv[1].isdecimal():
        print(json.dumps(opened(sys.argv[1])))
        return
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as folder:
        files = written(Path(folder))
        env = environment(2, tuned=False)
        for name, path in files.items():
            times = [ask("benchmarks.opening", path, env=env)["seconds"] for _ in range(runs + 1)][1:]
            size = sum(part.stat().st_size for part in (path.iterdir() if path.is_dir() else [path]))
            timing = Timing.of(times)
            print(
                f"{name:18} {size / 1e6:6.1f} MB  n {timing.n}  median {timing.median:.3f} s  "
                f"({timing.q1:.3f} … {timing.q3:.3f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
