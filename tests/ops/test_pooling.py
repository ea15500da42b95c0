"""Pooling: loops, PyTorch, Keras, the numbers of the lectures, ties, kinks, and what it refuses."""

import re
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Tensor, Variable, trace
from striate.ops.operation import Operation
from striate.ops.pooling import (
    ADAPTIVE_AVERAGE_POOL,
    ADAPTIVE_MAX_POOL_GRAD,
    AVERAGE_POOL,
    AVERAGE_POOL_GRAD,
    BRIGHTEST_POOL,
    LP_POOL,
    MAX_POOL,
    MAX_POOL_GRAD,
)
from striate.testing import check_adjoint, check_gradient
from tests.cases.pooling import FORWARD
from tests.ops import definitions
from tests.ops.oracles import assert_agrees_with_torch

generator = np.random.default_rng(0)
IMAGES = generator.standard_normal((2, 8, 9, 3))

DEFINITIONS: dict[Operation, Any] = {
    MAX_POOL: definitions.max_pool,
    AVERAGE_POOL: definitions.average_pool,
    LP_POOL: definitions.lp_pool,
    BRIGHTEST_POOL: definitions.brightest_pool,
}


def image(rows: Any) -> Array:
    """One gray image."""
    return np.array(rows, np.float64)[None, :, :, None]


def gray(y: Array) -> list[list[float]]:
    """The numbers of one gray image."""
    rows: list[list[float]] = y[0, :, :, 0].tolist()
    return rows


def gradient_of(function: Any, x: Array, g: Array) -> Array:
    """The gradient of ⟨function(x), g⟩ with respect to x."""
    symbol, weights = Tensor(x.shape, x.dtype), Tensor(g.shape, g.dtype)
    y = function(symbol)
    (back,) = y.node.operation.gradient(y.node, weights)
    return np.asarray(back.node.operation(x, g, **back.node.attributes))


def test_O5_agrees_with_loops_on_500_random_shapes() -> None:
    assert len(FORWARD) >= 500
    for case in FORWARD:
        (x,) = case.arrays()
        y = case.operation(x, **case.attributes)
        settings = dict(case.attributes)
        place = [settings.pop(name) for name in ("pool_size", "strides", "padding", "dilation")]
        seen = 0
        for index, pixels, entries in definitions.window_pixels(x, *place):
            expected = DEFINITIONS[case.operation](pixels, entries, **settings)
            np.testing.assert_allclose(y[index], expected, rtol=1e-12, atol=1e-12, err_msg=str(case))
            seen += 1
        assert seen * x.shape[-1] == y.size


def channels_first(function: Any) -> Any:
    """A function of channels-first tensors as one of channels-last tensors."""
    return lambda x: function(x.movedim(-1, 1)).movedim(1, -1)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("size", "strides", "padding", "dilation"), [(2, 2, 0, 1), (3, 2, 1, 1), (2, 1, 1, 2), (3, 1, 0, 2)]
)
def test_O5_agrees_with_pytorch(axes: int, size: int, strides: int, padding: int, dilation: int) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x = generator.standard_normal((2, *(9, 8, 7)[:axes], 2))
    assert_agrees_with_torch(
        lambda x: ops.max_pool(x, size, strides, padding, dilation_rate=dilation),
        channels_first(lambda x: getattr(functional, f"max_pool{axes}d")(x, size, strides, padding, dilation)),
        [x],
    )
    if dilation == 1:
        average = getattr(functional, f"avg_pool{axes}d")
        for counted in [True, False]:
            assert_agrees_with_torch(
                lambda x, counted=counted: ops.average_pool(x, size, strides, padding, count_include_pad=counted),
                channels_first(lambda x, counted=counted: average(x, size, strides, padding, False, counted)),
                [x],
            )
    if dilation == 1 and padding == 0:
        norm = getattr(functional, f"lp_pool{axes}d")
        for p in [1.0, 2.0, 3.0]:
            assert_agrees_with_torch(
                lambda x, p=p: ops.lp_pool(x, size, strides, p=p),
                channels_first(lambda x, p=p: norm(x, p, size, strides)),
                [np.abs(x)],  # PyTorch adds xᵖ, not |x|ᵖ
            )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("out", [1, 2, 3, 5, 11])
