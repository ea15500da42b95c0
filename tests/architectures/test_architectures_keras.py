"""A5: Keras's published weights for VGG have names and a layout of their own."""

import numpy as np
import pytest

import striate
from striate.architectures import ARCHITECTURES
from striate.architectures.vgg import CONVOLUTIONS_19, _places
from striate.layers.layer import WEIGHT_SOURCE


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # raised inside Keras
def test_A5_keras_vgg16_computes_the_same():
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras")
    theirs = keras.applications.VGG16(weights=None, classes=10)
    weights = {
        f"{layer.name}/{w.name}": keras.ops.convert_to_numpy(w) for layer in theirs.layers for w in layer.weights
    }
    token = WEIGHT_SOURCE.set(lambda shape: np.zeros(shape, np.float32))
    try:
        model = striate.architectures.vgg16(classes=10)
    finally:
        WEIGHT_SOURCE.reset(token)
    ARCHITECTURES["vgg16"].load(model, weights)
    x = np.random.default_rng(0).standard_normal((1, 224, 224, 3)).astype(np.float32)
    expected = np.log(keras.ops.convert_to_numpy(theirs(x, training=False)))
    assert np.ptp(expected) > 1e-3
    assert np.abs(np.log(model.predict_on_batch(x)) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert model.preprocessing.colours == "BGR"  # as Keras prepares pictures for them
    assert model.preprocessing.mean == pytest.approx((103.939, 116.779, 123.68))


def test_A5_keras_names_of_vgg19():
    (published,) = ARCHITECTURES["vgg19"].published
    assert [name for name in published.layers if name.startswith("block")] == [
        f"block{block}_conv{i + 1}" for block, count in ((1, 2), (2, 2), (3, 4), (4, 4), (5, 4)) for i in range(count)
    ]
    assert published.layers["block5_conv4"] == "features.34"
    assert list(_places(CONVOLUTIONS_19))[-1] == "features.34"
    names = {layer.name for layer in ARCHITECTURES["vgg19"].outline().layers if layer.weights}
    assert set(published.layers.values()) == names
