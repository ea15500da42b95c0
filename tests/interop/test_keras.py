"""Models that Keras saved, opened here: the same outputs, and nothing executed."""

import inspect
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

from striate import layers  # noqa: E402
from striate.errors import FormatError  # noqa: E402
from striate.graph import Array  # noqa: E402
from striate.interop.keras import read_keras, read_keras_weights  # noqa: E402
from striate.interop.keras.layer_configs import IN_TRAINING  # noqa: E402
from striate.layers.activations import ACTIVATIONS  # noqa: E402
from striate.layers.layer import LAYERS  # noqa: E402
from striate.models import Model  # noqa: E402
from tests.interop.keras_files import randomize  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's variables on NumPy 2
]
KINDS = ("keras", "h5")

#: Layer, its arguments, and the shape of one sample, or a list of them.
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (9, 2)),
    ("Conv1D", {"filters": 4, "kernel_size": 4, "padding": "same", "strides": 3, "groups": 2}, (11, 2)),
    ("Conv2D", {"filters": 2, "kernel_size": (3, 2), "activation": "relu"}, (6, 7, 3)),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "padding": "same", "strides": (2, 3), "groups": 2}, (6, 7, 4)),
    ("Conv2D", {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "use_bias": False}, (7, 8, 3)),
    (
        "Conv2D",
        {
            "filters": 2,
            "kernel_size": 3,
            "kernel_regularizer": "l2",
            "kernel_initializer": keras.initializers.HeNormal(seed=3),
            "kernel_constraint": "max_norm",
            "activity_regularizer": "l1",
        },
        (7, 8, 3),
    ),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "padding": "same", "strides": 2}, (3, 4, 5, 2)),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, (7, 3)),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, (5, 6, 3)),
    ("DepthwiseConv2D", {"kernel_size": 3, "strides": 2, "activation": "tanh"}, (7, 7, 3)),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, (8, 3)),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}, (7, 6, 3)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 4, "strides": 2, "padding": "same"}, (5, 2)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, (4, 3, 2)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1}, (4, 3, 2)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "dilation_rate": 2}, (4, 3, 2)),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}, (2, 3, 2, 2)),
    ("MaxPooling1D", {}, (7, 2)),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (6, 5, 2)),
    ("MaxPooling3D", {"pool_size": (1, 2, 2)}, (3, 4, 5, 2)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, (7, 2)),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (7, 5, 2)),
    ("AveragePooling3D", {"pool_size": 2}, (4, 4, 2, 2)),
    ("GlobalMaxPooling1D", {}, (5, 3)),
    ("GlobalMaxPooling2D", {"keepdims": True}, (5, 4, 3)),
    ("GlobalMaxPooling3D", {}, (2, 3, 2, 3)),
    ("GlobalAveragePooling1D", {}, (5, 3)),
    ("GlobalAveragePooling2D", {"data_format": "channels_last"}, (5, 4, 3)),
    ("GlobalAveragePooling3D", {"keepdims": True}, (2, 3, 2, 3)),
    ("AdaptiveAveragePooling1D", {"output_size": 3}, (7, 2)),
    ("AdaptiveAveragePooling2D", {"output_size": (2, 3)}, (5, 7, 2)),
    ("AdaptiveAveragePooling3D", {"output_size": 2}, (3, 4, 5, 1)),
    ("AdaptiveMaxPooling1D", {"output_size": 3}, (7, 2)),
    ("AdaptiveMaxPooling2D", {"output_size": (2, 3)}, (5, 7, 2)),
    ("AdaptiveMaxPooling3D", {"output_size": 2}, (3, 4, 5, 1)),
    ("Dense", {"units": 4, "activation": "sigmoid"}, (3,)),
    ("Dense", {"units": 4, "use_bias": False}, (2, 5, 3)),
    ("Identity", {}, (3, 2)),
    ("Rescaling", {"scale": 0.5, "offset": 1.0}, (3, 2)),
    ("Rescaling", {"scale": [0.5, 2.0], "offset": [1.0, -1.0]}, (3, 4, 2)),
    ("Normalization", {"mean": 0.5, "variance": 4.0}, (3, 2)),
    ("Normalization", {"axis": (1, 3), "mean": [[0.5], [1], [2]], "variance": [[4.0], [1], [0]]}, (3, 4, 1)),
    ("Normalization", {"axis": 2, "mean": [0.5, 1], "variance": [4.0, 1], "invert": True}, (3, 2)),
    ("UnitNormalization", {"axis": (1, 2)}, (3, 2)),
    ("BatchNormalization", {"momentum": 0.9}, (4, 3, 2)),
    ("BatchNormalization", {"axis": 1, "scale": False}, (4, 3)),
    ("BatchNormalization", {"epsilon": 0.1, "center": False}, (3,)),
    ("LayerNormalization", {"axis": [-2, -1], "epsilon": 1e-2}, (4, 3, 2)),
    ("LayerNormalization", {"axis": 2, "center": False}, (4, 3)),
    ("GroupNormalization", {"groups": 2}, (3, 2, 4)),
    ("GroupNormalization", {"groups": -1, "scale": False}, (3, 2, 4)),
    ("Dropout", {"rate": 0.5, "seed": 4}, (3, 2)),
    ("SpatialDropout1D", {"rate": 0.5}, (3, 2)),
    ("SpatialDropout2D", {"rate": 0.5}, (3, 2, 2)),
    ("SpatialDropout3D", {"rate": 0.5}, (3, 2, 2, 1)),
    ("Flatten", {}, (3, 4, 2)),
    ("Reshape", {"target_shape": (4, -1)}, (3, 4, 2)),
    ("Permute", {"dims": (3, 1, 2)}, (3, 4, 2)),
    ("RepeatVector", {"n": 3}, (4,)),
    ("ZeroPadding1D", {"padding": (1, 2)}, (4, 2)),
    ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, (4, 3, 2)),
    ("ZeroPadding3D", {"padding": (1, 0, 2)}, (2, 2, 2, 2)),
    ("Cropping1D", {}, (4, 2)),
    ("Cropping2D", {"cropping": ((0, 1), (2, 1))}, (4, 6, 2)),
    ("Cropping3D", {}, (3, 4, 5, 2)),
    ("UpSampling1D", {"size": 3}, (4, 2)),
    ("UpSampling2D", {"size": (2, 3)}, (3, 2, 2)),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, (3, 4, 2)),
    ("UpSampling3D", {}, (2, 1, 2, 2)),
    *(
        ("Activation", {"activation": name}, (3, 4))
        for name in sorted(ACTIVATIONS)
    ),
    ("ReLU", {"max_value": 1.0, "negative_slope": 0.1}, (3, 5)),
    ("ReLU", {"negative_slope": 0.1, "threshold": 0.5}, (3, 5)),
    ("LeakyReLU", {"negative_slope": 0.2}, (3, 2)),
    ("PReLU", {"shared_axes": [1]}, (3, 2)),
    ("ELU", {"alpha": 0.5}, (3, 2)),
    ("Softmax", {"axis": 1}, (3, 2)),
    ("Add", {}, [(3, 2), (3, 2), (1, 2)]),
    ("Subtract", {}, [(3, 2), (3, 2)]),
    ("Multiply", {}, [(3, 2), (1, 2), (3, 2)]),
    ("Average", {}, [(3, 2), (3, 2), (3, 2)]),
    ("Maximum", {}, [(3, 2), (3, 2), (3, 2)]),
    ("Minimum", {}, [(3, 2), (3, 2)]),
    ("Concatenate", {}, [(3, 2), (3, 1)]),
    ("Concatenate", {"axis": 1}, [(3, 2), (1, 2)]),
    ("Dot", {"axes": 1}, [(3,), (3,)]),
    ("Dot", {"axes": 2}, [(3, 2), (5, 2)]),
    ("Dot", {"axes": (1, -1), "normalize": True}, [(3, 2, 4), (5, 3)]),
    ("Dot", {"axes": (2, 1)}, [(4, 3), (3, 2, 2)]),
]  # fmt: skip

