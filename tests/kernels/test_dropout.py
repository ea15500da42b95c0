"""Dropout's mask is the reference's, bit for bit, whoever draws it."""

from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.graph import Array, Graph, Tensor
from striate.ops.dropout import DROPOUT
from striate.runtime.native import NativeExecutor
from tests.kernels.agreement import assert_same_bits_with_any_number_of_threads

RANDOM = Tensor((2,), np.uint64)


def numbers(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (1023,), (1024,), (1025,), (3, 50, 41)])
@pytest.mark.parametrize(("rate", "stream"), [(0.5, 0), (0.25, 3), (0.9999, 2**64 - 1), (0.0, 1)])
def test_R1_the_mask_is_that_of_the_reference(shape: tuple[int, ...], rate: float, stream: int) -> None:
    x, settings = Tensor(shape), {"rate": rate, "stream": stream, "noise_shape": None}
    executor = NativeExecutor(Graph([x, RANDOM], [DROPOUT(x, RANDOM, **settings)]))
    assert not executor.without_kernel
    array = numbers(*shape)
    for pair in ([0, 0], [7, 123], [2**63 - 1, 2**40]):
        random = np.array(pair, np.uint64)
        (result,) = executor.run([array, random])
        np.testing.assert_array_equal(result, DROPOUT.forward(array, random, **settings))


@pytest.mark.parametrize("noise_shape", [(None, 1, 1, None), (1, 1, 1, None), (1, 4, None, 1), (1, 1, 1, 1), None])
def test_F8_whole_maps(noise_shape: Any) -> None:
    shape = (3, 4, 5, 18)
    x, settings = Tensor(shape), {"rate": 0.4, "stream": 2, "noise_shape": noise_shape}
    y = DROPOUT(ops.broadcast_to(x, shape), RANDOM, **settings)
    array, random = numbers(*shape), np.array([5, 6], np.uint64)
    expected = DROPOUT.forward(array, random, **settings)
    for fuse in (True, False):
        (result,) = NativeExecutor(Graph([x, RANDOM], [y]), fuse=fuse).run([array, random])
        np.testing.assert_array_equal(result, expected)


def launches(executor: NativeExecutor) -> list[str]:
    return [launch.kernel.name for launch in executor.plan.launches]


def test_forward_and_gradient_share_one_mask_and_layers_do_not() -> None:
    x = Tensor((2, 30))
    y = DROPOUT(x, RANDOM, rate=0.5, stream=0, noise_shape=None)
    gradient = DROPOUT(ops.square(y), RANDOM, rate=0.5, stream=0, noise_shape=None)
    other = DROPOUT(x, RANDOM, rate=0.5, stream=1, noise_shape=None)
    executor = NativeExecutor(Graph([x, RANDOM], [y, gradient, other]))
    assert launches(executor).count("draw_mask") == 2
    array, random = numbers(2, 30), np.array([1, 2], np.uint64)
    first, second, third = executor.run([array, random])
    np.testing.assert_array_equal(first == 0, second == 0)
    assert ((first == 0) != (third == 0)).any()


def test_it_ends_the_kernel_before_it() -> None:
    x, size = Tensor((2, 8, 8, 5)), (2, 4, 4, 5)
    y = ops.relu(DROPOUT(ops.max_pool(x, 2), RANDOM, rate=0.5, stream=0, noise_shape=None))
    executor = NativeExecutor(Graph([x, RANDOM], [y]))
    assert len(launches(executor)) == 2  # the mask and the pooling
    array, random = numbers(2, 8, 8, 5), np.array([1, 2], np.uint64)
    pooled = array.reshape(2, 4, 2, 4, 2, 5).max((2, 4))
    dropped = DROPOUT.forward(pooled, random, rate=0.5, stream=0, noise_shape=None)
    assert dropped.shape == size
    np.testing.assert_array_equal(executor.run([array, random])[0], np.maximum(dropped, 0))


def test_R1_the_same_bits_for_any_number_of_threads() -> None:
    x = Tensor((100, 333))
    executor = NativeExecutor(Graph([x, RANDOM], [DROPOUT(x, RANDOM, rate=0.3, stream=0, noise_shape=None)]))
    given = [np.ones((100, 333), np.float32), np.array([8, 9], np.uint64)]
    assert_same_bits_with_any_number_of_threads(lambda: executor.run(given))
