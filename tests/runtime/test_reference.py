"""The reference executor: what it keeps, what it changes, and whose memory its answers are."""

import tracemalloc

import numpy as np
import pytest

from striate import ops
from striate.errors import ShapeError
from striate.graph import Tensor, Variable, active_trace, trace
from striate.runtime import ReferenceExecutor

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def executor(function, *shapes, dtype=np.float32):
    return ReferenceExecutor(trace(function, [Tensor(shape, dtype) for shape in shapes or [(2, 3)]], dtype=dtype))


def test_values_are_forgotten_after_their_last_reader():
    def deep(x):
        for _ in range(30):
            x = ops.tanh(x)
        return x

    runner, x = executor(deep, (2**18,)), np.ones(2**18, np.float32)  # 1 MiB
    tracemalloc.start()
    runner.run([x])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * x.nbytes


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x,
        lambda x: ops.reshape(x, (3, 2)),
        lambda x: ops.transpose(ops.reshape(x, (6,))),
        lambda x: ops.crop(x, 0),
        lambda x: ops.broadcast_to(x, (4, 2, 3)),
    ],
)
def test_outputs_do_not_share_memory_with_inputs(function):
    x = X.copy()
    (y,) = executor(function).run([x])
    expected = y.copy()
    x += 1
    np.testing.assert_array_equal(y, expected)
    y[...] = 0
    np.testing.assert_array_equal(x, X + 1)


def test_outputs_do_not_share_memory_with_variables_or_each_other():
    v = Variable(np.ones((2, 3)))

    def function(x):
        v.assign(v + x)
        y = ops.exp(x)
        symbol = active_trace().symbol(v)
        return v + 0.0, symbol, ops.reshape(symbol, (6,)), y, ops.reshape(y, (6,)), y

    runner = executor(function)
    results = runner.run([np.ones((2, 3), np.float32)])
    for before in results[:3]:
        np.testing.assert_array_equal(before, np.ones(before.shape))  # not yet what the update made of it
    np.testing.assert_array_equal(v.value, np.full((2, 3), 2))
    for one in results:
        one[...] = 7
    np.testing.assert_array_equal(v.value, np.full((2, 3), 2))
    assert not any(np.shares_memory(a, b) for i, a in enumerate(results) for b in results[:i])


def test_constants_can_be_outputs_and_stay_what_they_are():
    runner = executor(lambda x: (x, Tensor.constant(np.ones(2, np.float32))))
    for _ in range(2):
        constant = runner.run([X])[1]
        np.testing.assert_array_equal(constant, [1, 1])
        constant[...] = 5


def test_all_updates_see_the_values_from_before():
    a, b = Variable(np.zeros(2), "a"), Variable(np.ones(2), "b")

    def swap(x):
        a.assign(b)
        b.assign(a)
        return x

    executor(swap).run([X])
    np.testing.assert_array_equal([a.value, b.value], [[1, 1], [0, 0]])


def test_a_variable_can_be_assigned_an_array_inside_a_trace():
    v, given = Variable(np.zeros(2), "v"), np.array([3, 4])

    def function(x):
        v.assign(given)
        return x

    runner = executor(function)
    given[...] = 0
    runner.run([X])
    np.testing.assert_array_equal(v.value, [3, 4])


def test_random_numbers_are_a_function_of_seed_and_step():
    run = executor(lambda x: (ops.dropout(x, 0.5), ops.dropout(x, 0.5)), (1000,)).run
    x = np.ones(1000, np.float32)
    first, second = run([x], seed=1, step=2)
    np.testing.assert_array_equal(run([x], seed=1, step=2)[0], first)
    assert (first != second).any()  # each has a stream of its own
    assert (run([x], seed=1, step=3)[0] != first).any()
    assert (run([x], seed=2, step=2)[0] != first).any()


def test_inputs_and_variables_take_the_dtype_of_the_trace():
    v = Variable(np.full(3, 2.0, np.float32))
    (y,) = executor(lambda x: x * v, dtype=np.float64).run([X.astype(">f4")])
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, X * 2)
    assert v.dtype == np.float32


def test_infinities_propagate_without_a_warning():
    run = executor(lambda x: ops.sum(x * 1e30)).run
    assert run([np.full((2, 3), 1e30)])[0] == np.inf
    assert run([np.full((2, 3), 1e300)])[0] == np.inf  # does not fit float32 to begin with


def test_R4_another_number_of_arrays():
    with pytest.raises(ShapeError, match="run: this graph takes 1 arrays, got 2"):
        executor(ops.relu).run([X, X])
