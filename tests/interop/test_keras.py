"""Models that Keras saved, opened here: the same outputs, and nothing executed."""

import inspect
import json
import lzma
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

from striate.errors import FormatError  # noqa: E402
from striate.graph import Array  # noqa: E402
from striate.interop.keras import read_keras, read_keras_weights  # noqa: E402
from striate.layers.layer import LAYERS  # noqa: E402
from striate.models import Model  # noqa: E402

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
        for name in (
            "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "leaky_relu", "linear", "log_softmax", "mish",
            "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
        )
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
    # Noise that only training sees
    ("GaussianNoise", {"stddev": 0.3}, (3, 2)),
    ("GaussianDropout", {"rate": 0.3}, (3, 2)),
    ("AlphaDropout", {"rate": 0.3}, (3, 2)),
    ("ActivityRegularization", {"l2": 0.3}, (3, 2)),
]  # fmt: skip


def randomize(model: Any) -> None:
    """Weights that are all different, none of them negative: some are variances."""
    generator = np.random.default_rng(5)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(0.5 + generator.random(variable.shape).astype(np.float32))


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
    assert ours & theirs <= {name for name, _, _ in CASES}


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


NETWORKS = [
    residual, sequential, shared_twice, two_outputs, nested, nested_shared, nested_sequential_shared, frozen_inside,
    inner_with_two_inputs, many_of_a_class,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_A6_networks_give_what_keras_gives(tmp_path: Path, kind: str, make: Any) -> None:
    check_round_trip(make(), tmp_path, kind)


def test_A6_operations_give_what_keras_gives(tmp_path: Path) -> None:
    check_round_trip(operations(), tmp_path, "keras")
    with pytest.raises(FormatError, match=r"layer 'exp\w*' \(Exp\): there is no such layer here; layer 'sqrt"):
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


# What Keras before version 3 wrote


def legacy_file(path: Path, config: Any, weights: dict[str, dict[str, Array]], version: str = "2.4.0") -> Path:
    """A whole-model ``.h5`` file as Keras 2 writes it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = version.encode()
        group = file.create_group("model_weights")
        write_legacy_weights(group, weights)
    return path


def write_legacy_weights(group: Any, weights: dict[str, dict[str, Array]]) -> None:
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for layer, arrays in weights.items():
        folder = group.create_group(layer)
        folder.attrs["weight_names"] = [name.encode() for name in arrays]
        for name, array in arrays.items():
            folder[name] = array


def conv_config(name: str, **settings: Any) -> dict[str, Any]:
    return {
        "name": name,
        "trainable": True,
        "dtype": "float32",
        "filters": 2,
        "kernel_size": [3, 3],
        "strides": [1, 1],
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": [1, 1],
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": {
            "class_name": "VarianceScaling",
            "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "normal", "seed": None, "dtype": "float32"},
        },
        "bias_initializer": {"class_name": "Zeros", "config": {"dtype": "float32"}},
        "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
        "bias_constraint": None,
        **settings,
    }


def conv_weights(layer: str, seed: int = 0) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    kernel = generator.standard_normal((3, 3, 1, 2)).astype(np.float32)
    return {f"{layer}/kernel_1:0": kernel, f"{layer}/bias_1:0": generator.standard_normal(2).astype(np.float32)}


def expected_of_conv(arrays: dict[str, Array], x: Array) -> Array:
    layer = keras.layers.Conv2D(2, 3)
    layer.build(x.shape)
    layer.set_weights(list(arrays.values()))
    return np.asarray(layer(x).detach())


@pytest.mark.parametrize("as_list", [True, False])
def test_A6_a_sequential_model_of_keras_2(tmp_path: Path, as_list: bool) -> None:
    """The input's shape stands in the first layer; the oldest have the layers as the configuration itself."""
    layers = [
        {"class_name": "Conv2D", "config": conv_config("conv", batch_input_shape=[None, 6, 5, 1])},
        {
            "class_name": "BatchNormalizationV1",
            "config": {"name": "bn", "axis": [3], "epsilon": 0.001, "fused": True, "renorm": False, "momentum": 0.99},
        },
    ]
    config = {"class_name": "Sequential", "config": layers if as_list else {"name": "old", "layers": layers}}
    ones = np.ones(2, np.float32)
    bn = {f"bn/{name}:0": ones * value for name, value in (("gamma", 2), ("beta", 3), ("moving_mean", 5))}
    arrays = conv_weights("conv")
    path = legacy_file(tmp_path / "m.h5", config, {"conv": arrays, "bn": {**bn, "bn/moving_variance:0": ones * 4}})
    model = read_keras(path)
    x = np.random.default_rng(1).random((2, 6, 5, 1), np.float32)
    normalized = 2 * (expected_of_conv(arrays, x) - 5) / np.sqrt(4.001) + 3
    np.testing.assert_allclose(model.predict(x), normalized, rtol=1e-5, atol=1e-5)


def test_A6_a_functional_model_of_keras_2_with_inner_networks(tmp_path: Path) -> None:
    """Calls as lists; inner networks are counted from 1; the weights of an inner network in one list."""
    inner = {
        "name": "inner",
        "layers": [
            {
                "class_name": "InputLayer",
                "name": "in",
                "config": {"batch_input_shape": [None, 6, 6, 1], "dtype": "float32", "sparse": False, "name": "in"},
                "inbound_nodes": [],
            },
            {
                "class_name": "Conv2D",
                "name": "conv",
                "config": conv_config("conv"),
                "inbound_nodes": [[["in", 0, 0, {}]]],
            },
        ],
        "input_layers": [["in", 0, 0]],
        "output_layers": [["conv", 0, 0]],
    }
    begin = {"batch_input_shape": [None, 6, 6, 1], "dtype": "float32", "sparse": False, "ragged": False, "name": "x"}
    config = {
        "name": "outer",
        "layers": [
            {"class_name": "InputLayer", "name": "x", "config": begin, "inbound_nodes": []},
            {
                "class_name": "LeakyReLU",
                "name": "leaky",
                "config": {"name": "leaky", "alpha": 0.5},
                "inbound_nodes": [[["x", 0, 0, {}]]],
            },
            {
                "class_name": "Functional",
                "name": "inner",
                "config": inner,
                "inbound_nodes": [[["x", 0, 0, {}]], ["leaky", 0, 0, {"training": False}]],
            },
            {
                "class_name": "Subtract",
                "name": "minus",
                "config": {"name": "minus", "trainable": True, "dtype": "float32"},
                "inbound_nodes": [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["minus", 0, 0], ["inner", 2, 0]],
    }
    arrays = conv_weights("conv")
    path = legacy_file(
        tmp_path / "m.h5",
        {"class_name": "Model", "config": config},
        {"x": {}, "leaky": {}, "inner": arrays, "minus": {}},
    )
    x = np.random.default_rng(1).standard_normal((2, 6, 6, 1)).astype(np.float32)
    minus, second = read_keras(path).predict(x)
    leaky = expected_of_conv(arrays, np.where(x > 0, x, 0.5 * x))
    np.testing.assert_allclose(second, leaky, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(minus, expected_of_conv(arrays, x) - leaky, rtol=1e-5, atol=1e-5)


def test_long_lists_of_names_are_cut_into_parts(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [
        {"class_name": "Conv2D", "config": conv_config("conv", batch_input_shape=[None, 6, 5, 1])}
    ]}  # fmt: skip
    arrays = conv_weights("conv")
    path = legacy_file(tmp_path / "m.h5", config, {"conv": arrays})
    with h5py.File(path, "r+") as file:
        attributes = file["model_weights/conv"].attrs
        kernel, bias = attributes["weight_names"]
        del attributes["weight_names"]
        attributes["weight_names1"], attributes["weight_names0"] = [bias], [kernel]
    np.testing.assert_array_equal(read_keras(path).get_weights()[0], next(iter(arrays.values())))


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


def test_A6_weights_alone_of_keras_2(tmp_path: Path) -> None:
    from striate import layers
    from striate.models import Input, Sequential

    arrays = conv_weights("elsewhere")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        write_legacy_weights(file, {"conv": arrays})
    model = Sequential([Input((5, 5, 1)), layers.Conv2D(2, 3, name="conv")])
    read_keras_weights(tmp_path / "w.h5", model)
    for got, value in zip(model.get_weights(), arrays.values(), strict=True):
        np.testing.assert_array_equal(got, value)
    with pytest.raises(FormatError, match=r"it holds weights only. Build the model, then call read_keras_weights"):
        read_keras(tmp_path / "w.h5")


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


# What is refused, and why


def archive(path: Path, config: Any, weights: Any = None, metadata: str = '{"keras_version": "3.10.0"}') -> Path:
    """A ``.keras`` file; ``weights`` fills its HDF5 file."""
    with h5py.File(path.with_suffix(".weights"), "w") as file:
        file.create_group("layers")
        if weights:
            weights(file)
    text = config if isinstance(config, str) else json.dumps(config)
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("config.json", text)
        writer.writestr("metadata.json", metadata)
        writer.write(path.with_suffix(".weights"), "model.weights.h5")
    return path


def row(*layers: Any, shape: Any = (None, 4)) -> dict[str, Any]:
    """A Sequential as Keras 3 writes it."""
    begin = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": list(shape), "name": "x"}}
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "row", "layers": [begin, *layers]}}


def layer(kind: str, module: Any = "keras.layers", registered_name: Any = None, **config: Any) -> dict[str, Any]:
    config = {"name": f"my_{kind.lower()}", **config}
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered_name}


def graph(*entries: Any, outputs: Any = (("last", 0, 0),)) -> dict[str, Any]:
    """A functional model as Keras 3 writes it, from (layer, calls)."""
    begin = {
        "module": "keras.layers", "class_name": "InputLayer", "name": "x", "inbound_nodes": [],
        "config": {"batch_shape": [None, 4], "name": "x"},
    }  # fmt: skip
    layers = [
        {**description, "name": description["config"]["name"], "inbound_nodes": calls} for description, calls in entries
    ]
    config = {"name": "net", "layers": [begin, *layers], "input_layers": [["x", 0, 0]], "output_layers": outputs}
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


def on(name: str, call: int = 0, **kwargs: Any) -> dict[str, Any]:
    history = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"args": [{"class_name": "__keras_tensor__", "config": history}], "kwargs": kwargs}