def test_O5_adaptive_pooling_agrees_with_pytorch(axes: int, out: int) -> None:
    torch = pytest.importorskip("torch")
    x = generator.standard_normal((2, *(9, 5, 4)[:axes], 2))
    for ours, name in [(ops.adaptive_average_pool, "avg"), (ops.adaptive_max_pool, "max")]:
        theirs = getattr(torch.nn.functional, f"adaptive_{name}_pool{axes}d")
        assert_agrees_with_torch(
            lambda x, ours=ours: ours(x, out), channels_first(lambda x, theirs=theirs: theirs(x, (out,) * axes)), [x]
        )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [(2, None), (3, 1), (3, 2), (2, 3)])
def test_agrees_with_keras(axes: int, padding: str, size: int, strides: int | None) -> None:
    keras = pytest.importorskip("keras")
    # Keras on PyTorch repeats the last pixel where "same" pads on one side only, and counts it in the mean of 3 pixels;
    # Keras on TensorFlow does not. So the means are compared where windows of 3 need the same padding on both sides.
    for ours, theirs, size_of_image in [
        (ops.max_pool, keras.ops.max_pool, (7, 8, 6)),
        (ops.average_pool, keras.ops.average_pool, (7, 9, 5)),
    ]:
        assert_agrees_with_torch(
            lambda x, ours=ours: ours(x, size, strides, padding),
            lambda x, theirs=theirs: theirs(x, size, strides, padding),
            [generator.standard_normal((2, *size_of_image[:axes], 2))],
        )


def test_O3_max_pooling_of_quadrants() -> None:
    quadrants = image([[4, 9, 1, 8], [0, 3, 2, 7], [6, 2, 5, 1], [1, 0, 3, 4]])
    assert gray(ops.max_pool(quadrants, 2)) == [[9, 8], [6, 5]]
    windows = {(4, 8, -1, 2): 8, (3, 3, 1, 9): 9, (6, 0, 8, 5): 8, (1, 3, 12, 9): 12, (0, 0, 0, 0): 0}
    for (a, b, c, d), expected in windows.items():
        assert gray(ops.max_pool(image([[a, b], [c, d]]), 2)) == [[expected]]


@pytest.mark.parametrize(("size", "expected"), [(8, 4), (26, 13), (28, 14), (13, 6)])
def test_O3_pooling_halves_the_size(size: int, expected: int) -> None:
    assert ops.max_pool(np.zeros((1, size, size, 1)), 2).shape == (1, expected, expected, 1)


def test_O4_average() -> None:
    assert gray(ops.average_pool(image([[4, 8], [-1, 2]]), 2)) == [[3.25]]


def test_O5_by_channel_or_by_brightest_pixel() -> None:
    pixels = np.array([[(200, 0, 0), (0, 200, 0)], [(0, 0, 200), (90, 90, 90)]])[None]
    assert ops.max_pool(pixels, 2).ravel().tolist() == [200, 200, 200]
    assert ops.brightest_pool(pixels, 2).ravel().tolist() == [90, 90, 90]
    assert ops.brightest_pool(pixels, 2, weights="luma").ravel().tolist() == [0, 200, 0]
    assert ops.brightest_pool(pixels, 2, weights=(0, 0, 1)).ravel().tolist() == [0, 0, 200]


def test_O5_mixed_pooling_with_a_fixed_alpha() -> None:
    largest, average = ops.max_pool(IMAGES, 3, 2, "same"), ops.average_pool(IMAGES, 3, 2, "same")
    np.testing.assert_array_equal(ops.mixed_pool(IMAGES, 1, 3, 2, "same"), largest)
    np.testing.assert_array_equal(ops.mixed_pool(IMAGES, 0, 3, 2, "same"), average)
    np.testing.assert_allclose(ops.mixed_pool(IMAGES, 0.25, 3, 2, "same"), 0.25 * largest + 0.75 * average)
    assert ops.mixed_pool(IMAGES.astype(np.float32), 0.25, 3).dtype == np.float32


