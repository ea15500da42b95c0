"""Checkpoints: everything a training needs to go on with the same bits, and nothing that is taken on trust."""

import numpy as np
import pytest

import striate
from striate import layers
from striate.errors import FormatError
from striate.models.checkpoint import load_checkpoint, save_checkpoint


def network(units=4, optimizer="adam"):
    striate.set_seed(3)
    model = striate.Sequential(
        [
            striate.Input((5,)),
            layers.Dense(units),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def fit(model, first, last):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 5)).astype(np.float32), random.integers(0, 2, 40)
    model.fit(x, y, batch_size=8, initial_epoch=first, epochs=last, verbose=0)
    return model


def test_R2_training_goes_on_with_the_same_bits(tmp_path):
    path = tmp_path / "c.safetensors"
    whole = fit(network(), 0, 4)
    save_checkpoint(fit(network(), 0, 2), path, {"epochs": 2, "best": [0.5, -1.25]})
    later = network()
    assert load_checkpoint(later, path) == {"epochs": 2, "best": [0.5, -1.25]}
    fit(later, 2, 4)
    for got, expected in zip(later.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_R4_other_files_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(
        FormatError, match=r"load_checkpoint: cannot read .*c\.safetensors: it is not a checkpoint, or dam"
    ):
        load_checkpoint(network(), path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(FormatError, match="it is not a checkpoint, or damaged"):
        load_checkpoint(network(), path)
    network().save(path)
    with pytest.raises(FormatError, match="it is not a checkpoint, or damaged: 'striate checkpoint'"):
        load_checkpoint(network(), path)


def test_R4_other_networks_and_optimizers_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(fit(network(), 0, 1), path, {})
    with pytest.raises(FormatError, match="its weights are not those of"):
        load_checkpoint(network(units=3), path)
    with pytest.raises(FormatError, match=r"SGD\.load_state: expected"):
        load_checkpoint(network(optimizer="sgd"), path)


def test_R4_checkpoint_that_cannot_be_written(tmp_path):
    with pytest.raises(FormatError, match=r"save_checkpoint: cannot write .*No such file"):
        save_checkpoint(fit(network(), 0, 1), tmp_path / "missing" / "c.safetensors", {})
