"""What of Keras's files is refused, and why."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from striate.errors import FormatError  # noqa: E402
from striate.interop.keras import read_keras, read_keras_weights  # noqa: E402
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

REFUSED = {
    "lambda": (
        row(layer("Lambda", function="…")),
        r"layer 'my_lambda' \(Lambda\): it is Python code, and nothing in a",
    ),
    "operation of TensorFlow": (row(layer("TFOpLambda")), r"\(TFOpLambda\): it is a call of TensorFlow; use layers"),
    "recurrent": (row(layer("LSTM", units=3)), r"layer 'my_lstm' \(LSTM\): this layer is not supported"),
    "our own": (row(layer("LpPooling2D")), r"layer 'my_lppooling2d' \(LpPooling2D\): this layer is not supported"),
    "module": (
        row(layer("Dense", module="os", units=1)),
        r"layer 'my_dense' \(Dense\): 'Dense' of 'os' is custom code, which a file does not contain",
    ),
    "registered": (
        row(layer("Dense", registered_name="mine>Dense", units=1)),
        r"'mine>Dense' of 'keras.layers' is custom code",
    ),
    "no object": (row(layer("Dense", units=1, kernel_initializer=3)), r"expected an object of Keras, got 3"),
    "initializer": (
        row(layer("Dense", units=1, kernel_initializer={"class_name": "Mine", "config": {}})),
        r"\(Dense\): there is no initializer 'Mine'",
    ),
    "initializer's arguments": (
        row(layer("Dense", units=1, kernel_initializer={"class_name": "Zeros", "config": [1]})),
        r"expected the arguments of Zeros, got \[1\]",
    ),
    "initializer's values": (
        row(layer("Dense", units=1, kernel_initializer={"class_name": "VarianceScaling", "config": {"scale": -1}})),
        r"initializer VarianceScaling: VarianceScaling: expected scale above 0, got -1",
    ),
    "regularizer": (
        row(layer("Dense", units=1, kernel_regularizer={"class_name": "Mine", "config": {}})),
        r"there is no regularizer 'Mine'",
    ),
    "constraint": (row(layer("Dense", units=1, kernel_constraint="mine")), r"there is no constraint 'mine'"),
    "activation": (row(layer("Dense", units=1, activation="os.system")), r"there is no activation 'os.system'"),
    "activation's function": (
        row(layer("Dense", units=1, activation={"class_name": "function", "config": {"code": "…"}})),
        r"there is no activation 'function'",
    ),
    "type": (
        row(layer("Dense", units=1, dtype="int8_from_float32")),
        r"expected floats, got the type 'int8_from_float32'",
    ),
    "type as an object": (
        row(layer("Dense", units=1, dtype={"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}})),
        r"expected floats, got the type 'QuantizedDTypePolicy'",
    ),
    "argument": (row(layer("Dense", units=1, lora_rank=3)), r"its argument 'lora_rank' = 3 is not supported here"),
    "value": (row(layer("Dense", units=0)), r"\(Dense\): Dense: expected units of at least 1, got 0"),
    "missing argument": (row(layer("Dense")), r"\(Dense\): .*missing a required argument: 'units'"),
    "no arguments": (row({"class_name": "Dense", "config": [3]}), r"\(Dense\): expected its arguments, got \[3\]"),
    "channels first": (
        row(layer("Conv2D", filters=1, kernel_size=2, data_format="channels_first"), shape=(None, 3, 4, 4)),
        r"expected data_format 'channels_last', got 'channels_first'",
    ),
    "open size": (
        row(relu, shape=(None, None, None, 3)),
        r"expected an input of known size, got \[None, None, None, 3\]; give the shape of one sample, as in open_model",
    ),
    "sparse": (
        row() | {"config": {"layers": [layer("InputLayer", batch_shape=[None, 3], sparse=True)]}},
        r"\(InputLayer\): sparse and ragged inputs are not supported here",
    ),
    "no input": (
        {"class_name": "Sequential", "config": {"name": "row", "layers": [relu]}},
        r"the network 'row' does not say the shape of its input; give the shape of one sample, as in open_model",
    ),
    "no network": (layer("Dense", units=3), r"expected a Sequential or functional model, got 'Dense'"),
    "subclass": (
        {"module": "mine", "class_name": "Net", "config": {}, "registered_name": "mine>Net"},
        r"'mine>Net' of 'mine' is custom code",
    ),
    "shapes": (row(layer("Conv2D", filters=1, kernel_size=2)), r"Conv2D: expected input of rank 4.* got rank 2"),
    "operation": (
        graph((layer("Einsum", module="keras.src.ops.numpy", name="last"), [on("x")])),
        r"layer 'last' \(Einsum\): this operation is not supported",
    ),
    "circle": (
        graph((layer("ReLU", name="a"), [on("last")]), (relu, [on("a")])),
        r"its layers depend on one another in a cycle",
    ),
    "own output": (graph((relu, [on("last")])), r"its layers depend on one another in a cycle"),
    "unknown layer": (graph((relu, [on("nowhere")])), r"there is no call 0 of a layer 'nowhere'"),
    "unknown call": (graph((relu, [on("x", 2)])), r"there is no call 2 of a layer 'x'"),
    "twice": (graph((relu, [on("x")]), (relu, [on("x")])), r"two of its layers have the same name"),
    "training": (
        graph((layer("Dropout", name="last", rate=0.5), [[["x", 0, 0, {"training": True}]]])),
        r"a layer is called with 'training' = True, which is not supported here",
    ),
    "no tensor": (
        graph((relu, [{"args": [{"class_name": "slice", "config": {}}], "kwargs": {}}])),
        r"a layer is called on 'slice', which is not a tensor",
    ),
    "damaged": (
        graph((relu, [on("x")]), outputs=[["last", 0, 7]]),
        r"its configuration is damaged: IndexError: list index",
    ),
    "no ends": (graph((relu, [on("x")]), outputs="last"), r"expected the inputs or outputs of a network, got 'last'"),
    "no layers": ({"class_name": "Functional", "config": {}}, r"its configuration is damaged: KeyError: 'layers'"),
    "no list": ({"class_name": "Sequential", "config": {"layers": 3}}, r"its configuration is damaged: TypeError"),
    "no description": (row("text"), r"expected a layer, got 'text'"),
    "NaN": ('{"class_name": NaN}', r"config.json is not valid JSON: NaN is not JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_R4_refusals_say_why(tmp_path: Path, name: str) -> None:
    config, message = REFUSED[name]
    path = archive(tmp_path / "m.keras", config)
    with pytest.raises(FormatError, match=r"^open_model: cannot open .*m\.keras: .*(" + message + ")"):
        read_keras(path)


def test_R4_all_reasons_are_listed_at_once(tmp_path: Path) -> None:
    inner = row(layer("LSTM", units=1), layer("Dense", units=2, activation="mine"))
    path = archive(tmp_path / "m.keras", row(layer("Lambda"), inner, layer("GRU", units=1)))
    with pytest.raises(
        FormatError, match=r"'my_lambda' \(Lambda\): .*; layer 'my_lstm' .*'mine'; layer 'my_gru' \(GRU\)"
    ):
        read_keras(path)


def test_R4_too_many_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from striate.interop.keras import networks

    monkeypatch.setattr(networks, "MAX_CALLS", 3)
    path = archive(tmp_path / "m.keras", row(relu, layer("ELU"), layer("ELU", name="b")))
    with pytest.raises(FormatError, match=r"it has more than 3 layers"):
        read_keras(path)
    path = archive(tmp_path / "m.keras", graph((relu, [on("x"), on("last", 0), on("last", 1), on("last", 2)])))
    with pytest.raises(FormatError, match=r"it has more than 3 calls of layers"):
        read_keras(path)


MISMATCHES = {
    "missing": (weights_of(), r"layer 'my_dense': its weights are missing"),
    "too large for the file": (
        weights_of(dense={"_0": np.ones((1, 1), np.float32)}),
        r"the architecture needs more weights than the 1 in the file",
    ),
    "left over": (weights_of(dense=DENSE, dense_1=DENSE), r"dense_1: there is no such layer"),
    "another class": (weights_of(conv2d=DENSE), r"conv2d: there is no such layer; layer 'my_dense': its weights are"),
    "another count": (weights_of(dense=DENSE | {"_2": DENSE["_1"]}), r"my_dense: expected 2 arrays, got 3"),
    "another shape": (
        weights_of(dense=DENSE | {"_0": DENSE["_0"].T}),
        r"my_dense/kernel: expected the shape \(4, 2\), got \(2, 4\) \(/layers/dense/vars/0\)",
    ),
    "booleans": (
        weights_of(dense=DENSE | {"_1": np.ones(2, bool)}),
        r"my_dense/bias: expected numbers, got bool",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISMATCHES)
def test_R4_weights_that_do_not_fit(tmp_path: Path, name: str) -> None:
    fill, message = MISMATCHES[name]
    if name == "missing":  # or the file would be too small for the network
        fill = weights_of(conv1d={"_0": np.ones((5, 5), np.float32)})
    path = archive(tmp_path / "m.keras", row(layer("Dense", units=2)), fill)
    with pytest.raises(FormatError, match=message):
        read_keras(path)


def test_R4_weights_by_name_that_do_not_fit(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [
        {"class_name": "Conv2D", "config": conv_config("conv", batch_input_shape=[None, 6, 5, 1])}
    ]}  # fmt: skip
    path = legacy_file(tmp_path / "m.h5", config, {"other": conv_weights("other")})
    with pytest.raises(FormatError, match=r"layer 'conv': its weights are missing; 'other': there is no such layer"):
        read_keras(path)
    with h5py.File(path, "r+") as file:
        del file["model_weights/other/other/bias_1:0"]
        file["else"] = np.zeros(50, np.float32)  # or the file would be too small for the network
    with pytest.raises(FormatError, match=r"other/other/bias_1:0: there is no such array"):
        read_keras(path)
    with h5py.File(path, "r+") as file:
        del file["model_weights"]
    with pytest.raises(FormatError, match=r"expected weights under 'model_weights' or 'layers', got none"):
        read_keras(path)


def test_R4_nothing_changes_unless_all_weights_fit(tmp_path: Path) -> None:
    from striate import layers
    from striate.models import Input, Sequential

    model = Sequential([Input((4,)), layers.Dense(2), layers.Dense(3)])
    before = model.get_weights()
    path = archive(tmp_path / "m.keras", row(), weights_of(dense=DENSE))
    with pytest.raises(FormatError, match=r"layer 'dense_1': its weights are missing"):
        read_keras_weights(path, model)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_R4_what_is_no_model_of_keras(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"GIF89a and more")
    with pytest.raises(
        FormatError, match=r"expected a Keras model, an HDF5 file or a ZIP archive, got .* begins with b'GIF"
    ):
        read_keras(path)
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("config.json", "{}")
    with pytest.raises(FormatError, match=r"expected an archive with config.json, .* metadata.json is missing"):
        read_keras(path)
    archive(path, row(), metadata="[]")
    with pytest.raises(FormatError, match=r"expected the version of Keras in metadata.json"):
        read_keras(path)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = 3
    with pytest.raises(FormatError, match=r"expected text in the attributes model_config and keras_version"):
        read_keras(path)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = '{"a": 1, "a": 2}'
    with pytest.raises(FormatError, match=r"the attribute model_config is not valid JSON: a key is given twice"):
        read_keras(path)
    with pytest.raises(FileNotFoundError):
        read_keras(tmp_path / "nowhere.keras")
