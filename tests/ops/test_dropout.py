"""Dropout: shares over a million units, and masks that can be computed again."""

from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Tensor, trace
from striate.ops.dropout import DROPOUT
from striate.random import get_seed, set_seed
from striate.runtime.reference import ReferenceExecutor
from tests.ops.oracles import value_and_gradients, weights_for

MILLION = np.ones((1000, 1000), np.float32)


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.1])
def test_F8_rate_is_the_share_that_is_dropped(rate: float) -> None:
    y = ops.dropout(MILLION, rate, random=(7, 0))
    assert abs((y == 0).mean() - rate) < 0.002
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


def test_F8_the_expected_output_is_the_input() -> None:
    x = np.random.default_rng(0).standard_normal((200, 5))
    mean = np.mean([ops.dropout(x, 0.25, random=(7, step)) for step in range(2000)], axis=0)
    spread = np.abs(x) * np.sqrt(0.25 / 0.75 / 2000)  # standard deviation of that mean
    assert (np.abs(mean - x) < 5 * spread).all()


def test_F8_neighbours_are_dropped_independently() -> None:
    kept = ops.dropout(MILLION, 0.5, random=(7, 0)) != 0
    for axis in (0, 1):
        both = (kept & np.roll(kept, 1, axis)).mean()
        assert abs(both - 0.25) < 0.002


def test_F8_rate_0_changes_nothing() -> None:
    x = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    np.testing.assert_array_equal(ops.dropout(x, 0, random=(7, 0)), x)


def test_R1_same_seed_step_and_stream_drop_the_same_and_others_do_not() -> None:
    x = np.ones((50, 20))
    first = ops.dropout(x, 0.5, random=(7, 3), stream=2)
    np.testing.assert_array_equal(ops.dropout(x, 0.5, random=(7, 3), stream=2), first)
    for other in [((8, 3), 2), ((7, 4), 2), ((7, 3), 1)]:
        same = (ops.dropout(x, 0.5, random=other[0], stream=other[1]) == first).mean()
        assert 0.4 < same < 0.6


def test_gradient_drops_the_same_numbers() -> None:
    x = np.ones((6, 5))
    y, grad = value_and_gradients(lambda x: ops.dropout(x, 0.5, (7, 3), stream=2), [x], [0])
    np.testing.assert_array_equal(grad, y * weights_for(x.shape))


def test_O9_spatial_dropout_drops_whole_maps() -> None:
    x = np.ones((20, 6, 7, 30))
    y = ops.dropout(x, 0.25, random=(7, 0), noise_shape=(None, 1, 1, None))
    assert ((y == y[:, :1, :1, :]).all(), (y == 0).any()) == (True, True)
    assert abs((y[:, 0, 0] == 0).mean() - 0.25) < 0.06
    np.testing.assert_array_equal(y, ops.dropout(x, 0.25, random=(7, 0), noise_shape=(20, 1, 1, 30)))


def test_without_random_numbers_given_the_seed_decides() -> None:
    before = get_seed()
    set_seed(11)
    np.testing.assert_array_equal(
        ops.dropout(np.ones(99), 0.5), ops.dropout(np.ones(99), 0.5, random=(11, 0), stream=0)
    )
    set_seed(before)


def test_in_a_network_each_dropout_draws_from_its_own_stream_at_each_step() -> None:
    graph = trace(lambda x: [ops.dropout(x, 0.5), ops.dropout(x, 0.5)], [Tensor((9, 9))])
    executor, x = ReferenceExecutor(graph), np.ones((9, 9), np.float32)
    first, second = executor.run([x], seed=5, step=1)
    np.testing.assert_array_equal(first, ops.dropout(x, 0.5, random=(5, 1), stream=0))
    np.testing.assert_array_equal(second, ops.dropout(x, 0.5, random=(5, 1), stream=1))
    assert not np.array_equal(executor.run([x], seed=5, step=2)[0], first)


def test_batch_of_unknown_size() -> None:
    x = Tensor((None, 4, 4, 3))
    assert ops.dropout(x, 0.5, (1, 2), noise_shape=(None, 1, 1, None)).shape == (None, 4, 4, 3)


def test_random_stays_whole_numbers() -> None:
    large = 2**63 - 1  # no float64 is this number
    assert DROPOUT.same_kind(np.ones(3, np.float32), (large, 1))[1].tolist() == [large, 1]


@pytest.mark.parametrize("rate", [-0.1, 1, 25, float("nan")])
def test_R4_rate_out_of_range(rate: float) -> None:
    with pytest.raises(
        ArgumentError, match=f"dropout: expected rate from 0 to below 1, the fraction to drop, got {rate}"
    ):
        ops.dropout(MILLION, rate)


def test_R4_stream_out_of_range() -> None:
    with pytest.raises(ArgumentError, match=r"dropout: expected stream as an integer .* at least 0, got -1"):
        ops.dropout(np.ones(3), 0.5, (1, 2), stream=-1)


@pytest.mark.parametrize("noise_shape", [(1,), (2, 2), (3, 1)])
def test_R4_noise_shape_that_does_not_fit(noise_shape: Any) -> None:
    with pytest.raises(
        ShapeError, match=r"dropout: expected noise_shape to be 1, None or the size for each axis .* \(2, 3\)"
    ):
        ops.dropout(np.ones((2, 3)), 0.5, (1, 2), noise_shape=noise_shape)


def test_R4_random_is_no_pair() -> None:
    with pytest.raises(ShapeError, match=r"dropout: expected random as \(seed, step\), got \(3,\) of uint64"):
        ops.dropout(np.ones(3), 0.5, (1, 2, 3))
    with pytest.raises(ShapeError, match=r"dropout: expected random as \(seed, step\), got \(2,\) of float32"):
        ops.dropout(Tensor((3,)), 0.5, Tensor((2,), np.float32))


@pytest.mark.parametrize("random", [(-1, 0), (0.5, 1.0), (2**70, 0), ("seed", 0)])
def test_R4_random_is_no_whole_numbers(random: Any) -> None:
    with pytest.raises(DataError, match="dropout: expected random as two integers from 0 to"):
        ops.dropout(np.ones(3), 0.5, random)
