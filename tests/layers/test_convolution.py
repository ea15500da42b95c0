"""Convolution layers: the facts about their shapes, and what they refuse."""

import re
from typing import Any

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.errors import ArgumentError, ShapeError
from striate.layers.layer import Layer


def sizes(layer: Layer, *shape: int) -> tuple[int, ...]:
    """The spatial sizes that come out of a layer."""
    output: tuple[int, ...] = layer.compute_output_shape((None, *shape))[1:-1]
    return output


@pytest.mark.parametrize(("padding", "size"), [("valid", 26), ("same", 28), ("full", 30)])
def test_F1_a_filter_of_3_on_28(padding: str, size: int) -> None:
    assert sizes(layers.Conv2D(1, 3, padding=padding), 28, 28, 1) == (size, size)


def test_F2_two_filters_over_four_maps_give_two_maps() -> None:
    conv, depthwise = layers.Conv2D(2, 3), layers.DepthwiseConv2D(3, depth_multiplier=2)
    assert conv.compute_output_shape((None, 8, 8, 4)) == (None, 6, 6, 2)
    assert conv.kernel.shape == (3, 3, 4, 2)
    assert depthwise.compute_output_shape((None, 8, 8, 4)) == (None, 6, 6, 8)
    assert depthwise.kernel.shape == (3, 3, 4, 2)


@pytest.mark.parametrize(("padding", "expected"), [("same", [28, 28, 14, 14, 7]), ("valid", [28, 26, 13, 11, 5])])
def test_F3_only_same_padding_takes_28_to_14_to_7(padding: str, expected: list[int]) -> None:
    shape: Any = (None, 28, 28, 1)
    seen = [28]
    for layer in (
        layers.Conv2D(2, 3, padding=padding),
        layers.MaxPooling2D(2),
        layers.Conv2D(2, 3, padding=padding),
        layers.MaxPooling2D(2),
    ):
        shape = layer.compute_output_shape(shape)
        seen.append(shape[1])
    assert seen == expected


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [5, 28, 52])
def test_F4_same_is_the_input_divided_by_the_stride_rounded_up(size: int, stride: int) -> None:
    expected = -(-size // stride)
    assert sizes(layers.Conv2D(1, 3, stride, "same"), size, size, 1) == (expected, expected)
    assert sizes(layers.Conv1D(1, 4, stride, "same"), size, 1) == (expected,)


@pytest.mark.parametrize(
    ("stride", "padding", "expected"),
    [(5, "valid", 10), (5, "same", 10), (2, "valid", 23), (2, "same", 25), (1, "valid", 46), (1, "same", 50)],
)
def test_O2_strides(stride: int, padding: str, expected: int) -> None:
    assert sizes(layers.Conv1D(1, 5, stride, padding), 50, 1) == (expected,)


def test_O1_causal_convolution_never_sees_the_future() -> None:
    layer = layers.Conv1D(2, 3, padding="causal", dilation_rate=2)
    x = np.random.default_rng(0).standard_normal((1, 9, 1)).astype(np.float32)
    before = layer(x)
    x[0, 5:] += 1
    after = layer(x)
    assert before.shape == (1, 9, 2)
    np.testing.assert_array_equal(before[0, :5], after[0, :5])
    assert (before[0, 5:] != after[0, 5:]).all()


def test_O7_transposed_convolution_is_the_adjoint_of_convolution() -> None:
    generator = np.random.default_rng(0)
    forth, back = (
        layers.Conv2D(3, 3, 2, "same", use_bias=False),
        layers.Conv2DTranspose(2, 3, 2, "same", use_bias=False),
    )
    x = generator.standard_normal((2, 6, 8, 2))
    g = generator.standard_normal((2, 3, 4, 3))
    forth(x), back(g)
    weights = generator.standard_normal(forth.kernel.shape)  # float64
    forth.kernel.keep_in(weights)
    back.kernel.keep_in(weights)
    np.testing.assert_allclose(np.vdot(forth(x), g), np.vdot(x, back(g)), rtol=1e-12)


def test_a_layer_computes_activation_of_filtered_maps_plus_bias() -> None:
    layer = layers.Conv2D(1, 2, activation="relu", bias_initializer="ones", kernel_initializer="ones")
    x = np.array([[0, 1, 2], [3, 4, 5], [6, 7, -40]], np.float32).reshape(1, 3, 3, 1)
    np.testing.assert_array_equal(layer(x)[0, :, :, 0], [[9, 13], [21, 0]])


def built(layer: Layer, shape: tuple[int, ...]) -> Layer:
    layer(striate.Input(shape))
    return layer


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (
            built(layers.Conv2D(32, 3, activation="relu"), (9, 9, 16)),
            "32 feature maps, each made from all 16 input maps by a 3×3×16 kernel of its own, then ReLU.",
        ),
        (
            layers.Conv2D(32, 3),
            "32 feature maps, each made from all input maps by a 3×3 kernel of its own, as deep as there "
            "are input maps.",
        ),
        (
            built(layers.Conv1D(1, 5, 2), (9, 1)),
            "1 feature map, made from the input map by a length-5 kernel, in steps of 2.",
        ),
        (
            built(layers.Conv1D(4, 5, dilation_rate=2), (9, 3)),
            "4 feature maps, each made from all 3 input maps by a length-5, depth-3 kernel of its own, dilated by 2.",
        ),
        (
            built(layers.Conv3D(2, (1, 2, 3), strides=(1, 2, 1)), (4, 4, 4, 5)),
            "2 feature maps, each made from all 5 input maps by a 1×2×3×5 kernel of its own, in steps of 1×2×1.",
        ),
        (
            built(layers.Conv2D(4, 3, groups=2, activation=layers.ELU()), (9, 9, 6)),
            "4 feature maps, each made from the 3 input maps of its group by a 3×3×3 kernel of its own, then ELU.",
        ),
        (layers.DepthwiseConv2D(3), "Each input map filtered separately, by a 3×3 kernel of its own."),
        (
            layers.DepthwiseConv1D(3, depth_multiplier=2),
            "Each input map filtered separately, by 2 length-3 kernels of its own, which gives 2 maps.",
        ),
        (
            layers.SeparableConv2D(8, 3, activation="gelu"),
            "Each input map filtered separately, by a 3×3 kernel of its own; then 8 feature maps, each a "
            "weighted sum of all of these at the same place, then GELU.",
        ),
        (
            built(layers.Conv2DTranspose(3, 4, 2, activation=ops.tanh), (5, 5, 2)),
            "3 feature maps, to each of which every number of all 2 input maps adds a 4×4 kernel times that "
            "number, in steps of 2×2 (transposed convolution), then tanh.",
        ),
        (
            built(layers.Conv1DTranspose(2, 3, groups=2), (5, 4)),
            "2 feature maps, to each of which every number of the 2 input maps of its group adds a length-3 "
            "kernel times that number (transposed convolution).",
        ),
    ],
)
def test_describe(layer: Layer, sentence: str) -> None:
    assert layer.describe() == sentence


