"""Dense layers' product: the last axis of any array times a matrix, and the two products that are its gradients.

All three are one matrix product, with every axis but the last counted as rows:

    y = x · w        grad_input = g · wᵀ        grad_weight = xᵀ · g

Letters: C features in, K features out, R rows.
"""

import itertools
import math
from typing import Any

from striate.errors import ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.ops.elementwise import add_bias
from striate.ops.operation import Box, Index, Operation, Term, Terms, check_rank, known_shape, read


class Dense(Operation):
    """y[…, k] = Σ x[…, c] · w[c, k]."""

    name = "dense"
    inputs = ("x", "w")

    def shape(self, x: Any, w: Any) -> Shape:
        check_rank(self.name, "weight", w, 2, "(C, K)")
        if min(w.shape) < 1:
            raise ShapeError(f"dense: expected a weight with no empty axis, got {tuple(w.shape)}.")
        features = w.shape[0]
        if not x.shape or x.shape[-1] != features:
            hint = " Flatten the input first?" if math.prod(x.shape[1:]) == features else ""
            got = x.shape[-1] if x.shape else "a scalar"
            raise ShapeError(
                f"dense: expected {features} features on the last axis (weight is {tuple(w.shape)}), got {got} "
                f"(input is {tuple(x.shape)}).{hint}"
            )
        return (*x.shape[:-1], w.shape[1])

    def forward(self, x: Array, w: Array) -> Array:
        return (_rows(x) @ w).reshape(self.shape(x, w))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        x, w = node.inputs
        return DENSE_GRAD_INPUT(grad_output, w), DENSE_GRAD_WEIGHT(x, grad_output)

    def terms(self, index: Index, x: Array, w: Array) -> Terms:
        *row, k = index
        return _products("Σ x·w over the features", [(("x", x, (*row, c)), ("w", w, (c, k))) for c in range(len(w))])

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)

    def fan_in(self, node: Node) -> int:
        return known_shape(node.inputs[1])[0]

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [box, None]


class DenseGradInput(Operation):
    """x[…, c] = Σ g[…, k] · w[c, k]."""

    name = "dense_grad_input"
    inputs = ("g", "w")

    def shape(self, g: Any, w: Any) -> Shape:
        return (*g.shape[:-1], w.shape[0])

    def forward(self, g: Array, w: Array) -> Array:
        return (_rows(g) @ w.T).reshape(self.shape(g, w))

    def terms(self, index: Index, g: Array, w: Array) -> Terms:
        *row, c = index
        places = range(w.shape[1])
        return _products("Σ g·w over the outputs", [(("g", g, (*row, k)), ("w", w, (c, k))) for k in places])

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)

    def fan_in(self, node: Node) -> int:
        return known_shape(node.inputs[1])[1]

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [box, None]


class DenseGradWeight(Operation):
    """w[c, k] = Σ x[…, c] · g[…, k]."""

    name = "dense_grad_weight"
    inputs = ("x", "g")

    def shape(self, x: Any, g: Any) -> Shape:
        return (x.shape[-1], g.shape[-1])

    def forward(self, x: Array, g: Array) -> Array:
        return _rows(x).T @ _rows(g)

    def terms(self, index: Index, x: Array, g: Array) -> Terms:
        c, k = index
        rows = itertools.product(*map(range, x.shape[:-1]))
        return _products("Σ x·g over the rows", [(("x", x, (*row, c)), ("g", g, (*row, k))) for row in rows])

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)

    def fan_in(self, node: Node) -> int:
        return math.prod(known_shape(node.inputs[0])[:-1])

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [None, None]


DENSE = Dense()
DENSE_GRAD_INPUT = DenseGradInput()
DENSE_GRAD_WEIGHT = DenseGradWeight()


def dense(x: Any, w: Any, bias: Any = None) -> Any:
    """Each output is a weighted sum of the features on the last axis: y[…, k] = bias[k] + Σ x[…, c] · w[c, k].

    Arguments:
        x: (…, C), any rank from 1; an array, or a symbol in a network.
        w: weights (C, K).
        bias: (K,), added to each row; None: no bias.

    Returns:
        (…, K).

    Raises:
        ShapeError: rank, features or bias do not fit.

    Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), section 6.3.
    """
    return add_bias("dense", DENSE(x, w), bias)


def _rows(x: Array) -> Array:
    """(…, C) → (R, C)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _products(formula: str, pairs: list[Any]) -> Terms:
    """One term for each pair of entries that are multiplied."""
    reads = [(read(*a), read(*b)) for a, b in pairs]
    return Terms(formula, tuple(Term(a.value * b.value, (a, b)) for a, b in reads))
