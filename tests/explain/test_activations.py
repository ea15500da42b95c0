"""`Model.activations`: what every layer gave."""

import numpy as np

import striate
from striate import layers


def test_activations_are_every_layers_output():
    model = striate.Sequential(
        [
            striate.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 3),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    x = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    found = model.activations(x)
    assert [(a.name, a.values.shape) for a in found] == [
        ("conv2d", (2, 6, 6, 3)),
        ("max_pooling2d", (2, 3, 3, 3)),
        ("conv2d_1", (2, 1, 1, 4)),
        ("flatten", (2, 4)),
        ("dense", (2, 2)),
    ]
    assert all(a.sentence for a in found)
    np.testing.assert_array_equal(found[-1].values, model.predict(x))
