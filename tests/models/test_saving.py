"""A4: one safe file for each model."""

import contextlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as as_bytes

import striate
from striate import layers
from striate.data import PhotoPreprocessing, Preprocessing
from striate.errors import ArgumentError, FormatError, ModelError, StriateError


def make_model():
    striate.set_seed(3)
    begin = striate.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2", name="first")(begin)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([x, layers.Activation("relu")(x) * 0.5])
    x = layers.GlobalAveragePooling2D()(x)
    model = striate.Model(begin, layers.Dense(3, activation="softmax")(x), name="net")
    model.preprocessing = Preprocessing(size=8, box=6)
    model.classes = ("a", "b", "c")
    model.threshold = 0.4
    return model


X = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)


def test_how_photographs_are_prepared_travels_with_the_model(tmp_path):
    model = make_model()
    model.preprocessing = PhotoPreprocessing((8, 8), 10, mean=(120.0,), std=(60.0,), colours="grey")
    model.save(tmp_path / "m.safetensors")
    assert striate.load_model(tmp_path / "m.safetensors").preprocessing == model.preprocessing


def test_A4_round_trip_keeps_everything(tmp_path):
    model = make_model()
    model.compile(striate.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = striate.load_model(path)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert (again.name, again.classes, again.threshold) == ("net", ("a", "b", "c"), 0.4)
    assert again.preprocessing == model.preprocessing
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert again.optimizer.learning_rate == pytest.approx(0.02)
    again.evaluate(X, np.zeros(5, int), verbose=0)
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_A4_sequential_and_nested_models(tmp_path):
    inner = striate.Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
    model = striate.Sequential([striate.Input((6,)), layers.Dense(5), inner, layers.Dropout(0.5)])
    x = np.ones((3, 6), np.float32)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(striate.load_model(tmp_path / "m.keras").predict(x), model.predict(x))


def test_A4_a_part_of_a_network_and_several_inputs(tmp_path):
    whole = make_model()
    part = striate.Model(whole.get_layer("first").output, whole.output)
    part.save(tmp_path / "part")
    inner = np.ones((2, 8, 8, 4), np.float32)
    np.testing.assert_array_equal(striate.load_model(tmp_path / "part").predict(inner), part.predict(inner))
    a, b = striate.Input((3,), name="a"), striate.Input((3,), dtype="int32", name="b")
    both = striate.Model({"a": a, "b": b}, [layers.Dense(2)(a), layers.Add()([a, b * 1.0])])
    both.save(tmp_path / "both")
    x = {"a": np.ones((2, 3), np.float32), "b": np.ones((2, 3), np.int32)}
    for one, other in zip(both.predict(x), striate.load_model(tmp_path / "both").predict(x), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_alone(tmp_path):
    model, path = make_model(), tmp_path / "w.safetensors"
    model.save_weights(path)
    other = make_model()
    other.get_layer("first").kernel.assign(np.zeros((3, 3, 1, 4)))
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    with pytest.raises(FormatError, match=r"it holds weights only. Build the model, then call load_weights"):
        striate.load_model(path)
    with pytest.raises(FormatError, match="holds weights that the model does not have: batch_normalization/beta"):
        striate.Sequential([striate.Input((8, 8, 1)), layers.Conv2D(4, 3, name="first")]).load_weights(path)


def test_large_constants_are_tensors_of_the_file(tmp_path):
    small, large = (np.random.default_rng(0).standard_normal((1, size, 4)).astype(np.float32) for size in (1, 3000))
    x, y = striate.Input((1, 4)), striate.Input((1, 4))
    both = striate.ops.add(striate.ops.multiply(x, large), striate.ops.multiply(y, small))
    model = striate.Model([x, y], layers.Dense(2)(both))
    model.save(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").stat().st_size < 4 * large.size + 5000
    given = [np.random.default_rng(1).standard_normal((5, 1, 4)).astype(np.float32) for _ in range(2)]
    again = striate.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(given), model.predict(given))
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()
    again.load_weights(tmp_path / "m.safetensors")
    copy = striate.Model.from_config(model.get_config())  # without a file, constants of any size are data
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(given), model.predict(given))


def test_subclassed_models_have_no_structure_to_save(tmp_path):
    class Mine(striate.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Mine()
    model.predict(np.ones((1, 3), np.float32))
    with pytest.raises(ModelError, match=r"the structure of mine is Python code, not data.*save_weights"):
        model.save(tmp_path / "m.safetensors")
    model.save_weights(tmp_path / "w.safetensors")
    other = Mine()
    other.predict(np.ones((1, 3), np.float32))
    other.load_weights(tmp_path / "w.safetensors")


def test_functions_of_ones_own_cannot_be_written(tmp_path):
    model = striate.Sequential([striate.Input((3,)), layers.Dense(2, activation=lambda x: x)])
    with pytest.raises(ModelError, match="cannot be written as plain data"):
        model.save(tmp_path / "m.safetensors")


def test_unwritable_paths(tmp_path):
    model = make_model()
    with pytest.raises(FormatError, match=r"save: cannot write .*nowhere/m.safetensors: No such file or directory"):
        model.save(tmp_path / "nowhere" / "m.safetensors")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FormatError, match=r"save: cannot write .*folder: Is a directory"):
        model.save(folder)
    model.save(tmp_path / "m")
    with pytest.raises(FormatError, match="m exists already; give overwrite=True"):
        model.save(tmp_path / "m", overwrite=False)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    model, path = make_model(), tmp_path / "m.safetensors"
    model.save(path)
    before = path.read_bytes()
    model.get_layer("first").kernel.assign(np.zeros((3, 3, 1, 4)))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FormatError, match="No space left on device"):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