relu = layer("ReLU", name="last")

REFUSED = {
    "lambda": (
        row(layer("Lambda", function="…")),
        r"layer 'my_lambda' \(Lambda\): it is Python code, and nothing in a",
    ),
    "operation of TensorFlow": (row(layer("TFOpLambda")), r"\(TFOpLambda\): it is a call of TensorFlow; use layers"),
    "recurrent": (row(layer("LSTM", units=3)), r"layer 'my_lstm' \(LSTM\): there is no such layer here"),
    "our own": (row(layer("LpPooling2D")), r"layer 'my_lppooling2d' \(LpPooling2D\): there is no such layer here"),
    "module": (
        row(layer("Dense", module="os", units=1)),
        r"layer 'my_dense' \(Dense\): 'Dense' of 'os' is somebody's own code, which no file can bring along",
    ),
    "registered": (
        row(layer("Dense", registered_name="mine>Dense", units=1)),
        r"'mine>Dense' of 'keras.layers' is somebody's own code",
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
    "argument": (row(layer("Dense", units=1, lora_rank=3)), r"its argument 'lora_rank' = 3 is not offered here"),
    "value": (row(layer("Dense", units=0)), r"\(Dense\): Dense: expected units of at least 1, got 0"),
    "missing argument": (row(layer("Dense")), r"\(Dense\): .*missing a required argument: 'units'"),
    "no arguments": (row({"class_name": "Dense", "config": [3]}), r"\(Dense\): expected its arguments, got \[3\]"),
    "channels first": (
        row(layer("Conv2D", filters=1, kernel_size=2, data_format="channels_first"), shape=(None, 3, 4, 4)),
        r"expected data_format 'channels_last', got 'channels_first'",
    ),
    "open size": (
        row(relu, shape=(None, None, None, 3)),
        r"expected an input of known size, got \[None, None, None, 3\]. Save it with the input's shape",
    ),
    "sparse": (
        row() | {"config": {"layers": [layer("InputLayer", batch_shape=[None, 3], sparse=True)]}},
        r"\(InputLayer\): sparse and ragged inputs are not offered here",
    ),
    "no input": (
        {"class_name": "Sequential", "config": {"name": "row", "layers": [relu]}},
        r"the network 'row' does not say the shape of its input",
    ),
    "no network": (layer("Dense", units=3), r"expected a Sequential or functional model, got 'Dense'"),
    "subclass": (
        {"module": "mine", "class_name": "Net", "config": {}, "registered_name": "mine>Net"},
        r"'mine>Net' of 'mine' is somebody's own code",
    ),
    "shapes": (row(layer("Conv2D", filters=1, kernel_size=2)), r"Conv2D: expected input of rank 4.* got rank 2"),
    "operation": (
        graph((layer("Einsum", module="keras.src.ops.numpy", name="last"), [on("x")])),
        r"layer 'last' \(Einsum\): there is no such operation here",
    ),
    "circle": (
        graph((layer("ReLU", name="a"), [on("last")]), (relu, [on("a")])),
        r"its layers depend on one another in a circle",
    ),
    "own output": (graph((relu, [on("last")])), r"its layers depend on one another in a circle"),
    "unknown layer": (graph((relu, [on("nowhere")])), r"there is no call 0 of a layer 'nowhere'"),
    "unknown call": (graph((relu, [on("x", 2)])), r"there is no call 2 of a layer 'x'"),
    "twice": (graph((relu, [on("x")]), (relu, [on("x")])), r"two of its layers have the same name"),
    "training": (
        graph((layer("Dropout", name="last", rate=0.5), [on("x", training=True)])),
        r"a layer is called with 'training' = True, which is not offered here",
    ),
    "no tensor": (
        graph((relu, [{"args": [{"class_name": "slice", "config": {}}], "kwargs": {}}])),
        r"a layer is called on 'slice', which is no tensor",
    ),
    "damaged": (
        graph((relu, [on("x")]), outputs=[["last", 0, 7]]),
        r"its configuration is damaged: IndexError: list index",
    ),
    "no layers": ({"class_name": "Functional", "config": {}}, r"its configuration is damaged: KeyError: 'layers'"),
    "no list": ({"class_name": "Sequential", "config": {"layers": 3}}, r"its configuration is damaged: TypeError"),
    "no description": (row("text"), r"a layer: 'str' object has no attribute 'get'"),
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


def test_R4_old_activations_that_meant_something_else(tmp_path: Path) -> None:
    conv = conv_config("c", activation="hard_sigmoid", batch_input_shape=[None, 6, 5, 1])
    config = {"class_name": "Sequential", "config": [{"class_name": "Conv2D", "config": conv}]}
    path = legacy_file(tmp_path / "m.h5", config, {"c": conv_weights("c")})
    with pytest.raises(FormatError, match=r"hard_sigmoid before Keras 3 was built on max\(0, min\(1, 0.2·x \+ 0.5\)\)"):
        read_keras(path)


def test_R4_too_many_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from striate.interop.keras import networks

    monkeypatch.setattr(networks, "MAX_NODES", 3)
    path = archive(tmp_path / "m.keras", row(relu, layer("ELU"), layer("ELU", name="b")))
    with pytest.raises(FormatError, match=r"it has more than 3 layers and calls of layers"):
        read_keras(path)


def weights_of(**layers: dict[str, Array]) -> Any:
    """Fills an HDF5 file as Keras 3 does."""

    def fill(file: Any) -> None:
        for name, arrays in layers.items():
            for key, array in arrays.items():
                file[f"layers/{name}/vars/{key.strip('_')}"] = array

    return fill


DENSE = {"_0": np.ones((4, 2), np.float32), "_1": np.ones(2, np.float32)}

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
    with pytest.raises(FormatError, match=r"the attribute model_config is not valid JSON: a key stands twice"):
        read_keras(path)
    with pytest.raises(FileNotFoundError):
        read_keras(tmp_path / "nowhere.keras")


# Real files


DATA = os.environ.get("STRIATE_DATA")
real = pytest.mark.skipif(not DATA, reason="needs real models; set STRIATE_DATA")


def real_file(*parts: str) -> Path:
    path = Path(DATA or "", *parts)
    if not path.is_file():
        pytest.skip(f"{path.name} is not in STRIATE_DATA")
    return path


def cifar() -> tuple[Array, Array]:
    with lzma.open(real_file("cifar10", "test_batch_first1000.bin.xz")) as file:
        table = np.frombuffer(file.read(), np.uint8).reshape(-1, 3073)
    return table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32), table[:, 0]


def accuracy(model: Model, x: Array, y: Array) -> float:
    return float((model.predict(x).argmax(axis=1) == y).mean())


@real
def test_A6_resnet8_of_mlperf_tiny() -> None:
    x, y = cifar()
    model = read_keras(real_file("weights", "mlperf_tiny", "pretrainedResnet.h5"))
    assert model.count_params() == 78_666
    assert accuracy(model, x, y) == 0.881


@real
@pytest.mark.parametrize(
    ("file", "parameters", "expected"),
    [
        ("01110001__ml-mnist__mnist_cnn.h5", 93_322, 0.9905),
        ("cmFighting__mnist_tensorflow2.0__mnist_cnn.h5", 225_034, 0.9913),
    ],
)
def test_A6_small_networks_for_mnist(file: str, parameters: int, expected: float) -> None:
    from striate.data import read_idx

    model = read_keras(real_file("weights", "small_cnn_mnist_cifar", file))
    assert model.count_params() == parameters
    images = read_idx(real_file("mnist", "t10k-images-idx3-ubyte.gz"))
    labels = read_idx(real_file("mnist", "t10k-labels-idx1-ubyte.gz"))
    x = (images[..., None] / 255).astype(np.float32)
    assert accuracy(model, x, labels) == pytest.approx(expected, abs=5e-5)


@real
def test_A6_a_small_network_for_cifar() -> None:
    x, y = cifar()
    model = read_keras(
        real_file(
            "weights", "small_cnn_mnist_cifar", "shreyashpatil36__CIFAR-10-Image-Classifier-CNN__cifar10_model.h5"
        )
    )
    assert model.count_params() == 122_570
    assert max(accuracy(model, x, y), accuracy(model, x / 255, y)) == pytest.approx(0.708, abs=5e-4)


@real
@pytest.mark.parametrize("file", ["vww_96.h5", "str_ww_ref_model.h5"])
def test_A6_more_of_mlperf_tiny(file: str) -> None:
    path = real_file("weights", "mlperf_tiny", file)
    model, theirs = read_keras(path), keras.models.load_model(path, compile=False)
    x = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    np.testing.assert_allclose(model.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-4)
