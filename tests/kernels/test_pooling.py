"""Pooling, resizing and moving kernels: what the case grid leaves out."""

from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.graph import Array, Graph, Tensor
from striate.ops.activations import RELU
from striate.ops.operation import Operation
from striate.ops.pooling import (
    ADAPTIVE_MAX_POOL,
    ADAPTIVE_MAX_POOL_GRAD,
    AVERAGE_POOL,
    AVERAGE_POOL_GRAD,
    BRIGHTEST_POOL,
    BRIGHTEST_POOL_GRAD,
    MAX_POOL,
    MAX_POOL_GRAD,
)
from striate.ops.shape import CONCATENATE, PAD, SLICE, TRANSPOSE
from striate.runtime.native import NativeExecutor
from tests.kernels.agreement import assert_same_bits_with_any_number_of_threads

TILES = {"pool_size": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
OVERLAPPING = {"pool_size": (3, 3), "strides": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)}
HOLES = {"pool_size": (2, 3), "strides": (1, 2), "padding": ((1, 0), (2, 2)), "dilation": (3, 2)}
LARGE = {"pool_size": (13, 17), "strides": (5, 18), "padding": ((6, 6), (3, 8)), "dilation": (1, 1)}
WINDOWS = pytest.mark.parametrize(
    "window", [TILES, OVERLAPPING, HOLES, LARGE], ids=["tiles", "overlapping", "holes", "large"]
)


def symbols(*arrays: Array) -> list[Tensor]:
    return [Tensor(array.shape, array.dtype) for array in arrays]


def run(operation: Operation, *arrays: Array, **attributes: Any) -> Array:
    given = symbols(*arrays)
    executor = NativeExecutor(Graph(given, [operation(*given, **attributes)]))
    assert not executor.without_kernel
    return executor.run(arrays)[0]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def with_ties(*shape: int) -> Array:
    """Few different numbers, so that windows have ties, and among them NaN and infinities."""
    choice = np.array([-np.inf, -1, 0, 1, 2, 2, 2, np.inf, np.nan], np.float32)
    return np.random.default_rng(1).choice(choice, shape)


@WINDOWS
@pytest.mark.parametrize("channels", [1, 17])
def test_O6_the_first_winner_gets_the_gradient_and_nan_wins(window: dict[str, Any], channels: int) -> None:
    x = with_ties(2, 19, 24, channels)
    np.testing.assert_array_equal(run(MAX_POOL, x, **window), MAX_POOL.forward(x, **window))
    g = normal(*MAX_POOL.shape(x, **window))
    np.testing.assert_allclose(
        run(MAX_POOL_GRAD, x, g, **window), MAX_POOL_GRAD.forward(x, g, **window), rtol=1e-5, atol=1e-5
    )


def test_where_all_is_minus_infinity_the_padding_may_win() -> None:
    x = np.full((1, 4, 4, 1), -np.inf, np.float32)
    weights = {"weights": (1.0,)}
    g = normal(1, 2, 2, 1)
    np.testing.assert_array_equal(run(MAX_POOL_GRAD, x, g, **OVERLAPPING), MAX_POOL_GRAD.forward(x, g, **OVERLAPPING))
    np.testing.assert_array_equal(
        run(BRIGHTEST_POOL, x, **OVERLAPPING, **weights), BRIGHTEST_POOL.forward(x, **OVERLAPPING, **weights)
    )