# Files made to do harm, or damaged


def written(path: Path, tensors=None, **changes) -> Path:
    """A model file with parts of its description replaced."""
    description = {
        "version": 1,
        "model": {
            "class_name": "Sequential",
            "config": {
                "name": "s",
                "layers": [
                    {"class_name": "InputLayer", "config": {"shape": [4], "name": "i"}},
                    {"class_name": "Dense", "config": {"units": 2, "name": "d"}},
                ],
            },
        },
        "preprocessing": None,
        "classes": [],
        "threshold": 0.0,
        "training": None,
    }
    description.update(changes)
    tensors = (
        {"d/kernel": np.ones((4, 2), np.float32), "d/bias": np.ones(2, np.float32)} if tensors is None else tensors
    )
    path.write_bytes(as_bytes(tensors, {"striate": json.dumps(description)}))
    return path


def layer(class_name, **config):
    inner = [
        {"class_name": "InputLayer", "config": {"shape": [4], "name": "i"}},
        {"class_name": class_name, "config": config},
    ]
    return {"class_name": "Sequential", "config": {"name": "s", "layers": inner}}


def test_the_helper_writes_a_file_that_opens(tmp_path):
    assert striate.load_model(written(tmp_path / "m")).predict(np.ones((1, 4), np.float32)).tolist() == [[5, 5]]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"version": 2}, "expected a description of version 1"),
        ({"model": layer("os.system", command="touch x")}, "'os.system' is not a layer of this library; files cannot"),
        ({"model": layer("Lambda", function="print(1)")}, "'Lambda' is not a layer of this library"),
        ({"model": layer("Dense", units=2, activation="__import__('os')")}, "cannot be rebuilt: ArgumentError"),
        ({"model": layer("Dense", units=10**12)}, "the architecture needs more weights than the 10 in the file"),
        ({"model": layer("Dense", units=-1, name="d")}, "cannot be rebuilt"),
        ({"model": layer("Dense", units=2, name="d", evil=1)}, "cannot be rebuilt: TypeError"),
        ({"model": layer("Dense", units=3, name="d")}, "the architecture needs more weights than the 10"),
        ({"model": layer("Dense", units=1, name="d")}, r"expected d/kernel of shape \(4, 1\), got \(4, 2\)"),
        ({"model": {"class_name": "Dense", "config": {"units": 2}}}, r"open \S*: it describes a Dense, not a model\.$"),
        ({"model": {"class_name": "Sequential"}}, "expected a class name and a config"),
        ({"model": [1, 2]}, "expected a class name and a config"),
        ({"preprocessing": {"size": 10**9}}, "Preprocessing"),
        ({"threshold": "high"}, "cannot be rebuilt: ValueError"),
        ({"training": {"optimizer": {"class_name": "eval", "config": {}}}}, "cannot be rebuilt: ArgumentError"),
    ],
)  # fmt: skip
def test_A4_descriptions_that_lie(tmp_path, changes, text):
    with pytest.raises(FormatError, match=text):
        striate.load_model(written(tmp_path / "m", **changes))


