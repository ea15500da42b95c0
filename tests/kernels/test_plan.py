"""Plans: updates that overwrite a variable only when nobody reads it any more, and what is computed once per change."""

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError
from striate.graph import Graph, Tensor, Variable, active_trace, trace
from striate.kernels.plan import Reference
from striate.runtime import native
from striate.runtime.native import NativeExecutor
from striate.runtime.team import shared_team

pytest.importorskip("llvmlite")


def symbol(variable):
    """The variable's value before the run, whatever is assigned in between."""
    return active_trace().symbol(variable)


def numbers(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_an_update_that_is_computed_early_waits_for_the_last_reader_of_the_old_value():
    v = Variable(numbers(4, 5), "v")
    old, x, w = v.numpy(), numbers(4, 6), numbers(6, 5)

    def function(x, w):
        before = symbol(v)
        v.assign(ops.matmul(x, w))
        return ops.softmax(before)

    executor = NativeExecutor(trace(function, [Tensor((4, 6)), Tensor((6, 5))]))
    (result,) = executor.run([x, w])
    np.testing.assert_allclose(result, np.exp(old) / np.exp(old).sum(-1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(v.value, x @ w, rtol=1e-4, atol=1e-5)


def test_an_update_that_reads_neighbours_does_not_write_over_what_it_reads():
    v = Variable(np.arange(40, 0, -1, dtype=np.float32).reshape(1, 40, 1), "v")
    old = v.numpy().ravel()

    def function(x):
        v.assign(ops.max_pool(symbol(v), 3, strides=1, padding="same"))
        return x

    NativeExecutor(trace(function, [Tensor((1,))])).run([np.ones(1, np.float32)])
    np.testing.assert_array_equal(v.value.ravel(), [old[0], *old[:-1]])  # the numbers fall: each becomes its left one


def test_an_update_number_by_number_is_made_in_place():
    v = Variable(numbers(50, 7), "v")
    old, x = v.numpy(), numbers(50, 7)

    def function(x):
        v.assign(symbol(v) * 0.5 + x)
        return []

    executor = NativeExecutor(trace(function, [Tensor((50, 7))]))
    executor.run([x])
    np.testing.assert_allclose(v.value, old * 0.5 + x, rtol=1e-6)
    assert len(executor.plan.launches) == 1


def test_an_update_that_is_read_again_by_the_kernel_after_it_is_copied_at_the_end():
    v = Variable(numbers(6, 6), "v")
    old, x = v.numpy(), numbers(6, 6)

    def function(x):
        before = symbol(v)
        v.assign(ops.tanh(x))
        return ops.matmul(before, x), ops.matmul(x, before)

    results = NativeExecutor(trace(function, [Tensor((6, 6))])).run([x])
    np.testing.assert_allclose(results[0], old @ x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results[1], x @ old, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(v.value, np.tanh(x), rtol=1e-5)


def test_an_update_of_nothing():
    v = Variable(np.empty((0, 3), np.float32), "v")

    def function(x):
        v.assign(ops.matmul(symbol(v), x))
        return [x]

    (result,) = NativeExecutor(trace(function, [Tensor((3, 3))])).run([np.eye(3, dtype=np.float32)])
    np.testing.assert_array_equal(result, np.eye(3))


def test_a_variable_that_takes_anothers_new_value_and_one_of_another_shape():
    a, b = Variable(numbers(2, 6), "a"), Variable(numbers(3, 4), "b")
    old_a, x = a.numpy(), numbers(2, 6)

    def function(x):
        old = symbol(a)
        new = ops.tanh(x)
        a.assign(new)
        b.assign(ops.reshape(new + old, (3, 4)))
        return new

    (result,) = NativeExecutor(trace(function, [Tensor((2, 6))])).run([x])
    np.testing.assert_allclose(result, np.tanh(x), rtol=1e-5)
    np.testing.assert_allclose(a.value, np.tanh(x), rtol=1e-5)
    np.testing.assert_allclose(b.value, (np.tanh(x) + old_a).reshape(3, 4), rtol=1e-5)


def convolution(x, w):
    """A convolution whose kernel packs its weights first."""
    return ops.conv2d(x, w, padding="same")


X = numbers(1, 8, 8, 16)
W = numbers(3, 3, 16, 32)


@pytest.mark.parametrize(
    "weights",
    [
        lambda w, scale: w * scale,
        lambda w, scale: ops.broadcast_to(scale, (3, 3, 16, 32)) + w,
        lambda w, scale: ops.reshape(w * scale, (3, 3, 16, 32)),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_weights_that_depend_on_an_input_are_packed_anew_in_each_run(weights, exact):
    w = Variable(W, "w")
    graph = trace(lambda x, scale: convolution(x, weights(symbol(w), scale)), [Tensor(X.shape), Tensor(())])
    executor = NativeExecutor(graph, hoist=True, exact=exact)
    for scale in (np.float32(1), np.float32(-3)):
        expected = convolution(X, np.asarray(weights(W, scale), np.float32))
        np.testing.assert_allclose(executor.run([X, scale])[0], expected, rtol=1e-4, atol=1e-3)


def test_weights_that_are_an_input_are_packed_anew_in_each_run():
    x, w = Tensor(X.shape), Tensor(W.shape)
    executor = NativeExecutor(Graph([x, w], [convolution(x, w)]), hoist=True)
    for factor in (np.float32(1), np.float32(2)):
        np.testing.assert_allclose(executor.run([X, W * factor])[0], convolution(X, W * factor), rtol=1e-4, atol=1e-3)


def test_weights_that_the_reference_computes_are_not_packed_before_they_are_there(monkeypatch):
    from striate.kernels import LOWERINGS

    monkeypatch.delitem(LOWERINGS, "transpose")
    x, w = Tensor(X.shape), Tensor(W.shape)
    executor = NativeExecutor(Graph([x, w], [convolution(x, ops.transpose(w, (1, 0, 2, 3)))]), hoist=True)
    assert any(isinstance(step, Reference) for step in executor.plan.schedule)
    for factor in (np.float32(1), np.float32(2)):
        expected = convolution(X, W.swapaxes(0, 1) * factor)
        np.testing.assert_allclose(executor.run([X, W * factor])[0], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("exact", [False, True])
def test_weights_of_a_variable_are_packed_once_and_again_when_it_changes(exact):
    w = Variable(W, "w")
    graph = trace(lambda x: convolution(x, symbol(w)), [Tensor(X.shape)])
    executor, plain = (NativeExecutor(graph, hoist=hoist, exact=exact) for hoist in (True, False))
    assert executor.plan.preparation
    assert not plain.plan.preparation
    assert len(executor.plan.launches) == len(plain.plan.launches)
    for factor in (1, -2):
        w.assign(factor * W)
        for runner in (executor, plain, executor):
            np.testing.assert_allclose(runner.run([X])[0], convolution(X, factor * W), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("operation", [ops.conv2d, ops.conv2d_transpose])
def test_all_that_is_done_to_weights_alone_is_done_before(operation):
    w = Variable(numbers(3, 3, 16, 16), "w")
    graph = trace(lambda x: operation(x, symbol(w), padding="same"), [Tensor((1, 16, 16, 16))])
    plan = NativeExecutor(graph, hoist=True).plan
    assert plan.preparation
    for step in plan.schedule:
        *read, _ = step.buffers
        assert {buffer.home for buffer in read} & {"input", "arena"}, "this depends on weights alone"
    for launch in plan.preparation:
        assert {buffer.home for buffer in launch.buffers} <= {"variable", "kept"}


def test_packed_weights_stay_where_temporary_arrays_come_and_go():
    variables = [Variable(numbers(3, 3, 16, 16) / 8, f"w{i}") for i in range(4)]

    def network(x):
        for w in variables:
            x = ops.relu(convolution(x, symbol(w)))
        return x

    run = NativeExecutor(trace(network, [Tensor(X.shape)]), hoist=True).run
    (first,) = run([X])
    for _ in range(2):
        np.testing.assert_array_equal(run([X])[0], first)
    expected = X
    for w in variables:
        expected = ops.relu(convolution(expected, w.value))
    np.testing.assert_allclose(first, expected, rtol=1e-4, atol=1e-4)


def test_a_run_without_a_change_packs_nothing(monkeypatch):
    w, programs = Variable(W, "w"), []
    executor = NativeExecutor(trace(lambda x: convolution(x, symbol(w)), [Tensor(X.shape)]), hoist=True)

    class Counting:
        def run(self, program):
            programs.append(program)
            shared_team().run(program)

    monkeypatch.setattr(native, "shared_team", Counting)
    counts = []
    for change in (False, False, True, False):
        if change:
            w.assign(-W)
        programs.clear()
        executor.run([X])
        counts.append(len(programs))
    assert counts == [2, 1, 2, 1]


def test_packed_weights_follow_an_update_that_another_executor_makes():
    """As a prediction between two steps of training, which change variables inside of a native call."""
    w = Variable(W, "w")
    predicts = NativeExecutor(trace(lambda x: convolution(x, symbol(w)), [Tensor(X.shape)]), hoist=True)

    def step(factor):
        w.assign(symbol(w) * factor)
        return []

    trains = NativeExecutor(trace(step, [Tensor(())]))
    expected = convolution(X, W)
    np.testing.assert_allclose(predicts.run([X])[0], expected, rtol=1e-4, atol=1e-3)
    for factor in (2, -1):
        trains.run([np.float32(factor)])
        expected = expected * factor
        np.testing.assert_allclose(predicts.run([X])[0], expected, rtol=1e-4, atol=1e-3)


def test_variables_of_double_precision_are_refused():
    wide = Variable(np.ones(3), "wide")
    with pytest.raises(ArgumentError, match=r"^wide: kernels compute with float32, got float64\. Use the reference"):
        NativeExecutor(trace(lambda x: x + wide, [Tensor((3,))]))


def test_what_follows_each_convolution_is_part_of_it():
    def function(x, w):
        for _ in range(3):
            x = ops.relu(ops.add(ops.conv2d(x, w, padding="same"), 1.0))
        return x

    executor = NativeExecutor(trace(function, [Tensor((1, 9, 9, 4)), Tensor((3, 3, 4, 4))]))
    apart = NativeExecutor(trace(lambda x, w: ops.conv2d(x, w, padding="same"), executor.graph.inputs))
    assert len(executor.plan.launches) <= 3 * len(apart.plan.launches)
