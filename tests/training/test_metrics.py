"""Metrics: Keras's numbers over several batches, numbers by hand, ties, and arrays that do not fit."""

from typing import Any

import numpy as np
import pytest

import striate
from striate import ops
from striate.configurable import describe
from striate.errors import ArgumentError, DataError, ShapeError
from striate.training import metrics
from tests.training import oracle

GENERATOR = np.random.default_rng(5)
BATCHES, N, K = 3, 20, 7
PROBABILITIES = GENERATOR.dirichlet(np.ones(K), (BATCHES, N)).astype(np.float32)
LABELS = GENERATOR.integers(0, K, (BATCHES, N))
ONE_HOT = np.eye(K, dtype=np.float32)[LABELS]
BITS = GENERATOR.integers(0, 2, (BATCHES, N, 1)).astype(np.float32)
SCORES = np.clip(0.3 * BITS + 0.7 * GENERATOR.random((BATCHES, N, 1)), 0, 1).astype(np.float32)
LOGITS = GENERATOR.standard_normal((BATCHES, N, 1)).astype(np.float32)
NUMBERS = GENERATOR.standard_normal((BATCHES, N, K)).astype(np.float32)
OTHERS = GENERATOR.standard_normal((BATCHES, N, K)).astype(np.float32)
WEIGHTS = GENERATOR.random((BATCHES, N)).astype(np.float32)

#: Class, settings, targets, predictions: the same for us and for Keras.
CASES = [
    ("Accuracy", {}, LABELS[..., None], PROBABILITIES.argmax(-1)[..., None]),
    ("BinaryAccuracy", {}, BITS, SCORES),
    ("BinaryAccuracy", {"threshold": 0.3}, BITS, SCORES),
    ("CategoricalAccuracy", {}, ONE_HOT, PROBABILITIES),
    ("SparseCategoricalAccuracy", {}, LABELS, PROBABILITIES),
    ("SparseCategoricalAccuracy", {}, LABELS[..., None], PROBABILITIES),
    ("TopKCategoricalAccuracy", {"k": 3}, ONE_HOT, PROBABILITIES),
    ("TopKCategoricalAccuracy", {}, ONE_HOT, PROBABILITIES),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, LABELS, PROBABILITIES),
    ("MeanSquaredError", {}, NUMBERS, OTHERS),
    ("RootMeanSquaredError", {}, NUMBERS, OTHERS),
    ("MeanAbsoluteError", {}, NUMBERS, OTHERS),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, NUMBERS),
    ("SparseCategoricalCrossentropy", {}, LABELS, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS, NUMBERS),
    ("BinaryCrossentropy", {}, BITS, SCORES),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, BITS, LOGITS),
    ("Precision", {}, BITS, SCORES),
    ("Precision", {"thresholds": [0.2, 0.6]}, BITS, SCORES),
    ("Precision", {"top_k": 2}, ONE_HOT, PROBABILITIES),
    ("Precision", {"class_id": 3, "thresholds": 0.1}, ONE_HOT, PROBABILITIES),
    ("Recall", {}, BITS, SCORES),
    ("Recall", {"thresholds": [0.2, 0.6]}, BITS, SCORES),
    ("Recall", {"top_k": 3, "class_id": 1}, ONE_HOT, PROBABILITIES),
    ("AUC", {}, BITS, SCORES),
    ("AUC", {"curve": "PR"}, BITS, SCORES),
    ("AUC", {"num_thresholds": 20, "summation_method": "minoring"}, BITS, SCORES),
    ("AUC", {"num_thresholds": 20, "summation_method": "majoring"}, BITS, SCORES),
    ("AUC", {"num_thresholds": 20, "summation_method": "minoring", "curve": "PR"}, BITS, SCORES),
    ("AUC", {"thresholds": [0.7, 0.2, 0.5]}, BITS, SCORES),
    ("AUC", {"from_logits": True}, BITS, LOGITS),
    ("AUC", {}, ONE_HOT, PROBABILITIES),
    ("F1Score", {}, ONE_HOT, PROBABILITIES),
    ("F1Score", {"average": "macro"}, ONE_HOT, PROBABILITIES),
    ("F1Score", {"average": "micro"}, ONE_HOT, PROBABILITIES),
    ("F1Score", {"average": "weighted", "threshold": 0.2}, ONE_HOT, PROBABILITIES),
]