@WINDOWS
@pytest.mark.parametrize("channels", [6, 40])
def test_O5_brightest_pixels_of_any_number_of_channels(window: dict[str, Any], channels: int) -> None:
    x = np.random.default_rng(0).integers(-9, 9, (2, 19, 24, channels)).astype(np.float32)  # sums are exact: ties
    settings = {**window, "weights": (1.0,) * channels}
    y = BRIGHTEST_POOL.forward(x, **settings)
    np.testing.assert_array_equal(run(BRIGHTEST_POOL, x, **settings), y)
    g = normal(*y.shape)
    np.testing.assert_allclose(
        run(BRIGHTEST_POOL_GRAD, x, g, **settings), BRIGHTEST_POOL_GRAD.forward(x, g, **settings), atol=1e-5
    )


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2), (40, 1, 0)])
@pytest.mark.parametrize("channels", [6, 16, 40])
def test_O5_max_and_average_pool_as_pytorch_has_them(kernel: int, stride: int, padding: int, channels: int) -> None:
    torch = pytest.importorskip("torch")
    x = normal(2, 41, 43, channels)
    window = {
        "pool_size": (kernel, kernel),
        "strides": (stride, stride),
        "padding": ((padding, padding),) * 2,
        "dilation": (1, 1),
    }
    g = normal(*MAX_POOL.shape(x, **window), seed=1)
    for theirs, values, grad in [
        (torch.nn.functional.max_pool2d, run(MAX_POOL, x, **window), run(MAX_POOL_GRAD, x, g, **window)),
        (
            torch.nn.functional.avg_pool2d,
            run(AVERAGE_POOL, x, **window, count_include_pad=True),
            run(AVERAGE_POOL_GRAD, g, **window, count_include_pad=True, size=(41, 43)),
        ),
    ]:
        image = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
        y = theirs(image, kernel, stride, padding)
        (expected,) = torch.autograd.grad(y, image, torch.from_numpy(g).permute(0, 3, 1, 2))
        np.testing.assert_allclose(values, y.detach().permute(0, 2, 3, 1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(grad, expected.permute(0, 2, 3, 1), rtol=1e-5, atol=1e-6)


def test_overlapping_windows_find_their_winners_once() -> None:
    x, g = normal(2, 9, 9, 5), normal(2, 5, 5, 5)
    given = symbols(x, g)
    outputs = [MAX_POOL(given[0], **OVERLAPPING), MAX_POOL_GRAD(*given, **OVERLAPPING)]
    executor = NativeExecutor(Graph(given, outputs))
    assert [launch.kernel.name for launch in executor.plan.launches] == ["winners", "route"]
    y, grad = executor.run([x, g])
    np.testing.assert_array_equal(y, MAX_POOL.forward(x, **OVERLAPPING))
    np.testing.assert_allclose(grad, MAX_POOL_GRAD.forward(x, g, **OVERLAPPING), rtol=1e-6)


def test_a_pool_does_not_take_the_winners_of_another_window() -> None:
    x, g = normal(2, 9, 9, 5), normal(2, 3, 3, 5)
    other = {**OVERLAPPING, "strides": (4, 4)}
    given = symbols(x, g)
    executor = NativeExecutor(Graph(given, [MAX_POOL(given[0], **OVERLAPPING), MAX_POOL_GRAD(*given, **other)]))
    _, grad = executor.run([x, g])
    np.testing.assert_allclose(grad, MAX_POOL_GRAD.forward(x, g, **other), rtol=1e-6)


def test_a_window_of_many_entries_has_numbers_beyond_a_byte() -> None:
    x, g = normal(1, 40, 40, 3), normal(1, 2, 2, 3)
    np.testing.assert_array_equal(run(ADAPTIVE_MAX_POOL_GRAD, x, g), ADAPTIVE_MAX_POOL_GRAD.forward(x, g))
    np.testing.assert_array_equal(
        run(ADAPTIVE_MAX_POOL, x, output_size=(2, 2)), ADAPTIVE_MAX_POOL.forward(x, output_size=(2, 2))
    )


def fused_and_apart(outputs: list[Tensor], given: list[Tensor], arrays: list[Array], most: int) -> None:
    """The results are equal, and the fused plan has at most this many launches."""
    graph = Graph(given, outputs)
    fused, apart = (NativeExecutor(graph, fuse=fuse) for fuse in (True, False))
    assert len(fused.plan.launches) <= most < len(apart.plan.launches)
    for one, other in zip(fused.run(arrays), apart.run(arrays), strict=True):
        np.testing.assert_array_equal(one, other)


@WINDOWS
@pytest.mark.parametrize("channels", [5, 32])
def test_what_follows_a_pool_is_done_while_it_is_computed(window: dict[str, Any], channels: int) -> None:
    x, bias = normal(2, 19, 24, channels), normal(channels, seed=1)
    given = symbols(x, bias)
    fused_and_apart([ops.relu(ops.add(MAX_POOL(given[0], **window), given[1]))], given, [x, bias], most=1)
    mean = AVERAGE_POOL(given[0], **window, count_include_pad=False)
    fused_and_apart([ops.relu(ops.add(mean, given[1]))], given, [x, bias], most=1)


@WINDOWS
def test_what_follows_a_gradient_of_a_pool_is_done_while_it_is_computed(window: dict[str, Any]) -> None:
    x = normal(2, 19, 24, 5)
    g = normal(*MAX_POOL.shape(x, **window), seed=1)
    given = symbols(x, g)
    # Tiles: what no window covers takes a launch for the rows behind them, and one for the columns.
    fused_and_apart([RELU.grad(given[0], MAX_POOL_GRAD(*given, **window))], given, [x, g], most=2)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_what_follows_a_move_is_done_while_it_is_computed(axis: int) -> None:
    x = normal(2, 5, 6, 17)
    given = symbols(x)
    ends = tuple((1, 0) if i == axis else (0, 0) for i in range(4))
    for moved, launches in [
        (SLICE(given[0], cropping=ends, steps=(1,) * len(ends)), 1),
        (PAD(given[0], padding=ends, value=-2.0), 2),
        (CONCATENATE(given[0], given[0], given[0], axis=axis), 1),
        (TRANSPOSE(given[0], axes=[(0, 3, 1, 2), (1, 0, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3)][axis]), 1),
    ]:
        size = moved.shape[-1]
        bias = normal(size, seed=1)
        both = [given[0], Tensor((size,))]
        fused_and_apart([ops.relu(ops.add(moved, both[1]))], both, [x, bias], most=launches)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float64, bool])
