"""Element-wise operations: special numbers, other types, and the same bits whether fused to another kernel or not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate import ops
from striate.errors import DataError
from striate.graph import Array, Graph, Tensor
from striate.kernels import POINTWISE
from striate.kernels.plan import FUSIONS
from striate.ops.operation import OPERATIONS
from striate.runtime.native import NativeExecutor
from tests.cases.activations import SETTINGS
from tests.kernels.agreement import assert_same_bits_with_any_number_of_threads

NUMBERS = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 0.5, 1, -1, 3, -3, 6, -20, 90, -110]
SPECIAL = np.array(NUMBERS, np.float32)
STEPS = {"drop", "scale_shift"}  # what other operations become


def settings_of(name: str) -> list[dict[str, Any]]:
    """Settings to try an operation with."""
    by_name = {activation.name: each for activation, each in SETTINGS.items()}
    return by_name.get(name.removesuffix("_grad"), [{}])


@pytest.mark.parametrize("name", sorted(POINTWISE.keys() - STEPS))
@np.errstate(all="ignore")
def test_special_numbers(name: str) -> None:
    """Zeros, infinities, NaN and denormal numbers in every combination, as the reference has them in float32."""
    operation = OPERATIONS[name]
    given = [grid.ravel() for grid in np.meshgrid(*[SPECIAL] * len(operation.inputs))]
    symbols = [Tensor(array.shape) for array in given]
    outputs = [operation(*symbols, **attributes) for attributes in settings_of(name)]
    executor = NativeExecutor(Graph(symbols, outputs))
    assert not executor.without_kernel
    for attributes, result in zip(settings_of(name), executor.run(given), strict=True):
        expected = operation.forward(*given, **attributes)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5, err_msg=str(attributes))


def test_every_pointwise_operation_is_an_operation() -> None:
    assert POINTWISE.keys() - STEPS <= OPERATIONS.keys()
    assert FUSIONS.keys() <= OPERATIONS.keys()


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_])
def test_whole_numbers_take_part(dtype: type) -> None:
    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 256, (3, 5, 19)).astype(dtype), generator.standard_normal((5, 1)).astype(np.float32)
    x, y = Tensor(a.shape, dtype), Tensor(b.shape)
    executor = NativeExecutor(Graph([x, y], [ops.multiply(x, y), ops.greater_equal(y, x)]))
    assert not executor.without_kernel
    product, comparison = executor.run([a, b])
    np.testing.assert_array_equal(product, a * b)
    np.testing.assert_array_equal(comparison, b >= a)


def test_float64_runs_on_the_reference() -> None:
    x = Tensor((3,), np.float64)
    executor = NativeExecutor(Graph([x], [ops.exp(x)]))
    assert [node.name for node in executor.without_kernel] == ["exp"]
    np.testing.assert_array_equal(executor.run([np.arange(3.0)])[0], np.exp(np.arange(3.0)))


UNARY = ["relu", "relu6", "silu", "tanh", "negative", "square", "absolute", "sign", "softplus", "sigmoid", "exp"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum", "less_equal", "divide"]


def chain(draw: Any, x: Tensor, others: dict[str, Tensor]) -> Tensor:
    """Element-wise operations, each on the result of the one before and sometimes on another tensor."""
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from(UNARY + BINARY))
        if name in UNARY:
            x = getattr(ops, name)(x)
        else:
            pair = [x, draw(st.sampled_from([*others.values(), x]))]
            x = getattr(ops, name)(*(pair[::-1] if draw(st.booleans()) else pair))
    return x


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_fused_and_not_fused_have_the_same_bits(data: st.DataObject) -> None:
    shape = (2, data.draw(st.integers(1, 3)), data.draw(st.sampled_from([1, 5, 16, 37])))
    x = Tensor((shape[0], 2 * shape[1], 2, shape[2]))
    places = {"same": shape, "channel": shape[-1:], "scalar": (), "row": (*shape[:-1], 1), "image": (shape[0], 1, 1)}
    others = {name: Tensor(size) for name, size in places.items()}
    pooled = (
        ops.reshape(ops.max_pool(x, 2), shape) if data.draw(st.booleans()) else ops.broadcast_to(others["row"], shape)
    )
    y = chain(data.draw, pooled, others)
    graph = Graph([x, *others.values()], [y, chain(data.draw, y, others)])
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    arrays = [2 * generator.standard_normal(t.shape).astype(np.float32) for t in graph.inputs]  # type: ignore[arg-type]
    fused, apart = (NativeExecutor(graph, fuse=fuse).run(arrays) for fuse in (True, False))
    for one, other in zip(fused, apart, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(3, 10), (40, 1000), (5, 7, 33)])
@pytest.mark.parametrize("axis", [0, 1])
def test_R1_softmax_has_the_same_bits_for_any_number_of_threads(shape: tuple[int, ...], axis: int) -> None:
    x = Tensor(shape)
    executor = NativeExecutor(Graph([x], [ops.softmax(x, axis), ops.log_softmax(x, axis)]))
    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    assert_same_bits_with_any_number_of_threads(lambda: executor.run([array]))


@np.errstate(all="ignore")
def test_softmax_of_special_numbers() -> None:
    rows = [[0, 0, 0], [1e30, -1e30, 0], [np.inf, 0, 0], [-np.inf, -np.inf, -np.inf], [np.nan, 1, 2], [-np.inf, 3, 3]]
    array = np.array(rows, np.float32)
    for axis, lines in ((1, array), (0, np.ascontiguousarray(array.T))):
        x = Tensor(lines.shape)
        outputs = [ops.softmax(x, axis), ops.log_softmax(x, axis)]
        for result, output in zip(NativeExecutor(Graph([x], outputs)).run([lines]), outputs, strict=True):
            operation = output.node.operation
            np.testing.assert_allclose(result, operation.forward(lines, axis=axis), rtol=1e-6, err_msg=operation.name)


def labels_to_codes(given: Array, dtype: Any = np.float32) -> tuple[NativeExecutor, Array]:
    labels = Tensor(given.shape, dtype)
    executor = NativeExecutor(Graph([labels], [ops.one_hot(labels, 5)]))
    return executor, executor.run([given])[0]


@pytest.mark.parametrize("wrong", [5.0, -1.0, 0.5, np.nan])
def test_R4_one_hot_refuses_wrong_labels(wrong: float) -> None:
    with pytest.raises(DataError, match=r"one_hot: expected labels that are integers from 0 to 4 \(5 classes\), got"):
        labels_to_codes(np.array([0, wrong, 4], np.float32))


def test_labels_that_a_graph_computes_run_on_the_reference() -> None:
    labels = Tensor((3,))
    executor = NativeExecutor(Graph([labels], [ops.one_hot(ops.add(labels, 1.0), 5)]))
    assert [node.name for node in executor.without_kernel] == ["one_hot"]
    with pytest.raises(DataError, match="one_hot: expected labels"):
        executor.run([np.array([0, 1, 4], np.float32)])


def test_a_number_that_ends_a_chain_is_computed_after_what_the_chain_reads() -> None:
    """As with a regularizer: Σ x² · λ stands between element-wise operations on arrays like x."""
    x = Tensor((40, 30))
    squares = ops.square(x)
    executor = NativeExecutor(Graph([x], [ops.multiply(ops.sum(squares), 0.5), ops.add(ops.exp(x), squares)]))
    array = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)
    half, both = executor.run([array])
    np.testing.assert_allclose(half, 0.5 * np.square(array).sum(), rtol=1e-5)
    np.testing.assert_allclose(both, np.exp(array) + np.square(array), rtol=1e-5)
