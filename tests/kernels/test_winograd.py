"""Winograd's transforms: their matrices, every kernel on awkward shapes, and when they are chosen."""

import numpy as np
import pytest

from striate import ops
from striate.codegen import host
from striate.graph import Graph, Tensor
from striate.kernels import LOWERINGS, Plan
from striate.kernels.conv import winograd
from striate.kernels.conv.winograd import Choice
from striate.kernels.conv.winograd.transforms import matrices
from striate.ops.conv import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.runtime.checked import CheckedExecutor
from striate.runtime.native import NativeExecutor
from tests.cases.case import Case
from tests.cases.conv import gradient_cases
from tests.codegen.machines import lesser, name, pretend
from tests.kernels.agreement import assert_same_bits_with_any_number_of_threads, definition, native, one_graph

LOWER = {
    CONV: winograd.lower_conv,
    CONV_GRAD_INPUT: winograd.lower_grad_input,
    CONV_GRAD_WEIGHT: winograd.lower_grad_weight,
}
CHOICES = [Choice(m, fused) for m in (2, 4) for fused in (True, False)]

#: Root mean square error over that of the result. Direct summation has 1e-7 to 4e-7 here; tiles of 2 are as good, and
#: tiles of 4 lose a factor of 2 to 4.
TOLERANCE = 1.5e-6

#: N, H, W, C, K, padding, groups: odd sizes, padding on any side, awkward channels, one image and several.
SHAPES = [
    (1, 3, 3, 1, 1, ((0, 0), (0, 0)), 1),  # one output
    (1, 1, 2, 5, 16, ((1, 1), (2, 0)), 1),  # an image smaller than the kernel
    (3, 5, 7, 16, 5, ((1, 1), (1, 1)), 1),
    (1, 8, 8, 17, 33, ((1, 1), (1, 1)), 1),
    (3, 9, 4, 33, 17, ((0, 2), (1, 0)), 1),
    (1, 6, 11, 16, 96, ((2, 2), (2, 2)), 1),  # three vectors in a panel
    (2, 4, 4, 1, 16, ((2, 0), (0, 2)), 1),
    (4, 26, 25, 16, 16, ((0, 0), (1, 2)), 1),  # more than one block of tiles, shard, and chunk
    (2, 7, 9, 32, 96, ((1, 1), (1, 1)), 2),
    (1, 6, 5, 96, 48, ((1, 0), (1, 1)), 3),
]


