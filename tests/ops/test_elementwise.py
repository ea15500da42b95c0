"""Element-wise arithmetic: NumPy and PyTorch as oracles, kinks, operators of symbols, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import DataError, ShapeError
from striate.graph import Graph, Tensor, Variable, gradients, trace
from striate.ops.elementwise import ADD, SUBTRACT
from striate.runtime.reference import ReferenceExecutor
from striate.testing import check_gradient
from tests.cases.elementwise import CASES
from tests.ops.oracles import assert_agrees_with_torch

generator = np.random.default_rng(0)
A, B = generator.standard_normal((2, 3, 4)), generator.standard_normal((3, 1))


def gradient_at(function: Any, *numbers: float) -> list[float]:
    """The gradient of a function of numbers with respect to each."""
    symbols = [Tensor((), np.float64) for _ in numbers]
    found = gradients(function(*symbols), symbols)
    graph = Graph(symbols, [gradient for gradient in found if gradient is not None])
    return [float(value) for value in ReferenceExecutor(graph).run([np.float64(n) for n in numbers])]


def test_agrees_with_numpy() -> None:
    functions: dict[str, Any] = {
        "cast": lambda x, dtype: x.astype(dtype),
        "broadcast_to": np.broadcast_to,
        "sum_to": _summed,
        "stop_gradient": np.positive,
    }
    for case in CASES:
        name, arrays = case.operation.name, case.arrays()
        expected = functions.get(name, getattr(np, name, None))(*arrays, **case.attributes)
        np.testing.assert_allclose(case.operation(*arrays, **case.attributes), expected, rtol=1e-14, err_msg=str(case))


def _summed(x: Any, shape: tuple[int, ...]) -> Any:
    """The sum that undoes broadcasting, number by number."""
    result = np.zeros(shape)
    for index in np.ndindex(x.shape):
        own = index[len(index) - len(shape) :]
        result[tuple(0 if n == 1 else i for i, n in zip(own, shape, strict=True))] += x[index]
    return result


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
def test_agrees_with_pytorch_on_two_inputs(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert_agrees_with_torch(getattr(ops, name), getattr(torch, name), [A, B])
    assert_agrees_with_torch(getattr(ops, name), getattr(torch, name), [B, A])


@pytest.mark.parametrize("name", ["negative", "absolute", "square", "sqrt", "exp", "log"])
def test_agrees_with_pytorch_on_one_input(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert_agrees_with_torch(getattr(ops, name), getattr(torch, name), [np.abs(A) + 0.1])


def test_power_and_clip_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    assert_agrees_with_torch(ops.power, torch.pow, [np.abs(A) + 0.1, B])
    assert_agrees_with_torch(lambda x: ops.power(x, 3.0), lambda x: torch.pow(x, 3), [A])
    assert_agrees_with_torch(lambda x: ops.clip(x, -0.5, 0.5), lambda x: torch.clip(x, -0.5, 0.5), [A])
    assert_agrees_with_torch(
        lambda x: ops.broadcast_to(x, (2, 3, 4)) * A, lambda x: x.expand(2, 3, 4) * torch.tensor(A), [B]
    )


def test_operators_of_symbols_and_variables_mean_the_operations() -> None:
    check_gradient(lambda a, b: (-a + 2) * b / (1 - b**2) - 3 * a + (1 / (b + 5) - a) ** 2, [A, B])
    weight = Variable(np.ones((4, 2), np.float32))
    graph = trace(lambda x: [x @ weight, A.astype(np.float32) + x, A.astype(np.float32) @ weight], [Tensor((2, 3, 4))])
    assert [output.shape for output in graph.outputs] == [(2, 3, 2), (2, 3, 4), (2, 3, 2)]


def test_O6_on_a_tie_the_first_input_gets_the_gradient() -> None:
    assert gradient_at(ops.maximum, 2, 2) == [1, 0]
    assert gradient_at(ops.minimum, 2, 2) == [1, 0]
    assert gradient_at(ops.maximum, 1, 2) == [0, 1]


def test_O6_gradients_at_kinks() -> None:
    assert gradient_at(ops.absolute, 0) == [0]
    assert [gradient_at(lambda x: ops.clip(x, -1, 1), x) for x in (-2, -1, 0, 1, 2)] == [[0], [1], [1], [1], [0]]


def test_O6_NaN_and_infinities_propagate_without_warnings() -> None:
    nan, inf = np.array([np.nan]), np.array([np.inf])
    for function in (ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum, ops.minimum):
        assert np.isnan(function(nan, 1.0))
        assert np.isnan(function(1.0, nan))
    assert np.isnan(ops.subtract(inf, inf))
    assert ops.divide(1.0, np.array([0.0])) == np.inf
    assert ops.log(np.array([0.0])) == -np.inf
    assert np.isnan(ops.sqrt(np.array([-1.0])))
    assert ops.exp(np.array([1e4])) == np.inf


def test_comparisons_and_signs_stop_the_gradient() -> None:
    x = Tensor((3,))
    for y in (ops.sign(x), x == 0, x != 0, x > 0, x >= 0, x < 0, x <= 0, ~x, x & x, x | x, x ^ x):
        assert gradients(y, [x], Tensor((3,))) == [None]


def test_numbers_take_the_type_of_the_array() -> None:
    for dtype in (np.float32, np.float64):
        assert ops.multiply(A.astype(dtype), 0.1).dtype == dtype
        assert ops.subtract(1, A.astype(dtype)).dtype == dtype
    assert ops.add([1, 2], True).dtype == np.float32
    np.testing.assert_array_equal(ops.multiply(A, 0.1), A * 0.1)


def test_terms_of_a_sum_are_its_inputs_and_of_a_product_the_product() -> None:
    x, y = np.array([3.0]), np.array([4.0])
    assert [term.value for term in ADD.terms((0,), x, y).terms] == [3, 4]
    assert [term.value for term in SUBTRACT.terms((0,), x, y).terms] == [3, -4]
    (term,) = ops.elementwise.MULTIPLY.terms((0,), x, y).terms
    assert (term.value, [read.value for read in term.reads]) == (12, [3, 4])


def test_broadcasting_to_the_same_shape_adds_no_node() -> None:
    x = Tensor((2, 3))
    assert ops.broadcast_to(x, (2, 3)) is x
    assert ops.sum_to(x, (2, 3)) is x


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ops.add(A, np.zeros(3)),
            ShapeError,
            "add: expected shapes that broadcast together, got (2, 3, 4) and (3,).",
        ),
        (
            lambda: ops.sum_to(A, (2, 3)),
            ShapeError,
            "sum_to: expected shapes that broadcast together, got (2, 3, 4) and (2, 3).",
        ),
        (lambda: ops.sum_to(B, (3, 4)), ShapeError, "sum_to: (3, 4) does not broadcast to (3, 1)."),
        (lambda: ops.broadcast_to(A, (3, 4)), ShapeError, "broadcast_to: (2, 3, 4) does not broadcast to (3, 4)."),
        (lambda: ops.exp("1"), DataError, "exp: x: expected numbers, got an array of <U1 (shape ())."),
        (
            lambda: ops.multiply(A, 1j),
            DataError,
            "multiply: x2: expected numbers, got an array of complex128 (shape ()).",
        ),
    ],
)
def test_refuses_what_means_nothing(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()
