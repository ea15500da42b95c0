"""Fine-tuning: which weights are taken over, which stay, and which learn slowly."""

import numpy as np
import pytest

import striate
from striate import layers
from striate.architectures import simple
from striate.errors import ArgumentError, ModelError
from striate.runs.transfer import freeze_layers, layers_with_weights, pretrained, set_depth_rates, transfer_weights


def weights(model):
    return [layer.get_weights() for layer in layers_with_weights(model)]


def blocks():
    """A model with a model in it, and batch normalisation."""
    inner = striate.Sequential([striate.Input((4, 4, 2)), layers.Conv2D(3, 1), layers.BatchNormalization()])
    return striate.Sequential(
        [striate.Input((4, 4, 2)), inner, layers.Flatten(), layers.Dense(5), layers.Dense(2, activation="softmax")]
    )


def test_all_but_the_head_is_taken_over():
    source, target = simple(classes=7, input_shape=(16, 16, 3)), simple(classes=2, input_shape=(16, 16, 3))
    fresh = weights(target)[-1]
    transfer_weights(source, target)
    for got, expected in zip(weights(target)[:-1], weights(source)[:-1], strict=True):
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(weights(target)[-1][0], fresh[0])


def test_the_head_is_fresh_also_for_as_many_classes():
    source, target = simple(classes=2, input_shape=(16, 16, 3)), simple(classes=2, input_shape=(16, 16, 3))
    transfer_weights(source, target)
    assert not np.array_equal(weights(target)[-1][0], weights(source)[-1][0])


def test_moving_averages_are_taken_over():
    source, target = blocks(), blocks()
    source.get_layer(index=0).layers[1].moving_mean.assign([1, 2, 3])
    transfer_weights(source, target)
    np.testing.assert_array_equal(target.get_layer(index=0).layers[1].moving_mean.value, [1, 2, 3])


def test_other_layers_made_for_the_classes_stay_fresh():
    """As in networks with auxiliary classifiers."""

    def two_heads(classes):
        image = striate.Input((3,))
        side = layers.Dense(classes)(image)
        return striate.Model(image, layers.Dense(classes)(layers.add([layers.Dense(classes)(image), side])))

    transfer_weights(two_heads(4), two_heads(2))


def test_R4_other_networks_are_refused():
    with pytest.raises(
        ModelError, match=r"expected weights of the same architecture, simple with 5 layers .* with 4\."
    ):
        transfer_weights(blocks(), simple(classes=2))
    with pytest.raises(ModelError, match=r"expected weights of shapes \[\(1024, 64\), .* got \[\(3136, 64\).*--size"):
        transfer_weights(simple(classes=2, input_shape=(28, 28, 3)), simple(classes=2, input_shape=(16, 16, 3)))


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


def test_weights_come_from_files_and_runs(tmp_path):
    model = simple(classes=3, input_shape=(16, 16, 3))
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        weights(pretrained(tmp_path / "model.safetensors", "simple"))[0][0], weights(model)[0][0]
    )
    (tmp_path / "config.json").write_text("{}")
    np.testing.assert_array_equal(weights(pretrained(tmp_path, "lenet5"))[0][0], weights(model)[0][0])


def test_other_files_are_the_architectures_to_read(tmp_path, monkeypatch):
    from dataclasses import replace

    from striate.architectures import ARCHITECTURES

    asked = []

    def build(weights):
        asked.append(weights)

    entry = replace(ARCHITECTURES["simple"], build=build)
    monkeypatch.setitem(ARCHITECTURES, "simple", entry)
    (tmp_path / "published.pth").write_bytes(b"published")
    pretrained(tmp_path / "published.pth", "simple")
    assert asked == [tmp_path / "published.pth"]
