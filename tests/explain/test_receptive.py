"""`Model.receptive_field`: the input rectangle that one number depends on, exactly."""

import numpy as np
import pytest

import striate
from striate import layers
from striate.errors import ArgumentError


def test_O13_receptive_field_is_exact():
    model = striate.Sequential(
        [
            striate.Input((16, 16, 1)),
            layers.Conv2D(2, 3, strides=2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(2, 3, padding="same", dilation_rate=1),
            layers.UpSampling2D(2),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
        ]
    )
    x = np.random.default_rng(0).random((1, 16, 16, 1), np.float32)
    for layer in model.layers:
        for y, x_ in ((0, 0), (1, 2), (3, 3)):
            rows, columns = model.receptive_field(layer, y, x_)
            part = striate.Model(model.inputs[0], layer.output)
            before = part.predict(x)[0, y, x_].copy()
            changed = x + 1
            changed[0, slice(*rows), slice(*columns)] = x[0, slice(*rows), slice(*columns)]
            np.testing.assert_array_equal(part.predict(changed)[0, y, x_], before)
    assert model.receptive_field("conv2d", 2, 2) == ((4, 7), (4, 7))
    with pytest.raises(ArgumentError, match=r"receptive_field: expected a position inside of \(8, 8\), got \(8, 0\)"):
        model.receptive_field("conv2d", 8, 0)
    with pytest.raises(ArgumentError, match="receptive_field: no layer 'x'"):
        model.receptive_field("x", 0, 0)


def test_O13_receptive_field_of_branches_is_the_least_rectangle_around_all():
    x = striate.Input((8, 9, 1))
    upper_left = layers.Cropping2D(((0, 3), (0, 2)))(x)  # (y, x) reads (y, x)
    lower_right = layers.Cropping2D(((3, 0), (2, 0)))(x)  # (y, x) reads (y + 3, x + 2)
    for first, second in ((upper_left, lower_right), (lower_right, upper_left)):
        model = striate.Model(x, layers.Add(name="both")([first, second]))
        assert model.receptive_field("both", 1, 2) == ((1, 5), (2, 5))
