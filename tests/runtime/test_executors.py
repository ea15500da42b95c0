"""What every executor keeps, what it changes, and whose memory its answers are."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Tensor, Variable, active_trace, trace
from striate.runtime import ReferenceExecutor
from striate.runtime import executor as choose_executor
from striate.runtime.arena import ALIGNMENT
from striate.runtime.blocks import aligned

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(params=["reference", "native"])
def executor(request):
    """Makes an executor of a function of arrays."""
    if request.param == "native":
        pytest.importorskip("llvmlite")
        from striate.runtime.native import NativeExecutor as Executor
    else:
        Executor = ReferenceExecutor
    return lambda function, *shapes: Executor(trace(function, [Tensor(shape) for shape in shapes or [(2, 3)]]))


def test_values_are_forgotten_after_their_last_reader():
    def deep(x):
        for _ in range(30):
            x = ops.tanh(x)
        return x

    graph = trace(deep, [Tensor((2**18,))])
    runner, x = ReferenceExecutor(graph), np.ones(2**18, np.float32)  # 1 MiB
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
def test_outputs_do_not_share_memory_with_inputs(executor, function):
    x = X.copy()
    (y,) = executor(function).run([x])
    expected = y.copy()
    x += 1
    np.testing.assert_array_equal(y, expected)
    y[...] = 0
    np.testing.assert_array_equal(x, X + 1)


def test_outputs_do_not_share_memory_with_variables_or_each_other(executor):
    v = Variable(np.ones((2, 3), np.float32))

    def function(x):
        symbol, before = active_trace().symbol(v), v + 0.0
        v.assign(v + x)
        y = ops.exp(x)
        return before, symbol, ops.reshape(symbol, (6,)), y, ops.reshape(y, (6,)), y

    runner = executor(function)
    results = runner.run([np.ones((2, 3), np.float32)])
    for before in results[:3]:
        np.testing.assert_array_equal(before, np.ones(before.shape))  # not yet what the update made of it
    np.testing.assert_array_equal(v.value, np.full((2, 3), 2))
    for one in results:
        one[...] = 7
    np.testing.assert_array_equal(v.value, np.full((2, 3), 2))
    assert not any(np.shares_memory(a, b) for i, a in enumerate(results) for b in results[:i])


def test_constants_can_be_outputs_and_stay_what_they_are(executor):
    runner = executor(lambda x: (x, Tensor.constant(np.ones(2, np.float32))))
    for _ in range(2):
        constant = runner.run([X])[1]
        np.testing.assert_array_equal(constant, [1, 1])
        constant[...] = 5


def test_updates_take_what_was_read_before_any_of_them(executor):
    a, b = Variable(np.float32([0, 0]), "a"), Variable(np.float32([1, 1]), "b")

    def swap(x):
        old_a, old_b = map(active_trace().symbol, (a, b))
        a.assign(old_b)
        b.assign(old_a)
        return x

    executor(swap).run([X])
    np.testing.assert_array_equal([a.value, b.value], [[1, 1], [0, 0]])


def test_a_variable_can_be_assigned_an_array_inside_a_trace(executor):
    v, given = Variable(np.float32([0, 0]), "v"), np.array([3, 4])

    def function(x):
        v.assign(given)
        return x

    runner = executor(function)
    given[...] = 0
    runner.run([X])
    np.testing.assert_array_equal(v.value, [3, 4])


def test_random_numbers_are_a_function_of_seed_and_step(executor):
    run = executor(lambda x: (ops.dropout(x, 0.5), ops.dropout(x, 0.5)), (1000,)).run
    x = np.ones(1000, np.float32)
    first, second = run([x], seed=1, step=2)
    np.testing.assert_array_equal(run([x], seed=1, step=2)[0], first)
    assert (first != second).any()  # each has a stream of its own
    assert (run([x], seed=1, step=3)[0] != first).any()
    assert (run([x], seed=2, step=2)[0] != first).any()


def test_inputs_and_variables_take_the_dtype_of_the_trace():
    v = Variable(np.full(3, 2.0, np.float32))
    graph = trace(lambda x: x * v, [Tensor((2, 3), np.float64)], dtype=np.float64)
    (y,) = choose_executor(graph).run([X.astype(">f4")])
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, X * 2)
    assert v.dtype == np.float32


def test_inputs_of_other_types_and_orders_are_converted(executor):
    double = executor(lambda x: x * 2.0)
    for x in (X.astype(">f4"), X.astype(np.float64), np.asfortranarray(X), X.astype(np.uint8), X.repeat(2, 1)[:, ::2]):
        np.testing.assert_array_equal(double.run([x])[0], X * 2)


def test_results_are_put_into_given_arrays(executor):
    flat = np.zeros(9, np.float32)
    runner = executor(lambda x: (ops.relu(x), x + 1.0, ops.sum(x)))
    results = runner.run([X], into={1: flat[1:7].reshape(2, 3)})
    np.testing.assert_array_equal(flat, [0, *(X + 1).ravel(), 0, 0])
    assert results[1].base is flat
    np.testing.assert_array_equal(results[0], X)


def test_what_is_prepared_from_variables_follows_their_changes():
    pytest.importorskip("llvmlite")
    from striate.runtime.native import NativeExecutor

    w = Variable(np.ones((1, 1, 3, 2), np.float32))
    runner = NativeExecutor(trace(lambda x: ops.conv2d(x, w), [Tensor((1, 2, 2, 3))]), hoist=True)
    x = np.ones((1, 2, 2, 3), np.float32)
    for factor in (1, 2, 5):
        w.assign(np.full(w.shape, factor))
        np.testing.assert_array_equal(runner.run([x])[0], np.full((1, 2, 2, 2), 3 * factor))


def test_memory_of_kernels_begins_at_a_cache_line():
    blocks = [aligned(size) for size in (0, 1, 17, 100, 5_000, 10**6, 3 * 10**6) for _ in range(4)]
    assert [block.ctypes.data % ALIGNMENT for block in blocks if block.size] == [0] * 24
    assert [block.size for block in blocks[::4]] == [0, 1, 17, 100, 5_000, 10**6, 3 * 10**6]


def test_what_has_no_kernel_is_computed_between_those_that_have(monkeypatch):
    pytest.importorskip("llvmlite")
    from striate.kernels import LOWERINGS
    from striate.runtime.native import NativeExecutor

    monkeypatch.delitem(LOWERINGS, "transpose")

    def function(x):
        y = ops.softmax(ops.matmul(x, ops.transpose(x)))
        return ops.matmul(ops.transpose(y), ops.softmax(x))

    executor = NativeExecutor(trace(function, [Tensor((5, 7))]))
    assert [node.name for node in executor.without_kernel] == ["transpose", "transpose"]
    for seed in range(2):
        x = np.random.default_rng(seed).standard_normal((5, 7)).astype(np.float32)
        np.testing.assert_allclose(executor.run([x])[0], function(x), rtol=1e-4, atol=1e-5)


def test_runs_from_several_threads_take_turns(executor):
    run = executor(lambda x: ops.relu(ops.tanh(x * 2.0) + x), (50, 60)).run
    arrays = [np.random.default_rng(i).standard_normal((50, 60)).astype(np.float32) for i in range(8)]
    expected = [run([x])[0] for x in arrays]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            for got, wanted in zip(pool.map(lambda x: run([x])[0], arrays), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_infinities_propagate_without_a_warning(executor):
    run = executor(lambda x: ops.sum(x * 1e30)).run
    assert run([np.full((2, 3), 1e30)])[0] == np.inf
    with np.errstate(all="ignore"):
        too_large = np.full((2, 3), 1e300)
    assert run([too_large])[0] == np.inf  # does not fit float32 to begin with


def test_variables_in_float64_are_for_the_reference():
    pytest.importorskip("llvmlite")
    from striate.runtime.native import NativeExecutor

    v = Variable(np.ones(3), "v")
    graph = trace(lambda x: x * v, [Tensor((2, 3))])
    assert isinstance(choose_executor(graph), ReferenceExecutor)
    with pytest.raises(ArgumentError, match=r"v: kernels compute with float32, got float64\. Use the reference"):
        NativeExecutor(graph)


def test_R4_another_number_of_arrays(executor):
    with pytest.raises(ShapeError, match="run: this graph takes 1 arrays, got 2"):
        executor(ops.relu).run([X, X])


def test_a_run_that_fails_gives_back_the_memory_that_it_borrowed(monkeypatch):
    pytest.importorskip("llvmlite")
    from striate.kernels import LOWERINGS
    from striate.runtime import blocks
    from striate.runtime.chain import Chain
    from striate.runtime.native import NativeExecutor

    monkeypatch.delitem(LOWERINGS, "transpose")
    monkeypatch.setattr(blocks, "_FREE", [])
    x = np.ones((64, 64), np.float32)
    first, second = (
        NativeExecutor(trace(lambda x: ops.exp(ops.transpose(ops.exp(x))), [Tensor((64, 64))])) for _ in range(2)
    )
    expected = first.run([x])[0]
    kept = blocks.free_bytes()
    operation = type(first.without_kernel[0].operation)

    def fail(*_args, **_attributes):
        raise FloatingPointError("no transpose today")

    with monkeypatch.context() as patched:
        patched.setattr(operation, "forward", staticmethod(fail))
        with pytest.raises(FloatingPointError, match="no transpose today"):
            first.run([x])
        assert blocks.free_bytes() == kept > 0
        with pytest.raises(FloatingPointError, match="no transpose today"):
            Chain(first, second).run([x], 0, 0, {}, [x])
        with pytest.raises(ShapeError, match="takes"):
            Chain(first, second).run([x], 0, 0, {}, [x[:3]])
    assert blocks.free_bytes() >= kept
    np.testing.assert_array_equal(Chain(first, second).run([x], 0, 0, {}, [x])[0], expected)


@pytest.mark.parametrize("size", [8, 64])  # smaller and larger than what is copied in any case
def test_inputs_may_lie_in_memory_in_any_way(executor, size):
    runner = executor(lambda x: 2.0 * x, (size, size))
    x = np.arange(size * size, dtype=np.float32).reshape(size, size)
    shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    shifted[...] = x
    wide = np.zeros((2 * size, size), np.float32)
    wide[::2] = x
    for given in (x, np.asfortranarray(x), wide[::2], shifted, x.astype(np.float64), x.astype(">f4")):
        np.testing.assert_array_equal(runner.run([given])[0], 2 * x)
    np.testing.assert_array_equal(runner.run([x.T])[0], 2 * x.T)


def test_functions_compute_in_float32_and_leave_integers_as_they_are():
    from striate.runtime.function import Function

    function = Function(lambda x, n: (ops.exp(x), ops.take(x, [1], 0), n))
    exponential, taken, n = function(np.ones(3), np.arange(3))
    assert (exponential.dtype, taken.dtype, n.dtype) == (np.float32, np.float32, np.int64)
    assert len(function.executors) == 1
    function(np.ones(3, np.float32), np.arange(3))
    assert len(function.executors) == 1  # the same trace


def test_chains_of_a_network_that_computes_nothing():
    pytest.importorskip("llvmlite")
    from striate.runtime.chain import Chain
    from striate.runtime.native import NativeExecutor

    def same(x):
        return x

    def twice(x):
        return 2 * x

    x = np.ones((8, 8), np.float32)
    for functions, expected in [((same, twice), x), ((twice, same), 2 * x), ((same, same), x)]:
        first, second = (NativeExecutor(trace(function, [Tensor((8, 8))])) for function in functions)
        np.testing.assert_array_equal(Chain(first, second).run([x], 0, 0, {}, [x])[0], expected)
