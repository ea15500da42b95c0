"""Tensors, nodes, tracing and gradients."""

import threading

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Tensor, Trace, Variable, active_trace, gradients, probe, topological_order, trace
from striate.runtime import ReferenceExecutor
from striate.runtime.native import NativeExecutor


def value_of(function, *arrays):
    graph = trace(function, [Tensor(a.shape, a.dtype) for a in arrays], dtype=np.float64)
    return ReferenceExecutor(graph).run(arrays)


def test_operators_are_operations():
    a, b = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 8.0])
    (result,) = value_of(lambda x, y: (x + y) * 2 - y / x + (-x) ** 2 + 1 / x - (1 - y) + 2**x, a, b)
    np.testing.assert_allclose(result, (a + b) * 2 - b / a + (-a) ** 2 + 1 / a - (1 - b) + 2**a)


def test_numpy_on_the_left_asks_the_tensor():
    x = Tensor((3,), np.float64)
    assert isinstance(np.ones(3) + x, Tensor)
    assert isinstance(np.float64(2) * x, Tensor)


def test_symbols_refuse_to_be_numbers():
    x = ops.relu(Tensor((2, 2)))
    with pytest.raises(TypeError, match="has no values yet"):
        np.asarray(x)
    with pytest.raises(TypeError, match="cannot branch"):
        bool(x)
    with pytest.raises(TypeError, match="cannot be iterated"):
        list(x)
    assert "by relu" in repr(x)
    assert "relu" in repr(x.node)


def test_gradients_add_where_a_tensor_is_used_twice():
    x = np.array([1.0, -2.0, 3.0])

    def function(t):
        y = ops.sum(t * t + 3.0 * t)
        return gradients(y, [t])

    np.testing.assert_allclose(value_of(function, x)[0], 2 * x + 3)


def test_gradients_pass_by_what_does_not_lead_to_them():
    """Wherever the other branch stands among the nodes, before or after."""
    t, u = np.array([0.5, -1.0]), np.array([2.0, 3.0])

    def before(t, u):
        return gradients(ops.sum(ops.exp(u)) + ops.sum(t * t), [t])

    def after(t, u):
        return gradients(ops.sum(t * t) + ops.sum(ops.exp(u)), [t])

    for function in (before, after):
        np.testing.assert_allclose(value_of(function, t, u)[0], 2 * t)


def test_gradients_end_where_an_operation_has_none():
    def function(t):
        labels = ops.one_hot(ops.relu(t * 2.0), 3)  # which has no gradient by its labels
        assert gradients(ops.sum(labels), [t]) == [None]
        return gradients(ops.sum(labels) + ops.sum(t * t), [t])

    np.testing.assert_allclose(value_of(function, np.array([0.5, 1.0]))[0], [1.0, 2.0])


def test_gradient_of_what_does_not_matter_is_none():
    def function(t, u):
        grads = gradients(ops.sum(t), [t, u])
        assert grads[1] is None
        return grads[0]

    np.testing.assert_array_equal(value_of(function, np.ones(2), np.ones(2))[0], [1, 1])


def test_gradients_want_a_scalar_or_a_gradient():
    x = Tensor((2, 3))
    with pytest.raises(ShapeError, match=r"expected a scalar output, got shape \(2, 3\); give grad_output too"):
        gradients(ops.relu(x), [x])
    with pytest.raises(ShapeError, match=r"expected grad_output of shape \(2, 3\), got \(3, 2\)"):
        gradients(ops.relu(x), [x], Tensor((3, 2)))


def test_first_order_only():
    def twice(x):
        y = ops.max(ops.square(x))
        (first,) = gradients(y, [x])
        return gradients(ops.sum(first), [x])

    with pytest.raises(ArgumentError, match="gradients in Striate are of first order"):
        trace(twice, [Tensor((3,))])


def test_networks_deeper_than_pythons_stack():
    def deep(x):
        y = x
        for _ in range(3000):
            y = y + 1.0
        return y, gradients(ops.sum(y), [x])

    y, grad = value_of(deep, np.zeros(1))
    assert (y.item(), grad.item()) == (3000, 1)


def test_topological_order_has_each_node_once_after_its_inputs():
    x = Tensor((1,))
    a = ops.relu(x)
    b = ops.exp(a)
    c = a + b
    assert [node.name for node in topological_order([c, b])] == ["relu", "exp", "add"]