def test_A4_a_file_made_to_run_code_runs_nothing(tmp_path):
    """Pickle, the usual carrier, is not even read; and no string of a description is ever evaluated."""
    import pickle

    canary = tmp_path / "canary"

    class Gadget:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Gadget()))
    with pytest.raises(FormatError, match="it is not a safetensors file, or damaged"):
        striate.load_model(tmp_path / "m.pkl")
    code = f"__import__('os').system('touch {canary}')"
    for place in ({"model": layer(code)}, {"model": layer("Dense", units=2, name="d", kernel_initializer=code)}):
        with pytest.raises(FormatError):
            striate.load_model(written(tmp_path / "m", **place))
    assert not canary.exists()


def nodes_config(**attributes):
    return {
        "class_name": "Model",
        "config": {
            "name": "m",
            "layers": [{"class_name": "InputLayer", "config": {"shape": [8, 8, 1], "name": "i"}}],
            "nodes": [
                {"layer": 0, "arguments": [], "attributes": {}},
                {
                    "operation": "conv",
                    "arguments": [{"tensor": [0, 0]}, {"constant": [[[[1.0]]]]}],
                    "attributes": attributes,
                },
            ],
            "inputs": [0, 0],
            "outputs": [1, 0],
        },
    }


@pytest.mark.parametrize(
    "change", [{"strides": [-1, 1]}, {"strides": [0, 1]}, {"dilation": [-3, 1]}, {"padding": [[-4, 0], [0, 0]]}]
)
def test_A4_attributes_cannot_reach_outside_of_arrays(tmp_path, change):
    """Windows are read through raw strides, so what a file says of them is checked like everything else."""
    attributes = {"strides": [1, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1} | change
    with pytest.raises(
        FormatError, match="expected kernel, strides and dilation of at least 1 and padding of at least 0"
    ):
        striate.load_model(written(tmp_path / "m", {"x": np.ones(1, np.float32)}, model=nodes_config(**attributes)))


def test_A4_deep_nesting(tmp_path):
    inner: dict = layer("Dense", units=2, name="d")
    for _ in range(200):
        inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
    with pytest.raises(FormatError, match="load_model: cannot open"):
        striate.load_model(written(tmp_path / "m", model=inner))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not a safetensors file, or damaged"),
        (b"\x00" * 7, "not a safetensors file, or damaged"),
        (struct.pack("<Q", 2**62) + b"{}", "not a safetensors file, or damaged"),
        (struct.pack("<Q", 2) + b"{}", "it was not written by Striate"),
        (
            struct.pack("<Q", 70) + b'{"a":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}}    ',
            "or damaged",
        ),
    ],
)
def test_damaged_and_lying_files(tmp_path, content, text):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(FormatError, match=text):
        striate.load_model(tmp_path / "m.safetensors")


def test_truncated_files(tmp_path):
    whole = written(tmp_path / "m").read_bytes()
    for length in range(0, len(whole), 37):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(FormatError, match="load_model: cannot open"):
            striate.load_model(tmp_path / "cut")


