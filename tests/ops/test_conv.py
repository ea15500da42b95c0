"""Convolution: seven loops, PyTorch, Keras, SciPy, facts that courses get wrong, and what it refuses."""

import re
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Node, Tensor
from striate.ops.conv import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.ops.operation import Operation
from striate.testing import check_adjoint
from tests.cases.conv import CASES, FORWARD
from tests.ops import definitions
from tests.ops.oracles import assert_agrees_with_torch

generator = np.random.default_rng(0)
IMAGES = generator.standard_normal((2, 8, 9, 4))


def sizes(size: int, kernel: int, strides: int = 1, padding: Any = "valid") -> int:
    """How many outputs there are along one axis."""
    y = ops.conv1d(np.zeros((1, size, 1)), np.zeros((kernel, 1, 1)), strides=strides, padding=padding)
    return int(y.shape[1])


def test_O1_agrees_with_seven_loops_on_500_random_shapes() -> None:
    assert len(FORWARD) >= 500
    for case in FORWARD:
        x, w = case.arrays()
        expected = definitions.conv(x, w, **case.attributes)
        np.testing.assert_allclose(CONV(x, w, **case.attributes), expected, rtol=1e-12, atol=1e-12, err_msg=str(case))


def test_O1_agrees_with_pytorch_forward_and_backward() -> None:
    torch = pytest.importorskip("torch")
    functions = [torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d]

    def in_torch(x: Any, w: Any, strides: Any, padding: Any, dilation: Any, groups: int) -> Any:
        flat = [n for pair in reversed(padding) for n in pair]  # PyTorch pads the last axis first
        padded = torch.nn.functional.pad(x.movedim(-1, 1), flat)
        weight = w.movedim((-1, -2), (0, 1))
        y = functions[len(strides) - 1](padded, weight, None, strides, 0, dilation, groups)
        return y.movedim(1, -1)

    for case in FORWARD:
        settings = case.attributes
        assert_agrees_with_torch(
            lambda x, w, settings=settings: CONV(x, w, **settings),
            lambda x, w, settings=settings: in_torch(x, w, **settings),
            case.arrays(),
        )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("padding", "strides", "dilation"),
    [("valid", 1, 1), ("valid", 2, 1), ("valid", 1, 2), ("same", 1, 1), ("same", 1, 2), ("same", 2, 1), ("same", 3, 1)],
)
@pytest.mark.parametrize("groups", [1, 2])
def test_agrees_with_keras(axes: int, padding: str, strides: int, dilation: int, groups: int) -> None:
    keras = pytest.importorskip("keras")
    x = generator.standard_normal((2, *(7, 8, 6)[:axes], 4))
    w = generator.standard_normal((*(3, 2, 3)[:axes], 4 // groups, 6))
    settings = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    ours = (ops.conv1d, ops.conv2d, ops.conv3d)[axes - 1]
    assert_agrees_with_torch(
        lambda x, w: ours(x, w, groups=groups, **settings), lambda x, w: keras.ops.conv(x, w, **settings), [x, w]
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2])
def test_depthwise_agrees_with_keras(padding: str, strides: int) -> None:
    keras = pytest.importorskip("keras")
    for shape, kernel, ours in [((2, 9, 4), (3,), ops.depthwise_conv1d), ((2, 8, 9, 4), (3, 2), ops.depthwise_conv2d)]:
        x, w = generator.standard_normal(shape), generator.standard_normal((*kernel, 4, 2))
        assert_agrees_with_torch(
            lambda x, w, ours=ours: ours(x, w, strides=strides, padding=padding),
            lambda x, w: keras.ops.depthwise_conv(x, w, strides=strides, padding=padding),
            [x, w],
        )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("strides", "padding", "groups"), [(1, 0, 1), (2, 0, 1), (2, 1, 1), (3, 1, 2), (2, 2, 2)])