def test_unneeded_gradients_are_never_computed():
    """The gradient with respect to a network's input is not asked for, so no node computes it."""

    def function(x):
        w = active_trace().symbol(kernel)
        return gradients(ops.sum(ops.conv2d(x, w)), [w])

    kernel = Variable(np.ones((3, 3, 1, 2)))
    graph = trace(function, [Tensor((1, 5, 5, 1))])
    assert "conv_grad_input" not in [node.name for node in graph.nodes]


def test_probe_finds_what_depends_on_the_batch():
    x = Tensor((None, 4, 4, 3))
    assert probe(ops.relu, (x,), {}).shape == (None, 4, 4, 3)
    assert ops.mean(x, axis=(1, 2)).shape == (None, 3)
    assert ops.sum(x).shape == ()
    assert (x + np.ones((1, 4, 4, 3))).shape == (None, 4, 4, 3)


def test_variables_keep_their_array_and_check_shapes():
    v = Variable([1, 2, 3], "v")
    array = v.value
    v.assign([4, 5, 6])
    assert v.value is array
    assert v.dtype == np.float32
    assert v.numpy() is not array
    assert repr(v) == "<Variable v (3,) float32>"
    np.testing.assert_array_equal(np.asarray(v), [4, 5, 6])
    with pytest.raises(ShapeError, match=r"v: expected a value of shape \(3,\), got \(2,\)"):
        v.assign([1, 2])


def test_what_was_assigned_is_read_in_the_same_trace_and_stored_after_each_run():
    v = Variable([0, 0], "count")

    def function(x):
        before = v + 0.0
        v.assign(v + x)
        v.assign_add(v)
        return before, v + 0.0

    graph = trace(function, [Tensor((2,))])
    for executor in (ReferenceExecutor(graph), NativeExecutor(graph)):
        v.assign(np.zeros(2))
        np.testing.assert_array_equal(executor.run([np.ones(2, np.float32)]), [[0, 0], [2, 2]])
        np.testing.assert_array_equal(executor.run([np.ones(2, np.float32)]), [[2, 2], [6, 6]])
        np.testing.assert_array_equal(v.value, [6, 6])


def test_a_variables_numbers_are_not_taken_for_constants():
    """``variable.value`` and ``np.asarray(variable)`` in a layer's call would be the numbers of today, for ever."""
    v = Variable([1, 2], "v")
    run = ReferenceExecutor(trace(lambda x: v.value * x, [Tensor((2,))])).run
    v.assign([3, 4])
    np.testing.assert_array_equal(run([np.ones(2)]), [[3, 4]])
    for read in (np.asarray, Variable.numpy):
        with pytest.raises(TypeError, match=r"<Variable v .* has no numbers in a network's graph"):
            trace(lambda x: x * read(v), [Tensor((2,))])  # noqa: B023


def test_gradients_end_at_what_was_assigned():
    """As in Keras: after an assignment, a variable is read as a number, not as what the number was computed from."""
    v = Variable(np.ones(1), "v")
    with Trace().recording() as scope:
        x = Tensor((1,))
        y = v * x  # 1·x, by the first value
        v.assign(y * 3.0)
        z = ops.sum(y + v * x * x)
        first, second = scope.reads[v]
        grads = [g for g in gradients(z, [x, first, second]) if g is not None]
        graph = scope.graph([x], grads)
    # z = v₀·x + v₁·x² with v₁ = 3·v₀·x taken as given: dz/dx = v₀ + 2·v₁·x, dz/dv₀ = x, dz/dv₁ = x²
    np.testing.assert_array_equal(ReferenceExecutor(graph).run([np.array([2.0])]), [[1 + 2 * 6 * 2], [2], [4]])