@pytest.mark.parametrize("alpha", [np.array(0.3), np.array([0.1, 0.5, 0.9])])
def test_O5_mixed_pooling_with_a_learned_alpha_passes_the_gradient_check(alpha: Array) -> None:
    check_gradient(lambda x, alpha: ops.mixed_pool(x, alpha, 2, padding="same"), [IMAGES, alpha])


def test_O5_mixed_pooling_with_a_variable() -> None:
    alpha = Variable(np.float32(0.5), "alpha")
    graph = trace(lambda x: ops.mixed_pool(x, alpha, 2), [Tensor((1, 4, 4, 1))])
    assert list(graph.variables) == [alpha]


def test_O5_lp_pooling_lies_between_the_sum_and_the_maximum() -> None:
    x = image([[3, 0], [0, -4]])
    assert gray(ops.lp_pool(x, 2)) == [[5]]
    assert gray(ops.lp_pool(x, 2, p=1)) == [[7]]
    np.testing.assert_allclose(ops.lp_pool(x, 2, p=200), [[[[4]]]], rtol=1e-10)


def test_O6_the_first_winner_in_row_major_order_gets_the_gradient() -> None:
    g = image([[5]])
    assert gray(gradient_of(lambda x: ops.max_pool(x, 2), image([[1, 2], [2, 2]]), g)) == [[0, 5], [0, 0]]
    assert gray(gradient_of(lambda x: ops.adaptive_max_pool(x, 1), image([[1, 2], [2, 2]]), g)) == [[0, 5], [0, 0]]
    assert gray(gradient_of(lambda x: ops.brightest_pool(x, 2), image([[0, 0], [0, 0]]), g)) == [[5, 0], [0, 0]]


def test_O6_overlapping_windows_add_their_gradients() -> None:
    x, g = image([[0, 0, 0], [0, 9, 0], [0, 0, 0]]), image([[1, 2], [3, 4]])
    assert gray(gradient_of(lambda x: ops.max_pool(x, 2, 1), x, g)) == [[0, 0, 0], [0, 10, 0], [0, 0, 0]]


def test_O6_NaN_propagates_and_gets_the_gradient() -> None:
    x = image([[1, np.nan], [np.nan, 3]])
    for pool in [ops.max_pool, ops.average_pool, ops.lp_pool, ops.brightest_pool]:
        assert np.isnan(pool(x, 2)).all()
    for pool in [ops.adaptive_max_pool, ops.adaptive_average_pool]:
        assert np.isnan(pool(x, 1)).all()
    assert gray(gradient_of(lambda x: ops.max_pool(x, 2), x, image([[5]]))) == [[0, 5], [0, 0]]
    assert gray(gradient_of(lambda x: ops.brightest_pool(x, 2), x, image([[5]]))) == [[0, 5], [0, 0]]


def test_O6_NaN_stays_in_its_window() -> None:
    x = np.zeros((1, 4, 4, 1))
    x[0, 0, 0] = np.nan
    for y in [ops.max_pool(x, 2), ops.average_pool(x, 2), ops.adaptive_average_pool(x, 2), ops.adaptive_max_pool(x, 2)]:
        assert np.isnan(y).ravel().tolist() == [True, False, False, False]


def test_O6_an_infinite_gradient_goes_to_the_winner_only() -> None:
    back = gradient_of(lambda x: ops.max_pool(x, 2), image([[1, 2], [3, 4]]), image([[np.inf]]))
    assert gray(back) == [[0, 0], [0, np.inf]]


def test_the_gradient_of_a_norm_at_0_is_0() -> None:
    assert gray(gradient_of(lambda x: ops.lp_pool(x, 2, p=1.5), image([[0, 0], [0, 0]]), image([[5]]))) == [
        [0, 0],
        [0, 0],
    ]


def test_F10_max_pooling_starts_and_pads_with_minus_infinity() -> None:
    assert gray(ops.max_pool(image([[-3, -1], [-7, -2]]), 2)) == [[-1]]
    assert gray(ops.max_pool(image([[-3, -1], [-7, -2]]), 2, 1, "full")) == [[-3, -1, -1], [-3, -1, -1], [-7, -2, -2]]
    below_zero = -1 - np.abs(IMAGES)
    for padding in ["same", "full", 1, ((1, 0), (0, 1))]:
        assert ops.max_pool(below_zero, 2, 2, padding).max() < 0
    assert ops.brightest_pool(below_zero, 2, 2, "full").max() < 0


