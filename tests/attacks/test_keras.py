"""R3: Keras's files that bring code along, read files, or are made to hang or fill the memory, end in our error."""

import base64
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from tests.attacks.harness import attack, refused  # noqa: E402
from tests.interop.keras_files import (  # noqa: E402
    DENSE,
    archive,
    conv_config,
    conv_weights,
    graph,
    layer,
    legacy_file,
    on,
    relu,
    row,
    weights_of,
)

READER = "striate.interop.keras:read_keras"
#: Bytecode as marshal writes it; what it would do does not matter, it must not get that far.
CODE = base64.b64encode(b"\xe3\x00\x00\x00\x00" + b"open('canary', 'w')").decode()


def lambda_of(kind: str) -> dict[str, Any]:
    function = {"class_name": kind, "config": {"code": CODE, "defaults": None, "closure": None}}
    return layer("Lambda", function=function, module_="os", arguments={})


def old_lambda() -> dict[str, Any]:
    """As Keras 2 writes it: bytecode, defaults, closure."""
    settings = {"function": [CODE, None, None], "function_type": "lambda", "output_shape_type": "raw", "arguments": {}}
    return {"class_name": "Lambda", "config": {"name": "f", "batch_input_shape": [None, 4], **settings}}


def call(module: str, name: str, *arguments: Any) -> dict[str, Any]:
    """An object whose making would be a call of a function."""
    return {"module": module, "class_name": name, "config": {"args": arguments}, "registered_name": name}


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def dense(**settings: Any) -> dict[str, Any]:
    return row(layer("Dense", **{"units": 2, **settings}))


def safe_mode_off() -> dict[str, Any]:
    """What has to be decided by who opens the file, decided by the file."""
    config = row(lambda_of("__lambda__"))
    return {
        **config,
        "safe_mode": False,
        "config": {**config["config"], "safe_mode": False, "custom_objects": {"f": CODE}},
    }


#: Configurations that run code, or read files, in readers that believe them.
CODE_IN_CONFIG: dict[str, Callable[[], Any]] = {
    "Lambda with bytecode": lambda: row(lambda_of("__lambda__")),
    "Lambda with bytecode, in an inner network": lambda: row(row(lambda_of("__lambda__"))),
    "Lambda of Keras 2": lambda: {"class_name": "Sequential", "config": [old_lambda()]},
    "Lambda with a function by its path": lambda: row(layer("Lambda", function=function("os", "system"))),
    "safe mode switched off by the file": safe_mode_off,
    "bytecode as an argument": lambda: dense(units={"class_name": "__lambda__", "config": {"value": CODE}}),
    "module os": lambda: row(layer("system", module="os")),
    "module builtins": lambda: row(layer("eval", module="builtins", source="open('canary', 'w')")),
    "module of Keras that is not a layer": lambda: row(
        layer("get_file", module="keras.utils", origin="file:///etc/passwd")
    ),
    "class name with a path": lambda: row(layer("os.system", module="keras.layers")),
    "class name eval": lambda: row(layer("eval", module="keras.layers")),
    "class name dunder": lambda: row(layer("__class__", module="keras.layers")),
    "registered custom object": lambda: row(layer("Dense", registered_name="evil>Dense", units=1)),
    "custom object of Keras 2": lambda: row(layer("Custom>Evil", module=None)),
    "the network is a function": lambda: call("subprocess", "Popen", ["touch", "canary"]),
    "the network is a custom class": lambda: row() | {"module": "evil", "registered_name": "evil>Model"},
    "activation by a dotted path": lambda: dense(activation="os.system"),
    "activation by a function": lambda: dense(activation=function("os", "system")),
    "activation by a function of Keras": lambda: dense(activation=function("keras.src.utils.file_utils", "get_file")),
    "initializer by a function": lambda: dense(kernel_initializer=call("os", "system", "touch canary")),
    "initializer by bytecode": lambda: dense(
        kernel_initializer={"class_name": "__lambda__", "config": {"value": CODE}}
    ),
    "regularizer by a function": lambda: dense(kernel_regularizer=call("os", "system", "touch canary")),
    "constraint by a function": lambda: dense(kernel_constraint=call("os", "system", "touch canary")),
    "type by a function": lambda: dense(dtype=call("os", "system", "touch canary")),
    "argument of a call": lambda: graph((relu, [{"args": [call("os", "system", "touch canary")], "kwargs": {}}])),
    "setting of a call": lambda: graph((relu, [on("x", mask=call("os", "system", "touch canary"))])),
    "operation that reads": lambda: graph((layer("Fromfile", module="keras.src.ops.numpy", name="last"), [on("x")])),
    "operation of another package": lambda: graph((layer("Add", module="evil.ops.numpy", name="last"), [on("x")])),
    "SavedModel layer": lambda: row(layer("TFSMLayer", filepath="/etc")),
    "module of PyTorch": lambda: row(layer("TorchModuleWrapper", module_=CODE)),
    "vocabulary from a file": lambda: row(layer("StringLookup", vocabulary="/etc/passwd")),
    "vectors from a file": lambda: row(layer("TextVectorization", vocabulary="/etc/passwd")),
}