def test_O7_transposed_agrees_with_pytorch(axes: int, strides: int, padding: int, groups: int) -> None:
    torch = pytest.importorskip("torch")
    ours = (ops.conv1d_transpose, ops.conv2d_transpose, ops.conv3d_transpose)[axes - 1]
    theirs = getattr(torch.nn.functional, f"conv_transpose{axes}d")
    arrays = [
        generator.standard_normal(s) for s in [(2, *(3, 4, 2)[:axes], 4), (*(4, 5, 4)[:axes], 3, 4), (3 * groups,)]
    ]
    assert_agrees_with_torch(
        lambda x, w, b: ours(x, w, b, strides, padding, groups=groups),
        lambda x, w, b: theirs(
            x.movedim(-1, 1), w.movedim((-1, -2), (0, 1)), b, strides, padding, groups=groups
        ).movedim(1, -1),
        arrays,
    )


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("same", [1, 10, 102, 20]),  # as many as stride × input; of 1, 10, 102, 20, 200 the last is cut
        ("same_lower", [10, 102, 20, 200]),
        ("valid", [1, 10, 102, 20, 200]),
        ("full", [102]),
        (((1, 0),), [10, 102, 20, 200]),
    ],
)
def test_O7_the_size_of_a_transposed_convolution(padding: Any, expected: list[float]) -> None:
    x, w = np.array([1.0, 2.0]).reshape(1, 2, 1), np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    np.testing.assert_array_equal(ops.conv1d_transpose(x, w, strides=2, padding=padding).ravel(), expected)
    wide = ops.conv2d_transpose(np.ones((1, 2, 3, 4)), np.ones((3, 3, 5, 4)), strides=(2, 3), padding="same")
    assert wide.shape == (1, 4, 9, 5)


def test_O7_each_gradient_operation_is_the_adjoint_of_convolution() -> None:
    for case in FORWARD:
        x, w = case.arrays()
        settings = case.attributes
        check_adjoint(
            lambda x, w=w, settings=settings: CONV(x, w, **settings),
            lambda g, x=x, w=w, settings=settings: CONV_GRAD_INPUT(g, w, size=x.shape[1:-1], **settings),
            x,
        )
        check_adjoint(
            lambda w, x=x, settings=settings: CONV(x, w, **settings),
            lambda g, x=x, w=w, settings=settings: CONV_GRAD_WEIGHT(x, g, kernel=w.shape[:-2], **settings),
            w,
        )


@pytest.mark.parametrize("padding", ["valid", "same", "full", "same_lower", 1, ((0, 1), (2, 0))])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_O7_conv2d_transpose_is_the_adjoint_of_conv2d(padding: Any, strides: int) -> None:
    x, w = generator.standard_normal((2, 6, 12, 3)), generator.standard_normal((3, 3, 3, 5))
    check_adjoint(
        lambda x: ops.conv2d(x, w, strides=strides, padding=padding),
        lambda g: ops.conv2d_transpose(g, w, strides=strides, padding=padding, output_size=(6, 12)),
        x,
    )


def test_F7_convolution_is_correlation_with_the_flipped_kernel() -> None:
    signal = pytest.importorskip("scipy.signal")
    image, kernel = generator.standard_normal((28, 28)), generator.standard_normal((5, 3))
    flipped = kernel[::-1, ::-1]

    def ours(kernel: Any, padding: str) -> Any:
        return ops.conv2d(image[None, :, :, None], kernel[:, :, None, None], padding=padding)[0, :, :, 0]

    for padding in ["valid", "full"]:
        np.testing.assert_allclose(ours(kernel, padding), signal.correlate2d(image, kernel, padding), atol=1e-6)
        np.testing.assert_allclose(ours(flipped, padding), signal.convolve2d(image, kernel, padding), atol=1e-6)
        np.testing.assert_allclose(ours(flipped, padding), signal.fftconvolve(image, kernel, padding), atol=1e-6)


def test_F1_F6_a_filter_of_3_on_28() -> None:
    assert [sizes(28, 3, padding=padding) for padding in ("valid", "same", "full")] == [26, 28, 30]
    assert sizes(28, 3, padding=(2,)) == sizes(28, 3, padding="full")