def test_F13_average_leaves_the_padding_out_by_default() -> None:
    ones = np.ones((1, 3, 3, 1))
    assert gray(ops.average_pool(ones, 2, 2, "same")) == [[1, 1], [1, 1]]
    assert gray(ops.average_pool(ones, 2, 2, "same", count_include_pad=True)) == [[1, 0.5], [0.5, 0.25]]


def test_O7_the_gradient_of_averaging_is_its_adjoint() -> None:
    for case in FORWARD:
        if case.operation is AVERAGE_POOL:
            (x,), settings = case.arrays(), case.attributes
            check_adjoint(
                lambda x, settings=settings: AVERAGE_POOL(x, **settings),
                lambda g, x=x, settings=settings: AVERAGE_POOL_GRAD(g, size=x.shape[1:-1], **settings),
                x,
            )
    check_adjoint(
        lambda x: ops.adaptive_average_pool(x, (3, 11)),
        lambda g: ADAPTIVE_AVERAGE_POOL.adjoint(g, size=IMAGES.shape[1:-1]),
        IMAGES,
    )


def test_strides_default_to_the_pool_size_and_arguments_are_normalised() -> None:
    y = ops.max_pool(Tensor((2, 8, 9, 3)), (2, 3), padding="same")
    assert y.shape == (2, 4, 3, 3)
    assert y.node.attributes == {
        "pool_size": (2, 3),
        "strides": (2, 3),
        "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1),
    }
    assert ops.max_pool(Tensor((None, 8, 9, 3)), 2).shape == (None, 4, 4, 3)


def test_fan_in_counts_the_window_and_pooling_multiplies_nothing() -> None:
    for pool in [ops.max_pool, ops.average_pool, ops.lp_pool, ops.brightest_pool]:
        node = pool(Tensor((2, 8, 9, 3)), 2).node
        assert (node.operation.fan_in(node), node.operation.multiply_adds(node)) == (4, 0)
    adaptive = ops.adaptive_average_pool(Tensor((2, 8, 9, 3)), 4).node
    assert adaptive.operation.fan_in(adaptive) == 2 * 3
    adaptive = ops.adaptive_max_pool(Tensor((2, 8, 9, 3)), 4).node
    assert adaptive.operation.fan_in(adaptive) == 2 * 3


