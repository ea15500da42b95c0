"""Losses: how wrong each prediction is. The mean over them is taken by `striate.training`.

Two families:

    from logits           softmax_cross_entropy, sparse_softmax_cross_entropy, sigmoid_binary_cross_entropy
                          the last activation is part of the loss, so the gradient is prediction − target, exactly
    from predictions      categorical_crossentropy, binary_crossentropy, squared_error, absolute_error, huber

Targets are constants: gradients flow to the predictions only. A target must have the shape of its prediction:
NumPy would silently broadcast (N,) and (N, 1) to (N, N).
"""

from typing import Any

import numpy as np

from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.activations import LOG_SOFTMAX, SOFTMAX, sigmoid
from striate.ops.elementwise import (
    ElementWise,
    add,
    clip,
    divide,
    minimum,
    multiply,
    negative,
    sign,
    square,
    subtract,
)
from striate.ops.operation import Box, Index, Operation, Term, Terms, as_array, as_number, known_shape, read
from striate.ops.reductions import sum
from striate.ops.shape import check_axis, transpose
from striate.ops.windows import per_axis

#: Probabilities are clipped this far from 0 and 1, as in Keras: a certain but wrong prediction costs 16, not infinity.
EPSILON = 1e-7


class Loss(ElementWise):
    """An element-wise loss of a prediction and its target, which have the same shape."""

    def shape(self, *inputs: Any) -> Shape:
        target, prediction = (tuple(value.shape) for value in inputs)
        if target != prediction:
            raise ShapeError(
                f"{self.name}: expected {' and '.join(self.inputs)} of the same shape, got {target} and {prediction}."
            )
        return prediction


class SoftmaxCrossEntropy(Operation):
    """−Σ t·ln softmax(z) over the classes, the last axis: z logits (…, K), t target probabilities (…, K) → (…,)."""

    name = "softmax_cross_entropy"
    inputs = ("logits", "targets")

    def shape(self, logits: Any, targets: Any) -> Shape:
        if tuple(logits.shape) != tuple(targets.shape) or not logits.shape:
            raise ShapeError(
                f"softmax_cross_entropy: expected logits and targets of the same shape (…, classes), "
                f"got {tuple(logits.shape)} and {tuple(targets.shape)}."
            )
        return tuple(logits.shape[:-1])

    def forward(self, logits: Array, targets: Array) -> Array:
        return np.asarray(-(targets * LOG_SOFTMAX.forward(logits, axis=-1)).sum(axis=-1))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, None]:
        return SOFTMAX_CROSS_ENTROPY_GRAD(*node.inputs, grad_output), None

    def terms(self, index: Index, logits: Array, targets: Array) -> Terms:
        losses = LOG_SOFTMAX(logits[index], axis=-1)
        summands = []
        for k, value in enumerate(losses):
            target = read("targets", targets, (*index, k))
            summands.append(Term(-target.value * float(value), (target, read("logits", logits, (*index, k)))))
        return Terms("−Σ t·ln softmax(z)", tuple(summands))

    def fan_in(self, node: Node) -> int:
        return known_shape(node.inputs[0])[-1]

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None, None]


class SoftmaxCrossEntropyGrad(Operation):
    """g·(softmax(z)·Σ t − t): for probabilities t, prediction minus target."""

    name = "softmax_cross_entropy_grad"
    inputs = ("logits", "targets", "g")

    def shape(self, logits: Any, targets: Any, g: Any) -> Shape:
        return tuple(logits.shape)

    def dtype(self, logits: Any, targets: Any, g: Any) -> Any:
        return logits.dtype

    def forward(self, logits: Array, targets: Array, g: Array) -> Array:
        grad = SOFTMAX.forward(logits, axis=-1)
        grad *= targets.sum(axis=-1, keepdims=True)
        grad -= targets
        grad *= g[..., None]
        return grad

    def terms(self, index: Index, logits: Array, targets: Array, g: Array) -> Terms:
        *row, k = index
        here, target, weight = read("logits", logits, index), read("targets", targets, index), read("g", g, tuple(row))
        probability = SOFTMAX(logits[tuple(row)], axis=-1)[k] * targets[tuple(row)].sum()
        predicted = Term(weight.value * float(probability), (weight, here))
        return Terms("g·softmax(z) − g·t", (predicted, Term(-weight.value * target.value, (weight, target))))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [box, box, None]


