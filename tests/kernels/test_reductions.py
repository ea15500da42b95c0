"""Reductions where the case grid is too small for shards, blocks of columns and long rows."""

import itertools

import numpy as np
import pytest

from striate.graph import Graph, Tensor
from striate.kernels.broadcasting import merge, unravel
from striate.ops import relu
from striate.ops.elementwise import BROADCAST_TO, SUM_TO
from striate.ops.reductions import ARGMAX, MAX, MAX_GRAD, MEAN, SUM, VARIANCE, kept_shape
from striate.runtime.native import NativeExecutor
from tests.cases.case import Case
from tests.kernels.agreement import assert_agrees, assert_same_bits_with_any_number_of_threads, native

LARGE = [
    ((40000, 3), (0,)),  # shards down narrow rows
    ((3, 4100, 17), (1,)),
    ((70, 1001), (0,)),  # one block of columns and no more
    ((33, 2100), (0,)),  # several blocks, the last one short
    ((5, 2048), (0,)),
    ((50001,), (0,)),  # shards across a row
    ((3, 20000), (1,)),
    ((40, 17000), (1,)),
    ((2, 300, 3, 5, 7), (1, 4)),  # down, then across
    ((3, 90, 2, 50, 3), (0, 2, 4)),
    ((2, 40, 1, 64), (1, 2)),
    ((1, 1, 5), (0, 1)),  # nothing but sizes of 1
    ((40, 3), (0, 1)),
    ((7, 0), (1,)),
    ((0, 7), (1,)),
]


def check(cases, **settings):
    executor, results = native(cases, **settings)
    assert not executor.without_kernel
    for case, result in zip(cases, results, strict=True):
        assert_agrees(result, case)


@pytest.mark.parametrize("operation", [SUM, MEAN, VARIANCE, MAX], ids=lambda operation: operation.name)
def test_many_numbers(operation):
    empty = operation is SUM
    check(
        [
            Case(operation, (shape,), {"axes": axes, "keepdims": keepdims})
            for (shape, axes), keepdims in itertools.product(LARGE, (False, True))
            if empty or all(shape[axis] for axis in axes)
        ]
    )


def test_gradient_of_the_largest_of_many():
    check([Case(MAX_GRAD, (shape, kept_shape(shape, axes)), {"axes": axes}) for shape, axes in LARGE if 0 not in shape])


@pytest.mark.parametrize("shape", [(5, 1), (2, 3, 17), (1, 1, 40), (700, 6), (9, 9, 300), (3, 2048), (20000, 10)])
def test_bias_gradients(shape):
    check([Case(SUM_TO, (shape,), {"shape": shape[-1:]}), Case(SUM_TO, (shape,), {"shape": ()})])


@pytest.mark.parametrize("shape", [(3, 5, 40), (2, 9000), (70, 3)])
def test_broadcasting(shape):
    smaller = [shape, shape[-1:], (), (1,) * len(shape), (*shape[:-1], 1), (shape[0],) + (1,) * (len(shape) - 1)]
    check([Case(BROADCAST_TO, (each,), {"shape": shape}) for each in smaller])


def test_the_first_of_equal_numbers_wins():
    def few(generator):
        return generator.integers(0, 3, (6, 50, 20)).astype(np.float64)

    check([Case(ARGMAX, (few,), {"axis": axis}) for axis in range(3)])
    sets = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    check([Case(MAX_GRAD, (few, kept_shape((6, 50, 20), axes)), {"axes": axes}) for axes in sets])


def test_nan_and_infinities():
    def strange(generator):
        x = generator.standard_normal((9, 35))
        x[2, 30], x[2, 33], x[4, 1], x[5], x[6, 7] = np.nan, np.nan, np.inf, -np.inf, -np.inf
        return x

    check([Case(MAX, (strange,), {"axes": (axis,), "keepdims": False}) for axis in (0, 1)])
    check([Case(ARGMAX, (strange,), {"axis": axis}) for axis in (0, 1)])
    check([Case(SUM, (strange,), {"axes": (axis,), "keepdims": False}) for axis in (0, 1)])


def test_variance_of_numbers_far_from_zero():
    def far(generator):
        return 1000 + generator.standard_normal((30000, 5))

    for axes in [(0,), (1,), (0, 1)]:
        check([Case(VARIANCE, (far,), {"axes": axes, "keepdims": False})])


def test_what_follows_a_sum_down_is_part_of_it():
    x, b, r = (Tensor(shape, np.dtype(np.float32)) for shape in [(4, 30, 40), (40,), (4, 40)])
    graph = Graph([x, b, r], [relu(SUM(x, axes=(1,), keepdims=False) + b) * r])
    executor = NativeExecutor(graph)
    assert len(executor.plan.schedule) == 1
    generator = np.random.default_rng(1)
    arrays = [generator.standard_normal(tensor.shape).astype(np.float32) for tensor in graph.inputs]
    (result,) = executor.run(arrays)
    np.testing.assert_allclose(result, np.maximum(arrays[0].sum(1) + arrays[1], 0) * arrays[2], rtol=1e-5, atol=1e-5)


def test_a_sum_of_few_numbers_is_one_launch():
    executor, _ = native([Case(SUM_TO, ((128, 10),), {"shape": (10,)})])
    assert len(executor.plan.schedule) == 1


def test_R1_bits_do_not_depend_on_the_number_of_threads():
    cases = [Case(SUM, (shape,), {"axes": axes, "keepdims": False}) for shape, axes in LARGE[:10]]
    cases += [Case(VARIANCE, (shape,), {"axes": axes, "keepdims": False}) for shape, axes in LARGE[:10]]
    assert_same_bits_with_any_number_of_threads(lambda: native(cases)[1])


def test_arrays_that_begin_anywhere():
    x = Tensor((50, 37), np.dtype(np.float32))
    executor = NativeExecutor(Graph([x], [SUM(x, axes=(0,), keepdims=False), SUM(x, axes=(1,), keepdims=False)]))
    block = np.random.default_rng(2).standard_normal(50 * 37 + 3).astype(np.float32)
    given = block[3:].reshape(50, 37)
    down, across = executor.run([given])
    np.testing.assert_allclose(down, given.sum(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(across, given.sum(1), rtol=1e-5, atol=1e-5)


def test_random_shapes_and_axes():
    generator = np.random.default_rng(3)
    cases = []
    for _ in range(60):
        shape = tuple(int(n) for n in generator.choice([1, 2, 3, 5, 16, 18, 33], generator.integers(1, 5)))
        axes = tuple(axis for axis in range(len(shape)) if generator.random() < 0.5)
        operation = [SUM, MEAN, VARIANCE, MAX][generator.integers(4)]
        cases.append(Case(operation, (shape,), {"axes": axes, "keepdims": bool(generator.integers(2))}))
    check(cases)


def test_axes_merge_where_every_operand_runs_on():
    shape, x, channel = (2, 3, 1, 4), (12, 4, 4, 1), (0, 0, 0, 1)
    assert merge(shape, [x], [0, 0, 0, 0]) == ((24,), [(1,)], [0])
    assert merge(shape, [x, channel], [0, 0, 0, 0]) == ((6, 4), [(4, 1), (0, 1)], [0, 0])
    assert merge(shape, [x], [0, 1, 1, 2]) == ((2, 3, 4), [(12, 4, 1)], [0, 1, 2])


def test_items_of_a_grid():
    assert unravel(23, (2, 3, 4)) == [1, 2, 3]
    assert unravel(5, (6,)) == [5]