def test_lists_are_pooled_too() -> None:
    rows = [[[[1], [2]], [[3], [4]]]]
    for pool in [ops.max_pool, ops.average_pool, ops.lp_pool, ops.brightest_pool, ops.adaptive_max_pool]:
        assert pool(rows, 2).dtype == np.float32
    assert ops.mixed_pool(rows, 0.5, 2).ravel().tolist() == [3.25]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ops.max_pool(IMAGES[0, 0], 2),
            ShapeError,
            "max_pool: expected input of rank 3 (N, W, C), 4 (N, H, W, C) or 5 (N, D, H, W, C), got rank 2 (9, 3).",
        ),
        (lambda: ops.average_pool(IMAGES[..., None, None], 2), ShapeError, "average_pool: expected input of rank 3"),
        (
            lambda: ops.max_pool(IMAGES, 0),
            ArgumentError,
            "max_pool: expected pool_size as an integer or 2 of them, each at least 1, got 0.",
        ),
        (
            lambda: ops.max_pool(IMAGES, 2, (1, 0)),
            ArgumentError,
            "max_pool: expected strides as an integer or 2 of them, each at least 1, got (1, 0).",
        ),
        (
            lambda: ops.lp_pool(IMAGES, 2, dilation_rate=0),
            ArgumentError,
            "lp_pool: expected dilation_rate as an integer",
        ),
        (
            lambda: ops.average_pool(IMAGES, 2, padding="smae"),
            ArgumentError,
            "average_pool: expected padding as one of valid, same",
        ),
        (
            lambda: ops.max_pool(IMAGES, 9),
            ShapeError,
            "max_pool: the kernel covers 9 positions (size 9, dilation 1) but the padded input has only 8",
        ),
        (
            lambda: ops.max_pool(IMAGES, 2, padding=2),
            ShapeError,
            "max_pool: a window of pool_size=(2, 2) at strides (2, 2) lies entirely in the padding "
            "((2, 2), (2, 2)) (input is (2, 8, 9, 3)). Use less padding.",
        ),
        (
            lambda: MAX_POOL(IMAGES, pool_size=(2,), strides=(2,), padding=((0, 0),), dilation=(1,)),
            ShapeError,
            "max_pool: expected input of rank 3 for pool_size=(2,), got (2, 8, 9, 3).",
        ),
        (
            lambda: MAX_POOL_GRAD(
                IMAGES, IMAGES, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1)
            ),
            ShapeError,
            "max_pool_grad: expected a gradient of (2, 4, 4, 3), got (2, 8, 9, 3).",
        ),
        (
            lambda: AVERAGE_POOL_GRAD(
                IMAGES,
                size=(8, 9),
                count_include_pad=False,
                pool_size=(2, 2),
                strides=(2, 2),
                padding=((0, 0), (0, 0)),
                dilation=(1, 1),
            ),
            ShapeError,
            "average_pool_grad: expected a gradient of (N, *(4, 4), C) for an input of (8, 9), got (2, 8, 9, 3).",
        ),
        (
            lambda: ops.lp_pool(IMAGES, 2, p=0.5),
            ArgumentError,
            "lp_pool: expected p of at least 1 and finite, got 0.5. For p = ∞ take max_pool of |x|.",
        ),
        (
            lambda: ops.lp_pool(IMAGES, 2, p=np.inf),
            ArgumentError,
            "lp_pool: expected p of at least 1 and finite, got inf.",
        ),
        (
            lambda: ops.brightest_pool(IMAGES, 2, weights="red"),
            ArgumentError,
            "brightest_pool: expected weights as 'sum', 'luma' or a number for each channel, got 'red'.",
        ),
        (
            lambda: ops.brightest_pool(IMAGES[..., :1], 2, weights="luma"),
            ShapeError,
            "brightest_pool: expected one weight for each of 1 channels (input is (2, 8, 9, 1)), got 3.",
        ),
        (
            lambda: ops.adaptive_max_pool(IMAGES, 0),
            ArgumentError,
            "adaptive_max_pool: expected output_size as an integer or 2 of them, each at least 1, got 0.",
        ),
        (
            lambda: ops.adaptive_average_pool(IMAGES[0, 0], 1),
            ShapeError,
            "adaptive_average_pool: expected input of rank 3 or more (N, *size, C), got (9, 3).",
        ),
        (
            lambda: ops.adaptive_max_pool(IMAGES[:, :0], 1),
            ShapeError,
            "adaptive_max_pool: expected input of rank 4 (N, *size, C) with no empty spatial axis for an "
            "output of (1, 1), got (2, 0, 9, 3).",
        ),
        (
            lambda: ops.adaptive_average_pool(IMAGES[:, :0], 1),
            ShapeError,
            "adaptive_average_pool: expected input of rank 4 (N, *size, C) with no empty spatial axis for "
            "an output of (1, 1), got (2, 0, 9, 3).",
        ),
        (
            lambda: ADAPTIVE_MAX_POOL_GRAD(IMAGES, IMAGES[:1]),
            ShapeError,
            "adaptive_max_pool_grad: expected a gradient of rank 4 with 2 images and 3 channels, got (1, 8, 9, 3).",
        ),
    ],
)
def test_refuses_what_means_nothing(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("x", "places", "text"),
    [
        ((1, 2, 2), (1, 2, 2), r"max_unpool: expected input of rank 4 \(N, \*size, C\), got rank 3"),
        ((1, 2, 2, 3), (1, 2, 3, 3), r"max_unpool: expected places of \(1, 2, 2, 3\), got \(1, 2, 3, 3\)"),
    ],
)
def test_bad_calls_of_max_unpool(x, places, text):
    with pytest.raises(ShapeError, match=text):
        ops.max_unpool(np.ones(x, np.float32), np.ones(places, np.int64), (4, 4))