def test_numbers_of_every_type_are_moved(dtype: type) -> None:
    x = np.random.default_rng(0).integers(0, 2, (2, 5, 6, 19)).astype(dtype)
    for operation, arrays, attributes in [
        (SLICE, [x], {"cropping": ((0, 0), (1, 1), (0, 2), (3, 0)), "steps": (1, 1, 2, 1)}),
        (PAD, [x], {"padding": ((0, 0), (1, 1), (0, 2), (3, 0)), "value": 1}),
        (CONCATENATE, [x, x], {"axis": 2}),
        (TRANSPOSE, [x], {"axes": (0, 3, 2, 1)}),
    ]:
        y = run(operation, *arrays, **attributes)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, operation.forward(*arrays, **attributes))


def test_arrays_need_no_alignment_but_that_of_their_numbers() -> None:
    block = normal(2 * 9 * 9 * 20 + 1)
    x = block[1:].reshape(2, 9, 9, 20)
    np.testing.assert_array_equal(run(MAX_POOL, x, **OVERLAPPING), MAX_POOL.forward(x, **OVERLAPPING))
    np.testing.assert_array_equal(run(TRANSPOSE, x, axes=(0, 3, 1, 2)), x.transpose(0, 3, 1, 2))


@WINDOWS
def test_R1_pools_have_the_same_bits_for_any_number_of_threads(window: dict[str, Any]) -> None:
    x = normal(4, 37, 41, 20)
    g = normal(*MAX_POOL.shape(x, **window), seed=1)
    given = symbols(x, g)
    outputs = [
        MAX_POOL(given[0], **window),
        MAX_POOL_GRAD(*given, **window),
        AVERAGE_POOL(given[0], **window, count_include_pad=False),
        AVERAGE_POOL_GRAD(given[1], **window, count_include_pad=False, size=(37, 41)),
    ]
    executor = NativeExecutor(Graph(given, outputs))
    assert_same_bits_with_any_number_of_threads(lambda: executor.run([x, g]))