REFUSED: list[tuple[type[Layer], dict[str, Any], str]] = [
    (layers.Conv2D, {"filters": 0}, "Conv2D: expected filters of at least 1, got 0."),
    (layers.Conv2D, {"filters": 2.5}, "Conv2D: expected filters as an integer, got 2.5."),
    (layers.Conv2D, {"filters": True}, "Conv2D: expected filters as an integer, got True."),
    (
        layers.Conv2D,
        {"kernel_size": 0},
        "Conv2D: expected kernel_size as an integer or 2 of them, each at least 1, got 0",
    ),
    (layers.Conv2D, {"kernel_size": (3, 3, 3)}, "Conv2D: expected kernel_size as an integer or 2 of them"),
    (layers.Conv1D, {"strides": 0}, "Conv1D: expected strides as an integer or 1 of them, each at least 1, got 0."),
    (layers.Conv3D, {"dilation_rate": -1}, "Conv3D: expected dilation_rate as an integer or 3 of them"),
    (layers.Conv2D, {"groups": 0}, "Conv2D: expected groups of at least 1, got 0."),
    (layers.Conv2D, {"filters": 3, "groups": 2}, "Conv2D: expected groups to divide filters=3, got groups=2."),
    (layers.Conv2D, {"padding": "causal"}, "Conv2D: expected padding as one of valid, same, same_lower, full, causal"),
    (layers.Conv2D, {"padding": -1}, "Conv2D: expected padding as one of"),
    (
        layers.Conv2D,
        {"data_format": "channels_first"},
        "Conv2D: expected data_format 'channels_last', got 'channels_first'.",
    ),
    (layers.Conv2D, {"activation": "rleu"}, "Conv2D: there is no activation 'rleu'; there are .*Did you mean 'relu'?"),
    (layers.Conv2D, {"activation": 3}, "Conv2D: expected activation as a name, a function or a layer, got 3."),
    (layers.Conv2D, {"kernel_constraint": "max_norm"}, "Conv2D: expected kernel_constraint=None, got 'max_norm'"),
    (layers.Conv2D, {"bias_constraint": "max_norm"}, "Conv2D: expected bias_constraint=None, got 'max_norm'"),
    (layers.Conv2D, {"activity_regularizer": "l2"}, "Conv2D: expected activity_regularizer=None, got 'l2'"),
    (layers.Conv2DTranspose, {"groups": 3}, "Conv2DTranspose: expected groups to divide filters=4, got groups=3."),
    (layers.Conv2DTranspose, {"padding": "full"}, "expected padding 'valid', 'same', or integers, got 'full'."),
    (
        layers.Conv2DTranspose,
        {"strides": 2, "output_padding": (0, 2)},
        "expected output_padding below the larger of strides=(2, 2) and dilation_rate=(1, 1), got (0, 2).",
    ),
    (layers.Conv2DTranspose, {"output_padding": -1}, "Conv2DTranspose: expected output_padding as an integer or 2"),
    (layers.Conv2DTranspose, {"filters": -1}, "Conv2DTranspose: expected filters of at least 1, got -1."),
    (layers.Conv2DTranspose, {"kernel_constraint": 1}, "Conv2DTranspose: expected kernel_constraint=None, got 1"),
    (layers.SeparableConv2D, {"filters": 0}, "SeparableConv2D: expected filters of at least 1, got 0."),
    (
        layers.SeparableConv2D,
        {"depth_multiplier": 0},
        "SeparableConv2D: expected depth_multiplier of at least 1, got 0.",
    ),
    (layers.SeparableConv2D, {"pointwise_constraint": 1}, "SeparableConv2D: expected pointwise_constraint=None, got 1"),
]