class OneHot(Operation):
    """1 at each label's place, 0 elsewhere: labels (…,) → (…, classes), float32. It has no gradient."""

    name = "one_hot"
    inputs = ("labels",)

    def shape(self, labels: Any, *, classes: int) -> Shape:
        return (*labels.shape, classes)

    def dtype(self, labels: Any, *, classes: int) -> Any:
        return np.dtype(np.float32)

    def forward(self, labels: Array, *, classes: int) -> Array:
        self.check(labels, classes)
        return np.asarray(labels[..., None] == np.arange(classes), np.float32)

    def check(self, labels: Array, classes: int) -> None:
        """Raise DataError unless every label is an integer from 0 to ``classes`` − 1."""
        wrong = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))  # NaN is wrong, too
        if wrong.any():
            raise DataError(
                f"one_hot: expected labels that are integers from 0 to {classes - 1} ({classes} classes), "
                f"got {labels[wrong].flat[0]:g}. Count labels from 0, and give the last layer a unit for each class."
            )

    def as_input(self, name: str, value: Any, dtype: Any) -> Array:
        return as_array(value, np.float64, "one_hot: labels")  # float32 would round large ones

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[None]:
        return (None,)

    def terms(self, index: Index, labels: Array, *, classes: int) -> Terms:
        one = read("labels", labels, index[:-1])
        return Terms("1 at the label", (Term(float(one.value == index[-1]), (one,)),))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None]


SOFTMAX_CROSS_ENTROPY = SoftmaxCrossEntropy()
SOFTMAX_CROSS_ENTROPY_GRAD = SoftmaxCrossEntropyGrad()
ONE_HOT = OneHot()
SIGMOID_BINARY_CROSS_ENTROPY = Loss(
    "sigmoid_binary_cross_entropy",
    ("targets", "logits"),
    "−t·ln σ(z) − (1 − t)·ln(1 − σ(z))",
    lambda t, z: np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))),
    lambda g, i, y: (None, multiply(g, subtract(sigmoid(i[1]), i[0]))),
)
CROSS_ENTROPY = Loss(
    "cross_entropy",
    ("y_true", "y_pred"),
    "−t·ln p",
    lambda t, p: -t * np.log(p),
    lambda g, i, y: (None, negative(multiply(g, divide(i[0], i[1])))),
)
BINARY_CROSSENTROPY = Loss(
    "binary_crossentropy",
    ("y_true", "y_pred"),
    "−t·ln p − (1 − t)·ln(1 − p)",
    lambda t, p: -t * np.log(p) - (1 - t) * np.log1p(-p),
    lambda g, i, y: (None, divide(multiply(g, subtract(i[1], i[0])), multiply(i[1], subtract(1.0, i[1])))),
)
SQUARED_ERROR = Loss(
    "squared_error",
    ("y_true", "y_pred"),
    "(p − t)²",
    lambda t, p: np.square(p - t),
    lambda g, i, y: (None, multiply(g, multiply(2.0, subtract(i[1], i[0])))),
)
ABSOLUTE_ERROR = Loss(
    "absolute_error",
    ("y_true", "y_pred"),
    "|p − t|",
    lambda t, p: np.abs(p - t),
    lambda g, i, y: (None, multiply(g, sign(subtract(i[1], i[0])))),
)


def softmax_cross_entropy(logits: Any, targets: Any) -> Any:
    """−Σ t·ln softmax(z) over the classes; its gradient with respect to z is softmax(z) − t.

    Arguments:
        logits: z (…, K), any numbers.
        targets: t (…, K), probabilities that sum to 1.

    Returns:
        (…,): one loss for each position.

    Raises:
        ShapeError: the shapes differ.

    Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), section 6.2.2.3.
    """
    return SOFTMAX_CROSS_ENTROPY(logits, targets)