def test_F2_two_filters_over_four_maps_give_two_maps_and_depthwise_gives_eight() -> None:
    assert ops.conv2d(IMAGES, np.zeros((3, 3, 4, 2))).shape[-1] == 2
    assert ops.depthwise_conv2d(IMAGES, np.zeros((3, 3, 4, 2))).shape[-1] == 8


def test_F3_28_to_14_to_7_needs_same_padding() -> None:
    def through(padding: str) -> list[int]:
        x, seen = np.zeros((1, 28, 28, 1)), [28]
        for _ in range(2):
            x = ops.conv2d(x, np.zeros((3, 3, 1, 1)), padding=padding)
            seen.append(x.shape[1])
            x = ops.max_pool(x, 2)
            seen.append(x.shape[1])
        return seen

    assert through("same") == [28, 28, 14, 14, 7]
    assert through("valid") == [28, 26, 13, 11, 5]


def test_F4_same_is_size_over_stride_rounded_up() -> None:
    for size in range(1, 20):
        for kernel in range(1, 6):
            for stride in range(1, 6):
                assert sizes(size, kernel, stride, "same") == -(-size // stride)


def test_F5_same_puts_the_odd_column_after() -> None:
    x = np.zeros((1, 52, 1))
    symbol = ops.conv1d(Tensor(x.shape), np.zeros((5, 1, 1), np.float32), strides=5, padding="same")
    lower = ops.conv1d(Tensor(x.shape), np.zeros((5, 1, 1), np.float32), strides=5, padding="same_lower")
    assert (sizes(52, 5, 5, "valid"), symbol.shape[1], lower.shape[1]) == (10, 11, 11)
    assert symbol.node.attributes["padding"] == ((1, 2),)
    assert lower.node.attributes["padding"] == ((2, 1),)


def test_O2_strides() -> None:
    assert [sizes(50, 5, 5, padding) for padding in ("valid", "same")] == [10, 10]
    assert [sizes(50, 5, 2, padding) for padding in ("valid", "same")] == [23, 25]
    assert [sizes(50, 5, 1, padding) for padding in ("valid", "same")] == [46, 50]


def test_O12_a_batch_is_as_good_as_single_images() -> None:
    w = generator.standard_normal((3, 3, 4, 5))
    one_by_one = [ops.conv2d(image[None], w, padding="same") for image in IMAGES]
    np.testing.assert_allclose(ops.conv2d(IMAGES, w, padding="same"), np.concatenate(one_by_one), rtol=1e-12)


def test_numbers_by_hand() -> None:
    x = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    w = np.array([[1, 0], [0, -1]]).reshape(2, 2, 1, 1)
    np.testing.assert_array_equal(ops.conv2d(x, w, [10])[0, :, :, 0], [[6, 6], [6, 6]])
    np.testing.assert_array_equal(
        ops.conv2d(x, w, strides=2, padding=((1, 0), (1, 0)))[0, :, :, 0], [[-1, -3], [-7, -4]]
    )
    np.testing.assert_array_equal(
        ops.conv2d_transpose(x[:, :2, :2], w)[0, :, :, 0], [[1, 2, 0], [4, 4, -2], [0, -4, -5]]
    )


@pytest.mark.parametrize("padding", ["valid", "same", "same_lower", "full", 1])
def test_transposed_output_size_undoes_that_of_convolution(padding: Any) -> None:
    w = np.zeros((3, 3, 1, 1))
    for strides in [1, 2, 3]:
        x = np.zeros((1, 4, 5, 1))
        back = ops.conv2d_transpose(x, w, strides=strides, padding=padding)
        assert ops.conv2d(back, w, strides=strides, padding=padding).shape == x.shape


def test_multiply_adds_are_the_products_of_a_run() -> None:
    x, w = Tensor((2, 8, 9, 4)), Tensor((3, 3, 2, 6))
    y = ops.conv2d(x, w, groups=2)
    assert y.node.operation.fan_in(y.node) == 18
    assert y.node.operation.multiply_adds(y.node) == 2 * 6 * 7 * 6 * 18
    back_input, back_weight = CONV.gradient(y.node, Tensor(y.shape))
    for back in (back_input, back_weight):
        assert back.node is not None
        assert back.node.operation.multiply_adds(back.node) == 2 * 6 * 7 * 6 * 18


def test_gradient_cases_cover_both_gradient_operations() -> None:
    counted = [case.operation for case in CASES]
    assert min(counted.count(CONV_GRAD_INPUT), counted.count(CONV_GRAD_WEIGHT)) >= 100


W = np.zeros((3, 3, 4, 6))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ops.conv2d(IMAGES[0], W),
            ShapeError,
            "conv2d: expected input of rank 4 (N, H, W, C), got rank 3 (8, 9, 4).",
        ),
        (
            lambda: ops.conv1d(IMAGES, W),
            ShapeError,
            "conv1d: expected input of rank 3 (N, W, C), got rank 4 (2, 8, 9, 4).",
        ),
        (
            lambda: ops.conv2d(IMAGES, W[0]),
            ShapeError,
            "conv2d: expected weight of rank 4 (*kernel, C/groups, K), got rank 3 (3, 4, 6).",
        ),
        (
            lambda: ops.conv2d(IMAGES, W[..., :0]),
            ShapeError,
            "conv2d: expected a weight with no empty axis, got (3, 3, 4, 0).",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, groups=4),
            ArgumentError,
            "conv2d: expected groups to divide the 6 output channels, got groups=4.",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, groups=0),
            ArgumentError,
            "conv2d: expected groups as an integer or 1 of them, each at least 1, got 0.",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, groups=2),
            ShapeError,
            "conv2d: expected 8 input channels (weight is (3, 3, 4, 6), groups=2), got 4 (input is (2, 8, "
            "9, 4)). Images are channels-last: (N, H, W, C).",
        ),
        (
            lambda: ops.conv2d(IMAGES[..., :1], W[:, :, :3]),
            ShapeError,
            "got 1 (input is (2, 8, 9, 1)). Repeat the gray channel three times, or build the network for 1 channel.",
        ),
        (
            lambda: ops.conv2d(IMAGES[..., :3], W[:, :, :1]),
            ShapeError,
            "got 3 (input is (2, 8, 9, 3)). Convert the image to gray, or build the network for 3 channels.",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, strides=0),
            ArgumentError,
            "conv2d: expected strides as an integer or 2 of them, each at least 1, got 0.",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, strides=(1, 2, 3)),
            ArgumentError,
            "conv2d: expected strides as an integer or 2 of them, each at least 1, got (1, 2, 3).",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, strides=1.5),
            ArgumentError,
            "conv2d: expected strides as an integer or 2 of them, each at least 1, got 1.5.",
        ),
        (lambda: ops.conv2d(IMAGES, W, strides="2"), ArgumentError, "each at least 1, got '2'."),
        (
            lambda: ops.conv2d(IMAGES, W, dilation_rate=(1, -1)),
            ArgumentError,
            "conv2d: expected dilation_rate as an integer or 2 of them, each at least 1, got (1, -1).",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, padding="smae"),
            ArgumentError,
            "conv2d: expected padding as one of valid, same, same_lower, full, causal (causal in 1 "
            "dimension only), an integer, or a (before, after) pair for each of 2 axes, none negative; "
            "got 'smae'.",
        ),
        (lambda: ops.conv2d(IMAGES, W, padding="causal"), ArgumentError, "none negative; got 'causal'."),
        (lambda: ops.conv2d(IMAGES, W, padding=-1), ArgumentError, "none negative; got -1."),
        (
            lambda: ops.conv2d(IMAGES, W, padding=((1, 2, 3), (0, 0))),
            ArgumentError,
            "none negative; got ((1, 2, 3), (0, 0)).",
        ),
        (lambda: ops.conv2d(IMAGES, W, padding=((0, 0),)), ArgumentError, "none negative; got ((0, 0),)."),
        (lambda: ops.conv2d(IMAGES, W, padding=0.5), ArgumentError, "none negative; got 0.5."),
        (
            lambda: ops.conv2d(IMAGES, np.zeros((9, 3, 4, 6))),
            ShapeError,
            "conv2d: the kernel covers 9 positions (size 9, dilation 1) but the padded input has only 8 (8 "
            "with padding 0 + 0). Use a smaller kernel or more padding.",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, dilation_rate=5, padding=1),
            ShapeError,
            "conv2d: the kernel covers 11 positions (size 3, dilation 5) but the padded input has only 10 "
            "(8 with padding 1 + 1).",
        ),
        (
            lambda: ops.depthwise_conv2d(IMAGES, W[0]),
            ShapeError,
            "depthwise_conv2d: expected weight of rank 4 (*kernel, C, multiplier), got rank 3 (3, 4, 6).",
        ),
        (
            lambda: ops.conv2d_transpose(IMAGES[0], W),
            ShapeError,
            "conv2d_transpose: expected input of rank 4 (N, H, W, C), got rank 3 (8, 9, 4).",
        ),
        (
            lambda: ops.conv2d_transpose(IMAGES, W),
            ShapeError,
            "conv2d_transpose: expected 6 input channels (weight is (3, 3, 4, 6)), got 4 (input is (2, 8, 9, 4)).",
        ),
        (
            lambda: ops.conv2d_transpose(IMAGES, W[..., :4], output_size=(20, 20)),
            ShapeError,
            "conv2d_transpose: an output of (20, 20) needs an input of (18, 18) at strides (1, 1) and "
            "padding ((0, 0), (0, 0)), got (8, 9).",
        ),
        (
            lambda: ops.conv2d_transpose(IMAGES, W[..., :4], output_size=0),
            ArgumentError,
            "conv2d_transpose: expected output_size as an integer or 2 of them, each at least 1, got 0.",
        ),
        (
            lambda: ops.conv2d(np.array([[["a"]]]), W),
            DataError,
            "conv: x: expected numbers, got an array of <U1 (shape (1, 1, 1)).",
        ),
        (
            lambda: ops.conv2d(IMAGES.astype(object), W),
            DataError,
            "conv: x: expected numbers, got an array of object (shape (2, 8, 9, 4)).",
        ),
        (
            lambda: ops.conv2d(IMAGES, W, bias=np.zeros(5)),
            ShapeError,
            "conv2d: expected a bias of (6,), one number for each output, got (5,).",
        ),
    ],
)
def test_refuses_what_means_nothing(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_weight_gradient_refuses_a_gradient_of_another_size() -> None:
    settings = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    with pytest.raises(ShapeError, match=r"conv_grad_weight: expected a gradient of \(2, 6, 7\), got \(2, 5, 7\)\."):
        CONV_GRAD_WEIGHT(IMAGES, np.zeros((2, 5, 7, 3)), kernel=(3, 3), **settings)


def test_windows_of_a_damaged_file_are_refused() -> None:
    settings: dict[str, Any] = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    for wrong in [{"strides": (0, 1)}, {"dilation": (1, -2)}, {"padding": ((-1, 0), (0, 0))}]:
        with pytest.raises(
            ArgumentError, match="conv2d: expected kernel, strides and dilation of at least 1 and padding"
        ):
            CONV(IMAGES, W, **{**settings, **wrong})


def test_two_operations_cannot_have_one_name() -> None:
    class Conv(Operation):
        name = "conv"

    with pytest.raises(ArgumentError, match=r"conv: there is already an operation of this name\."):
        Conv()


def test_gradients_of_the_weight_gradient_are_of_second_order() -> None:
    with pytest.raises(
        ArgumentError, match="conv_grad_weight: has no gradient rule; gradients in Striate are of first"
    ):
        CONV_GRAD_WEIGHT.gradient(Node(CONV_GRAD_WEIGHT, (), {}), Tensor(()))


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(DataError, match="conv: x: expected numbers in one rectangular array, got a ragged list"):
        ops.conv2d([[1, 2], [3]], W)


def test_lists_and_integers_become_float32() -> None:
    y = ops.conv1d([[[1], [2], [3]]], [[[1]], [[1]]])
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [[[3], [5]]])