@pytest.mark.parametrize(("cls", "settings", "message"), REFUSED, ids=[message[:50] for _, _, message in REFUSED])
def test_R4_arguments_are_checked_at_the_door(cls: Any, settings: dict[str, Any], message: str) -> None:
    pattern = ".*".join(map(re.escape, message.split(".*")))
    with pytest.raises(ArgumentError, match=pattern):
        cls(**{"filters": 4, "kernel_size": 3, **settings})


def test_R4_depthwise_arguments_are_checked_at_the_door() -> None:
    with pytest.raises(ArgumentError, match="DepthwiseConv2D: expected depth_multiplier of at least 1, got 0"):
        layers.DepthwiseConv2D(3, depth_multiplier=0)
    with pytest.raises(ArgumentError, match="DepthwiseConv1D: expected depthwise_constraint=None, got 'max_norm'"):
        layers.DepthwiseConv1D(3, depthwise_constraint="max_norm")


def test_R4_inputs_that_do_not_fit() -> None:
    layer = layers.Conv2D(4, 3, name="edges")
    with pytest.raises(
        ShapeError, match=re.escape("layer edges: Conv2D: expected input of rank 4 (N, H, W, C), got rank 3")
    ):
        layer(np.zeros((28, 28, 1)))
    with pytest.raises(
        ShapeError, match=r"layer edges: conv2d: the kernel covers 3 positions .*the padded input has only 2"
    ):
        layer(np.zeros((1, 2, 5, 1)))
    layer(np.zeros((1, 28, 28, 3)))
    with pytest.raises(ShapeError, match=r"layer edges: conv2d: expected 3 input channels .*got 1"):
        layer(np.zeros((1, 28, 28, 1)))
    with pytest.raises(
        ShapeError, match=re.escape("expected input channels that groups=2 divides, got 3 (input is (None, 8, 8, 3))")
    ):
        layers.Conv2D(4, 3, groups=2)(np.zeros((1, 8, 8, 3)))


def test_transposed_convolution_of_groups_with_explicit_padding_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.ConvTranspose2d(4, 6, (4, 3), (2, 3), (1, 0), output_padding=(1, 2), groups=2)
    ours = layers.Conv2DTranspose(6, (4, 3), (2, 3), ((1, 1), (0, 0)), output_padding=(1, 2), groups=2)
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 4)).astype(np.float32)
    ours(x)
    ours.set_weights([theirs.weight.detach().numpy().transpose(2, 3, 1, 0), theirs.bias.detach().numpy()])
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours(x), expected, rtol=1e-4, atol=1e-5)


def test_R4_transposed_convolution_refuses_channels_that_groups_do_not_divide() -> None:
    with pytest.raises(ShapeError, match=r"expected input channels that groups=2 divides, got 3 \(input is"):
        layers.Conv2DTranspose(4, 3, groups=2)(np.zeros((1, 5, 5, 3), np.float32))


class StandardizedConv2D(layers.Conv2D):
    """Weight standardization, as Keras's documentation writes it. Source: Qiao et al. (2019)."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        mean, variance = ops.moments(kernel, axes=[0, 1, 2], keepdims=True)
        return super().convolution_op(inputs, (kernel - mean) / ops.sqrt(variance + 1e-10))


def test_a_subclass_says_what_is_convolved_with() -> None:
    keras = pytest.importorskip("keras")

    class Theirs(keras.layers.Conv2D):  # type: ignore[misc, name-defined]
        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            mean, variance = keras.ops.moments(kernel, axes=[0, 1, 2], keepdims=True)
            return super().convolution_op(inputs, (kernel - mean) / keras.ops.sqrt(variance + 1e-10))

    x = np.random.default_rng(0).standard_normal((2, 8, 7, 3)).astype(np.float32)
    ours, theirs = (make(5, 3, strides=2, padding="same", activation="relu") for make in (StandardizedConv2D, Theirs))
    ours(x), theirs(x)
    weights = [np.random.default_rng(1).standard_normal(w.shape).astype(np.float32) for w in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    expected = theirs(x).detach().cpu().numpy()
    np.testing.assert_allclose(ours(x), expected, rtol=1e-4, atol=1e-5)
    model = striate.Sequential([striate.Input((8, 7, 3)), ours])
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
