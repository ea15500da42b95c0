"""Depthwise convolution and its gradients: every way in which channels, rows and windows end."""

import numpy as np
import pytest

from striate.codegen import host
from striate.graph import Graph, Tensor
from striate.kernels.conv import depthwise
from striate.ops import depthwise_conv2d, relu
from striate.ops.conv import CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.runtime.native import NativeExecutor
from tests.cases.case import Case
from tests.cases.conv import case, gradient_cases
from tests.kernels.agreement import assert_agrees, assert_same_bits_with_any_number_of_threads, native

FLOAT = np.dtype(np.float32)


def filters(size, channels, kernel, strides=None, padding=None, dilation=None, multiplier=1, images=2):
    """The case of a depthwise convolution, and those of its gradients."""
    one = (1,) * len(size)
    pads = padding or tuple((k // 2, k // 2) for k in kernel)
    w = (*kernel, 1, channels * multiplier)
    forward = case((images, *size, channels), w, strides or one, pads, dilation or one, groups=channels)
    return [forward, *gradient_cases(forward)]


FAMILIES = {
    "channels": [each for c in (2, 5, 16, 17, 40, 64, 300, 513) for each in filters((5, 9), c, (3, 3))],
    "widths": [each for w in (1, 2, 7, 8, 9, 16, 23, 33) for each in filters((4, w), 20, (3, 3))],
    "stride 2": [
        each
        for size, kernel in [
            ((7, 8), (3, 3)),
            ((9, 21), (5, 5)),
            ((8, 17), (2, 3)),
            ((16, 16), (1, 1)),
            ((9, 9), (7, 7)),
        ]
        for each in filters(size, 18, kernel, strides=(2, 2))
    ],
    "5×5": filters((11, 19), 33, (5, 5)) + filters((3, 3), 6, (5, 5)),
    "nothing the same on both axes": filters((9, 20), 10, (4, 2), (3, 2), ((0, 2), (3, 0)), (1, 3)),
    "dilation": filters((20, 20), 10, (3, 3), padding=((4, 4), (4, 4)), dilation=(4, 4))
    + filters((9, 20), 10, (3, 3), (2, 2), ((3, 2), (3, 2)), (2, 3)),
    "windows in the padding": filters((2, 3), 6, (2, 2), (2, 2), ((5, 0), (0, 9))),
    "wide kernels": filters((2, 40), 5, (1, 31)) + filters((30, 40), 3, (13, 13)),
    "multiplier": [each for m in (2, 3, 5, 8) for each in filters((5, 9), 7, (3, 3), multiplier=m)]
    + filters((8, 9), 40, (3, 3), (2, 2), multiplier=2)
    + filters((5, 9), 7, (3, 3), multiplier=20),
    "1 and 3 dimensions": filters((30,), 20, (4,), (2,), ((3, 0),)) + filters((4, 5, 9), 20, (3, 2, 3), (1, 2, 1)),
    "batches": [each for n in (0, 1, 20) for each in filters((12, 13), 20, (3, 3), images=n)],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_the_definition(family):
    cases = FAMILIES[family]
    executor, results = native(cases)
    assert not executor.without_kernel
    for each, result in zip(cases, results, strict=True):
        assert_agrees(result, each)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_as_pytorch_has_it(stride, multiplier):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(stride)
    x = generator.standard_normal((2, 13, 14, 24)).astype(np.float32)
    w = generator.standard_normal((3, 3, 24, multiplier)).astype(np.float32)
    given = [Tensor(array.shape, FLOAT) for array in (x, w)]
    graph = Graph(given, [depthwise_conv2d(*given, strides=stride, padding=1)])
    (result,) = NativeExecutor(graph).run([x, w])
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(x).permute(0, 3, 1, 2),
        torch.from_numpy(w.reshape(3, 3, 1, 24 * multiplier)).permute(3, 2, 0, 1),
        stride=stride,
        padding=1,
        groups=24,
    )
    np.testing.assert_allclose(result, expected.permute(0, 2, 3, 1).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("multiplier", [1, 2])  # not more than half of the narrowest vector there is
def test_what_follows_is_part_of_it(multiplier):
    maps = 21 * multiplier
    shapes = [(2, 9, 11, 21), (3, 3, 21, multiplier), (maps,), (2, 9, 11, maps)]
    x, w, bias, skip = symbols = [Tensor(shape, FLOAT) for shape in shapes]
    executor = NativeExecutor(Graph(symbols, [relu(depthwise_conv2d(x, w, bias, padding="same") + skip)]))
    assert len(executor.plan.schedule) == 1
    generator = np.random.default_rng(5)
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    wide = [array.astype(np.float64) for array in arrays]
    expected = np.maximum(depthwise_conv2d(*wide[:3], padding="same") + wide[3], 0)
    np.testing.assert_allclose(executor.run(arrays)[0], expected, rtol=1e-5, atol=1e-5)


def test_what_follows_a_gradient_is_part_of_it():
    forward, *_ = filters((9, 11), 21, (3, 3), strides=(2, 2), padding=((0, 1), (0, 1)))
    x, w = (array.astype(np.float32) for array in forward.arrays())
    g = np.random.default_rng(6).standard_normal((2, 4, 5, 21)).astype(np.float32)
    symbols = [Tensor(array.shape, FLOAT) for array in (x, w, g)]
    a = forward.attributes
    backward = CONV_GRAD_INPUT(symbols[2], symbols[1], size=(9, 11), **a)
    weight = CONV_GRAD_WEIGHT(symbols[0], symbols[2], kernel=(3, 3), **a)
    executor = NativeExecutor(Graph(symbols, [backward * symbols[0], weight * 0.5]))
    assert not [step for step in executor.plan.schedule if step.kernel.name in ("flat", "by_channel", "cluster")]
    wide_x, wide_w, wide_g = (array.astype(np.float64) for array in (x, w, g))
    results = executor.run([x, w, g])
    expected = [
        CONV_GRAD_INPUT(wide_g, wide_w, size=(9, 11), **a) * wide_x,
        CONV_GRAD_WEIGHT(wide_x, wide_g, kernel=(3, 3), **a) * 0.5,
    ]
    for result, array in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, array, rtol=1e-4, atol=1e-4)


def test_R1_bits_do_not_depend_on_the_number_of_threads():
    cases: list[Case] = filters((29, 30), 40, (3, 3), images=5)
    assert_same_bits_with_any_number_of_threads(lambda: native(cases)[1])


def test_which_convolutions_are_depthwise():
    target = host()
    assert depthwise.suits((3, 3, 1, 32), 32, target)
    assert depthwise.suits((3, 1, 64), 32, target)
    assert not depthwise.suits((3, 3, 1, 32), 1, target)  # one channel, 32 filters: an ordinary first layer
    assert not depthwise.suits((3, 3, 2, 32), 16, target)
    assert not depthwise.suits((3, 3, 1, 32 * target.lanes), 32, target)  # filters fill vectors by themselves