#: Noise and random changes, which only training sees. Keras itself cannot write all of them as .h5.
NOISE: list[tuple[str, dict[str, Any], Any]] = [
    ("GaussianNoise", {"stddev": 0.3}, (3, 2)),
    ("GaussianDropout", {"rate": 0.3}, (3, 2)),
    ("AlphaDropout", {"rate": 0.3}, (3, 2)),
    ("ActivityRegularization", {"l2": 0.3}, (3, 2)),
    ("AugMix", {}, (6, 6, 3)),
    ("CutMix", {}, (6, 6, 3)),
    ("MixUp", {}, (6, 6, 3)),
    ("RandAugment", {}, (6, 6, 3)),
    ("RandomBrightness", {"factor": 0.2}, (6, 6, 3)),
    ("RandomColorDegeneration", {"factor": 0.2}, (6, 6, 3)),
    ("RandomColorJitter", {"hue_factor": 0.2}, (6, 6, 3)),
    ("RandomContrast", {"factor": 0.2}, (6, 6, 3)),
    ("RandomElasticTransform", {}, (6, 6, 3)),
    ("RandomErasing", {}, (6, 6, 3)),
    ("RandomFlip", {}, (6, 6, 3)),
    ("RandomGaussianBlur", {}, (6, 6, 3)),
    ("RandomGrayscale", {}, (6, 6, 3)),
    ("RandomHue", {"factor": 0.2}, (6, 6, 3)),
    ("RandomInvert", {}, (6, 6, 3)),
    ("RandomPerspective", {}, (6, 6, 3)),
    ("RandomPosterization", {"factor": 3}, (6, 6, 3)),
    ("RandomRotation", {"factor": 0.2}, (6, 6, 3)),
    ("RandomSaturation", {"factor": 0.2}, (6, 6, 3)),
    ("RandomSharpness", {"factor": 0.2}, (6, 6, 3)),
    ("RandomShear", {"x_factor": 0.2}, (6, 6, 3)),
    ("RandomTranslation", {"height_factor": 0.2, "width_factor": 0.2}, (6, 6, 3)),
    ("RandomZoom", {"height_factor": 0.2}, (6, 6, 3)),
]