def test_other_ways_of_not_being_a_model(tmp_path):
    with pytest.raises(FormatError, match=r"load_model: no file .*nowhere"):
        striate.load_model(tmp_path / "nowhere")
    path = tmp_path / "m"
    path.write_bytes(as_bytes({"a": np.ones(1, np.float32)}, {"striate": '{"version": 1, "version": 1}'}))
    with pytest.raises(FormatError, match="not valid JSON: a key is given twice"):
        striate.load_model(path)
    path.write_bytes(as_bytes({"a": np.ones(1, np.float32)}, {"striate": '{"version": NaN}'}))
    with pytest.raises(FormatError, match="not valid JSON: NaN is not JSON"):
        striate.load_model(path)
    path.write_bytes(as_bytes({"a": np.ones(1, np.float32)}, {"striate": "[" * 90_000}))
    with pytest.raises(FormatError, match="not valid JSON: it is nested too deeply"):
        striate.load_model(path)
    path.write_bytes(as_bytes({"a": np.ones(1, np.float32)}, {"striate": "[" * 100_000}))
    with pytest.raises(FormatError, match="expected a header in JSON: it has more than 100,000 lists and objects"):
        striate.load_model(path)
    with pytest.raises(FormatError, match="expected weights in float32, d/bias is int64"):
        striate.load_model(written(path, {"d/kernel": np.ones((4, 2), np.float32), "d/bias": np.ones(2, np.int64)}))
    with pytest.raises(FormatError, match="it lacks the weights d/bias"):
        striate.load_model(written(path, {"d/kernel": np.ones((4, 2), np.float32), "x": np.ones(9, np.float32)}))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_fuzzed_files_end_in_our_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "m"
    content = bytearray(written(path).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(StriateError):
        striate.load_model(path).predict(np.ones((1, 4), np.float32))


def test_A4_inputs_without_names_and_a_dictionary_of_outputs(tmp_path):
    a, b = striate.Input((3,)), striate.Input((3,))
    model = striate.Model([a, b], {"sum": layers.Add()([a, b]), "dense": layers.Dense(2)(b)})
    model.save(tmp_path / "m")
    again = striate.load_model(tmp_path / "m")
    assert again.input_names == model.input_names == ["input_layer", "input_layer_1"]
    x = [np.ones((2, 3)), np.zeros((2, 3))]
    results, expected = again.predict(x), model.predict(x)
    assert list(results) == list(expected) == ["sum", "dense"]
    for name, value in results.items():
        np.testing.assert_array_equal(value, expected[name])


def test_layers_of_the_same_name_keep_their_weights_apart(tmp_path):
    """In a subclassed model nobody made the names unique: one layer's weights used to replace another's."""

    class Mine(striate.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(2), layers.Dense(2)]
            self.last = layers.Dense(2)

        def call(self, inputs):
            return self.last(self.blocks[1](self.blocks[0](inputs)))

    x = np.ones((1, 2), np.float32)
    model, other = Mine(), Mine()
    expected = model.predict(x)
    assert not np.array_equal(other.predict(x), expected)
    model.save_weights(tmp_path / "w")
    other.load_weights(tmp_path / "w")
    np.testing.assert_array_equal(other.predict(x), expected)


def test_A4_a_frozen_part_stays_frozen(tmp_path):
    inner = striate.Sequential([striate.Input((3,)), layers.Dense(4), layers.BatchNormalization()])
    inner.trainable = False
    model = striate.Sequential([inner, layers.Dense(2)])
    model.save(tmp_path / "m")
    assert len(striate.load_model(tmp_path / "m").trainable_weights) == len(model.trainable_weights) == 2


@pytest.mark.parametrize(
    ("operation", "endings"),
    [
        ("save", r"\.safetensors, \.keras, \.h5, \.hdf5 or nothing"),
        ("save_weights", r"\.safetensors, \.weights\.h5, \.h5, \.hdf5 or nothing"),
        ("export", r"\.keras, \.h5, \.hdf5 or \.onnx"),
    ],
)
def test_names_that_no_format_has(tmp_path, operation, endings):
    with pytest.raises(
        ArgumentError, match=rf"^{operation}: expected a file name that ends in {endings}, got '.*x\.foo'\.$"
    ):
        getattr(make_model(), operation)(tmp_path / "x.foo")
