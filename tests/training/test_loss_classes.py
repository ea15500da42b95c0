"""Losses over batches: Keras's numbers on arrays, p − y in a trace, weights, and targets that do not fit."""

from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.configurable import describe, snake_case
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Graph, Tensor, gradients
from striate.runtime.reference import ReferenceExecutor
from striate.training import losses
from tests.training import oracle

GENERATOR = np.random.default_rng(3)
N, K = 6, 4
LOGITS = GENERATOR.standard_normal((N, K)).astype(np.float32)
PROBABILITIES = GENERATOR.dirichlet(np.ones(K), N).astype(np.float32)
LABELS = GENERATOR.integers(0, K, N)
ONE_HOT = np.eye(K, dtype=np.float32)[LABELS]
TARGETS = GENERATOR.standard_normal((N, K)).astype(np.float32)
BITS = GENERATOR.integers(0, 2, (N, K)).astype(np.float32)
WEIGHTS = GENERATOR.random(N).astype(np.float32)

#: Class, settings, targets, predictions.
CASES = [
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, ONE_HOT, LOGITS),
    ("SparseCategoricalCrossentropy", {}, LABELS, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {}, LABELS[:, None], PROBABILITIES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS, LOGITS),
    ("BinaryCrossentropy", {}, BITS, PROBABILITIES),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, BITS[:, :1], PROBABILITIES[:, :1]),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, BITS, LOGITS),
    ("MeanSquaredError", {}, TARGETS, LOGITS),
    ("MeanAbsoluteError", {}, TARGETS, LOGITS),
    ("Huber", {}, TARGETS, LOGITS),
    ("Huber", {"delta": 0.3}, TARGETS, LOGITS),
]


@pytest.mark.parametrize(("name", "settings", "y_true", "y_pred"), CASES)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", None])
@pytest.mark.parametrize("weight", [None, WEIGHTS, WEIGHTS[:, None]])
def test_O10_numbers_are_those_of_keras(
    name: str, settings: dict[str, Any], y_true: Any, y_pred: Any, reduction: Any, weight: Any
) -> None:
    theirs = getattr(oracle.keras().losses, name)(**settings, reduction=reduction)(y_true, y_pred, weight)
    ours = getattr(losses, name)(**settings, reduction=reduction)(y_true, y_pred, weight)
    # Weights (N, 1) make Keras's unreduced losses (N, 1); ours are always one number per sample, (N,).
    expected = oracle.numbers(theirs)
    np.testing.assert_allclose(ours, expected.ravel() if reduction is None else expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "settings", "y_true", "y_pred"), CASES)
def test_O10_functions_are_those_of_keras(name: str, settings: dict[str, Any], y_true: Any, y_pred: Any) -> None:
    snake = snake_case(losses.NAMES.find(name).__name__)
    theirs = getattr(oracle.keras().losses, snake)(oracle_input(y_true), oracle_input(y_pred), **settings)
    np.testing.assert_allclose(
        getattr(losses, snake)(y_true, y_pred, **settings), oracle.numbers(theirs), rtol=2e-5, atol=1e-6
    )


def oracle_input(array: Any) -> Any:
    return pytest.importorskip("torch").tensor(array)


def test_O10_images_with_a_label_at_every_pixel() -> None:
    logits = GENERATOR.standard_normal((3, 5, 4, K)).astype(np.float32)
    labels = GENERATOR.integers(0, K, (3, 5, 4))
    weight = np.array([1, 0, 2], np.float32)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits).movedim(-1, 1), torch.tensor(labels), reduction="none"
    ).numpy()
    assert loss(labels, logits) == pytest.approx(theirs.mean(), rel=1e-6)
    assert loss(labels, logits, weight) == pytest.approx((theirs * weight[:, None, None]).mean(), rel=1e-6)
    by_pixel = GENERATOR.random((3, 5, 4))
    assert loss(labels, logits, by_pixel) == pytest.approx((theirs * by_pixel).mean(), rel=1e-6)


def test_numbers_by_hand() -> None:
    assert losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 3.0]]) == 2.5
    assert losses.MeanAbsoluteError()([[0.0, 1.0]], [[1.0, 3.0]]) == 1.5
    assert losses.Huber()([[0.0, 1.0]], [[0.5, 3.0]]) == (0.125 + 1.5) / 2
    assert losses.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]) == pytest.approx(np.log(2))
    assert losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]]) == pytest.approx(np.log(2))


