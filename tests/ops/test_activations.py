"""Activations: PyTorch, Keras and SciPy as oracles; numbers by hand at kinks and far out."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Array, Tensor
from striate.layers.activations import ACTIVATIONS
from striate.ops.activations import normal_cdf
from tests.ops.oracles import assert_agrees_with_torch, value_and_gradients, weights_for

#: Every piece of every function, and its kinks only to within rounding.
LINE = np.concatenate([np.linspace(-9, 9, 50), np.linspace(-1e-3, 1e-3, 4)])

#: PyTorch multiplies the gradient of this one by ⅙ rounded to float32, in float64 as well.
IN_FLOAT32 = 1e-7

SAME_IN_TORCH = [
    "elu", "leaky_relu", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh",
]  # fmt: skip


@pytest.mark.parametrize("name", SAME_IN_TORCH)
def test_O8_agrees_with_torch(name: str) -> None:
    functional = pytest.importorskip("torch").nn.functional
    theirs = getattr(functional, name)
    if name == "leaky_relu":
        assert_agrees_with_torch(ops.leaky_relu, lambda x: theirs(x, 0.2), [LINE])
    else:
        assert_agrees_with_torch(getattr(ops, name), theirs, [LINE], tolerance=1e-9)


def test_O8_hard_sigmoid_and_hard_silu_agree_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    assert_agrees_with_torch(ops.hard_sigmoid, functional.hardsigmoid, [LINE], tolerance=IN_FLOAT32)
    assert_agrees_with_torch(ops.hard_silu, functional.hardswish, [LINE])


@pytest.mark.parametrize("approximate", [True, False])
def test_O8_gelu_agrees_with_torch(approximate: bool) -> None:
    functional = pytest.importorskip("torch").nn.functional
    assert_agrees_with_torch(
        lambda x: ops.gelu(x, approximate),
        lambda x: functional.gelu(x, approximate="tanh" if approximate else "none"),
        [LINE],
    )


def test_O8_settings_of_leaky_relu_and_elu_agree_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    assert_agrees_with_torch(lambda x: ops.leaky_relu(x, 0.3), lambda x: functional.leaky_relu(x, 0.3), [LINE])
    assert_agrees_with_torch(lambda x: ops.elu(x, 0.3), lambda x: functional.elu(x, 0.3), [LINE])


def test_O8_prelu_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    x, alpha = np.random.default_rng(0).standard_normal((4, 5)), np.array([0.1, 0.25, -0.5, 0.0, 1.0])
    assert_agrees_with_torch(ops.prelu, functional.prelu, [x, alpha])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_O8_softmax_and_log_softmax_agree_with_torch(axis: int) -> None:
    functional = pytest.importorskip("torch").nn.functional
    x = 3 * np.random.default_rng(0).standard_normal((2, 5, 4))
    assert_agrees_with_torch(lambda x: ops.softmax(x, axis), lambda x: functional.softmax(x, dim=axis), [x])
    assert_agrees_with_torch(lambda x: ops.log_softmax(x, axis), lambda x: functional.log_softmax(x, dim=axis), [x])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_O8_activation_of_this_name_is_that_of_keras(name: str) -> None:
    theirs = pytest.importorskip("keras").activations.get(name)
    x = np.random.default_rng(0).standard_normal((6, 9)) * 4
    tolerance = IN_FLOAT32 if name == "hard_sigmoid" else 1e-9
    assert_agrees_with_torch(ACTIVATIONS[name], theirs, [x], tolerance=tolerance)


def test_O8_softmax_is_finite_and_sums_to_1_for_logits_of_ten_thousand() -> None:
    for dtype in (np.float32, np.float64):
        logits = np.array([[1e4, -1e4, 0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]], dtype)
        y = ops.softmax(logits)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y[:2], [[1, 0, 0], [0.5, 0.5, 0]])
        np.testing.assert_allclose(y.sum(-1), 1, atol=1e-6)
        np.testing.assert_array_equal(ops.log_softmax(logits)[0], [0, -2e4, -1e4])


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"exponential", "softmax", "log_softmax"}))
def test_no_activation_warns_or_turns_nan_far_out(name: str) -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([-1e30, -1e4, -100, 0, 100, 1e4, 1e30], dtype)
        y, grad = value_and_gradients(ACTIVATIONS[name], [x], [0])
        assert np.isfinite(y).all()
        assert np.isfinite(grad).all()
        assert y.dtype == grad.dtype == dtype


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_O6_nan_propagates(name: str) -> None:
    assert np.isnan(ACTIVATIONS[name](np.array([1.0, np.nan, -1.0]))[1])


def slope_at(function: Callable[[Any], Any], x: float) -> float:
    """dy/dx, from the gradient that `value_and_gradients` weights by a number of its own."""
    _, grad = value_and_gradients(function, [np.array(x)], [0])
    return float(grad / weights_for(()))


@pytest.mark.parametrize(
    ("name", "x", "slope"),
    [
        ("relu", 0.0, 0.0),
        ("relu", -0.0, 0.0),
        ("relu6", 0.0, 0.0),
        ("relu6", 6.0, 0.0),
        ("leaky_relu", 0.0, 0.2),
        ("hard_sigmoid", -3.0, 0.0),
        ("hard_sigmoid", 3.0, 0.0),
        ("elu", 0.0, 1.0),
    ],
)
def test_O6_slopes_at_kinks(name: str, x: float, slope: float) -> None:
    assert slope_at(ACTIVATIONS[name], x) == slope


def test_O6_slope_of_prelu_at_0_is_alpha() -> None:
    assert slope_at(lambda x: ops.prelu(x, 0.25), 0.0) == 0.25


def test_normal_cdf_is_right_to_rounding() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.linspace(-36, 36, 20001)
    np.testing.assert_allclose(normal_cdf(x), special.ndtr(x), rtol=0, atol=2 * np.finfo(np.float64).eps)
    tail = x[(x < 0) & (x > -8)]
    np.testing.assert_allclose(normal_cdf(tail), special.ndtr(tail), rtol=3e-14)
    got = normal_cdf(x.astype(np.float32))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, special.ndtr(x.astype(np.float32)), rtol=0, atol=5e-7)


def test_normal_cdf_of_what_is_no_number() -> None:
    got = normal_cdf(np.array([-np.inf, np.inf, np.nan, 0.0]))
    np.testing.assert_array_equal(got, [0, 1, np.nan, 0.5])


def test_numbers_by_hand() -> None:
    assert float(ops.sigmoid(0)) == 0.5
    assert float(ops.softplus(np.float64(0))) == math.log(2)
    np.testing.assert_array_equal(ops.relu([-2, 0, 3]), np.array([0, 0, 3], np.float32))
    np.testing.assert_array_equal(ops.prelu(np.array([-2.0, 4.0]), 0.25), [-0.5, 4])
    np.testing.assert_allclose(ops.softmax(np.log([1.0, 2.0, 5.0])), [0.125, 0.25, 0.625])


def test_linear_is_its_input() -> None:
    x = Tensor((2, 3))
    assert ops.linear(x) is x


def test_batch_of_unknown_size() -> None:
    assert ops.softmax(ops.relu(Tensor((None, 5)))).shape == (None, 5)


@pytest.mark.parametrize("axis", [2, -3])
def test_R4_axis_that_is_not_there(axis: int) -> None:
    with pytest.raises(ArgumentError, match=rf"softmax: expected axis as an integer from -2 to 1, .* got \({axis},\)"):
        ops.softmax(np.zeros((2, 3)), axis)
    with pytest.raises(ArgumentError, match="log_softmax: expected axis"):
        ops.log_softmax(np.zeros((2, 3)), axis)


def test_R4_alpha_that_does_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"prelu: expected shapes that broadcast together, got \(2, 3\) and \(4,\)"):
        ops.prelu(np.zeros((2, 3)), np.zeros(4))


def test_R4_objects_are_refused() -> None:
    words: Array = np.array(["a", None], object)
    with pytest.raises(DataError, match="relu: x: expected numbers, got an array of object"):
        ops.relu(words)
