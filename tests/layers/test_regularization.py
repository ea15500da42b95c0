"""Dropout and spatial dropout."""

import re
from typing import Any

import numpy as np
import pytest

import striate
from striate import layers
from striate.errors import ArgumentError, ShapeError
from striate.graph import Array, Graph, Tensor, trace
from striate.layers.layer import Layer
from striate.runtime.reference import ReferenceExecutor


def executor(layer: Any, *shape: int) -> ReferenceExecutor:
    graph: Graph = trace(layer, [Tensor(shape)], training=True)
    return ReferenceExecutor(graph)


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_F8_a_rate_is_the_share_that_is_dropped(rate: float) -> None:
    x = np.full((1000, 1000), 2, np.float32)
    y = layers.Dropout(rate)(x, training=True)
    assert np.mean(y == 0) == pytest.approx(rate, abs=0.002)
    np.testing.assert_allclose(y[y != 0], 2 / (1 - rate), rtol=1e-6)
    assert y.mean() == pytest.approx(2, rel=0.005)


def test_F8_inference_changes_nothing() -> None:
    x = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    for layer in (layers.Dropout(0.25), layers.SpatialDropout1D(0.25)):
        y = layer(x[None])
        assert y.tobytes() == x.tobytes()
        assert not [node for node in trace(layer, [Tensor((1, 64, 64))]).nodes if node.name == "dropout"]


def test_F8_a_rate_of_0_changes_nothing_in_training() -> None:
    x = np.ones((1, 4, 4), np.float32)
    assert layers.Dropout(0)(x, training=True) is x
    assert layers.SpatialDropout1D(0)(x, training=True) is x


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.SpatialDropout1D(0.5), (8, 6, 40)),
        (layers.SpatialDropout2D(0.5), (8, 3, 4, 40)),
        (layers.SpatialDropout3D(0.5), (8, 2, 3, 2, 40)),
        (layers.Dropout(0.5, noise_shape=(8, 1, 40)), (8, 6, 40)),
    ],
)
def test_O9_spatial_dropout_drops_whole_maps(layer: Layer, shape: tuple[int, ...]) -> None:
    y = layer(np.ones(shape, np.float32), training=True).reshape(shape[0], -1, shape[-1])
    assert ((y == 0).all(axis=1) | (y == 2).all(axis=1)).all()
    assert 0.4 < np.mean(y == 0) < 0.6


def kept(y: Array) -> list[int]:
    return np.flatnonzero(y).tolist()


def test_masks_depend_on_seed_step_and_layer() -> None:
    x = np.ones((4, 64), np.float32)
    first, second = layers.Dropout(0.5), layers.Dropout(0.5)
    run = executor(first, 4, 64).run
    (y,) = run([x], seed=1, step=1)
    assert kept(run([x], seed=1, step=1)[0]) == kept(y)
    assert kept(run([x], seed=1, step=2)[0]) != kept(y)
    assert kept(run([x], seed=2, step=1)[0]) != kept(y)
    (both,) = executor(lambda t: second(first(t)), 4, 64).run([x], seed=1, step=1)
    assert set(kept(both)) < set(kept(y))  # the second layer of a network drops others than the first


def test_layers_with_the_same_seed_drop_the_same() -> None:
    x = np.ones((4, 64), np.float32)
    first, second, other = layers.Dropout(0.5, seed=3), layers.Dropout(0.5, seed=3), layers.Dropout(0.5, seed=4)
    (a,) = executor(lambda t: second(first(t)), 4, 64).run([x])
    (b,) = executor(lambda t: other(first(t)), 4, 64).run([x])
    assert a.max() == 4
    assert np.mean(a > 0) > 0.4 > np.mean(b > 0)


def test_outside_of_a_network_calls_differ_and_set_seed_repeats_them() -> None:
    x, layer = np.ones((4, 64), np.float32), layers.Dropout(0.5)
    striate.set_seed(5)
    a, b = layer(x, training=True), layer(x, training=True)
    assert kept(a) != kept(b)
    striate.set_seed(5)
    assert kept(layer(x, training=True)) == kept(a)
    assert kept(layer(x, training=True)) == kept(b)


def test_describe() -> None:
    assert (
        layers.Dropout(0.25).describe()
        == "In training, a random fraction of 0.25 of all numbers becomes 0, and the others are divided by "
        "0.75; otherwise nothing changes."
    )
    assert (
        layers.SpatialDropout2D(0.5).describe()
        == "In training, a random fraction of 0.5 of all maps becomes 0, and the others are divided by 0.5; "
        "otherwise nothing changes."
    )


@pytest.mark.parametrize(
    "cls", [layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D]
)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 1}, "expected rate below 1, got 1."),
        ({"rate": -0.1}, "expected rate of at least 0, got -0.1."),
        ({"rate": float("nan")}, "expected rate as a finite number, got nan."),
        ({"rate": "half"}, "expected rate as a finite number, got 'half'."),
        ({"rate": 0.5, "seed": -1}, "expected seed of at least 0, got -1."),
    ],
)
def test_R4_arguments_are_checked_at_the_door(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(f"{cls.__name__}: {message}")):
        cls(**settings)


def test_R4_what_does_not_fit() -> None:
    for cls in (layers.SpatialDropout2D, layers.SpatialDropout3D):
        with pytest.raises(
            ArgumentError, match=f"{cls.__name__}: expected data_format 'channels_last', got 'channels_first'"
        ):
            cls(0.5, "channels_first")
    with pytest.raises(
        ShapeError, match=re.escape("layer dropout: dropout: expected noise_shape to be 1, None or the size")
    ):
        layers.Dropout(0.5, noise_shape=(2, 3))(np.ones((2, 4)), training=True)
    with pytest.raises(
        ShapeError, match=re.escape("SpatialDropout2D: expected input of rank 4 (N, H, W, C), got rank 2")
    ):
        layers.SpatialDropout2D(0.5)(np.ones((2, 4)))
