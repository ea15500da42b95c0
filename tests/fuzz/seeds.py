"""Files with which fuzzing begins, small ones: valid ones, (content, files beside it), and those that hold nothing.

python -m tests.fuzz.seeds onnx FOLDER      writes them; in a process of its own, for what makes them is large
"""

import io
import json
import pickle
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

Seeds = Iterator[tuple[bytes, dict[str, bytes]]]


def onnx() -> Seeds:
    from tests.interop.onnx.test_reader import small

    yield small().encode(), {}


def weights() -> Seeds:
    """PyTorch's two forms, pickled arrays, NumPy's archives, safetensors; names of an architecture's first layers."""
    import torch
    from safetensors.numpy import save

    arrays = {"conv1.weight": np.ones((2, 1, 3, 3), np.float32), "fc.bias": np.zeros(2, np.float32)}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for legacy in (False, True):
        file = io.BytesIO()
        torch.save({"state_dict": tensors, "epoch": 3}, file, _use_new_zipfile_serialization=not legacy)
        yield file.getvalue(), {}
    for protocol in range(6):
        yield pickle.dumps({"layers": list(arrays.values())}, protocol), {}
    file = io.BytesIO()
    np.savez(file, **arrays)
    yield file.getvalue(), {}
    yield save(arrays), {}


def keras() -> Seeds:
    """A small network in both of Keras's forms."""
    import keras as original

    layers = original.layers
    network = original.Sequential([original.Input((4, 4, 1)), layers.Conv2D(1, 2), layers.Flatten(), layers.Dense(2)])
    for suffix in (".h5", ".keras"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"network{suffix}"
            network.save(path)
            yield _stored(path) if suffix == ".keras" else path.read_bytes(), {}


def _stored(path: Path) -> bytes:
    """An archive without packing, so that a changed byte is a changed byte of the content."""
    file = io.BytesIO()
    with zipfile.ZipFile(path) as packed, zipfile.ZipFile(file, "w") as stored:
        for member in packed.namelist():
            stored.writestr(member, packed.read(member))
    return file.getvalue()


def tensorflowjs() -> Seeds:
    layers = [
        {"class_name": "Conv2D", "config": {"name": "c", "filters": 1, "kernel_size": [2, 2]}},
        {"class_name": "Flatten", "config": {"name": "f"}},
    ]
    layers[0]["config"]["batch_input_shape"] = [None, 4, 4, 1]
    weights = [
        {"name": "c/kernel", "shape": [2, 2, 1, 1], "dtype": "float32"},
        {"name": "c/bias", "shape": [1], "dtype": "float32"},
    ]
    topology = {"model_config": {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}}
    description = {"modelTopology": topology, "weightsManifest": [{"paths": ["shard"], "weights": weights}]}
    yield json.dumps(description).encode(), {"shard": b"\0" * 20}


def striate() -> Seeds:
    """Our own file."""
    import striate as ours

    network = ours.Sequential([ours.Input((4, 4, 1)), ours.layers.Conv2D(1, 2), ours.layers.Flatten()])
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder) / "m.safetensors")
        yield (Path(folder) / "m.safetensors").read_bytes(), {}


SEEDS: dict[str, Callable[[], Seeds]] = {
    "onnx": onnx,
    "weights": weights,
    "keras": keras,
    "tensorflowjs": tensorflowjs,
    "striate": striate,
}


def write(reader: str, folder: Path) -> None:
    """The files into ``folder``/corpus, and what lies beside them into ``folder``."""
    from tests.fuzz.empty import EMPTY

    (folder / "corpus").mkdir()
    for number, content in enumerate(EMPTY[reader]().values()):
        (folder / "corpus" / f"empty{number}").write_bytes(content)
    for number, (content, beside) in enumerate(SEEDS[reader]()):
        (folder / "corpus" / f"seed{number}").write_bytes(content)
        for name, other in beside.items():
            (folder / name).write_bytes(other)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
