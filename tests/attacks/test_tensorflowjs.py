"""R3: TensorFlow.js models whose weights lie elsewhere, and which lie about them, end in our error."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.harness import attack, refused

READER = "striate.interop.tensorflowjs:read_tensorflowjs"
DENSE = {"class_name": "Dense", "config": {"name": "dense", "units": 2, "batch_input_shape": [None, 4]}}
WEIGHTS = [
    {"name": "dense/kernel", "shape": [4, 2], "dtype": "float32"},
    {"name": "dense/bias", "shape": [2], "dtype": "float32"},
]
SHARD = bytes(40)
LAMBDA = {"class_name": "Lambda", "config": {"name": "f", "function": ["4wEA", None, None]}}


def model(folder: Path, *layers: Any, paths: Any = ("shard",), weights: Any = WEIGHTS, **more: Any) -> Path:
    """A model in a folder that has another one around it, with a secret."""
    inner = folder / "model"
    inner.mkdir()
    (folder / "secret").write_bytes(SHARD)
    (inner / "shard").write_bytes(SHARD)
    description = {
        "modelTopology": {"class_name": "Sequential", "config": {"name": "js", "layers": layers or [DENSE]}},
        "weightsManifest": [{"paths": paths, "weights": weights}],
        **more,
    }
    (inner / "model.json").write_text(json.dumps(description))
    return inner / "model.json"


def replaced(folder: Path, make: Callable[[Path], Any]) -> Path:
    """A model in whose folder something else lies in place of the weights."""
    path = model(folder)
    (path.parent / "shard").unlink()
    make(path.parent / "shard")
    return path


def text(folder: Path, old: str, new: str | bytes) -> Path:
    path = model(folder)
    new = new if isinstance(new, bytes) else new.encode()
    path.write_bytes(path.read_bytes().replace(old.encode(), new))
    return path


def weight(**settings: Any) -> list[dict[str, Any]]:
    return [WEIGHTS[0] | settings, WEIGHTS[1]]


def empty_shards(folder: Path) -> Path:
    """The same empty file, to be opened a hundred thousand times."""
    path = model(folder, paths=["empty"] * 99_000 + ["shard"])
    (path.parent / "empty").touch()
    return path


ATTACKS: dict[str, Callable[[Path], Path]] = {
    "parent folder": lambda at: model(at, paths=["../secret"]),
    "parent folder, in the middle": lambda at: model(at, paths=["x/../../secret"]),
    "absolute": lambda at: model(at, paths=[str(at / "secret")]),
    "another folder below": lambda at: model(at, paths=["sub/shard"]),
    "backslashes": lambda at: model(at, paths=["..\\secret"]),
    "encoded dots": lambda at: model(at, paths=["%2e%2e/secret"]),
    "address": lambda at: model(at, paths=["https://example.org/shard"]),
    "file address": lambda at: model(at, paths=[f"file://{at}/secret"]),
    "NUL": lambda at: model(at, paths=["shard\0.bin"]),
    "home": lambda at: model(at, paths=["~"]),
    "the folder itself": lambda at: model(at, paths=["."]),
    "a name longer than systems take": lambda at: model(at, paths=["x" * 5000]),
    "half a surrogate": lambda at: text(at, "shard", "\\ud800"),
    "symbolic link": lambda at: replaced(at, lambda shard: shard.symlink_to(at / "secret")),
    "symbolic link to a device": lambda at: replaced(at, lambda shard: shard.symlink_to("/dev/zero")),
    "symbolic link to itself": lambda at: replaced(at, lambda shard: shard.symlink_to(shard)),
    "hard link": lambda at: replaced(at, lambda shard: shard.hardlink_to(at / "secret")),
    "pipe": lambda at: replaced(at, os.mkfifo),
    "folder": lambda at: replaced(at, Path.mkdir),
    "more weights than bytes": lambda at: model(at, weights=weight(shape=[1 << 20, 1 << 20])),
    "less weights than bytes": lambda at: model(at, weights=weight(shape=[1])),
    "shape that overflows": lambda at: model(at, weights=weight(shape=[1 << 62, 4])),
    "shape that overflows to 0": lambda at: model(at, weights=weight(shape=[1 << 32, 1 << 32])),
    "negative shape": lambda at: model(at, weights=weight(shape=[-1])),
    "shape of floats": lambda at: model(at, weights=weight(shape=[4.0, 2.0])),
    "a million axes": lambda at: model(at, weights=weight(shape=[1] * 1_000_000)),
    "a million weights": lambda at: model(at, weights=WEIGHTS * 500_000),
    "a hundred thousand shards": lambda at: model(at, paths=["shard"] * 100_000),
    "empty shards without end": empty_shards,
    "texts": lambda at: model(at, weights=weight(dtype="string")),
    "type by an object": lambda at: model(at, weights=weight(dtype={"module": "os", "class_name": "system"})),
    "packed as text": lambda at: model(at, weights=weight(quantization={"dtype": "uint8", "scale": "1", "min": {}})),
    "not a number": lambda at: text(at, '"shape": [4, 2]', '"shape": [NaN, 2]'),
    "key twice": lambda at: text(at, '"weightsManifest"', '"weightsManifest": [], "weightsManifest"'),
    "bad UTF-8": lambda at: text(at, "dense", b"\xff\xfe"),
    "deep": lambda at: text(at, '"weightsManifest"', '"x": ' + "[" * 100_000 + "]" * 100_000 + ', "weightsManifest"'),
    "60 MB of text": lambda at: text(at, "js", "x" * 60_000_000),
    "Lambda": lambda at: model(at, DENSE, LAMBDA),
    "custom class": lambda at: model(at, DENSE, {"class_name": "MyPackage>Evil", "config": {"name": "f"}}),
    "graph model": lambda at: model(at, format="graph-model"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_R3_tensorflowjs(name: str, tmp_path: Path) -> None:
    refused(READER, ATTACKS[name](tmp_path))


def test_models_put_together_by_hand_are_otherwise_sound(tmp_path: Path) -> None:
    """Or what is refused above might be the hand's mistakes."""
    path = model(tmp_path)
    (path.parent / "shard").write_bytes(struct.pack("<10f", *range(10)))
    assert attack(READER, path).error == ""
