"""TensorFlow.js layers models: real ones, every way of writing weights, and what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.errors import FormatError
from striate.graph import Array
from striate.interop.tensorflowjs import read_tensorflowjs

KERNEL = np.arange(8, dtype=np.float32).reshape(4, 2) / 8
BIAS = np.array([1, -1], np.float32)


def dense(**settings: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": "dense", "units": 2, "batch_input_shape": [None, 4], **settings}}


def topology(*layers: Any) -> dict[str, Any]:
    config = {"class_name": "Sequential", "config": {"name": "js", "layers": list(layers) or [dense()]}}
    return {"keras_version": "2.2.4-tf", "backend": "tensorflow", "model_config": config}


def entry(name: str, array: Array, **settings: Any) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape), "dtype": "float32", **settings}


def write(folder: Path, **changes: Any) -> Path:
    """A model of one dense layer; ``changes`` replace what stands in its model.json."""
    (folder / "shard").write_bytes(KERNEL.tobytes() + BIAS.tobytes())
    group = {"paths": ["shard"], "weights": [entry("dense/kernel", KERNEL), entry("dense/bias", BIAS)]}
    description = {"format": "layers-model", "modelTopology": topology(), "weightsManifest": [group], **changes}
    (folder / "model.json").write_text(json.dumps(description))
    return folder / "model.json"


def kernel_of(path: Path) -> Array:
    kernel, bias = read_tensorflowjs(path).get_weights()
    np.testing.assert_array_equal(bias, BIAS)
    return np.asarray(kernel)


def test_A6_a_model_gives_what_its_weights_say(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((3, 4), np.float32)
    model = read_tensorflowjs(write(tmp_path))
    assert model.name == "js"
    np.testing.assert_allclose(model.predict(x), x @ KERNEL + BIAS, rtol=1e-6)


def test_A6_the_description_alone_as_the_browser_saves_it(tmp_path: Path) -> None:
    config = topology()["model_config"]
    path = write(tmp_path, modelTopology={**config, "keras_version": "tfjs-layers 4.1.0", "backend": "tensor_flow.js"})
    np.testing.assert_array_equal(kernel_of(path), KERNEL)


def test_A6_several_groups_and_shards_of_any_length(tmp_path: Path) -> None:
    content = KERNEL.tobytes()
    for name, piece in (("a", content[:5]), ("b", content[5:5]), ("c", content[5:]), ("d", BIAS.tobytes())):
        (tmp_path / name).write_bytes(piece)
    groups = [
        {"paths": ["d"], "weights": [entry("dense/bias", BIAS)]},
        {"paths": ["a", "b", "c"], "weights": [entry("dense/kernel", KERNEL)]},
    ]
    np.testing.assert_array_equal(kernel_of(write(tmp_path, weightsManifest=groups)), KERNEL)


@pytest.mark.parametrize("kind", ["float16", "int32", "uint8", "bool"])
def test_A6_weights_of_other_types(tmp_path: Path, kind: str) -> None:
    content = np.round(KERNEL).astype({"bool": "?"}.get(kind, kind))
    (tmp_path / "k").write_bytes(content.tobytes() + BIAS.tobytes())
    weights = [entry("dense/kernel", KERNEL, dtype=kind), entry("dense/bias", BIAS)]
    path = write(tmp_path, weightsManifest=[{"paths": ["k"], "weights": weights}])
    if kind == "bool":
        with pytest.raises(FormatError, match=r"dense/kernel: expected numbers, got bool"):
            read_tensorflowjs(path)
    else:
        np.testing.assert_array_equal(kernel_of(path), content.astype(np.float32))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float16"])
def test_A6_packed_weights(tmp_path: Path, kind: str) -> None:
    packing: dict[str, Any] = {"dtype": kind, "original_dtype": "float32"}
    content = (np.arange(8) * 25).reshape(4, 2).astype(kind)
    expected = content.astype(np.float32)
    if kind != "float16":
        packing |= {"scale": 0.01, "min": -0.5}
        expected = content * np.float32(0.01) - np.float32(0.5)
    (tmp_path / "k").write_bytes(content.tobytes() + BIAS.tobytes())
    weights = [entry("dense/kernel", KERNEL, quantization=packing), entry("dense/bias", BIAS)]
    path = write(tmp_path, weightsManifest=[{"paths": ["k"], "weights": weights}])
    np.testing.assert_allclose(kernel_of(path), expected, rtol=1e-6)


def group(path: Any = "shard", **settings: Any) -> list[Any]:
    weights = [entry("dense/kernel", KERNEL, **settings), entry("dense/bias", BIAS)]
    return [{"paths": [path], "weights": weights}]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "graph model": ({"format": "graph-model"}, r"it is a graph model, made of TensorFlow's operations; only"),
    "graph": ({"format": None, "modelTopology": {"node": []}}, r"it is a graph model"),
    "no model": ({"modelTopology": 3}, r"expected a layers model of TensorFlow.js, which has a modelTopology"),
    "no weights": ({"weightsManifest": None}, r"its weightsManifest is damaged: TypeError"),
    "no paths": ({"weightsManifest": [{"weights": []}]}, r"its weightsManifest is damaged: KeyError: 'paths'"),
    "missing": ({"weightsManifest": []}, r"the architecture needs more weights than the 0 in the file"),
    "lacking": (
        {"weightsManifest": [{"paths": ["shard"], "weights": [entry("x/y", np.zeros(10, np.float32))]}]},
        r"the weight dense/kernel is missing; the weight dense/bias is missing; the weight x/y belongs to no layer",
    ),
    "twice": (
        {"weightsManifest": [{"paths": ["shard"], "weights": [entry("a/dense/bias", np.zeros(5))] * 2}]},
        r"two of its weights have the same names of layer and variable",
    ),
    "shape": (
        {"weightsManifest": [{"paths": ["shard"], "weights": [
            entry("dense/kernel", KERNEL.T), entry("dense/bias", BIAS)]}]},
        r"dense/kernel: expected the shape \(4, 2\), got \(2, 4\)",
    ),
    "size": ({"weightsManifest": group(shape=[4, 3])}, r"expected 56 bytes of weights in \['shard'\], got 40"),
    "negative": ({"weightsManifest": group(shape=[-4, -2])}, r"expected sizes, got the shape \(-4, -2\)"),
    "no sizes": ({"weightsManifest": group(shape=[True, 8.0])}, r"expected sizes, got the shape \(True, 8.0\)"),
    "rank": ({"weightsManifest": group(shape=[1] * 9)}, r"expected sizes, got the shape \(1, 1, "),
    "type": ({"weightsManifest": group(dtype="string")}, r"the type 'string' is not supported"),
    "packing": ({"weightsManifest": group(quantization={"dtype": "int32"})}, r"the type 'int32' is not supported"),
    "shards": (
        {"weightsManifest": [{"paths": ["shard"] * 513, "weights": []}]},
        r"expected weights in at most 512 files, got 513",
    ),
    "scale": ({"weightsManifest": group(quantization={"dtype": "uint8"})}, r"damaged: KeyError: 'scale'"),
    "folder": ({"weightsManifest": group("../shard")}, r"its numbers are in '../shard'"),
    "absolute": ({"weightsManifest": group("/etc/passwd")}, r"its numbers are in '/etc"),
    "address": ({"weightsManifest": group("http://x/y")}, r"its numbers are in 'http"),
    "itself": ({"weightsManifest": group("..")}, r"its numbers are in '\.\.'"),
    "drive": ({"weightsManifest": group("c:shard")}, r"its numbers are in 'c:shard'"),
    "number": ({"weightsManifest": group(3)}, r"its numbers are in 3"),
    "nowhere": ({"weightsManifest": group("else")}, r"its numbers are in 'else': No such file"),
    "layer": (
        {"modelTopology": topology({"class_name": "Lambda", "config": {"name": "f"}})},
        r"layer 'f' \(Lambda\): it is Python code",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_R4_refusals_say_why(tmp_path: Path, name: str) -> None:
    changes, message = REFUSED[name]
    with pytest.raises(FormatError, match=r"^open_model: cannot open .*model\.json: .*(" + message + ")"):
        read_tensorflowjs(write(tmp_path, **changes))


def test_R4_text_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"modelTopology": Infinity}')
    with pytest.raises(FormatError, match=r"model.json: it is not valid JSON: Infinity is not JSON"):
        read_tensorflowjs(tmp_path / "model.json")
    with pytest.raises(FileNotFoundError):
        read_tensorflowjs(tmp_path / "nowhere.json")


def test_R4_a_pipe_in_place_of_weights(tmp_path: Path) -> None:
    path = write(tmp_path, weightsManifest=group("pipe"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match=r"its numbers are in 'pipe', which is not a regular file with a single name"):
        read_tensorflowjs(path)


# Real models


DATA = os.environ.get("STRIATE_DATA")
real = pytest.mark.skipif(not DATA, reason="needs real models; set STRIATE_DATA")
#: What the photographs' names begin with, in the order of the classes.
TINYVGG = ("boat", "bug", "pizza", "pepper", "bus", "koala", "espresso", "panda", "orange", "car")


@real
def test_A6_tinyvgg_of_cnn_explainer() -> None:
    from PIL import Image

    folder = Path(DATA or "", "weights", "cnn_explainer_tinyvgg")
    model = read_tensorflowjs(folder / "model.json")
    assert model.count_params() == 19_920
    paths = sorted(folder.glob("img/*_*.jpeg"))
    photos = np.stack([np.asarray(Image.open(path).convert("RGB"), np.float32) for path in paths]) / 255
    answers = [TINYVGG[best] for best in model.predict(photos).argmax(axis=1)]
    right = sum(path.name.startswith(answer) for path, answer in zip(paths, answers, strict=True))
    assert (right, len(paths)) == (14, 20)


def pitch(bins: Array) -> float:
    """Hertz, from CREPE's 360 bins of 20 cents: their mean around the highest, each weighted by its height."""
    best = int(bins.argmax())
    near = slice(max(best - 4, 0), best + 5)
    cents = 1997.3794084376191 + 20 * np.arange(360)
    return float(10 * 2 ** ((bins[near] * cents[near]).sum() / bins[near].sum() / 1200))


