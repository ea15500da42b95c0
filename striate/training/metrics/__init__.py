"""Metrics: numbers that are reported but not minimised, collected over the batches of an epoch, with Keras's names.

All sums are kept in float64, so that the result hardly depends on how the samples were cut into batches.
"""

from typing import Any

from striate.configurable import Names
from striate.graph import Shape
from striate.training.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy_for,
)
from striate.training.metrics.auc import AUC
from striate.training.metrics.confusion import ConfusionMatrix, confusion_matrix
from striate.training.metrics.error import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
)
from striate.training.metrics.hits import F1Score, Precision, Recall
from striate.training.metrics.metric import FunctionMetric, Mean, MeanMetric, Metric

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "ConfusionMatrix",
    "F1Score",
    "FunctionMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetric",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy_for",
    "confusion_matrix",
    "get",
]

NAMES: Names[Metric] = Names(
    "metrics.get",
    [
        AUC,
        Accuracy,
        BinaryAccuracy,
        BinaryCrossentropy,
        CategoricalAccuracy,
        CategoricalCrossentropy,
        ConfusionMatrix,
        F1Score,
        Mean,
        MeanAbsoluteError,
        MeanSquaredError,
        Precision,
        Recall,
        RootMeanSquaredError,
        SparseCategoricalAccuracy,
        SparseCategoricalCrossentropy,
        SparseTopKCategoricalAccuracy,
        TopKCategoricalAccuracy,
    ],
    {
        "acc": Accuracy,
        "bce": BinaryCrossentropy,
        "mae": MeanAbsoluteError,
        "mse": MeanSquaredError,
        "rmse": RootMeanSquaredError,
    },
)


def get(identifier: Any, y_true_shape: Shape | None = None, y_pred_shape: Shape | None = None) -> Metric:
    """A metric from its name, from ``{"class_name": …, "config": …}``, from a function, or the metric itself.

    Arguments:
        identifier: a name is also the metric's name: "mse" is reported as "mse".
        y_true_shape, y_pred_shape: by which "accuracy" and "acc" are chosen, see `accuracy_for`.

    Raises:
        ArgumentError: the name or the config's arguments are unknown.
    """
    if isinstance(identifier, Metric):
        return identifier
    if callable(identifier) and not isinstance(identifier, type):
        return FunctionMetric(identifier)
    if identifier in ("accuracy", "acc") and y_true_shape is not None and y_pred_shape is not None:
        return accuracy_for(y_true_shape, y_pred_shape)(name=identifier)
    if isinstance(identifier, str):
        identifier = {"class_name": identifier, "config": {"name": identifier}}
    return NAMES.make(identifier)