def outputs_of(result: Any) -> list[Array]:
    return [np.asarray(one) for one in (result if isinstance(result, list) else [result])]


def check_round_trip(model: Any, folder: Path, kind: str, several: bool = False) -> Model:
    """Save with Keras, open here, compare outputs."""
    randomize(model)
    path = folder / f"model.{kind}"
    model.save(path)
    generator = np.random.default_rng(11)
    arrays = [generator.standard_normal((3, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    given: Any = arrays if several or len(arrays) > 1 else arrays[0]
    opened = read_keras(path)
    expected, got = outputs_of(model.predict(given, verbose=0)), outputs_of(opened.predict(given))
    assert len(expected) == len(got)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)
    return opened


def test_every_layer_that_both_have_is_tested() -> None:
    ours = {name for name, cls in LAYERS.items() if cls.__module__.startswith("striate.layers.")} - {"InputLayer"}
    theirs = {name for name, cls in vars(keras.layers).items() if inspect.isclass(cls)}
    assert ours & theirs <= {name for name, _, _ in CASES}, "a layer without a row in CASES"
    assert set(IN_TRAINING) == {name for name, _, _ in NOISE}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "settings", "shapes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_A6_every_layer_gives_what_keras_gives(
    tmp_path: Path, kind: str, name: str, settings: dict[str, Any], shapes: Any
) -> None:
    inputs = [keras.Input(shape) for shape in (shapes if isinstance(shapes, list) else [shapes])]
    layer = getattr(keras.layers, name)(**settings)
    model = keras.Model(inputs, layer(inputs if isinstance(shapes, list) else inputs[0]))
    opened = check_round_trip(model, tmp_path, kind)
    assert opened.layers[-1].name == layer.name


@pytest.mark.parametrize(("name", "settings", "shape"), NOISE, ids=[case[0] for case in NOISE])
def test_A6_noise_is_gone_after_training(
    tmp_path: Path, name: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    inputs = keras.Input(shape)
    layer = getattr(keras.layers, name)(**settings)
    check_round_trip(keras.Model(inputs, keras.layers.ReLU()(layer(inputs))), tmp_path, "keras")
    check_round_trip(keras.Sequential([inputs, layer, keras.layers.ReLU()]), tmp_path, "keras")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [-1, (1, 2), None])
def test_A6_statistics_that_were_learnt_before_training(tmp_path: Path, kind: str, axis: Any) -> None:
    """Keras keeps, beside mean and variance, how many batches they are of."""
    x = np.random.default_rng(0).normal(3, 2, (7, 4, 5)).astype(np.float32)
    layer = keras.layers.Normalization(axis=axis)
    layer.adapt(x)
    model = keras.Sequential([keras.Input((4, 5)), layer, keras.layers.Dense(3)])
    model.save(tmp_path / f"model.{kind}")
    opened = read_keras(tmp_path / f"model.{kind}")
    np.testing.assert_allclose(opened.predict(x), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
    ours = layers.Normalization(axis)
    ours.adapt(x)
    for theirs, own in zip(layer.get_weights(), ours.get_weights(), strict=False):
        np.testing.assert_allclose(own, theirs, rtol=1e-5)


def test_A6_efficientnet(tmp_path: Path) -> None:
    """Rescaling, normalization, depthwise convolution, squeeze and excitation, 238 layers."""
    model = keras.applications.EfficientNetB0(weights=None, classes=7, input_shape=(64, 64, 3))
    model.save(tmp_path / "model.keras")
    opened = read_keras(tmp_path / "model.keras")
    x = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(opened.predict(x), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
    assert opened.count_params() == model.count_params() - 1  # the count of batches


def test_A6_who_calls_a_network_of_keras_3_decides_whether_it_is_trained(tmp_path: Path) -> None:
    inputs = keras.Input((100,))
    check_round_trip(keras.Model(inputs, keras.layers.Dropout(0.5)(inputs, training=True)), tmp_path, "keras")


# How layers are put together


def residual() -> Any:
    x = inputs = keras.Input((8, 8, 3), name="picture")
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(x)
    branch = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    branch = keras.layers.BatchNormalization()(branch)
    x = keras.layers.Add()([x, keras.layers.ReLU()(branch)])
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x)), name="residual")