def cases(operation):
    forward = [
        Case(
            CONV, ((n, h, w, c), (3, 3, c // g, k)), {"strides": (1, 1), "padding": p, "dilation": (1, 1), "groups": g}
        )
        for n, h, w, c, k, p, g in SHAPES
    ]
    return [
        case for each in forward for case in (each, *gradient_cases(each)) if case.operation is operation
    ]  # fmt: skip


def always(monkeypatch, choice):
    """Compute every convolution in this way."""
    for operation, lower in LOWER.items():
        monkeypatch.setitem(LOWERINGS, operation.name, lambda plan, node, lower=lower: lower(plan, node, choice))


def assert_close(result, expected, about):
    error = np.sqrt(np.mean((result - expected) ** 2) / np.mean(expected**2))
    assert error < TOLERANCE, f"{about}: relative error {error:.1e}"


@pytest.mark.parametrize("m", [2, 4])
def test_matrices_compute_a_convolution_of_one_tile(m):
    inputs, weights, outputs = (matrix.astype(np.float64) for matrix in matrices(m))
    generator = np.random.default_rng(0)
    x, w = generator.standard_normal((m + 2, m + 2)), generator.standard_normal((3, 3))
    y = outputs @ ((weights @ w @ weights.T) * (inputs @ x @ inputs.T)) @ outputs.T
    expected = sum(w[i, j] * x[i : i + m, j : j + m] for i in range(3) for j in range(3))
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("operation", LOWER, ids=lambda operation: operation.name)
def test_agrees_with_the_definition(operation, choice, monkeypatch):
    always(monkeypatch, choice)
    executor, results = native(cases(operation))
    assert not executor.without_kernel
    for case, result in zip(cases(operation), results, strict=True):
        assert_close(result, definition(case), case)


@pytest.mark.exhaustive
@pytest.mark.parametrize("target", lesser(), ids=name)
@pytest.mark.parametrize("operation", LOWER, ids=lambda operation: operation.name)
def test_agrees_with_the_definition_on_lesser_machines(operation, target, monkeypatch):
    pretend(monkeypatch, target)
    always(monkeypatch, Choice(4, True))
    _, results = native(cases(operation))
    for case, result in zip(cases(operation), results, strict=True):
        assert_close(result, definition(case), case)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_what_follows_is_computed_before_outputs_are_stored(choice, monkeypatch):
    always(monkeypatch, choice)
    generator = np.random.default_rng(1)
    shapes = [(3, 7, 6, 5), (3, 3, 5, 17), (17,), (3, 7, 6, 17)]
    x, w, bias, shortcut = arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    y = ops.relu(ops.add(ops.conv2d(symbols[0], symbols[1], symbols[2], padding="same"), symbols[3]))
    executor = NativeExecutor(Graph(symbols, [y]))
    assert len(executor.plan.schedule) == (2 if choice.fused else 3)  # weights, (images,) the rest
    wide = [array.astype(np.float64) for array in (x, w, bias, shortcut)]
    expected = np.maximum(ops.conv2d(*wide[:3], padding="same") + wide[3], 0)
    assert_close(executor.run(arrays)[0], expected, choice)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_what_follows_a_weight_gradient_is_computed_with_it(choice, monkeypatch):
    always(monkeypatch, choice)
    (case,) = gradient_cases(cases(CONV)[3])[1:]
    arrays = [array.astype(np.float32) for array in case.arrays()]
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    executor = NativeExecutor(Graph(symbols, [ops.multiply(CONV_GRAD_WEIGHT(*symbols, **case.attributes), 0.5)]))
    assert executor.plan.schedule[-1].kernel.name == "to_weights"
    assert_close(executor.run(arrays)[0], 0.5 * definition(case), choice)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("operation", LOWER, ids=lambda operation: operation.name)
def test_reads_what_was_written_and_writes_where_it_may(operation, choice, monkeypatch):
    always(monkeypatch, choice)
    graph, given = one_graph(cases(operation))
    for case, result in zip(cases(operation), CheckedExecutor(graph).run(given), strict=True):
        assert_close(result, definition(case), case)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_bits_do_not_depend_on_the_number_of_threads(choice, monkeypatch):
    always(monkeypatch, choice)
    some = [cases(operation)[-1] for operation in LOWER]
    assert_same_bits_with_any_number_of_threads(lambda: native(some)[1])


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_nan_reaches_the_outputs_of_its_tile_and_no_others(choice, monkeypatch):
    always(monkeypatch, choice)
    x = np.ones((2, 8, 8, 16), np.float32)
    x[1, 6, 6, 3] = np.nan
    symbols = [Tensor(x.shape, x.dtype), Tensor((3, 3, 16, 16), x.dtype)]
    y = ops.conv2d(*symbols, padding="same")
    (result,) = NativeExecutor(Graph(symbols, [y])).run([x, np.ones((3, 3, 16, 16), np.float32)])
    assert np.isnan(result[1, 5:, 5:]).all()
    assert np.isfinite(result[0]).all()
    assert np.isfinite(result[1, :4, :4]).all()


def choice(n, size, channels, outputs, operation=CONV, kernel=3, dtype=np.float32, exact=False, **settings):
    """What is chosen for images of one size with padding 1."""
    attributes = {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1, **settings}
    groups = attributes["groups"]
    x = Tensor((n, size, size, channels), np.dtype(dtype))
    w = Tensor((kernel, kernel, channels // groups, outputs), np.dtype(dtype))
    y = CONV(x, w, **attributes)
    inputs = [x, w]
    if operation is CONV_GRAD_WEIGHT:
        inputs = [x, Tensor(y.shape, y.dtype)]
        y = CONV_GRAD_WEIGHT(*inputs, kernel=(kernel, kernel), **attributes)
    elif operation is CONV_GRAD_INPUT:
        inputs = [Tensor(y.shape, y.dtype), w]
        y = CONV_GRAD_INPUT(*inputs, size=(size, size), **attributes)
    graph = Graph(inputs, [y])
    target = host()._replace(vector_bits=512, registers=32)
    return winograd.choose(Plan(graph, target, exact=exact), graph.nodes[-1])


@pytest.mark.parametrize("operation", LOWER, ids=lambda operation: operation.name)
def test_is_chosen_where_it_saves_time(operation):
    for n, size, channels in [(128, 32, 16), (128, 8, 64), (1, 56, 64), (8, 28, 128), (8, 14, 256)]:
        chosen = choice(n, size, channels, channels, operation)
        assert chosen is not None
        assert chosen.m == 4
    assert choice(128, 28, 1, 32, operation) is None  # hardly a product for each transform
    assert choice(1, 1, 512, 512, operation) is None  # three quarters of a tile and more would be thrown away


def test_many_tiles_are_fused_and_few_are_not():
    assert choice(128, 32, 16, 16) == Choice(4, True)
    assert choice(1, 14, 256, 256) == Choice(4, False)
    assert choice(32, 32, 16, 16, CONV_GRAD_WEIGHT) == Choice(4, True)
    assert choice(32, 16, 32, 32, CONV_GRAD_WEIGHT) == Choice(4, True)
    assert choice(32, 8, 64, 64, CONV_GRAD_WEIGHT) == Choice(4, False)  # two shards, for any number of threads
    assert choice(16, 28, 128, 192, CONV_GRAD_WEIGHT) == Choice(4, False)  # sums of 3.5 MB for each shard
    assert choice(1, 56, 64, 64, CONV_GRAD_WEIGHT) == Choice(4, False)


def test_small_tiles_are_chosen_where_weights_would_bind():
    assert choice(1, 7, 512, 512) == Choice(2, False)
    assert choice(8, 7, 512, 512) == Choice(4, False)
    assert choice(1, 7, 512, 512, CONV_GRAD_INPUT) is None  # nor do those that are written at each step


def test_is_never_chosen_in_exact_mode_or_for_another_sum():
    assert choice(8, 28, 64, 64) is not None
    assert choice(8, 28, 64, 64, exact=True) is None
    assert choice(8, 28, 64, 64, strides=(2, 2)) is None
    assert choice(8, 28, 64, 64, dilation=(2, 2)) is None
    assert choice(8, 28, 64, 64, groups=2) is not None
    assert choice(8, 28, 64, 64, groups=8) is None  # groups that share vectors
    assert choice(8, 28, 64, 64, kernel=2) is None
    assert choice(8, 28, 64, 64, dtype=np.float64) is None
    assert choice(0, 28, 64, 64) is None