@pytest.mark.parametrize(("name", "settings", "y_true", "y_pred"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_are_those_of_keras(name: str, settings: Any, y_true: Any, y_pred: Any, weighted: bool) -> None:
    keras = oracle.keras()
    ours, theirs = getattr(metrics, name)(**settings), getattr(keras.metrics, name)(**settings)
    for batch in range(BATCHES):
        weight = WEIGHTS[batch] if weighted else None
        ours.update_state(y_true[batch], y_pred[batch], weight)
        if weighted and name in ("Precision", "Recall", "AUC"):
            weight = WEIGHTS[batch][:, None]  # these classes of Keras take (N,) for (N, 1) only
        theirs.update_state(y_true[batch], y_pred[batch], weight)
        np.testing.assert_allclose(ours.result(), oracle.numbers(theirs.result()), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "settings", "y_true", "y_pred"), CASES)
def test_batches_do_not_matter_and_reset_forgets(name: str, settings: Any, y_true: Any, y_pred: Any) -> None:
    metric = getattr(metrics, name)(**settings)
    flat_true, flat_pred = y_true.reshape(-1, *y_true.shape[2:]), y_pred.reshape(-1, *y_pred.shape[2:])
    whole = metric(flat_true, flat_pred)
    metric.reset_state()
    for first in range(0, len(flat_true), 7):
        metric.update_state(flat_true[first : first + 7], flat_pred[first : first + 7])
    np.testing.assert_allclose(metric.result(), whole, rtol=1e-12)


@pytest.mark.parametrize(("name", "settings", "y_true", "y_pred"), CASES)
def test_config_makes_an_equal_metric(name: str, settings: Any, y_true: Any, y_pred: Any) -> None:
    metric = getattr(metrics, name)(**settings)
    again = metrics.get(describe(metric))
    assert again.get_config() == metric.get_config()
    np.testing.assert_array_equal(again(y_true[0], y_pred[0]), metric(y_true[0], y_pred[0]))


def test_mean() -> None:
    mean = metrics.Mean(name="loss")
    assert mean.name == "loss"
    assert mean.result() == 0
    mean.update_state(2.0, sample_weight=32)
    mean.update_state(5.0, sample_weight=16)
    assert mean.result() == 3.0
    mean.reset_state()
    mean.update_state([1, 2, 6])
    assert mean.result() == 3.0


def test_sums_are_kept_in_float64() -> None:
    mean = metrics.Mean()
    mean.update_state(np.full(1, 1e8, np.float32))
    for _ in range(100):
        mean.update_state(np.ones(1, np.float32))
    assert mean.total == 1e8 + 100


def test_accuracy_of_a_series_is_about_its_last_axis() -> None:
    y_true = np.eye(3)[[[0, 1], [2, 2]]]  # (2, 2, 3): two series of two
    y_pred = np.eye(3)[[[0, 2], [1, 2]]]
    assert metrics.CategoricalAccuracy()(y_true, y_pred) == 0.5
    assert metrics.SparseCategoricalAccuracy()(y_true.argmax(-1), y_pred) == 0.5


def test_O8_argmax_ties_go_to_the_lowest_class() -> None:
    tied = np.array([[0.4, 0.4, 0.2]] * 2)
    assert metrics.SparseCategoricalAccuracy()([0, 1], tied) == 0.5
    assert metrics.CategoricalAccuracy()(np.eye(3)[[0, 1]], tied) == 0.5
    assert metrics.SparseTopKCategoricalAccuracy(k=1)([0, 1], tied) == 0.5
    assert metrics.SparseTopKCategoricalAccuracy(k=2)([0, 1], tied) == 1
    assert metrics.Precision(top_k=1)(np.eye(3)[[0, 1]], tied) == 0.5


def test_predictions_that_are_nan_hit_nothing() -> None:
    assert metrics.SparseTopKCategoricalAccuracy(k=2)([1], [[np.nan] * 3]) == 0
    assert metrics.SparseTopKCategoricalAccuracy(k=1)([1], [[np.nan, 1, 0]]) == 0
    assert metrics.BinaryAccuracy()([1], [np.nan]) == 0


def test_precision_recall_and_f1_by_hand() -> None:
    y_true, y_pred = [1, 1, 1, 0, 0], [0.9, 0.8, 0.2, 0.7, 0.1]  # 2 hits, 1 miss, 1 false alarm
    assert metrics.Precision()(y_true, y_pred) == pytest.approx(2 / 3)
    assert metrics.Recall()(y_true, y_pred) == pytest.approx(2 / 3)
    assert metrics.Precision(thresholds=0.75)(y_true, y_pred) == 1
    assert metrics.Precision(thresholds=0.95)(y_true, y_pred) == 0
    f1 = metrics.F1Score(threshold=0.5)(np.array(y_true)[:, None], np.array(y_pred)[:, None])
    np.testing.assert_allclose(f1, [2 / 3])


def test_area_under_roc_is_the_chance_that_a_positive_ranks_above_a_negative() -> None:
    positive, negative = SCORES[BITS == 1], SCORES[BITS == 0]
    chance = np.mean(positive[:, None] > negative)
    assert metrics.AUC(num_thresholds=20_000)(BITS, SCORES) == pytest.approx(chance, abs=1e-3)
    assert metrics.AUC()([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == 1
    assert metrics.AUC()([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2]) == 0
    assert metrics.AUC()([0, 0, 1, 1], [0.5] * 4) == 0.5


def test_area_under_precision_recall_agrees_with_trapezoids_on_a_fine_grid() -> None:
    ours = metrics.AUC(num_thresholds=2000, curve="PR")(BITS, SCORES)
    order = np.argsort(-SCORES.ravel())
    hits = np.cumsum(BITS.ravel()[order])
    average_precision = np.sum(hits / np.arange(1, hits.size + 1) * BITS.ravel()[order]) / hits[-1]
    assert ours == pytest.approx(average_precision, abs=0.02)


def test_confusion_matrix() -> None:
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    y_true, y_pred = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    np.testing.assert_array_equal(metrics.confusion_matrix(y_true, y_pred), expected)
    assert metrics.confusion_matrix(y_true, y_pred).dtype == np.int64
    assert metrics.confusion_matrix(y_true, y_pred, 5).shape == (5, 5)
    assert metrics.confusion_matrix([], []).shape == (0, 0)

    metric = metrics.ConfusionMatrix(3)
    metric.update_state(y_true[:2], np.eye(3)[y_pred[:2]])
    metric.update_state(np.eye(3)[y_true[2:]], np.eye(3)[y_pred[2:]])
    np.testing.assert_array_equal(metric.result(), expected)
    metric.reset_state()
    metric.update_state(y_true, y_pred, sample_weight=[0.5, 1, 1, 1, 2])
    np.testing.assert_array_equal(metric.result(), [[0.5, 1, 0], [0, 2, 0], [2, 0, 0]])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "cls"),
    [
        ((32,), (32,), metrics.BinaryAccuracy),
        ((32, 1), (32, 1), metrics.BinaryAccuracy),
        ((32,), (32, 10), metrics.SparseCategoricalAccuracy),
        ((32, 1), (32, 10), metrics.SparseCategoricalAccuracy),
        ((32, 10), (32, 10), metrics.CategoricalAccuracy),
        ((8, 4, 4), (8, 4, 4, 3), metrics.SparseCategoricalAccuracy),
        ((8, 4, 4, 3), (8, 4, 4, 3), metrics.CategoricalAccuracy),
    ],
)
def test_accuracy_is_chosen_by_the_shapes(y_true: Any, y_pred: Any, cls: type) -> None:
    assert metrics.accuracy_for(y_true, y_pred) is cls
    for word in ("accuracy", "acc"):
        metric = metrics.get(word, y_true, y_pred)
        assert type(metric) is cls
        assert metric.name == word


@pytest.mark.parametrize(
    ("identifier", "cls", "name"),
    [
        ("mse", metrics.MeanSquaredError, "mse"),
        ("mean_absolute_error", metrics.MeanAbsoluteError, "mean_absolute_error"),
        ("AUC", metrics.AUC, "AUC"),
        ("acc", metrics.Accuracy, "acc"),
        (
            "sparse_top_k_categorical_accuracy",
            metrics.SparseTopKCategoricalAccuracy,
            "sparse_top_k_categorical_accuracy",
        ),
        (metrics.F1Score, metrics.F1Score, "f1_score"),
        ({"class_name": "AUC", "config": {"curve": "PR"}}, metrics.AUC, "auc"),
    ],
)
def test_get(identifier: Any, cls: type, name: str) -> None:
    metric = metrics.get(identifier)
    assert type(metric) is cls
    assert metric.name == name
    assert metrics.get(metric) is metric


def test_a_function_is_a_metric() -> None:
    def distance(y_true: Any, y_pred: Any) -> Any:
        return np.abs(y_true - y_pred).max(-1)

    metric = metrics.get(distance)
    assert metric.name == "distance"
    metric.update_state(np.zeros((2, 2)), np.array([[1, 3], [5, 2]]))
    assert metric.result() == 4


@pytest.mark.parametrize(
    "name", ["Accuracy", "BinaryAccuracy", "MeanSquaredError", "RootMeanSquaredError", "MeanAbsoluteError",
             "BinaryCrossentropy", "Precision", "Recall", "AUC", "F1Score", "CategoricalAccuracy"],
)  # fmt: skip
def test_O10_n_against_n_by_1_names_both_shapes(name: str) -> None:
    with pytest.raises(ShapeError, match=r"same shape, got \(5,\) and \(5, 1\)\. Reshape one of them"):
        getattr(metrics, name)().update_state(np.zeros(5), np.zeros((5, 1)))


@pytest.mark.parametrize(
    ("update", "error", "message"),
    [
        (
            lambda: metrics.SparseCategoricalAccuracy().update_state(np.zeros(4), np.zeros((5, 3))),
            ShapeError,
            r"sparse_categorical_accuracy: expected labels of shape \(5,\) for predictions of .* \(5, 3\), got \(4,\)",
        ),
        (
            lambda: metrics.Mean().update_state(np.zeros((5, 2)), np.zeros(4)),
            ShapeError,
            r"mean: expected sample_weight of shape \(5,\) or \(5, 2\), got \(4,\)",
        ),
        (
            lambda: metrics.SparseTopKCategoricalAccuracy().update_state([3], [[0.1, 0.2, 0.3]]),
            DataError,
            r"top k: expected labels from 0 to 2, got 3",
        ),
        (
            lambda: metrics.AUC().update_state([1], [1.5]),
            DataError,
            r"auc: expected predictions from 0 to 1, got 1.5 … 1.5\. .* from_logits=True",
        ),
        (
            lambda: metrics.AUC().update_state([1], [np.nan]),
            DataError,
            r"auc: expected predictions from 0 to 1, got nan",
        ),
        (lambda: metrics.confusion_matrix([0, 3], [0, 1], 3), DataError, r"expected labels from 0 to 2, got 3"),
        (lambda: metrics.confusion_matrix([0, 1], [0, 0.5], 3), DataError, r"expected labels from 0 to 2, got 0.5"),
        (lambda: metrics.confusion_matrix([0, 1], [0]), ShapeError, r"same shape, got \(2,\) and \(1,\)"),
    ],
)
def test_data_that_do_not_fit(update: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        update()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.AUC(curve="ROCK"), r"AUC: expected curve 'ROC' or 'PR', got 'ROCK'"),
        (lambda: metrics.AUC(summation_method="all"), r"AUC: expected summation_method .*, got 'all'"),
        (lambda: metrics.AUC(num_thresholds=1), r"AUC: expected num_thresholds of at least 2, got 1"),
        (lambda: metrics.F1Score("all"), r"F1Score: expected average None, 'micro', .*, got 'all'"),
        (lambda: metrics.get("acuracy"), r"metrics.get: expected one of .*; got 'acuracy'\. Did you mean 'Accuracy'\?"),
        (lambda: metrics.get("confusion_matrix"), r"ConfusionMatrix.from_config: .* missing .*'num_classes'"),
    ],
)
def test_settings_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_metric_without_a_rule() -> None:
    class Unfinished(metrics.Metric):
        def reset_state(self) -> None:
            pass

    with pytest.raises(NotImplementedError, match=r"Metric: define reset_state\(self\), or keep sums by add_weight"):
        metrics.Metric().reset_state()
    with pytest.raises(
        NotImplementedError, match=r"Unfinished: define update_state\(self, y_true, y_pred, sample_weight"
    ):
        Unfinished().update_state([0], [0])
    with pytest.raises(NotImplementedError, match=r"Unfinished: define result\(self\)"):
        Unfinished().result()
    with pytest.raises(NotImplementedError, match=r"MeanMetric: define values\(self, y_true, y_pred\)"):
        metrics.MeanMetric().update_state([0], [0])