def sequential() -> Any:
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(), keras.layers.Dense(3)], name="row"
    )


def shared_twice() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    dense = keras.layers.Dense(4, name="both")
    return keras.Model([a, b], keras.layers.Subtract()([dense(dense(a)), dense(b)]))


def two_outputs() -> Any:
    a, b = keras.Input((4,)), keras.Input((3,))
    x = keras.layers.Concatenate()([a, b])
    return keras.Model([a, b], [keras.layers.Dense(2)(x), keras.layers.Dense(3)(x)])


def block(name: str) -> Any:
    inputs = keras.Input((6, 6, 4))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    return keras.Model(inputs, keras.layers.BatchNormalization()(x), name=name)


def nested() -> Any:
    inputs = keras.Input((6, 6, 4))
    x = block("one")(inputs)
    x = keras.layers.Conv2D(4, 1)(x)
    x = keras.Sequential([keras.Input((6, 6, 4)), keras.layers.Conv2D(2, 3), block_of_two()], name="tail")(x)
    return keras.Model(inputs, keras.layers.Flatten()(x))


def block_of_two() -> Any:
    inputs = keras.Input((4, 4, 2))
    return keras.Model(inputs, keras.layers.PReLU(shared_axes=[1, 2])(keras.layers.Conv2D(3, 2)(inputs)), name="inner")


def nested_shared() -> Any:
    """An inner network that is called three times, one of its outputs being the model's."""
    inputs = keras.Input((6, 6, 4))
    inner = block("twice")
    first = inner(inputs)
    second = inner(keras.layers.ReLU()(first))
    return keras.Model(inputs, [second, inner(second), keras.layers.Add()([first, second])])


def nested_sequential_shared() -> Any:
    inputs = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.ReLU()])
    first = inner(inputs)
    return keras.Model(inputs, [inner(first), keras.layers.Subtract()([first, inputs]), inner(inner(first))])


def frozen_inside() -> Any:
    inputs = keras.Input((6, 6, 4))
    base = block("base")
    base.trainable = False
    tail = keras.Model(base.input, keras.layers.Conv2D(4, 1)(base.output), name="outer")
    tail.layers[1].trainable = True
    return keras.Model(inputs, keras.layers.Flatten()(tail(inputs)))


def operations() -> Any:
    """What a program writes as ``x / 2 + y``, and functions of keras.ops."""
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4)(inputs)
    y = (x / 2.0 + inputs) * x - 1.0
    return keras.Model(inputs, keras.ops.maximum(keras.ops.sqrt(keras.ops.exp(y)), 0.5 * y))


def functions() -> Any:
    """Functions of keras.ops that are between layers, and an array that a program computes with."""
    inputs = keras.Input((4, 3))
    x = keras.ops.relu(inputs) * np.array([1.0, 2.0, -3.0], np.float32)
    x = keras.ops.concatenate([keras.ops.transpose(x, (0, 2, 1)), keras.ops.reshape(inputs, (-1, 3, 4))], axis=-1)
    x = keras.ops.gelu(keras.ops.softmax(x, axis=1)) + keras.ops.leaky_relu(x, 0.3)
    x = keras.ops.pad(x, ((0, 0), (1, 2), (0, 1)), constant_values=0.5)
    return keras.Model(
        inputs, [keras.ops.mean(x, axis=(1, 2)), keras.ops.sum(x, 1, keepdims=True), keras.ops.max(x, -1)]
    )