@pytest.mark.parametrize("name", CODE_IN_CONFIG)
def test_R3_keras_configuration(name: str, tmp_path: Path) -> None:
    config = CODE_IN_CONFIG[name]()
    refused(READER, archive(tmp_path / "attack.keras", config, weights_of(dense=DENSE)))
    refused(READER, legacy_file(tmp_path / "attack.h5", config, {"conv": conv_weights("conv")}))
    assert not (tmp_path / "canary").exists()


EVIL = call("os", "system", "touch canary")
TRAINING: dict[str, Any] = {
    "functions": {"optimizer": EVIL, "loss": function("os", "system"), "metrics": [EVIL]},
    "names of functions": {"optimizer": "os.system", "loss": "eval", "metrics": ["__import__"]},
    "functions inside": {"optimizer": layer("SGD", module="keras.optimizers", learning_rate=EVIL), "loss": "mse"},
    "other types": {"optimizer": [[[]]], "loss": 3, "metrics": "x" * 100_000, "loss_weights": {"a": [EVIL]}},
    "a list": [EVIL] * 1000,
    "thresholds without end": {
        "optimizer": "sgd", "loss": "mse", "metrics": [layer("AUC", module="keras.metrics", num_thresholds=1 << 40)],
    },
    "steps without end": {
        "optimizer": layer("Adam", learning_rate=layer("CosineDecay", initial_learning_rate=1, decay_steps=1 << 70)),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINING)
def test_R3_what_belongs_to_training_stays_data(name: str, tmp_path: Path) -> None:
    """A file may bring losses, metrics and optimizers of its own: the network opens, and is not compiled."""
    config = dense() | {"compile_config": TRAINING[name], "build_config": EVIL}
    for path in (
        archive(tmp_path / "a.keras", config, weights_of(dense=DENSE)),
        with_training(tmp_path / "a.h5", json.dumps(TRAINING[name])),
        with_training(tmp_path / "b.h5", "[" * 100_000),
    ):
        outcome = attack(READER, path)
        assert (outcome.error, outcome.events, outcome.memory < 20 << 20) == ("", (), True)


def with_training(path: Path, training: str) -> Path:
    conv = {"class_name": "Conv2D", "config": conv_config("conv", batch_input_shape=[None, 5, 5, 1])}
    legacy_file(path, {"class_name": "Sequential", "config": [conv]}, {"conv": conv_weights("conv")})
    with h5py.File(path, "r+") as file:
        file.attrs["training_config"] = training
    return path


# Text that is not quite JSON


JSON: dict[str, Callable[[], bytes]] = {
    "NaN": lambda: json.dumps(dense(units=float("nan"))).encode(),
    "infinity": lambda: json.dumps(dense(units=float("-inf"))).encode(),
    "number beyond all floats": lambda: json.dumps(dense(units=7)).replace("7", "1e999").encode(),
    "number of a million digits": lambda: json.dumps(dense(units=7)).replace("7", "7" * 1_000_000).encode(),
    "key twice": lambda: json.dumps(dense()).replace('"units": 2', '"units": 2, "units": 3').encode(),
    "bad UTF-8": lambda: json.dumps(dense(name="NAME")).encode().replace(b"NAME", b"\xff\xfe\x80"),
    "half a surrogate": lambda: json.dumps(dense(name="NAME")).replace("NAME", "\\ud800").encode(),
    "a hundred thousand lists deep": lambda: b"[" * 100_000 + b"]" * 100_000,
    "two hundred networks deep": lambda: (b'{"class_name": "Sequential", "config": [' * 200) + b"]}" * 200,
    "a million lists": lambda: b"[" + b"[]," * 1_000_000 + b"0]",
    "a text of 60 MB": lambda: json.dumps(dense(name="x" * 60_000_000)).encode(),
    "a million layers": lambda: json.dumps({"class_name": "Sequential", "config": [0] * 1_000_000}).encode(),
    "nothing": lambda: b"",
    "a number": lambda: b"3",
}


@pytest.mark.parametrize("name", JSON)
def test_R3_keras_json(name: str, tmp_path: Path) -> None:
    path = tmp_path / "attack.keras"
    path.write_bytes(zipped(members(config__json=JSON[name]())))
    refused(READER, path)


# Networks that would never be done


def many_layers() -> Any:
    return row(*(layer("ReLU", name=f"r{i}") for i in range(20_000)))


def one_layer_called_often() -> Any:
    return graph((relu, [on("x"), *(on("last", i) for i in range(30_000))]))


def doubled(levels: int) -> Any:
    """Each network calls the one in it twice: 2 to the power of ``levels`` calls."""
    network = row(layer("ReLU"))
    for _ in range(levels):
        network["config"]["name"] = "inner"
        network = graph((network, [on("x"), on("inner", 0), on("inner", 1)]), outputs=[["inner", 2, 0]])
    return network


def size(kind: str, **settings: Any) -> Callable[[], Any]:
    """A layer with an absurd argument, on images of 4 × 4."""
    return lambda: row(layer(kind, **settings), shape=(None, 4, 4, 3))


def constant(value: Any) -> Any:
    array = {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}
    call = on("x")
    return graph((layer("Add", module="keras.src.ops.numpy", name="last"), [{**call, "args": [*call["args"], array]}]))


NETWORKS: dict[str, Callable[[], Any]] = {
    "twenty thousand layers": many_layers,
    "one layer called thirty thousand times": one_layer_called_often,
    "calls that double": lambda: doubled(18),
    "layers in a circle": lambda: graph((layer("ReLU", name="a"), [on("last")]), (relu, [on("a")])),
    "a call of itself": lambda: graph((relu, [on("last")])),
    "a call that is not there": lambda: graph((relu, [on("x", -1)])),
    "units without end": lambda: dense() | row(layer("Dense", units=1 << 40)),
    "units beyond all integers": lambda: row(layer("Dense", units=10**400)),
    "filters without end": size("Conv2D", filters=1 << 40, kernel_size=1),
    "kernel without end": size("Conv2D", filters=1, kernel_size=1 << 30, padding="same"),
    "negative units": lambda: row(layer("Dense", units=-2)),
    "units as text": lambda: row(layer("Dense", units="2; import os")),
    "axis beyond": lambda: row(layer("Softmax", axis=1 << 70)),
    "negative shape": lambda: row(relu, shape=(None, -4)),
    "shape of text": lambda: row(relu, shape=(None, "4")),
    "shape of floats": lambda: row(relu, shape=(None, 4.5)),
    "padding of an operation without end": lambda: graph(
        (layer("Pad", module="keras.src.ops.numpy", name="last", pad_width=1 << 40), [on("x")])
    ),
    "padding of an operation by text": lambda: graph(
        (layer("Pad", module="keras.src.ops.numpy", name="last", pad_width="1"), [on("x", constant_values="1")])
    ),
    "a shape of an operation without end": lambda: graph(
        (layer("Reshape", module="keras.src.ops.numpy", name="last", newshape=[1 << 70, -1]), [on("x")])
    ),
    "an axis of text": lambda: graph((layer("Softmax", module="keras.src.ops.nn", name="last", axis="1"), [on("x")])),
    "a setting of an operation": lambda: graph(
        (layer("Relu", module="keras.src.ops.nn", name="last", x=function("os", "system")), [on("x")])
    ),
    "a constant of text": lambda: constant(["1", "import os"]),
    "a constant that is ragged": lambda: constant([[1, 2], [3]]),
    "a constant beyond all floats": lambda: constant(10**400),
    "a constant of another shape": lambda: constant([1.0, 2.0, 3.0]),
    "no class": lambda: row({"config": {}}),
    "class is a list": lambda: row(layer("ReLU") | {"class_name": ["ReLU"]}),
    "name is a number": lambda: row(layer("ReLU") | {"config": {"name": 3}}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_R3_keras_network(name: str, tmp_path: Path) -> None:
    refused(READER, archive(tmp_path / "attack.keras", NETWORKS[name](), weights_of(dense=DENSE)))


# Sizes that only training or predicting would feel: such a network may be opened, but nothing large may be made for it


@pytest.mark.parametrize(
    "config",
    [
        row(layer("UpSampling2D", size=1 << 20), shape=(None, 4, 4, 1)),
        row(layer("ZeroPadding2D", padding=1 << 30), shape=(None, 4, 4, 1)),
        row(layer("RepeatVector", n=1 << 40)),
        row(layer("ReLU"), shape=(None, 1 << 30, 1 << 30)),
    ],
)
def test_R3_keras_large_activations_are_not_made(config: Any, tmp_path: Path) -> None:
    outcome = attack(READER, archive(tmp_path / "large.keras", config))
    assert outcome.error in ("", "FormatError")
    assert (outcome.events, outcome.seconds < 1, outcome.memory < 20 << 20) == ((), True, True)


# Archives


def h5() -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        weights_of(dense=DENSE)(file)
    return memory.getvalue()


def members(**changes: bytes) -> list[tuple[str, bytes]]:
    content = {
        "config.json": json.dumps(dense()).encode(),
        "metadata.json": b'{"keras_version": "3.0"}',
        "model.weights.h5": h5(),
    }
    return [*(content | {name.replace("__", "."): value for name, value in changes.items()}).items()]


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as writer, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in entries:
            writer.writestr(name, content)
    return memory.getvalue()


def lying() -> bytes:
    """The weights declare 1 GB."""
    content = bytearray(zipped(members()))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 1 << 30)
    return bytes(content)


def large_array() -> bytes:
    """23 million bytes of zeros, which as weights in float32 are four times as many."""
    count = 4_600_000
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((4, count), "u1")
        file["layers/dense/vars/1"] = np.zeros(count, "u1")
    config = row(layer("Dense", units=count))
    return zipped(members(model__weights__h5=memory.getvalue(), config__json=json.dumps(config).encode()))


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "parent folder": lambda: zipped([*members(), ("../canary", b"x")]),
    "parent folder in the middle": lambda: zipped([*members(), ("assets/../../canary", b"x")]),
    "absolute": lambda: zipped([*members(), ("/canary", b"x")]),
    "backslashes": lambda: zipped([*members(), ("..\\canary", b"x")]),
    "drive": lambda: zipped([*members(), ("c:canary", b"x")]),
    "configuration twice": lambda: zipped([*members(), members()[0]]),
    "weights twice": lambda: zipped([*members(), members()[2]]),
    "bomb": lambda: zipped(members(model__weights__h5=bytes(1 << 30))),
    "bomb of text": lambda: zipped(members(config__json=b" " * (1 << 28))),
    "lying size": lying,
    "many members": lambda: zipped([*members(), *((f"assets/{i}", b"") for i in range(70_000))]),
    "cut off": lambda: zipped(members())[:-30],
    "no weights": lambda: zipped(members()[:2]),
    "weights that are none": lambda: zipped(members(model__weights__h5=b"\x80\x04canary")),
    "weights that grow": large_array,
    "link to other weights": lambda: zipped(members(model__weights__h5=linked())),
}


def linked() -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/")
    return memory.getvalue()


@pytest.mark.parametrize("name", ARCHIVES)
def test_R3_keras_archive(name: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "attack.keras"
    path.write_bytes(ARCHIVES[name]())
    refused(READER, path)
    assert [*tmp_path.rglob("*")] == [tmp_path / "inner", path]


def test_files_put_together_by_hand_are_otherwise_sound(tmp_path: Path) -> None:
    """Or what is refused above might be the hand's mistakes."""
    path = tmp_path / "sound.keras"
    path.write_bytes(zipped(members()))
    assert attack(READER, path).error == ""
    assert attack(READER, archive(path, graph((relu, [on("x")])))).error == ""
    assert attack(READER, archive(path, doubled(3))).error == ""