def test_NaN_stays_in_the_windows_that_see_it() -> None:
    x = np.zeros((1, 5, 5, 1))
    x[0, 1, 1] = np.nan
    y = ops.conv2d(x, np.ones((2, 2, 1, 1)))[0, :, :, 0]
    assert np.isnan(y[:2, :2]).all()
    assert np.isfinite(y[2:]).all()


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("extra", [0, 1])
def test_O7_transposed_with_everything_at_once_agrees_with_pytorch(axes: int, extra: int) -> None:
    """Groups, strides and dilation above 1, padding, and an output size that is not the least."""
    torch = pytest.importorskip("torch")
    ours = (ops.conv1d_transpose, ops.conv2d_transpose, ops.conv3d_transpose)[axes - 1]
    theirs = getattr(torch.nn.functional, f"conv_transpose{axes}d")
    size, kernel = (3, 4, 2)[:axes], (3, 2, 2)[:axes]
    least = [(n - 1) * 2 + 3 * (k - 1) + 1 - 2 for n, k in zip(size, kernel, strict=True)]
    x, w, bias = (generator.standard_normal(s) for s in [(2, *size, 4), (*kernel, 3, 4), (6,)])
    output_size = tuple(n + extra for n in least)
    assert_agrees_with_torch(
        lambda x, w, b: ours(x, w, b, 2, 1, 3, 2, output_size),
        lambda x, w, b: theirs(
            x.movedim(-1, 1), w.movedim((-1, -2), (0, 1)), b, 2, 1, extra, groups=2, dilation=3
        ).movedim(1, -1),
        [x, w, bias],
    )