def sparse_softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """−ln softmax(z) at the label: `softmax_cross_entropy` for integer labels.

    Arguments:
        logits: z (…, K), any numbers.
        labels: (…,), integers from 0 to K − 1.

    Returns:
        (…,): one loss for each position.

    Raises:
        ShapeError: the labels' shape is not that of the logits without the last axis.
        DataError: a label is out of range, not an integer, or NaN.
    """
    (logits,), (labels,) = LOG_SOFTMAX.same_kind(logits), ONE_HOT.same_kind(labels)
    expected, got = tuple(logits.shape[:-1]), tuple(labels.shape)
    if got != expected or not logits.shape:
        raise ShapeError(
            f"sparse_softmax_cross_entropy: expected labels of shape {expected}, one for each row of the logits "
            f"{tuple(logits.shape)}, got {got}."
        )
    return softmax_cross_entropy(logits, one_hot(labels, logits.shape[-1]))


def one_hot(x: Any, num_classes: int) -> Any:
    """1 at each label's place, 0 elsewhere.

    Arguments:
        x: labels (…,), integers from 0 to ``num_classes`` − 1.
        num_classes: how many classes there are.

    Returns:
        (…, num_classes), float32.

    Raises:
        ArgumentError: ``num_classes`` is not an integer of at least 1.
        DataError: a label is out of range, not an integer, or NaN.
    """
    (count,) = per_axis("one_hot", "num_classes", num_classes, 1)
    return ONE_HOT(x, classes=count)


def sigmoid_binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """−t·ln σ(z) − (1 − t)·ln(1 − σ(z)) element-wise, without overflow; the gradient is σ(z) − t.

    Arguments:
        logits: z, any shape and any numbers.
        targets: t, of the same shape, from 0 to 1.

    Raises:
        ShapeError: the shapes differ.
    """
    return SIGMOID_BINARY_CROSS_ENTROPY(targets, logits)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """−Σ t·ln p over the classes, where p is first divided by its sum and clipped to 10⁻⁷ … 1 − 10⁻⁷.

    Arguments:
        target: t (…, K), probabilities that sum to 1.
        output: p (…, K), not negative; or logits z.
        from_logits: whether ``output`` holds logits, the inputs of a softmax.
        axis: the axis of the classes.

    Returns:
        (…,): one loss for each position.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: there is no such axis.
    """
    target, output = CROSS_ENTROPY.same_kind(target, output)
    rank = len(output.shape)
    if (place := check_axis("categorical_crossentropy", axis, rank)) != rank - 1:
        order = (*(other for other in range(rank) if other != place), place)
        target, output = transpose(target, order), transpose(output, order)
    if from_logits:
        return softmax_cross_entropy(output, target)
    share = divide(output, sum(output, -1, keepdims=True))
    return sum(CROSS_ENTROPY(target, clip(share, EPSILON, 1 - EPSILON)), -1)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """−t·ln p − (1 − t)·ln(1 − p) element-wise, where p is clipped to 10⁻⁷ … 1 − 10⁻⁷.

    Arguments:
        target: t, any shape, from 0 to 1.
        output: p, of the same shape, from 0 to 1; or logits z.
        from_logits: whether ``output`` holds logits, the inputs of a sigmoid.

    Raises:
        ShapeError: the shapes differ.
    """
    if from_logits:
        return sigmoid_binary_cross_entropy(output, target)
    return BINARY_CROSSENTROPY(target, clip(output, EPSILON, 1 - EPSILON))


def squared_error(y_true: Any, y_pred: Any) -> Any:
    """(y_pred − y_true)², element-wise.

    Raises:
        ShapeError: the shapes differ.
    """
    return SQUARED_ERROR(y_true, y_pred)


def absolute_error(y_true: Any, y_pred: Any) -> Any:
    """|y_pred − y_true|, element-wise; the gradient at 0 is 0.

    Raises:
        ShapeError: the shapes differ.
    """
    return ABSOLUTE_ERROR(y_true, y_pred)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """½·e² for errors e = |y_pred − y_true| up to ``delta``, and the straight line δ·e − ½·δ² beyond.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: ``delta`` is not positive.

    Source: Huber, "Robust estimation of a location parameter" (1964).
    """
    delta = as_number("huber", "delta", delta)
    if not delta > 0:
        raise ArgumentError(f"huber: expected delta above 0, got {delta}.")
    error = absolute_error(y_true, y_pred)
    curved = minimum(error, delta)
    return add(multiply(0.5, square(curved)), multiply(delta, subtract(error, curved)))