def test_trace_leaves_no_trace_behind():
    with pytest.raises(ZeroDivisionError):
        trace(lambda x: 1 // 0, [Tensor((1,))])
    assert active_trace() is None


def test_executor_takes_the_shape_it_was_traced_for():
    graph = trace(ops.relu, [Tensor((2, 3), name="x")])
    with pytest.raises(ShapeError, match=r"this graph takes x of shape \(2, 3\), got \(3, 2\)"):
        ReferenceExecutor(graph).run([np.zeros((3, 2))])


@pytest.mark.parametrize("value", ["abc", None, [[1, 2], [3]], np.ones(2, complex), {}])
def test_R4_variables_hold_numbers_only(value):
    with pytest.raises(DataError, match=r"v: expected numbers, got an array|v: expected numbers in one rectangular"):
        Variable(value, "v")
    with pytest.raises(DataError, match=r"v: expected numbers, got an array|v: expected numbers in one rectangular"):
        Variable(np.ones(2), "v").assign(value)


def test_R4_variables_are_native_and_no_smaller_than_float32():
    assert Variable(np.ones(2, ">f8")).dtype == np.dtype("=f8")
    assert Variable(np.ones(2, np.float16)).dtype == np.float32


def test_unused_branches_and_constants_take_no_part_in_gradients():
    def function(x):
        ops.exp(x)  # nobody reads it
        y = ops.relu(x)
        return gradients(ops.sum(y * y + 3.0 * np.ones(2) + y), [x])

    graph = trace(function, [Tensor((2,), np.float64)])
    assert "exp" not in [node.name for node in graph.nodes]
    np.testing.assert_array_equal(ReferenceExecutor(graph).run([np.array([1.0, -2.0])])[0], [3, 0])


def test_traces_nest_and_survive_what_goes_wrong_inside():
    v = Variable(np.ones(2), "v")

    def inner(x):
        v.assign(v + x)
        raise ZeroDivisionError

    def outer(x):
        scope = active_trace()
        with pytest.raises(ZeroDivisionError):
            trace(inner, [Tensor((2,))])
        assert active_trace() is scope
        return x * v

    graph = trace(outer, [Tensor((2,))])
    assert graph.updates == []
    assert list(graph.variables) == [v]


def test_two_threads_trace_at_once():
    together, graphs = threading.Barrier(2), {}

    def work(name):
        v = Variable(np.ones(2), name)

        def function(x):
            together.wait(10)  # both are inside of their trace now
            return ops.dropout(x * v, 0.5)

        graphs[name] = trace(function, [Tensor((2,))])

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, graph in graphs.items():
        assert [variable.name for variable in graph.variables] == [name]
        assert [node.name for node in graph.nodes] == ["multiply", "dropout"]
        assert graph.nodes[-1].attributes["stream"] == 0


def test_what_a_variable_shows_cannot_be_written():
    v = Variable(np.ones(3), "v", regularizer=abs)
    assert v.regularizer is abs
    with pytest.raises(ValueError, match="read-only"):
        v.value[0] = 2


def test_a_variable_is_a_copy_unless_it_is_told_otherwise():
    array = np.ones(3, np.float32)
    own, shared = Variable(array), Variable(array, copy=False)
    array[:] = 2
    np.testing.assert_array_equal(own.array, [1, 1, 1])
    np.testing.assert_array_equal(shared.array, [2, 2, 2])


def test_executors_are_told_of_every_change_of_a_variable():
    before = Variable.changes
    variable = Variable(np.ones(3, np.float32))
    made = Variable.changes
    variable.assign(np.zeros(3, np.float32))
    assert before < made < Variable.changes


@pytest.mark.parametrize("executor", [ReferenceExecutor, NativeExecutor])
def test_a_variable_that_another_one_is_assigned_to_takes_its_value_of_that_run(executor):
    copy, original = Variable(np.zeros(3, np.float32), "copy"), Variable(np.ones(3, np.float32), "original")
    copy.assign(original)
    np.testing.assert_array_equal(copy.array, [1, 1, 1])
    runner = executor(trace(lambda x: (copy.assign(original), x)[1], [Tensor((2,))]))
    original.assign([5, 6, 7])
    np.testing.assert_array_equal(copy.array, [1, 1, 1])
    runner.run([np.zeros(2, np.float32)])
    np.testing.assert_array_equal(copy.array, [5, 6, 7])


def test_symbols_are_indexed():
    x = np.arange(12.0).reshape(3, 4)
    for index in (1, slice(1, None), (slice(None), 2), (..., slice(None, None, -1))):
        np.testing.assert_array_equal(value_of(lambda s, index=index: s[index] * 2, x)[0], x[index] * 2)


def test_variables_are_added_to_and_subtracted_from():
    v = Variable([5, 7], "v")
    np.testing.assert_array_equal(v.assign_sub([1, 2]).array, [4, 5])
    np.testing.assert_array_equal(v.assign_add([1, 2]).array, [5, 7])