@real
@pytest.mark.parametrize(
    ("tone", "expected"), [(110, 109.6), (220, 220.2), (261.63, 261.5), (440, 440.6), (880, 880.6)]
)
def test_A6_crepe_hears_tones(tone: float, expected: float) -> None:
    model = read_tensorflowjs(Path(DATA or "", "weights", "crepe_tiny_tfjs_1d", "model.json"))
    wave = np.sin(2 * np.pi * tone * np.arange(1024) / 16000)
    bins = model.predict(((wave - wave.mean()) / wave.std()).astype(np.float32)[None])[0]
    # Where in its period the measured wave began is not known: that moves what is heard by a twentieth of a semitone.
    assert pitch(bins) == pytest.approx(expected, rel=3e-3)


@real
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's variables on NumPy 2
def test_A6_crepe_gives_what_keras_gives() -> None:
    """The same network, put together with Keras, with the weights in the order of the files."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    path = Path(DATA or "", "weights", "crepe_tiny_tfjs_1d", "model.json")
    description = json.loads(path.read_text())
    layers = [keras.Input((1024,)), keras.layers.Reshape((1024, 1, 1))]
    for filters, size, stride in ((128, 512, 4), (16, 64, 1), (16, 64, 1), (16, 64, 1), (32, 64, 1), (64, 64, 1)):
        layers += [
            keras.layers.Conv2D(filters, (size, 1), (stride, 1), padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D((2, 1)),
        ]
    theirs = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(360, activation="sigmoid")])
    named = {}
    for part in description["weightsManifest"]:
        content = b"".join((path.parent / name).read_bytes() for name in part["paths"])
        for weight in part["weights"]:
            size = 4 * int(np.prod(weight["shape"]))
            named[weight["name"]] = np.frombuffer(content[:size], np.float32).reshape(weight["shape"])
            content = content[size:]
    names = [f"crepe_conv{i}{end}" for i in range(1, 7) for end in ("", "_BN")] + ["crepe_classifier"]
    variables = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
    theirs.set_weights([named[f"{name}/{v}"] for name in names for v in variables if f"{name}/{v}" in named])
    x = np.random.default_rng(0).standard_normal((2, 1024)).astype(np.float32)
    np.testing.assert_allclose(read_tensorflowjs(path).predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-6)
