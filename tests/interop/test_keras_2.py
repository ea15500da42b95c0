"""Models that Keras before version 3 saved."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

from striate.errors import FormatError  # noqa: E402
from striate.graph import Array  # noqa: E402
from striate.interop.keras import read_keras, read_keras_weights  # noqa: E402
from tests.interop.keras_files import conv_config, conv_weights, legacy_file, write_legacy_weights  # noqa: E402


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
    with pytest.raises(FormatError, match=r"it holds weights only. Build the model, then call load_weights"):
        read_keras(tmp_path / "w.h5")


def test_R4_old_activations_that_meant_something_else(tmp_path: Path) -> None:
    conv = conv_config("c", activation="hard_sigmoid", batch_input_shape=[None, 6, 5, 1])
    config = {"class_name": "Sequential", "config": [{"class_name": "Conv2D", "config": conv}]}
    path = legacy_file(tmp_path / "m.h5", config, {"c": conv_weights("c")})
    with pytest.raises(FormatError, match=r"hard_sigmoid before Keras 3 was built on max\(0, min\(1, 0.2·x \+ 0.5\)\)"):
        read_keras(path)