class TruePositives(metrics.Metric):
    """As Keras's documentation writes its own metrics."""

    def __init__(self, name: str = "true_positives", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.true_positives = self.add_variable(shape=(), initializer="zeros", name="true_positives")
        self.seen = self.add_weight(shape=(2,), name="seen")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = ops.cast(y_true, "bool"), ops.cast(y_pred > 0.5, "bool")
        values = ops.cast(ops.logical_and(ops.equal(y_true, True), ops.equal(y_pred, True)), "float32")
        if sample_weight is not None:
            values = values * ops.broadcast_to(ops.cast(sample_weight, "float32"), values.shape)
        self.true_positives.assign_add(ops.sum(values))
        self.seen.assign(self.seen + np.array([1, len(y_true)]))

    def result(self) -> Any:
        return self.true_positives


def test_a_metric_of_ones_own_keeps_sums_in_variables() -> None:
    keras = pytest.importorskip("keras")
    y_true, y_pred = np.array([0, 1, 1, 1, 0, 1]), np.array([0.1, 0.9, 0.8, 0.2, 0.7, 0.6], np.float32)
    ours, theirs = TruePositives(), keras.metrics.TruePositives()
    for metric in (ours, theirs):
        metric.update_state(y_true[:3], y_pred[:3])
        metric.update_state(y_true[3:], y_pred[3:])
    assert float(ours.result()) == float(theirs.result()) == 3
    np.testing.assert_array_equal(ours.seen.value, [2, 6])
    assert ours(y_true, y_pred, np.full(6, 0.5)) == float(theirs(y_true, y_pred, np.full(6, 0.5))) == 4.5
    ours.reset_state()
    assert float(ours.result()) == int(ours.result()) == 0


def test_a_metric_of_ones_own_in_a_model() -> None:
    model = striate.Sequential([striate.Input((2,)), striate.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", [TruePositives()])
    x, y = np.array([[5.0, 0], [0, 5], [1, 1]], np.float32), np.array([[1.0], [0], [1]], np.float32)
    model.set_weights([np.array([[1.0], [-1.0]], np.float32), np.array([0.5], np.float32)])
    found = model.evaluate(x, y, return_dict=True, verbose=0)
    assert found["true_positives"] == 2
    assert isinstance(found["true_positives"], float)
    assert model.evaluate(x, y, return_dict=True, verbose=0) == found


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.Mean(dtype="int8"), r"Mean: expected dtype 'float32', 'float64' or None, got 'int8'\."),
        (lambda: TruePositives().add_weight(dtype="bool"), r"true_positives: expected dtype 'float32', .*got 'bool'\."),
        (lambda: TruePositives().add_weight("total"), r"true_positives: expected shape as a list of .*, got 'total'\."),
    ],
)
def test_R4_refuses_what_a_metric_does_not_keep(call: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()


def test_defaults_that_are_numbers():
    assert metrics.SparseTopKCategoricalAccuracy().k == metrics.TopKCategoricalAccuracy().k == 5
    assert metrics.AUC(num_thresholds=2).num_thresholds == 2  # the least: one at each end
    with pytest.raises(ArgumentError, match="num_thresholds"):
        metrics.AUC(num_thresholds=1)
