"""What goes with a network into Keras's files: its training, its weights alone, and what Keras has no place for."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

import striate  # noqa: E402
from striate import layers, losses, metrics, ops, optimizers  # noqa: E402
from striate.data import PhotoPreprocessing, Preprocessing  # noqa: E402
from striate.errors import ArgumentError, FormatError, ModelError  # noqa: E402
from striate.interop.keras.training import OURS_ALONE  # noqa: E402
from striate.layers import initializers, regularizers  # noqa: E402
from striate.models import Model, load_model  # noqa: E402
from striate.optimizers import schedules  # noqa: E402
from tests.interop.test_keras_export import SUFFIXES, block, check, nested, randomize, residual  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's variables on NumPy 2
    pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer"),  # its state is not in the file
]

X = np.random.default_rng(0).random((16, 6)).astype(np.float32)
Y = np.arange(16) % 3


def classifier() -> Model:
    striate.set_seed(4)
    begin = striate.Input((6,))
    x = layers.Dense(8, activation="relu", name="block.1/dense")(begin)
    return striate.Model(begin, layers.Dense(3, activation="softmax", name="it")(x))


# How a model is compiled


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_training_goes_on_in_keras_and_here(tmp_path: Path, suffix: str) -> None:
    model = classifier()
    rate = schedules.ExponentialDecay(0.05, 10, 0.9)
    model.compile(optimizers.SGD(rate, momentum=0.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    theirs, ours = check(model, tmp_path / f"m{suffix}", X)
    expected = model.fit(X, Y, batch_size=16, epochs=5, verbose=0).history
    for other in (
        theirs.fit(X, Y, batch_size=16, epochs=5, verbose=0),
        ours.fit(X, Y, batch_size=16, epochs=5, verbose=0),
    ):
        assert set(other.history) == {"loss", "accuracy"}
        np.testing.assert_allclose(other.history["loss"], expected["loss"], rtol=1e-5)
        np.testing.assert_allclose(other.history["accuracy"], expected["accuracy"], rtol=1e-5)
    assert ours.optimizer.get_config() == model.optimizer.get_config()


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    again = striate.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.fit(X, Y, verbose=0)
    assert keras.models.load_model(tmp_path / "m.keras").optimizer.name == "adam"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_losses_for_each_output(tmp_path: Path, suffix: str) -> None:
    begin = striate.Input((6,), name="x")
    ends = {name: layers.Dense(2, name=name)(begin) for name in ("a.1", "b")}
    model = striate.Model(begin, list(ends.values()))
    model.compile(
        optimizers.Adam(0.01, clipnorm=1.0),
        {"a.1": "mse", "b": losses.MeanAbsoluteError(reduction="sum")},
        metrics={"b": [metrics.MeanSquaredError(name="square")]},
        loss_weights={"a.1": 0.5, "b": 2.0},
    )
    theirs, ours = check(model, tmp_path / f"m{suffix}", X)
    targets = [X[:, :2], X[:, 2:4]]
    expected = model.evaluate(X, targets, verbose=0, return_dict=True)
    assert ours.evaluate(X, targets, verbose=0, return_dict=True) == expected
    got = theirs.evaluate(X, targets, verbose=0, return_dict=True)
    assert got["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert got["b_square"] == pytest.approx(expected["b_square"], rel=1e-5)


def arguments_of(name: str) -> dict[str, Any]:
    """What the constructors of schedules cannot do without."""
    return {
        "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5},
        "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5},
        "PiecewiseConstantDecay": {"boundaries": [2, 4], "values": [0.1, 0.2, 0.3]},
        "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 3},
        "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 3},
        "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 3},
        "OneCycle": {"max_learning_rate": 0.1, "total_steps": 9},
        "ConstantRate": {"learning_rate": 0.1},
        "ConfusionMatrix": {"num_classes": 3},
    }.get(name, {})


KINDS = [
    pytest.param(kind, cls, id=f"{kind}-{cls.__name__}")
    for kind, names in (
        ("optimizer", optimizers.NAMES), ("loss", losses.NAMES), ("metrics", metrics.NAMES), ("rate", schedules.NAMES)
    )
    for cls in dict.fromkeys(names.values())
]  # fmt: skip


def meant(model: Model) -> Any:
    """What a model is compiled with; names of losses and metrics spelled out."""
    given: Any = model.compile_config()
    assert given
    return {
        "optimizer": given["optimizer"],
        "loss": losses.get(given["loss"]).get_config(),
        "metrics": [
            one if one == "acc" else metrics.get(one).get_config()
            for one in (given["metrics"] if isinstance(given["metrics"], list) else [given["metrics"]])
        ],
        "loss_weights": given["loss_weights"],
    }


@pytest.mark.parametrize(("kind", "cls"), KINDS)
def test_all_that_a_model_can_be_compiled_with(tmp_path: Path, kind: str, cls: Any) -> None:
    model, thing = classifier(), cls(**arguments_of(cls.__name__))
    given = {"optimizer": "sgd", "loss": "mse", "metrics": ["acc"]}
    given |= {"rate": {"optimizer": optimizers.SGD(thing) if kind == "rate" else None}}.get(kind, {kind: thing})
    model.compile(**given)
    for suffix in SUFFIXES:
        model.save(tmp_path / f"m{suffix}")
        theirs, ours = keras.models.load_model(tmp_path / f"m{suffix}"), load_model(tmp_path / f"m{suffix}")
        if cls.__name__ in OURS_ALONE:
            assert not theirs.compiled
            assert ours.compile_config() is None
            continue
        assert theirs.compiled
        assert meant(ours) == meant(model)
        theirs.save(tmp_path / f"again{suffix}")  # as Keras itself writes it
        assert type(load_model(tmp_path / f"again{suffix}").optimizer) is type(model.optimizer)


@pytest.mark.parametrize("name", ["rmse", "mse", "MeanSquaredError", "Mean_Squared_Error", "auc", "f1_score"])
def test_names_that_keras_spells_otherwise(tmp_path: Path, name: str) -> None:
    model = classifier()
    model.compile("SGD", "MSE" if name == "mse" else "Huber", metrics=[name])
    model.save(tmp_path / "m.keras")
    assert keras.models.load_model(tmp_path / "m.keras").compiled
    targets = np.eye(3, dtype=np.float32)[Y]
    expected = model.evaluate(X, targets, verbose=0, return_dict=True)
    got = load_model(tmp_path / "m.keras").evaluate(X, targets, verbose=0, return_dict=True)
    assert set(got) == set(expected) == {"loss", name}
    for key, value in expected.items():
        np.testing.assert_array_equal(got[key], value)


def test_a_model_that_was_not_compiled_is_not(tmp_path: Path) -> None:
    model = classifier()
    for suffix in SUFFIXES:
        model.save(tmp_path / f"m{suffix}")
        assert not keras.models.load_model(tmp_path / f"m{suffix}").compiled
        with pytest.raises(ModelError, match=r"fit: the model is not compiled\. Call model\.compile"):
            load_model(tmp_path / f"m{suffix}").fit(X, Y, verbose=0)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_keras_was_compiled_with_and_we_have_not(tmp_path: Path, suffix: str) -> None:
    """The network opens; who wants to train it is told to compile it."""
    for number, settings in enumerate(
        [{"optimizer": "nadam"}, {"loss": "kl_divergence"}, {"metrics": ["mean_absolute_percentage_error"]},
         {"weighted_metrics": ["accuracy"]}, {"optimizer": keras.optimizers.SGD(use_ema=True)}]
    ):  # fmt: skip
        theirs = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
        theirs.compile(**{"optimizer": "sgd", "loss": "mse", **settings})
        theirs.save(tmp_path / f"{number}{suffix}")
        assert load_model(tmp_path / f"{number}{suffix}").compile_config() is None


# What Keras has no place for


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [Preprocessing(size=8, box=6), PhotoPreprocessing((8, 8), 10, colours="grey")])
def test_what_is_not_the_network_travels_too(tmp_path: Path, kind: Any, suffix: str) -> None:
    model = residual()
    model.preprocessing, model.classes, model.threshold = kind, ("a", "b", "ü"), 0.4
    _, ours = check(model, tmp_path / f"m{suffix}")
    assert (ours.preprocessing, ours.classes, ours.threshold) == (kind, ("a", "b", "ü"), 0.4)


def damaged(path: Path, ours: Any) -> Path:
    classifier().save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["striate"] = json.dumps(ours)
        return path
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = json.dumps({"keras_version": "3.15.1", "striate": ours}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "ours",
    [3, "text", [1], {"classes": 3}, {"threshold": "much"}, {"preprocessing": {"size": -1}}, {"names": ["it"]},
     {"names": {"it": "block_1_dense"}}],
)  # fmt: skip
def test_damage_to_it_is_named(tmp_path: Path, ours: Any, suffix: str) -> None:
    path = damaged(tmp_path / f"m{suffix}", ours)
    with pytest.raises(FormatError, match=r"cannot open .*: what it says under 'striate' is damaged: .+\.$"):
        load_model(path)


def test_initializers_that_keras_has_not_are_left_out(tmp_path: Path) -> None:
    """The weights are in the file; where they once came from changes nothing."""
    for number, cls in enumerate(dict.fromkeys(initializers.NAMES.values())):
        names = {"names": ["sobel_x", "sobel_y"]} if cls is initializers.PresetFilters else {}
        kind = layers.Dense(2, kernel_initializer=cls()) if not names else None
        layer = kind or layers.Conv2D(2, 3, kernel_initializer=cls(**names))
        check(striate.Sequential([striate.Input((6, 6, 1)), layer]), tmp_path / f"{number}.keras")
    several = layers.Dense(2, bias_initializer=initializers.Constant([1.0, 2.0]))
    check(striate.Sequential([striate.Input((3,)), several]), tmp_path / "several.keras")


def test_regularizers_keep_their_price(tmp_path: Path) -> None:
    price = regularizers.L1L2(0.25, 0.5)
    model = striate.Sequential([striate.Input((3,)), layers.Dense(2, kernel_regularizer=price)])
    theirs, ours = check(model, tmp_path / "m.keras")
    weights = ours.layers[0].kernel  # type: ignore[attr-defined]
    expected = float(price(model.get_weights()[0]))
    assert float(weights.regularizer(weights.numpy())) == expected
    assert float(theirs.losses[0].detach()) == pytest.approx(expected, rel=1e-5)


# Weights alone


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5", "w.hdf5"])
def test_weights_for_a_model_of_keras_and_back(tmp_path: Path, name: str) -> None:
    for make in (nested, residual):
        model = make()
        randomize(model)
        model.save(tmp_path / "whole.keras")
        theirs = keras.models.load_model(tmp_path / "whole.keras")
        expected = theirs.get_weights()
        theirs.set_weights([0 * value for value in expected])
        model.save_weights(tmp_path / name)
        theirs.load_weights(tmp_path / name)
        for got, value in zip(theirs.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(got, value)
        twin = make()
        twin.load_weights(tmp_path / name)
        for got, value in zip(twin.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(got, value)
        if name == "w.weights.h5":
            theirs.save_weights(tmp_path / name)
            again = make()
            again.load_weights(tmp_path / name)
            for got, value in zip(again.get_weights(), model.get_weights(), strict=True):
                np.testing.assert_array_equal(got, value)


class Ours(striate.Model):
    def __init__(self) -> None:
        super().__init__()
        self.stem = layers.Conv2D(2, 3, padding="same")
        self.blocks = [layers.Conv2D(2, 1), layers.BatchNormalization(), layers.Conv2D(2, 1)]
        self.heads = {"z": layers.Dense(2), "a": [layers.Dense(3)]}
        self.inner = block("inner")
        self.another = self._again = self.stem
        self._private = layers.Dense(4)

    def call(self, inputs: Any) -> Any:
        x = self.stem(inputs)
        for one in self.blocks:
            x = one(x)
        x = self.inner(ops.concatenate([x, x], -1))
        x = self._private(ops.flatten(x))
        return self.heads["a"][0](self.heads["z"](x))  # type: ignore[index]


class Theirs(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.stem = keras.layers.Conv2D(2, 3, padding="same")
        self.blocks = [keras.layers.Conv2D(2, 1), keras.layers.BatchNormalization(), keras.layers.Conv2D(2, 1)]
        self.heads = {"z": keras.layers.Dense(2), "a": [keras.layers.Dense(3)]}
        begin = keras.Input((6, 6, 4))
        x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(begin))
        self.inner = keras.Model(begin, x, name="inner")
        self.another = self._again = self.stem
        self._private = keras.layers.Dense(4)

    def call(self, inputs: Any) -> Any:
        x = self.stem(inputs)
        for one in self.blocks:
            x = one(x)
        x = self.inner(keras.ops.concatenate([x, x], -1))
        x = self._private(keras.ops.reshape(x, (-1, 144)))
        return self.heads["a"][0](self.heads["z"](x))


def test_models_that_are_python_code_have_weights_by_attributes(tmp_path: Path) -> None:
    images = np.random.default_rng(3).random((2, 6, 6, 1)).astype(np.float32)
    ours, theirs = Ours(), Theirs()
    ours.predict(images), theirs.predict(images, verbose=0)
    randomize(ours)
    ours.save_weights(tmp_path / "m.weights.h5")
    theirs.load_weights(tmp_path / "m.weights.h5")
    expected = theirs.predict(images, verbose=0)
    np.testing.assert_allclose(ours.predict(images), expected, rtol=1e-5)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    twin = Ours()
    twin.predict(images)
    twin.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_array_equal(twin.predict(images), ours.predict(images))
    for suffix in (".keras", ".h5"):
        with pytest.raises(ModelError, match=r"^save: the structure of ours is Python code, not data .*save_weights"):
            ours.save(tmp_path / f"m{suffix}")
    with pytest.raises(ModelError, match=r"^save_weights: the structure of ours is Python code.*\.weights\.h5"):
        ours.save_weights(tmp_path / "m.h5")


def test_weights_of_another_model(tmp_path: Path) -> None:
    model = residual()
    model.save_weights(tmp_path / "m.weights.h5")
    model.save_weights(tmp_path / "m.h5")
    for name in ("m.weights.h5", "m.h5"):
        with pytest.raises(
            FormatError, match=r"cannot open .*: .*dense.*expected the shape \(6, 8\), got \(256, 3\)|there is no such"
        ):
            classifier().load_weights(tmp_path / name)
        with pytest.raises(FormatError, match=r"it holds weights only\. Build the model, then call load_weights"):
            load_model(tmp_path / name)
    images = np.zeros((1, 6, 6, 1), np.float32)
    ours = Ours()
    ours.predict(images)
    with pytest.raises(FormatError, match=r"'conv2d': its weights are missing.*layers/dense: there is no such layer"):
        ours.load_weights(tmp_path / "m.weights.h5")
    with pytest.raises(FormatError, match=r"layers/batch_normalization: there is no such layer"):
        Ours().load_weights(tmp_path / "m.weights.h5")
    with pytest.raises(
        ModelError, match=r"^save_weights: ours has no weights before it has seen an input\. Call it on"
    ):
        Ours().save_weights(tmp_path / "none.weights.h5")


# What is refused


def one(layer: Any, **settings: Any) -> Model:
    begin = striate.Input((4,))
    return striate.Model(begin, layer(begin, **settings), name="net")


class Mine(layers.Dense):
    pass


def shared() -> Model:
    begin, same = striate.Input((4,)), layers.Dense(4, name="same")
    first, second = (striate.Model(x := striate.Input((4,)), same(x), name=name) for name in ("first", "second"))
    return striate.Model(begin, second(first(begin)), name="net")


def sized() -> Model:
    a, b = striate.Input((4, 2)), striate.Input((5, 2))
    conv = layers.Conv1D(2, 2, strides=2, padding="same_lower", name="it")
    ends = [layers.Flatten()(conv(a)), layers.Flatten()(conv(b))]
    return striate.Model([a, b], layers.Concatenate()(ends), name="net")


def pooled(**settings: Any) -> Model:
    begin = striate.Input((9, 2))
    return striate.Model(begin, layers.AveragePooling1D(3, 1, name="it", **settings)(begin), name="net")


IT = r"layer 'it' "
UNWRITABLE = [
    (lambda: one(layers.Dropout(0.5, name="it"), training=True),
     IT + r"\(Dropout\): it is called with training=True, and in Keras whoever calls the network decides"),
    (lambda: one(Mine(3, name="it")), IT + r"\(Mine\): it is a class of your own"),
    (lambda: one(layers.Dense(3, activation=lambda x: x, name="it")),
     IT + r"\(Dense\): <function .*> cannot be written as plain data, and a model file holds nothing else"),
    (lambda: one(layers.Dense(3, kernel_regularizer=ops.sum, name="it")),
     IT + r"\(Dense\): <function .*> cannot be written as plain data"),
    (lambda: one(lambda x: ops.erf(x) * 2),
     r"the operation erf in 'net': its export to Keras is not supported; use a layer instead"),
    (shared, r"layer 'same': it is part of two networks in it, 'first' and 'second'; files hold each layer once"),
    (sized, IT + r"\(Conv1D\): it pads inputs of different sizes differently, and Keras has no such layer"),
    (lambda: pooled(padding=1),
     IT + r"\(AveragePooling1D\): Keras's average pooling counts the padding \(\(1, 1\),\) as zeros, and this layer"),
    (lambda: pooled(dilation_rate=2), IT + r"\(AveragePooling1D\): Keras has no dilation_rate there, it is 2"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(UNWRITABLE)))
def test_what_keras_cannot_say_is_refused(tmp_path: Path, number: int) -> None:
    make, reason = UNWRITABLE[number]
    model = make()
    for suffix in SUFFIXES:
        with pytest.raises(ModelError, match=rf"^save: net cannot be written as a file of Keras: {reason}"):
            model.save(tmp_path / f"m{suffix}")
    assert not list(tmp_path.iterdir())


def test_all_reasons_at_once(tmp_path: Path) -> None:
    model = striate.Sequential(
        [striate.Input((6, 6, 2)), layers.LpPooling2D(name="a"), Mine(3, name="b"), layers.LpPooling2D(name="c")]
    )
    with pytest.raises(ModelError, match=r"'a' .*; layer 'b' \(Mine\): .*; layer 'c' .*\. A \.safetensors file holds"):
        model.save(tmp_path / "m.keras")
    many = striate.Sequential([striate.Input((3,)), *(Mine(3, name=f"l{i}") for i in range(30))])
    with pytest.raises(ModelError, match=r"layer 'l19' \(Mine\): it is a class of your own; and 10 more\. A"):
        many.save(tmp_path / "m.keras")


def test_constants_that_json_does_not_hold(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^save: net holds a constant that is NaN or infinite; JSON has none"):
        one(lambda x: x + np.inf).save(tmp_path / "m.keras")
    large = np.random.default_rng(0).random((300, 300, 4)).astype(np.float32)
    begin = striate.Input((300, 300, 4))
    with pytest.raises(ModelError, match=r"takes [\d,]+ bytes of JSON, and files with more than 4,194,304"):
        striate.Model(begin, begin + large).save(tmp_path / "m.keras")


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    model = classifier()
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        save = model.save_weights if "weights" in name else model.save
        save(tmp_path / name)
        before = (tmp_path / name).read_bytes()
        with pytest.raises(FormatError, match=rf"^save: .*{name} exists already; give overwrite=True to replace it"):
            save(tmp_path / name, overwrite=False)
        with pytest.raises(FormatError, match=r"^save: cannot write .*nowhere.*: No such file or directory"):
            save(tmp_path / "nowhere" / name)
        assert (tmp_path / name).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.h5", "m.keras", "m.weights.h5"]


# Names of files


def test_suffixes_of_models(tmp_path: Path) -> None:
    model = classifier()
    expected = {
        "m.keras": b"PK\x03\x04", "M.KERAS": b"PK\x03\x04", "m.h5": b"\x89HDF", "m.hdf5": b"\x89HDF",
        "m.weights.h5": b"\x89HDF", "m.safetensors": b'{"__', "m": b'{"__', "epoch_0.97": b'{"__',
    }  # fmt: skip
    for name, beginning in expected.items():
        model.save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        assert content.startswith(beginning) or content[8:].startswith(beginning)
        moved = (tmp_path / name).rename(tmp_path / "any.name")
        np.testing.assert_array_equal(load_model(moved).predict(X), model.predict(X))
        twin = classifier()
        twin.load_weights(moved)
    for name in ("m.pt", "m.tf", "m.json", "m.keras.zip", "m.v2"):
        endings = r"\.safetensors, \.keras, \.h5, \.hdf5 or nothing"
        with pytest.raises(
            ArgumentError, match=rf"^save: expected a file name that ends in {endings}, got '.*{name}'\.$"
        ):
            model.save(tmp_path / name)
    with pytest.raises(ArgumentError, match=r"^save: expected .*m\.onnx'\. \.onnx is written by export\.$"):
        model.save(tmp_path / "m.onnx")


def test_suffixes_of_weights_and_exports(tmp_path: Path) -> None:
    model = classifier()
    for name in ("w.safetensors", "w", "w.weights.h5", "w.h5", "w.hdf5"):
        model.save_weights(tmp_path / name)
        twin = classifier()
        twin.set_weights([0 * value for value in twin.get_weights()])
        twin.load_weights(tmp_path / name)
        np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    with pytest.raises(
        ArgumentError,
        match=r"^save_weights: expected a file name that ends in \.safetensors, \.weights\.h5, \.h5, \.hdf5 or "
        r"nothing, got '.*w\.keras'\. \.keras is written by save\.$",
    ):
        model.save_weights(tmp_path / "w.keras")
    for name in ("m.onnx", "m.keras", "m.h5"):
        model.export(tmp_path / name)
        np.testing.assert_allclose(striate.open_model(tmp_path / name).predict(X), model.predict(X), rtol=1e-5)
    with pytest.raises(
        ArgumentError,
        match=r"^export: expected a file name that ends in \.keras, \.h5, \.hdf5 or \.onnx, got '.*m\.safetensors'\. "
        r"\.safetensors is written by save\.$",
    ):
        model.export(tmp_path / "m.safetensors")


def test_other_archives_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(FormatError, match=r"expected an archive with config.json, metadata.json and model.weights.h5"):
        load_model(tmp_path / "m.pt")


def test_checkpoints_of_callbacks_are_what_their_names_say(tmp_path: Path) -> None:
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy")
    calls = [
        striate.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
        striate.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
    ]
    model.fit(X, Y, epochs=2, verbose=0, callbacks=calls)
    theirs = keras.models.load_model(tmp_path / "2.keras")
    np.testing.assert_allclose(theirs.predict(X, verbose=0), model.predict(X), rtol=1e-5)
    theirs.load_weights(tmp_path / "1.weights.h5")


# Architectures


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 64), ("mobilenet_v2", 64), ("squeezenet1_1", 64), ("alexnet", 224)]
)
def test_architectures_open_in_keras(tmp_path: Path, name: str, size: int) -> None:
    striate.set_seed(0)
    model = striate.architectures.ARCHITECTURES[name].build(classes=5, input_shape=(size, size, 3))
    images = np.random.default_rng(0).random((1, size, size, 3)).astype(np.float32)
    check(model, tmp_path / "m.keras", images, tolerance=1e-4)
