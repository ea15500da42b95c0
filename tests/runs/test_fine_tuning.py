"""Fine-tuning: which weights are taken over, which stay, and which learn slowly."""

import numpy as np
import pytest

import striate
from striate import layers
from striate.architectures import simple
from striate.data import PhotoPreprocessing, Preprocessing
from striate.errors import ArgumentError, FormatError
from striate.runs.fine_tuning import freeze_layers, layers_with_weights, set_depth_rates, weights_file


def weights(model):
    return [layer.get_weights() for layer in layers_with_weights(model)]


def blocks():
    """A model with a model in it, and batch normalisation."""
    inner = striate.Sequential([striate.Input((4, 4, 2)), layers.Conv2D(3, 1), layers.BatchNormalization()])
    return striate.Sequential(
        [striate.Input((4, 4, 2)), inner, layers.Flatten(), layers.Dense(5), layers.Dense(2, activation="softmax")]
    )


@pytest.mark.parametrize(("freeze", "expected"), [(0, "TTTTT"), (2, "FFTTT"), ("all-but-head", "FFFFT")])
def test_frozen_layers_are_the_first(freeze, expected):
    model = simple(classes=2)
    freeze_layers(model, freeze)
    assert "".join("FT"[layer.trainable] for layer in layers_with_weights(model)) == expected


def test_frozen_layers_do_not_change_nor_do_their_averages():
    model = blocks()
    freeze_layers(model, 2)
    before = weights(model)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.random.default_rng(0).normal(size=(8, 4, 4, 2)), np.arange(8) % 2, epochs=2, verbose=0)
    for number, (old, new) in enumerate(zip(before, weights(model), strict=True)):
        assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True)) == (number < 2)


def test_rates_grow_from_layer_to_layer_by_the_same_factor():
    model = simple(classes=2)
    set_depth_rates(model, 0.0625)
    factors = [{variable.rate_factor for variable in layer.weights} for layer in layers_with_weights(model)]
    assert factors == [{0.0625}, {0.125}, {0.25}, {0.5}, {1.0}]


@pytest.mark.parametrize("freeze", [-1, 5])
def test_R4_too_many_layers(freeze):
    with pytest.raises(ArgumentError, match=rf"expected 0 to 4 layers .*because simple has 5 .*; got {freeze}\."):
        freeze_layers(simple(classes=2), freeze)


@pytest.mark.parametrize("first", [0, 1.5, -1])
def test_R4_rates_out_of_range(first):
    with pytest.raises(ArgumentError, match="set_depth_rates: expected a share above 0 and at most 1, got"):
        set_depth_rates(simple(classes=2), first)


def test_preprocessing_comes_with_models_and_runs(tmp_path):
    photos = PhotoPreprocessing((16, 16), mean=(1.0,))
    model = simple(classes=3, input_shape=(16, 16, 3))
    model.preprocessing = photos
    file = tmp_path / "model.safetensors"
    model.save(file)
    assert weights_file(file) == (file, photos)
    (tmp_path / "config.json").write_text("{}")
    assert weights_file(tmp_path) == (file, photos)
    model.preprocessing = Preprocessing()
    model.save(file)
    assert weights_file(file) == (file, None)
    (tmp_path / "published.pth").write_bytes(b"published")
    assert weights_file(tmp_path / "published.pth") == (tmp_path / "published.pth", None)


def test_R4_missing_weights(tmp_path):
    with pytest.raises(FormatError, match=r"expected a file of weights or a run folder; .*x does not exist\.$"):
        weights_file(tmp_path / "x")
