"""Reductions: PyTorch and Keras as oracles, ties and errors by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Tensor
from striate.ops.reductions import MAX_GRAD
from tests.ops.oracles import assert_agrees_with_torch, value_and_gradients

IMAGES = np.random.default_rng(0).standard_normal((3, 4, 5, 2))


@pytest.mark.parametrize("axis", [0, -1, (1, 2), (0, 1, 2), (-2, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_agrees_with_torch(axis: Any, keepdims: bool) -> None:
    torch = pytest.importorskip("torch")
    both: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (ops.sum, torch.sum),
        (ops.mean, torch.mean),
        (ops.max, torch.amax),
        (ops.variance, lambda x, **settings: torch.var(x, correction=0, **settings)),
    ]
    for ours, theirs in both:
        assert_agrees_with_torch(
            lambda x, ours=ours: ours(x, axis, keepdims),
            lambda x, theirs=theirs: theirs(x, dim=axis, keepdim=keepdims),
            [IMAGES],
        )


def test_all_axes_by_default() -> None:
    for ours, expected in [
        (ops.sum, IMAGES.sum()),
        (ops.mean, IMAGES.mean()),
        (ops.max, IMAGES.max()),
        (ops.variance, IMAGES.var()),
    ]:
        assert ours(IMAGES).shape == ()
        np.testing.assert_allclose(ours(IMAGES), expected)
        assert ours(IMAGES, keepdims=True).shape == (1, 1, 1, 1)


def test_numbers_by_hand() -> None:
    numbers = [[4, 8], [-1, 2]]
    assert [float(f(numbers)) for f in (ops.sum, ops.mean, ops.max, ops.variance)] == [13, 3.25, 8, 10.6875]
    assert ops.sum(np.zeros((0, 3)), 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_O8_argmax_agrees_with_numpy(axis: int) -> None:
    got = ops.argmax(IMAGES, axis)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, IMAGES.argmax(axis))


def test_O8_argmax_ties_go_to_the_lowest_index() -> None:
    assert ops.argmax([[0, 3, 3], [1, 1, 1], [2, 0, 2]], -1).tolist() == [1, 0, 0]


def test_argmax_of_symbols_has_no_gradient() -> None:
    x = Tensor((4, 3))
    y = ops.argmax(x, -1)
    assert (y.shape, y.dtype) == ((4,), np.int64)
    assert y.node.operation.gradient(y.node, Tensor((4,))) == (None,)


def test_O6_first_of_equal_maxima_gets_the_gradient() -> None:
    x = np.array([[[2.0, 5.0], [5.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    got = MAX_GRAD(x, np.full((2, 1, 1), 7.0), axes=(1, 2))
    np.testing.assert_array_equal(got, [[[0, 7], [0, 0]], [[7, 0], [0, 0]]])


def test_O6_nan_propagates() -> None:
    x = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])
    for reduce in (ops.sum, ops.mean, ops.max, ops.variance):
        assert np.isnan(reduce(x, 1)).tolist() == [True, False]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_O5_global_pooling_agrees_with_keras(axes: int) -> None:
    layers = pytest.importorskip("keras").layers
    x = np.random.default_rng(0).standard_normal((2, *range(3, 3 + axes), 4))
    for name, pool in [("Average", ops.global_average_pool), ("Max", ops.global_max_pool)]:
        for keepdims in (False, True):
            layer = getattr(layers, f"Global{name}Pooling{axes}D")(keepdims=keepdims, dtype="float64")
            # Keras takes means in float32, whatever the input.
            assert_agrees_with_torch(lambda x, pool=pool, keep=keepdims: pool(x, keep), layer, [x], tolerance=1e-6)


def test_O5_global_pooling_by_hand() -> None:
    x = np.array([[[4, 8], [-1, 2]]])[..., None]
    assert ops.global_average_pool(x).tolist() == [[3.25]]
    assert ops.global_max_pool(x, keepdims=True).tolist() == [[[[8]]]]


def test_global_pooling_of_a_batch_of_unknown_size() -> None:
    assert ops.global_average_pool(Tensor((None, 7, 7, 64))).shape == (None, 64)


def test_gradient_of_the_mean_is_shared_equally() -> None:
    _, grad = value_and_gradients(lambda x: ops.mean(x, 1), [np.zeros((2, 4))], [0])
    assert (grad == grad[:, :1]).all()


@pytest.mark.parametrize("axis", [4, -5, (1, 1), (0, -4), 1.5, "rows"])
def test_R4_axes_that_mean_nothing(axis: Any) -> None:
    with pytest.raises(
        ArgumentError, match="mean: expected axis as an integer from -4 to 3, or several different ones, got"
    ):
        ops.mean(IMAGES, axis)


def test_R4_argmax_takes_one_axis() -> None:
    with pytest.raises(ArgumentError, match="argmax: expected axis as an integer"):
        ops.argmax(IMAGES, (1, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mean", "max", "variance"])
def test_R4_nothing_to_reduce(name: str) -> None:
    with pytest.raises(
        ShapeError, match=rf"{name}: expected at least one number along axes \(0,\), got none in \(0, 3\)"
    ):
        getattr(ops, name)(np.zeros((0, 3)), 0)
    with pytest.raises(ShapeError, match="max: expected at least one number along axes"):
        ops.argmax(np.zeros((0, 3)), 0)


@pytest.mark.parametrize("name", ["global_average_pool", "global_max_pool"])
def test_R4_nothing_spatial_to_pool(name: str) -> None:
    with pytest.raises(
        ShapeError, match=rf"{name}: expected \(N, \*size, C\) with at least one spatial axis, got \(5, 3\)"
    ):
        getattr(ops, name)(np.zeros((5, 3)))


@pytest.mark.parametrize("sizes", [(None, 4, 5), (3, None, 5), (3, 4, None)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_argmax_keeps_dimensions_that_are_not_known_yet(sizes: Any, axis: int) -> None:
    expected = tuple(1 if one == axis else size for one, size in enumerate(sizes))
    assert ops.argmax(Tensor(sizes), axis=axis, keepdims=True).shape == expected


def test_pooling_of_whole_maps_drops_their_axes_unless_it_is_told_otherwise() -> None:
    for pool in (ops.global_max_pool, ops.global_average_pool):
        assert pool(IMAGES).shape == pool(IMAGES, False).shape == (3, 2)
        assert pool(IMAGES, keepdims=True).shape == (3, 1, 1, 2)