def inner_with_two_inputs() -> Any:
    a, b = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model([a, b], keras.layers.Multiply()([keras.layers.Dense(4)(a), b]), name="product")
    c, d = keras.Input((4,)), keras.Input((4,))
    return keras.Model([c, d], inner([d, inner([c, d])]))


def many_of_a_class() -> Any:
    """More than ten convolutions, so that conv2d_10 comes after conv2d_9."""
    x = inputs = keras.Input((4, 4, 2))
    for _ in range(13):
        x = keras.layers.Conv2D(2, 1, activation="tanh")(x)
    return keras.Model(inputs, x)


def branches() -> Any:
    """Layers of one class and shape in branches of different lengths: which comes first is Keras's choice."""
    inputs = keras.Input((6, 6, 4))
    conv = [keras.layers.Conv2D(4, 3, padding="same", activation="tanh") for _ in range(5)]
    long = conv[2](conv[1](conv[0](inputs)))
    return keras.Model(inputs, keras.layers.Add()([long, conv[4](conv[3](inputs)), inputs]))


NETWORKS = [
    branches,
    residual, sequential, shared_twice, two_outputs, nested, nested_shared, nested_sequential_shared, frozen_inside,
    inner_with_two_inputs, many_of_a_class,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_A6_networks_give_what_keras_gives(tmp_path: Path, kind: str, make: Any) -> None:
    check_round_trip(make(), tmp_path, kind)


def test_A6_operations_give_what_keras_gives(tmp_path: Path) -> None:
    check_round_trip(operations(), tmp_path, "keras")
    check_round_trip(functions(), tmp_path, "keras")
    with pytest.raises(FormatError, match=r"layer 'exp\w*' \(Exp\): this layer is not supported; layer 'sqrt"):
        check_round_trip(operations(), tmp_path, "h5")  # which does not say where they are from; nor does Keras open it


def test_names_stay(tmp_path: Path) -> None:
    opened = check_round_trip(residual(), tmp_path, "keras")
    assert opened.name == "residual"
    assert opened.layers[1].name == "first"
    assert opened.input_names == ["picture"]
    assert opened.classes == ()


def test_what_was_opened_can_be_saved_and_trained(tmp_path: Path) -> None:
    opened = check_round_trip(residual(), tmp_path, "keras")
    x = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
    before = opened.predict(x)
    opened.save(tmp_path / "ours.safetensors")
    from striate.models import load_model

    np.testing.assert_array_equal(load_model(tmp_path / "ours.safetensors").predict(x), before)
    opened.compile("sgd", "sparse_categorical_crossentropy")
    opened.fit(x, np.array([0, 1, 2, 0]), verbose=0)
    assert (opened.predict(x) != before).any()


# Weights alone


@pytest.mark.parametrize("name", ["m.weights.h5", "m.keras", "m.h5"])
def test_A6_weights_for_a_model_that_is_there(tmp_path: Path, name: str) -> None:
    theirs = nested()
    randomize(theirs)
    theirs.save(tmp_path / "whole.h5")
    ours = read_keras(tmp_path / "whole.h5")
    expected = ours.get_weights()
    ours.set_weights([0 * value for value in expected])
    theirs.save_weights(tmp_path / name) if "weights" in name else theirs.save(tmp_path / name)
    read_keras_weights(tmp_path / name, ours)
    for got, value in zip(ours.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(got, value)


def test_A6_archives_of_keras_2(tmp_path: Path) -> None:
    """TensorFlow 2.12 to 2.15 count layers with weights twice: conv2d, conv2d_2."""
    theirs = many_of_a_class()
    randomize(theirs)
    theirs.save(tmp_path / "m.keras")
    expected = read_keras(tmp_path / "m.keras").get_weights()
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "w.h5").write_bytes(members["model.weights.h5"])
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        file.move("layers", "old")
        for i in range(13):
            file.move(f"old/conv2d_{i}" if i else "old/conv2d", f"_layer_checkpoint_dependencies/conv2d_{2 * i}")
        file.move("_layer_checkpoint_dependencies/conv2d_0", "_layer_checkpoint_dependencies/conv2d")
    model = read_keras(tmp_path / "m.keras")
    model.set_weights([0 * value for value in expected])
    read_keras_weights(tmp_path / "w.h5", model)
    for got, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(got, value)