def test_weights_of_samples_with_one_number_each() -> None:
    """Keras takes (N,) for one prediction of N numbers, so its weights would not weigh the samples."""
    loss = losses.MeanSquaredError()
    assert loss([0.0, 0.0], [1.0, 2.0]) == 2.5
    assert loss([0.0, 0.0], [1.0, 2.0], [1.0, 0.0]) == 0.5
    assert loss([0.0, 0.0], [1.0, 2.0], 2.0) == 5.0


def in_a_trace(loss: Any, activation: Any, logits: np.ndarray, y_true: np.ndarray, weight: np.ndarray) -> Any:
    """Loss, and its gradient by the logits, in float64."""
    z, t, w = (Tensor(a.shape, a.dtype) for a in (logits, y_true, weight))
    value = loss(t, activation(z), w)
    (grad,) = gradients(value, [z])
    return (value.shape, *ReferenceExecutor(Graph([z, t, w], [value, grad])).run([logits, y_true, weight]))


@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize(
    ("loss", "y_true"),
    [
        (losses.CategoricalCrossentropy(), ONE_HOT.astype(np.float64)),
        (losses.SparseCategoricalCrossentropy(), LABELS),
        (losses.SparseCategoricalCrossentropy(), LABELS[:, None].astype(np.float64)),
    ],
)
def test_F9_gradient_behind_a_softmax_is_p_minus_y(loss: Any, y_true: np.ndarray, scale: float) -> None:
    logits = scale * LOGITS.astype(np.float64)
    shape, value, grad = in_a_trace(loss, ops.softmax, logits, y_true, WEIGHTS.astype(np.float64))
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    assert shape == ()
    assert np.isfinite(value)  # also where p is exactly 0
    np.testing.assert_allclose(grad, WEIGHTS[:, None] * (p - ONE_HOT) / N, rtol=0, atol=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_F9_gradient_behind_a_sigmoid_is_p_minus_y(scale: float) -> None:
    logits, bits = scale * LOGITS.astype(np.float64), BITS.astype(np.float64)
    _, value, grad = in_a_trace(losses.BinaryCrossentropy(), ops.sigmoid, logits, bits, WEIGHTS.astype(np.float64))
    p = ops.sigmoid(logits)
    assert np.isfinite(value)
    np.testing.assert_allclose(grad, WEIGHTS[:, None] * (p - bits) / (N * K), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("name", "settings", "y_true", "y_pred"), CASES)
def test_symbols_give_the_numbers_of_arrays(name: str, settings: dict[str, Any], y_true: Any, y_pred: Any) -> None:
    loss = getattr(losses, name)(**settings)
    t, p = Tensor(y_true.shape, y_true.dtype), Tensor(y_pred.shape, y_pred.dtype)
    (value,) = ReferenceExecutor(Graph([t, p], [loss(t, p)])).run([y_true, y_pred])
    np.testing.assert_allclose(value, loss(y_true, y_pred), rtol=1e-6)


def test_softmax_over_another_axis_is_not_taken_apart() -> None:
    z = Tensor((3, 3))
    value = losses.categorical_crossentropy(Tensor((3, 3)), ops.softmax(z, axis=0))
    names = {node.name for node in Graph([z], [value]).nodes}
    assert "softmax" in names
    assert "softmax_cross_entropy" not in names


def test_a_function_is_a_loss() -> None:
    def worst(y_true: Any, y_pred: Any) -> Any:
        return ops.max(ops.absolute(ops.subtract(y_pred, y_true)), -1)

    loss = losses.get(worst)
    assert loss.name == "worst"
    assert loss([[0.0, 0.0], [0.0, 0.0]], [[1.0, -2.0], [3.0, 4.0]]) == 3.0


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [
        ("mse", losses.MeanSquaredError),
        ("MSE", losses.MeanSquaredError),
        ("mean_squared_error", losses.MeanSquaredError),
        ("mae", losses.MeanAbsoluteError),
        ("bce", losses.BinaryCrossentropy),
        ("huber", losses.Huber),
        ("sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy),
        ("CategoricalCrossentropy", losses.CategoricalCrossentropy),
        (losses.Huber, losses.Huber),
        ({"class_name": "Huber", "config": {"delta": 2.0}}, losses.Huber),
    ],
)
def test_get(identifier: Any, cls: type) -> None:
    assert type(losses.get(identifier)) is cls
    loss = cls()
    assert losses.get(loss) is loss


@pytest.mark.parametrize(("name", "settings", "y_true", "y_pred"), CASES)
def test_config_makes_an_equal_loss(name: str, settings: dict[str, Any], y_true: Any, y_pred: Any) -> None:
    loss = getattr(losses, name)(**settings, reduction="sum")
    again = losses.get(describe(loss))
    assert again.get_config() == loss.get_config()
    assert again(y_true, y_pred) == loss(y_true, y_pred)


@pytest.mark.parametrize("name", ["MeanSquaredError", "MeanAbsoluteError", "Huber", "BinaryCrossentropy"])
def test_O10_n_against_n_by_1_names_both_shapes(name: str) -> None:
    loss = getattr(losses, name)()
    for symbolic in (False, True):
        y_true, y_pred = (Tensor((5,)), Tensor((5, 1))) if symbolic else (np.zeros(5), np.zeros((5, 1)))
        with pytest.raises(ShapeError, match=r"same shape, got \(5,\) and \(5, 1\)\. Reshape one of them"):
            loss(y_true, y_pred)
        with pytest.raises(ShapeError, match=r"same shape, got \(5, 1\) and \(5,\)\. Reshape one of them"):
            loss(y_pred, y_true)


def test_O10_the_other_categorical_loss_is_named() -> None:
    with pytest.raises(ShapeError, match=r"got \(6,\) and \(6, 4\).*use sparse_categorical_crossentropy"):
        losses.CategoricalCrossentropy()(LABELS, PROBABILITIES)
    with pytest.raises(
        ShapeError, match=r"labels of shape \(6,\) .* got \(6, 4\)\. For one-hot labels use categorical"
    ):
        losses.SparseCategoricalCrossentropy()(ONE_HOT, PROBABILITIES)
    with pytest.raises(ShapeError, match=r"labels of shape \(6,\) for predictions of shape \(6, 4\), got \(5,\)\.$"):
        losses.SparseCategoricalCrossentropy()(LABELS[:5], PROBABILITIES)


@pytest.mark.parametrize("label", [-1, 4, 1.5])
@pytest.mark.parametrize("from_logits", [False, True])
def test_O10_labels_out_of_range(label: float, from_logits: bool) -> None:
    labels = LABELS.astype(np.float32)
    labels[2] = label
    with pytest.raises(DataError, match=rf"integers from 0 to 3 \(4 classes\), got {label}"):
        losses.SparseCategoricalCrossentropy(from_logits)(labels, PROBABILITIES)


def test_O10_targets_that_are_no_numbers() -> None:
    with pytest.raises(DataError, match=r"mean_squared_error: the targets hold NaN"):
        losses.MeanSquaredError()([[np.nan]], [[1.0]])
    with pytest.raises(DataError, match=r"sparse_categorical_crossentropy: the targets hold NaN"):
        losses.SparseCategoricalCrossentropy()([np.nan], [[0.5, 0.5]])
    with pytest.raises(DataError, match=r"mean_squared_error: y_true: expected numbers, got an array of"):
        losses.MeanSquaredError()([["a"]], [[1.0]])


def test_weights_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"expected sample_weight of shape \(6,\), one for each sample, .* got \(5,\)"):
        losses.MeanSquaredError()(TARGETS, LOGITS, WEIGHTS[:5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.Huber(0), r"Huber: expected delta above 0, got 0"),
        (lambda: losses.huber([[0.0]], [[0.0]], -1), r"huber: expected delta above 0, got -1"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing=2), r"label_smoothing from 0 to 1, got 2"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=-1), r"label_smoothing from 0 to 1, got -1"),
        (
            lambda: losses.Huber(reduction="avg"),
            r"Huber: expected reduction 'sum_over_batch_size', 'sum' or None, got 'avg'",
        ),
        (lambda: losses.get("crossentropy"), r"losses.get: expected one of .*; got 'crossentropy'"),
        (lambda: losses.get("mean_square_error"), r"Did you mean 'MeanSquaredError'"),
        (lambda: losses.get(None), r"losses.get: expected a name, a config or an object, got None"),
    ],
)
def test_settings_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_loss_without_a_rule() -> None:
    with pytest.raises(NotImplementedError, match=r"Loss: define call\(self, y_true, y_pred\)"):
        losses.Loss()([[1.0]], [[1.0]])
    with pytest.raises(NotImplementedError, match=r"NumberLoss: define compare\(self, y_true, y_pred\)"):
        losses.NumberLoss()([[1.0]], [[1.0]])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 5, 3, 4)])
def test_cross_entropy_of_two_classes_is_a_mean_over_the_last_axis(shape):
    generator = np.random.default_rng(0)
    p, y = generator.uniform(0.1, 0.9, shape), generator.integers(0, 2, shape)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(-1)
    np.testing.assert_allclose(losses.binary_crossentropy(y, p), expected, rtol=1e-6)