@pytest.mark.parametrize("bias", [np.zeros(1), np.zeros((2, 6)), np.zeros((5, 1, 1, 1, 6)), 1.0])
def test_R4_a_bias_never_broadcasts(bias: Any) -> None:
    x, w = np.zeros((2, 4, 4, 3)), np.zeros((3, 3, 3, 6))
    expected = rf"expected a bias of \(6,\), one number for each output, got {re.escape(str(np.shape(bias)))}"
    with pytest.raises(ShapeError, match=f"conv2d: {expected}"):
        ops.conv2d(x, w, bias)
    with pytest.raises(ShapeError, match=f"conv2d: {expected}"):
        ops.depthwise_conv2d(x, np.zeros((3, 3, 3, 2)), bias)
    with pytest.raises(ShapeError, match=f"conv2d_transpose: {expected}"):
        ops.conv2d_transpose(x, np.zeros((3, 3, 6, 3)), bias)
    with pytest.raises(ShapeError, match=f"dense: {expected}"):
        ops.dense(x, np.zeros((3, 6)), bias)


@pytest.mark.parametrize("strides", [2**31, 10**30, (1, 10**30)])
def test_R4_strides_beyond_any_image(strides: Any) -> None:
    with pytest.raises(ArgumentError, match=r"conv2d: expected strides as .*, each from 1 to 2147483647, got"):
        ops.conv2d(IMAGES, np.zeros((3, 3, 4, 2)), strides=strides)
    with pytest.raises(ArgumentError, match=r"conv2d: expected padding as one of"):
        ops.conv2d(IMAGES, np.zeros((3, 3, 4, 2)), padding=10**30)


def test_R4_numpy_arrays_as_settings() -> None:
    w = np.ones((3, 3, 4, 2))
    expected = ops.conv2d(IMAGES, w, strides=2)
    np.testing.assert_array_equal(ops.conv2d(IMAGES, w, strides=np.array(2)), expected)
    np.testing.assert_array_equal(ops.conv2d(IMAGES, w, strides=np.array([2, 2])), expected)
    pads = np.array([1, 1])
    np.testing.assert_array_equal(
        ops.conv2d_transpose(expected, w, padding=pads), ops.conv2d_transpose(expected, w, padding=1)
    )
