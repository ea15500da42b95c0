"""Activations as layers, and as arguments of layers."""

import json
import re
from typing import Any

import numpy as np
import pytest

from striate import activations, layers, ops
from striate.errors import ArgumentError, ShapeError
from striate.layers.activation import activation_function, term
from striate.layers.activations import ACTIVATIONS
from striate.layers.layer import Layer

X = np.array([[-2, -0.5, 0, 0.5, 2]], np.float32)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_can_be_named(name: str) -> None:
    np.testing.assert_array_equal(layers.Activation(name)(X), ACTIVATIONS[name](X))
    layer = layers.Dense(3, activation=name)
    copy = layers.Dense.from_config(json.loads(json.dumps(layer.get_config())))
    y = layer(X)
    copy(X)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(X), y)
    assert layer.describe().endswith("." if name == "linear" else f", then {term(layer.activation)}.")


def test_every_activation_is_a_name_of_its_module() -> None:
    missing = set(activations.NAMES.values()) - set(activations.__all__)
    assert not missing, f"striate/layers/activations.py does not import and list {missing}"


def test_an_activation_may_be_a_function_a_layer_or_what_a_file_says() -> None:
    assert activation_function("Dense", ops.relu) is ops.relu
    slopes = layers.PReLU()
    dense = layers.Dense(3, activation=slopes)
    dense(X)
    assert [v.name for v in dense.weights] == ["kernel", "bias", "alpha"]
    copy = layers.Dense.from_config(json.loads(json.dumps(dense.get_config())))
    assert isinstance(copy.activation, layers.PReLU)
    assert copy.activation is not slopes
    custom = layers.Dense(3, activation=lambda x: x * x)
    assert (custom(X) >= 0).all()
    assert custom.describe().endswith(", then <lambda>.")


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), [0, 0, 0, 0.5, 2]),
        (layers.ReLU(max_value=1), [0, 0, 0, 0.5, 1]),
        (layers.ReLU(negative_slope=0.5), [-1, -0.25, 0, 0.5, 2]),
        (layers.ReLU(threshold=0.5), [0, 0, 0, 0, 2]),
        (layers.ReLU(1, 0.5, 0.5), [-1.25, -0.5, -0.25, 0, 1]),
        (layers.LeakyReLU(), [-0.6, -0.15, 0, 0.5, 2]),
        (layers.PReLU("ones"), [-2, -0.5, 0, 0.5, 2]),
        (layers.ELU(2), [2 * np.expm1(-2), 2 * np.expm1(-0.5), 0, 0.5, 2]),
    ],
)
def test_O8_activation_layers(layer: Layer, expected: Any) -> None:
    np.testing.assert_allclose(layer(X), [expected], rtol=1e-6)


def test_O8_softmax_along_any_axis() -> None:
    y = layers.Softmax(axis=1)(np.array([[[1e4, 0], [-1e4, 0]]]))
    np.testing.assert_array_equal(y, [[[1, 0.5], [0, 0.5]]])


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (layers.Activation("relu"), "ReLU of every number."),
        (layers.Activation("gelu"), "GELU of every number."),
        (layers.Activation("hard_sigmoid"), "Hard sigmoid of every number."),
        (
            layers.Activation("softmax"),
            "Softmax: the numbers at each place become shares that are positive and sum to 1.",
        ),
        (
            layers.Activation("log_softmax"),
            "Log-softmax: the logarithms of the shares that a softmax makes of the numbers at each place.",
        ),
        (layers.Softmax(), "Softmax: the numbers at each place become shares that are positive and sum to 1."),
        (layers.Softmax(axis=1), "Softmax: the numbers along axis 1 become shares that are positive and sum to 1."),
        (layers.ReLU(), "ReLU: numbers below 0 become 0."),
        (layers.ReLU(6), "ReLU: numbers below 0 become 0, and none exceeds 6."),
        (layers.ReLU(None, 0.1), "ReLU: numbers below 0 are multiplied by 0.1."),
        (layers.ReLU(threshold=2), "ReLU: numbers below 2 become 0."),
        (layers.ReLU(None, 0.5, 2), "ReLU: numbers below 2 become 0.5 times their distance from it, negative."),
        (layers.LeakyReLU(0.2), "Leaky ReLU: negative numbers are multiplied by 0.2."),
        (layers.PReLU(), "ReLU with learned slopes: negative numbers are multiplied by a learned α."),
        (layers.ELU(2), "ELU: negative numbers x become 2·(exp(x) − 1)."),
    ],
)
def test_describe(layer: Layer, sentence: str) -> None:
    assert layer.describe() == sentence


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (layers.Activation, {"activation": "rellu"}, "Did you mean 'relu'?"),
    (
        layers.Activation,
        {"activation": "zzz"},
        "Activation: there is no activation 'zzz'; there are elu, exponential, gelu",
    ),
    (
        layers.Activation,
        {"activation": {"class_name": "os.system"}},
        "Activation: expected activation as a name, a function or",
    ),
    (layers.ReLU, {"max_value": -1}, "ReLU: expected max_value of at least 0, got -1."),
    (layers.ReLU, {"negative_slope": -1}, "ReLU: expected negative_slope of at least 0, got -1."),
    (layers.ReLU, {"threshold": None}, "ReLU: expected threshold as a finite number, got None."),
    (layers.LeakyReLU, {"negative_slope": -1}, "LeakyReLU: expected negative_slope of at least 0, got -1."),
    (layers.PReLU, {"alpha_constraint": 1}, "PReLU: expected alpha_constraint=None, got 1"),
    (layers.PReLU, {"shared_axes": [0]}, "PReLU: expected shared_axes of at least 1, got 0."),
    (layers.ELU, {"alpha": -1}, "ELU: expected alpha of at least 0, got -1."),
]


@pytest.mark.parametrize(("cls", "settings", "message"), REFUSED, ids=[message[:50] for _, _, message in REFUSED])
def test_R4_arguments_are_checked_at_the_door(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        cls(**settings)


def test_R4_inputs_that_do_not_fit() -> None:
    with pytest.raises(
        ArgumentError, match=re.escape("PReLU: expected shared_axes from 1 to 1 (input is (None, 5)), got (2,).")
    ):
        layers.PReLU(shared_axes=2)(X)
    layer = layers.PReLU(shared_axes=[1])
    layer(np.ones((2, 3, 4)))
    with pytest.raises(ShapeError, match=re.escape("PReLU: expected input of rank 3 as it was built for, got rank 2")):
        layer(np.ones((2, 4)))
    with pytest.raises(ArgumentError, match="layer softmax: softmax: expected axis as an integer from -2 to 1"):
        layers.Softmax(2)(X)
