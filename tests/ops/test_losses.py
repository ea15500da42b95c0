"""Losses: PyTorch and Keras as oracles, p − y by hand, and targets that do not fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Tensor, gradients
from striate.testing import check_gradient
from tests.ops.oracles import assert_agrees_with_torch, value_and_gradients, weights_for

GENERATOR = np.random.default_rng(0)
LOGITS = 3 * GENERATOR.standard_normal((5, 4))
TARGETS = GENERATOR.dirichlet(np.ones(4), 5)
PROBABILITIES = GENERATOR.dirichlet(np.ones(4), 5)
LABELS = np.array([3, 0, 1, 1, 2])


def test_F9_gradient_of_softmax_cross_entropy_is_p_minus_y() -> None:
    exponentials = np.exp(LOGITS)
    p, y = exponentials / exponentials.sum(-1, keepdims=True), np.eye(4)[LABELS]
    weights = weights_for((5,))[:, None]
    for function, target in [(ops.softmax_cross_entropy, y), (ops.sparse_softmax_cross_entropy, LABELS)]:
        _, grad = value_and_gradients(lambda z, f=function, t=target: f(z, t), [LOGITS], [0])
        np.testing.assert_allclose(grad / weights, p - y, rtol=0, atol=1e-7)


def test_F9_loss_of_a_softmax_classifier_is_cross_entropy() -> None:
    p = ops.softmax(LOGITS)
    expected = [-np.log(p[n, label]) for n, label in enumerate(LABELS)]
    np.testing.assert_allclose(ops.sparse_softmax_cross_entropy(LOGITS, LABELS), expected, atol=1e-7)
    np.testing.assert_allclose(ops.categorical_crossentropy(np.eye(4)[LABELS], p), expected, atol=1e-7)


def test_O10_softmax_cross_entropy_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    assert_agrees_with_torch(
        lambda z: ops.softmax_cross_entropy(z, TARGETS),
        lambda z: functional.cross_entropy(z, z.new_tensor(TARGETS), reduction="none"),
        [LOGITS],
    )
    assert_agrees_with_torch(
        lambda z: ops.sparse_softmax_cross_entropy(z, LABELS),
        lambda z: functional.cross_entropy(z, z.new_tensor(LABELS).long(), reduction="none"),
        [LOGITS],
    )


def test_probabilities_stay_1e_7_away_from_0_and_1() -> None:
    """As Keras has it: −ln 1e-7 for what was thought impossible."""
    worst = -np.log(1e-7)
    impossible = ops.categorical_crossentropy(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(impossible, [worst], rtol=1e-12)
    wrong = ops.binary_crossentropy(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(wrong, [worst, worst], rtol=1e-8)
    right = ops.binary_crossentropy(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(right, -np.log1p([-1e-7, -1e-7]), rtol=1e-8)


def test_O10_sigmoid_binary_cross_entropy_agrees_with_torch() -> None:
    functional = pytest.importorskip("torch").nn.functional
    assert_agrees_with_torch(
        lambda z: ops.sigmoid_binary_cross_entropy(z, TARGETS),
        lambda z: functional.binary_cross_entropy_with_logits(z, z.new_tensor(TARGETS), reduction="none"),
        [10 * LOGITS],
    )


@pytest.mark.parametrize("name", ["categorical_crossentropy", "binary_crossentropy"])
def test_O10_losses_of_probabilities_agree_with_keras(name: str) -> None:
    theirs, ours = getattr(pytest.importorskip("keras").ops, name), getattr(ops, name)
    certain = np.eye(4)[LABELS]  # exactly 0 and 1
    for targets in (TARGETS, certain):
        for predictions in (PROBABILITIES, 0.3 * PROBABILITIES):
            assert_agrees_with_torch(
                lambda p, t=targets: ours(t, p), lambda p, t=targets: theirs(p.new_tensor(t), p), [predictions]
            )
        for predictions in (certain, 1 - certain):
            np.testing.assert_allclose(ours(targets, predictions), theirs(targets, predictions).numpy(), rtol=1e-9)


@pytest.mark.parametrize("delta", [1.0, 0.4])
def test_O10_errors_agree_with_torch(delta: float) -> None:
    functional = pytest.importorskip("torch").nn.functional
    t = LOGITS + GENERATOR.standard_normal(LOGITS.shape)
    both: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (ops.squared_error, functional.mse_loss),
        (ops.absolute_error, functional.l1_loss),
        (lambda t, p: ops.huber(t, p, delta), lambda *a, **s: functional.huber_loss(*a, **s, delta=delta)),
    ]
    for ours, theirs in both:
        assert_agrees_with_torch(
            lambda p, ours=ours: ours(t, p),
            lambda p, theirs=theirs: theirs(p, p.new_tensor(t), reduction="none"),
            [LOGITS],
        )


def test_O10_gradients_of_composed_losses() -> None:
    for loss in (ops.categorical_crossentropy, ops.binary_crossentropy, ops.huber):
        check_gradient(loss, [TARGETS, PROBABILITIES], wrt=[1])


def test_numbers_by_hand() -> None:
    y_true, y_pred = np.array([1.0, 1.0]), np.array([1.5, 4.0])
    np.testing.assert_array_equal(ops.squared_error(y_true, y_pred), [0.25, 9])
    np.testing.assert_array_equal(ops.absolute_error(y_true, y_pred), [0.5, 3])
    np.testing.assert_array_equal(ops.huber(y_true, y_pred), [0.125, 2.5])
    np.testing.assert_allclose(ops.binary_crossentropy([1.0, 0.0], [0.25, 0.25]), -np.log([0.25, 0.75]), rtol=1e-6)
    np.testing.assert_allclose(ops.categorical_crossentropy([0.0, 1.0], [1.0, 3.0]), -np.log(0.75), rtol=1e-6)
    assert ops.one_hot([2, 0], 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_losses_from_logits_are_finite_far_out() -> None:
    for dtype in (np.float32, np.float64):
        z = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype)
        assert ops.sparse_softmax_cross_entropy(z, [0, 0]).tolist() == [0, 2e4]
        assert ops.sigmoid_binary_cross_entropy(z, np.ones((2, 2), dtype)).tolist() == [[0, 1e4], [1e4, 0]]
        assert ops.sparse_softmax_cross_entropy(z, [0, 0]).dtype == dtype


def test_positions_of_an_image_have_a_loss_each() -> None:
    assert ops.sparse_softmax_cross_entropy(np.zeros((2, 3, 4, 5)), np.zeros((2, 3, 4), int)).shape == (2, 3, 4)
    assert ops.sparse_softmax_cross_entropy(Tensor((None, 5)), Tensor((None,), np.int64)).shape == (None,)


@pytest.mark.parametrize(
    "loss",
    [
        lambda t, p: ops.softmax_cross_entropy(p, t),
        lambda t, p: ops.sigmoid_binary_cross_entropy(p, t),
        *(ops.categorical_crossentropy, ops.binary_crossentropy, ops.squared_error, ops.absolute_error, ops.huber),
    ],
)
def test_gradients_flow_to_predictions_only(loss: Callable[..., Any]) -> None:
    target, prediction = Tensor((5, 4)), Tensor((5, 4))
    to_target, to_prediction = gradients(ops.sum(loss(target, prediction)), [target, prediction])
    assert to_target is None
    assert to_prediction is not None


def test_labels_have_no_gradient() -> None:
    labels, logits = Tensor((5,), np.int64), Tensor((5, 4))
    assert gradients(ops.sum(ops.sparse_softmax_cross_entropy(logits, labels)), [labels]) == [None]
    node = ops.one_hot(labels, 4).node
    assert node.operation.gradient(node, Tensor((5, 4))) == (None,)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, ">i4", bool])
def test_labels_of_any_number_type(dtype: Any) -> None:
    assert ops.one_hot(np.array([1, 0], dtype), 2).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("sigmoid_binary_cross_entropy", lambda t, p: ops.sigmoid_binary_cross_entropy(p, t)),
        ("binary_crossentropy", ops.binary_crossentropy),
        ("squared_error", ops.squared_error),
        ("absolute_error", ops.absolute_error),
        ("absolute_error", ops.huber),
        ("cross_entropy", ops.categorical_crossentropy),
    ],
)
def test_O10_target_of_another_shape_is_an_error(name: str, loss: Callable[..., Any]) -> None:
    message = rf"{name}: expected .* of the same shape, got \(8,\) and \(8, 1\)"
    with pytest.raises(ShapeError, match=message):
        loss(np.zeros(8), np.full((8, 1), 0.5))
    with pytest.raises(ShapeError, match=message):
        loss(Tensor((8,)), Tensor((8, 1)))


def test_O10_target_of_another_shape_than_the_logits_is_an_error() -> None:
    with pytest.raises(
        ShapeError,
        match=r"softmax_cross_entropy: expected logits and targets of the same shape .* got \(8, 1\) and \(8,\)",
    ):
        ops.softmax_cross_entropy(np.zeros((8, 1)), np.zeros(8))
    with pytest.raises(
        ShapeError,
        match=r"sparse_softmax_cross_entropy: expected labels of shape \(8,\), .* logits \(8, 10\), got \(8, 1\)",
    ):
        ops.sparse_softmax_cross_entropy(np.zeros((8, 10)), np.zeros((8, 1), int))


@pytest.mark.parametrize(("label", "shown"), [(10, "10"), (-1, "-1"), (float("nan"), "nan"), (1.5, "1.5")])
def test_O10_label_that_is_no_class_is_an_error(label: float, shown: str) -> None:
    with pytest.raises(
        DataError,
        match=rf"one_hot: expected labels that are integers from 0 to 9 \(10 classes\), got {shown}\.",
    ):
        ops.sparse_softmax_cross_entropy(np.zeros((3, 10)), np.array([0, label, 1]))


def test_R4_labels_that_are_no_numbers() -> None:
    with pytest.raises(DataError, match="one_hot: labels: expected numbers, got an array of <U3"):
        ops.sparse_softmax_cross_entropy(np.zeros((2, 10)), np.array(["cat", "dog"]))


@pytest.mark.parametrize("delta", [0, -1, float("nan")])
def test_R4_delta_that_is_not_positive(delta: float) -> None:
    with pytest.raises(ArgumentError, match=f"huber: expected delta above 0, got {delta}"):
        ops.huber(np.zeros(3), np.zeros(3), delta)
