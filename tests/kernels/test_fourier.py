"""Fourier transforms: against NumPy's, every kernel on awkward shapes, and when they are chosen."""

from dataclasses import replace

import numpy as np
import pytest

from striate import ops
from striate.codegen import host
from striate.graph import Graph, Tensor
from striate.kernels import Plan
from striate.kernels.conv import fourier
from striate.kernels.conv.fourier.tiling import tilings
from striate.kernels.conv.geometry import Axis, Correlation
from striate.ops.conv import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.runtime.checked import CheckedExecutor
from striate.runtime.native import NativeExecutor
from tests.cases.case import Case
from tests.cases.conv import gradient_cases
from tests.codegen.machines import lesser, name, pretend
from tests.kernels.agreement import (
    assert_agrees,
    assert_same_bits_with_any_number_of_threads,
    definition,
    native,
    one_graph,
)

OPERATIONS = [CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT]

#: x, w, padding, groups: one, two and three axes, padding on any side, awkward channels, odd numbers of tiles.
SHAPES = [
    ((2, 40, 3), (9, 3, 17), ((4, 4),), 1),
    ((1, 7, 1), (7, 1, 1), ((0, 0),), 1),  # one output
    ((3, 5, 7, 16), (5, 5, 16, 5), ((2, 2), (2, 2)), 1),
    ((1, 2, 3, 5), (4, 5, 5, 16), ((3, 0), (1, 4)), 1),  # an image smaller than the kernel
    ((2, 9, 30, 17), (1, 7, 17, 33), ((0, 0), (3, 3)), 1),
    ((2, 21, 4, 33), (7, 1, 33, 2), ((0, 6), (0, 0)), 1),
    ((1, 20, 19, 2), (11, 11, 2, 3), ((5, 5), (0, 10)), 1),
    ((2, 5, 6, 7, 3), (3, 4, 2, 3, 4), ((1, 1), (0, 2), (1, 0)), 1),
    ((1, 9, 13, 40), (5, 5, 20, 34), ((2, 2), (0, 0)), 2),
    ((3, 11, 9), (5, 3, 51), ((2, 2),), 3),
]


def cases(operation):
    found = []
    for x, w, padding, groups in SHAPES:
        ones = (1,) * (len(x) - 2)
        forward = Case(CONV, (x, w), {"strides": ones, "padding": padding, "dilation": ones, "groups": groups})
        found += [case for case in (forward, *gradient_cases(forward)) if case.operation is operation]
    return found


@pytest.fixture(
    params=["middle", *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("shortest", "longest"))]
)
def always(request, monkeypatch):
    """Every convolution is computed in this way, with one window or another."""

    def choose(plan, sums, is_gradient):
        ways = tilings(sums, plan.target)
        ways.sort(key=lambda way: way.frequencies)
        return ways[{"shortest": 0, "middle": len(ways) // 2, "longest": -1}[request.param]]

    monkeypatch.setattr(fourier, "choose", choose)


def assert_close(result, case):
    expected = definition(case)
    error = np.sqrt(np.mean((result - expected) ** 2) / np.mean(expected**2))
    assert error < 1e-6, f"{case}: relative error {error:.1e}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_O11_equals_direct_sums(operation, always):
    executor, results = native(cases(operation))
    assert not executor.without_kernel
    assert {launch.kernel.name for launch in executor.plan.launches} & {"transform_windows"}
    for case, result in zip(cases(operation), results, strict=True):
        assert_close(result, case)
        assert_agrees(result, case)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_reads_what_was_written_and_writes_where_it_may(operation, always):
    graph, given = one_graph(cases(operation))
    for case, result in zip(cases(operation), CheckedExecutor(graph).run(given), strict=True):
        assert_close(result, case)


@pytest.mark.exhaustive
@pytest.mark.parametrize("target", lesser(), ids=name)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_agrees_with_the_definition_on_lesser_machines(operation, always, target, monkeypatch):
    pretend(monkeypatch, target)
    for case, result in zip(cases(operation), native(cases(operation))[1], strict=True):
        assert_close(result, case)


def test_what_follows_is_computed_before_outputs_are_stored(always):
    generator = np.random.default_rng(1)
    shapes = [(3, 12, 11, 5), (5, 5, 5, 17), (17,), (3, 12, 11, 17)]
    x, w, bias, shortcut = arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    y = ops.relu(ops.add(ops.conv2d(symbols[0], symbols[1], symbols[2], padding="same"), symbols[3]))
    executor = NativeExecutor(Graph(symbols, [y]))
    assert executor.plan.schedule[-1].kernel.name == "transform_back"
    wide = [array.astype(np.float64) for array in (x, w, bias, shortcut)]
    expected = np.maximum(ops.conv2d(*wide[:3], padding="same") + wide[3], 0)
    np.testing.assert_allclose(executor.run(arrays)[0], expected, atol=1e-4)


def test_R1_bits_do_not_depend_on_the_number_of_threads(always):
    some = [case for operation in OPERATIONS for case in cases(operation)[2:5]]
    assert_same_bits_with_any_number_of_threads(lambda: native(some)[1])


def test_an_image_does_not_feel_its_neighbours(always):
    """Nor their NaN, nor rounding errors as large as their numbers."""
    x = np.random.default_rng(0).standard_normal((3, 14, 14, 16)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((5, 5, 16, 16)).astype(np.float32)
    symbols = [Tensor(x.shape, x.dtype), Tensor(w.shape, w.dtype)]
    executor = NativeExecutor(Graph(symbols, [ops.conv2d(*symbols, padding="same")]))
    (expected,) = executor.run([x, w])
    x[0], x[2] = 1e9, np.nan
    (result,) = executor.run([x, w])
    np.testing.assert_array_equal(result[1], expected[1])
    assert np.isnan(result[2]).any()


def sums(n=8, size=28, channels=64, kernel=7, **axis):
    one = Axis(size=size, count=size, taps=kernel, before=kernel // 2, length=size)
    return Correlation(n, (Axis(), replace(one, **axis), one), 1, channels, channels)


def choice(correlation, exact=False):
    x = Tensor((1,))
    target = host()._replace(vector_bits=512, registers=32)
    return fourier.choose(Plan(Graph([x], [ops.relu(x)]), target, exact=exact), correlation, is_gradient=False)


def test_O11_is_chosen_for_large_kernels():
    assert choice(sums()) is not None
    assert choice(sums(kernel=11)) is not None
    assert choice(sums(kernel=2)) is None
    assert choice(sums(channels=1)) is None  # hardly a product for each transform
    assert choice(sums(size=4)) is None  # most of a window would be padding


def test_is_never_chosen_in_exact_mode_or_for_another_sum():
    assert choice(sums(), exact=True) is None
    assert choice(sums(stride=2)) is None
    assert choice(sums(dilation=2)) is None
    assert choice(sums(n=0)) is None
