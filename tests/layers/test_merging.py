"""Layers of several inputs."""

import re
from typing import Any

import numpy as np
import pytest

from striate import layers
from striate.errors import ArgumentError, ShapeError
from striate.graph import Tensor
from striate.layers.layer import Layer

A, B, C = (np.array([row], np.float32) for row in ([1, 5, 3], [4, 2, 3], [-2, 0, 9]))


@pytest.mark.parametrize(
    ("layer", "inputs", "expected"),
    [
        (layers.Add(), [A, B, C], [3, 7, 15]),
        (layers.Subtract(), [A, B], [-3, 3, 0]),
        (layers.Multiply(), [A, B, C], [-8, 0, 81]),
        (layers.Average(), [A, B, C], [1, 7 / 3, 5]),
        (layers.Maximum(), [A, B, C], [4, 5, 9]),
        (layers.Minimum(), [A, B, C], [-2, 0, 3]),
        (layers.Concatenate(), [A, B, C], [1, 5, 3, 4, 2, 3, -2, 0, 9]),
        (layers.Add(), [A], [1, 5, 3]),
    ],
)
def test_O9_merging(layer: Layer, inputs: Any, expected: Any) -> None:
    np.testing.assert_allclose(layer(inputs), [expected], rtol=1e-6)


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
def test_A1_each_has_a_function(name: str) -> None:
    function, cls = getattr(layers, name.lower()), getattr(layers, name)
    np.testing.assert_array_equal(function([A, B]), cls()([A, B]))
    symbols = [Tensor((None, 3)), Tensor((None, 3))]
    result = function(symbols, name="merged")
    assert result.shape == cls()(symbols).shape
    assert result.node.name == "merged"


def test_O9_sizes_of_1_are_repeated() -> None:
    gate = np.array([2, 3], np.float32).reshape(1, 1, 1, 2)
    maps = np.ones((1, 4, 4, 2), np.float32)
    np.testing.assert_array_equal(layers.Multiply()([maps, gate]), maps * gate)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (layers.Add(), "The element-wise sum of its inputs."),
        (layers.Subtract(), "The element-wise difference of its two inputs."),
        (layers.Concatenate(), "Its inputs concatenated along the last axis, the channels."),
        (layers.Concatenate(axis=1), "Its inputs concatenated along axis 1."),
        (layers.Dot(1), "Sums of products of its two inputs."),
        (
            layers.Dot(1, normalize=True),
            "Sums of products of its two inputs, divided by their norms: cosine similarity.",
        ),
    ],
)
def test_describe(layer: Layer, sentence: str) -> None:
    assert layer.describe() == sentence


def test_R4_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=re.escape("Concatenate: expected axis as an integer, got 'last'.")):
        layers.Concatenate("last")
    with pytest.raises(
        ShapeError, match=re.escape("layer add: Add: expected a list of inputs, got one input of shape (1, 3).")
    ):
        layers.Add()(A)
    with pytest.raises(ShapeError, match="Subtract: expected 2 inputs, got 3"):
        layers.Subtract()([A, B, C])
    with pytest.raises(ShapeError, match="Subtract: expected 2 inputs, got 1"):
        layers.Subtract()([A])
    with pytest.raises(ShapeError, match=re.escape("Multiply: expected inputs of one rank, got (1, 3) and (1, 1, 3).")):
        layers.Multiply()([A, B[None]])
    with pytest.raises(
        ShapeError, match=re.escape("layer add: add: expected shapes that broadcast together, got (1, 3) and (1, 2).")
    ):
        layers.Add()([A, B[:, :2]])
    with pytest.raises(ShapeError, match="layer concatenate: concatenate: expected"):
        layers.Concatenate(0)([A, B[:, :2]])
    with pytest.raises(
        ArgumentError, match=re.escape("Dot: expected axes as an integer or two of them, got (1, 2, 3).")
    ):
        layers.Dot((1, 2, 3))
    with pytest.raises(
        ArgumentError, match=re.escape("Dot: expected axes other than the batch for (1, 3), got (0, 0).")
    ):
        layers.Dot(0)([A, B])
    with pytest.raises(
        ShapeError, match=re.escape("Dot: expected as many samples, and numbers along axes (1, 1), got")
    ):
        layers.Dot(1)([A, B[:, :2]])
    with pytest.raises(ShapeError, match="Dot: expected 2 inputs, got 1"):
        layers.Dot(1)([A])


def test_arrays_and_lists_of_numbers_are_merged_alike():
    array = np.arange(6, dtype=np.float32).reshape(1, 6)
    for inputs in ([array, array.tolist()], [array.tolist(), array]):
        np.testing.assert_array_equal(layers.Add()(inputs), 2 * array)
