"""The dense product: loops, PyTorch and numbers by hand."""

import itertools
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ShapeError
from striate.graph import Array, Node, Tensor
from striate.ops.dense import DENSE, DENSE_GRAD_INPUT, DENSE_GRAD_WEIGHT
from striate.testing import check_adjoint
from tests.cases.dense import CASES
from tests.ops.oracles import assert_agrees_with_torch


def dense_by_loops(x: Array, w: Array) -> Array:
    y = np.zeros((*x.shape[:-1], w.shape[1]))
    for row in itertools.product(*map(range, x.shape[:-1])):
        for k in range(w.shape[1]):
            for c in range(w.shape[0]):
                y[(*row, k)] += x[(*row, c)] * w[c, k]
    return y


def test_agrees_with_loops() -> None:
    for case in CASES:
        if case.operation is DENSE:
            x, w = case.arrays()
            np.testing.assert_allclose(ops.dense(x, w), dense_by_loops(x, w), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [(), (4,), (2, 5), (2, 3, 4)])
def test_agrees_with_torch(rows: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    x, w, bias = (generator.standard_normal(shape) for shape in [(*rows, 3), (3, 6), (6,)])
    assert_agrees_with_torch(ops.dense, lambda x, w, b: torch.nn.functional.linear(x, w.T, b), [x, w, bias])


def test_O7_gradient_operations_are_adjoints() -> None:
    generator = np.random.default_rng(0)
    x, w = generator.standard_normal((4, 5, 3)), generator.standard_normal((3, 6))
    check_adjoint(lambda x: ops.dense(x, w), lambda g: DENSE_GRAD_INPUT(g, w), x)
    check_adjoint(lambda w: ops.dense(x, w), lambda g: DENSE_GRAD_WEIGHT(x, g), w)


def test_F11_dense_acts_on_the_last_axis_of_any_rank() -> None:
    image, w = np.random.default_rng(0).standard_normal((20, 20, 3)), np.eye(3, 16)
    y = ops.dense(image, w, np.ones(16))
    assert y.shape == (20, 20, 16)
    np.testing.assert_array_equal(y[7, 11], np.pad(image[7, 11], (0, 13)) + 1)


def test_numbers_by_hand() -> None:
    np.testing.assert_array_equal(ops.dense([1, 2], [[1, 0, 3], [0, 1, 4]], [10, 20, 30]), [11, 22, 41])


def test_matmul_and_the_operator_are_dense() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(ops.matmul(a, b), a @ b)
    x, w = Tensor((2, 3)), Tensor((3, 4))
    products: list[Any] = [x @ w, x @ b, a @ w]
    for product in products:
        assert product.shape == (2, 4)
        assert product.node.operation is DENSE


def test_A2_multiply_adds_and_inputs_for_each_unit() -> None:
    node = ops.dense(Tensor((1, 784)), Tensor((784, 10))).node
    assert isinstance(node, Node)
    assert (DENSE.fan_in(node), DENSE.multiply_adds(node)) == (784, 7840)


def test_R4_features_do_not_fit() -> None:
    with pytest.raises(
        ShapeError,
        match=r"dense: expected 4 features on the last axis \(weight is \(4, 2\)\), got 3 \(input is \(5, 3\)\)\.$",
    ):
        ops.dense(np.zeros((5, 3)), np.zeros((4, 2)))


def test_R4_image_that_was_not_flattened() -> None:
    with pytest.raises(ShapeError, match=r"expected 784 features .* got 1 .*Flatten the input first\?"):
        ops.dense(np.zeros((8, 28, 28, 1)), np.zeros((784, 10)))


def test_R4_single_number() -> None:
    with pytest.raises(ShapeError, match=r"dense: expected 4 features .* got a scalar \(input is \(\)\)"):
        ops.dense(1.0, np.zeros((4, 2)))


def test_R4_weight_is_no_matrix() -> None:
    with pytest.raises(ShapeError, match=r"dense: expected weight of rank 2 \(C, K\), got rank 3 \(2, 3, 4\)"):
        ops.dense(np.zeros((2, 3)), np.zeros((2, 3, 4)))


def test_R4_empty_weight() -> None:
    with pytest.raises(ShapeError, match=r"dense: expected a weight with no empty axis, got \(3, 0\)"):
        ops.dense(np.zeros((2, 3)), np.zeros((3, 0)))
