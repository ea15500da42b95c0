"""Products of stacks of matrices: NumPy and PyTorch as oracles, memory, and what is refused."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate import ops
from striate.errors import ShapeError
from striate.graph import Tensor, gradients, topological_order
from striate.ops.dense import DENSE
from striate.ops.matmul import MATMUL
from striate.testing import check_gradient
from tests.cases.matmul import CASES
from tests.ops.oracles import assert_agrees_with_torch

generator = np.random.default_rng(0)

SHAPES = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((4, 3), (3,)),
    ((4, 3), (3, 2)),
    ((2, 4, 3), (3,)),
    ((3,), (2, 3, 5)),
    ((2, 4, 3), (2, 3, 5)),
    ((4, 3), (2, 3, 5)),
    ((2, 4, 3), (1, 3, 5)),
    ((2, 1, 4, 3), (5, 3, 2)),
    ((1, 5, 4, 3), (2, 1, 3, 2)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_agrees_with_numpy_and_pytorch_forward_and_backward(a: Any, b: Any) -> None:
    torch = pytest.importorskip("torch")
    x, y = generator.standard_normal(a), generator.standard_normal(b)
    np.testing.assert_allclose(ops.matmul(x, y), np.matmul(x, y), rtol=1e-12)
    assert_agrees_with_torch(ops.matmul, torch.matmul, [x, y])


def test_cases_agree_with_sums_of_products() -> None:
    for case in CASES:
        a, b = case.arrays()
        a = np.swapaxes(a, -1, -2) if case.attributes["transpose_a"] else a
        b = np.swapaxes(b, -1, -2) if case.attributes["transpose_b"] else b
        expected = np.sum(a[..., None] * b[..., None, :, :], axis=-2)
        np.testing.assert_allclose(case.operation(*case.arrays(), **case.attributes), expected, atol=1e-12)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_gradients_of_any_shapes_that_broadcast(data: Any) -> None:
    size = st.integers(1, 3)
    stack = data.draw(st.lists(size, max_size=3))
    n, k, m = data.draw(size), data.draw(size), data.draw(size)

    def factor(rows: int, columns: int, turned: bool) -> Any:
        kept = data.draw(st.integers(0, len(stack)))
        outer = [data.draw(st.sampled_from([1, s])) for s in stack[len(stack) - kept :]]
        return np.random.default_rng(1).standard_normal((*outer, *((columns, rows) if turned else (rows, columns))))

    turned = {"transpose_a": data.draw(st.booleans()), "transpose_b": data.draw(st.booleans())}
    a, b = factor(n, k, turned["transpose_a"]), factor(k, m, turned["transpose_b"])
    check_gradient(MATMUL, [a, b], turned)


def test_one_matrix_on_the_right_is_a_dense_layers_product() -> None:
    y = ops.matmul(Tensor((5, 4, 3)), Tensor((3, 2)))
    assert y.node.operation is DENSE
    y = Tensor((5, 4, 3)) @ Tensor((5, 3, 2))
    assert y.node.operation is MATMUL
    assert (MATMUL.fan_in(y.node), MATMUL.multiply_adds(y.node)) == (3, 5 * 4 * 3 * 2)


def test_batches_of_unknown_size() -> None:
    x, y = Tensor((None, 4, 3)), Tensor((None, 3, 5))
    assert (x @ y).shape == (None, 4, 5)
    assert ops.matmul(x, Tensor((3,))).shape == (None, 4)
    assert ops.matmul(Tensor((3,)), y).shape == (None, 5)


def test_memory_is_that_of_the_result() -> None:
    """Every product of two numbers kept, as by multiplying and summing, would be 256 MiB here."""
    a, b = np.ones((1, 256, 512), np.float32), np.ones((1, 512, 512), np.float32)
    tracemalloc.start()
    try:
        y = ops.matmul(a, b)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * y.nbytes


def test_a_repeated_factors_gradient_is_summed_inside_of_the_product() -> None:
    """No node on the way holds a matrix for each repetition."""
    a, b = Tensor((40, 6, 8)), Tensor((1, 8, 10))
    y = MATMUL(a, b, transpose_a=False, transpose_b=False)
    (grad,) = gradients(y, [b], Tensor(y.shape))
    assert grad is not None
    assert grad.shape == (1, 8, 10)
    largest = max(int(np.prod(node.output.shape)) for node in topological_order([grad]))
    assert largest <= 40 * 6 * 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.matmul(1.0, np.ones(3)), r"matmul: expected vectors or matrices, got shapes \(\) and \(3,\)\."),
        (
            lambda: ops.matmul(np.ones((4, 3)), np.ones((2, 5))),
            r"matmul: expected as many columns on the left as rows on the right, got 3 and 2 \(shapes \(4, 3\) and ",
        ),
        (
            lambda: ops.matmul(np.ones((2, 4, 3)), np.ones((5, 3, 2))),
            r"matmul: expected shapes that broadcast together, got \(2,\) and \(5,\)\.",
        ),
        (
            lambda: MATMUL(np.ones((4, 3)), np.ones((2, 5)), transpose_a=True, transpose_b=False),
            r"got 4 and 2 \(shapes \(4, 3\) and \(2, 5\) transposed\)\.",
        ),
        (
            lambda: MATMUL(np.ones(3), np.ones((3, 5)), transpose_a=False, transpose_b=False),
            r"matmul: expected matrices, got shapes \(3,\) and \(3, 5\)\.",
        ),
    ],
)
def test_R4_refuses_what_does_not_fit(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()
