"""Training as machine code: it follows the definition, and its bits are the seed's alone."""

import hashlib

import numpy as np
import pytest

import striate
from striate import layers
from striate.architectures import lenet5
from striate.runtime.team import available_cores

pytest.importorskip("llvmlite")


def residual(shape=(16, 16, 3)):
    """A small residual network: convolutions with strides, batch normalization, shortcuts of both kinds."""
    image = x = striate.Input(shape)
    for width, stride in ((16, 1), (24, 2)):
        y = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", use_bias=False)(y))
        shortcut = layers.BatchNormalization()(layers.Conv2D(width, 1, strides=stride, use_bias=False)(x))
        x = layers.ReLU()(layers.Add()([y, shortcut]))
    return striate.Model(image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def dropping():
    return striate.Sequential(
        [
            striate.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(48, 5, activation="gelu"),
            layers.SpatialDropout2D(0.2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def trained(make, optimizer, steps, batch=16):
    """Losses of some steps, and the model, from the same seed."""
    striate.set_seed(7)
    model = make()
    model.compile(optimizer(), "sparse_categorical_crossentropy")
    generator = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        y = generator.integers(0, 10, batch)
        x = generator.random((batch, *model.input_specs()[0][0]), np.float32) + y.reshape(-1, 1, 1, 1) / 10
        losses.append(model.train_on_batch(x.astype(np.float32), y))
    return np.array(losses), model


CASES = {
    "lenet5": (lenet5, lambda: striate.optimizers.Adam(0.001), 100),
    "residual": (residual, lambda: striate.optimizers.SGD(0.01, momentum=0.9), 40),
    "dropout": (dropping, lambda: striate.optimizers.RMSprop(0.001), 12),
}


def native_and_reference(make, optimizer, steps):
    native, _ = trained(make, optimizer, steps)
    striate.set_executor("reference")
    try:
        return native, trained(make, optimizer, steps)[0]
    finally:
        striate.set_executor("native")


@pytest.mark.parametrize("name", CASES)
def test_first_losses_are_those_of_the_reference(name):
    make, optimizer, _ = CASES[name]
    np.testing.assert_allclose(*native_and_reference(make, optimizer, 4), rtol=1e-4)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_losses_follow_the_reference(name):
    native, reference = native_and_reference(*CASES[name])
    np.testing.assert_allclose(native, reference, rtol=1e-3)
    assert native[-5:].mean() < native[0]


@pytest.mark.parametrize("name", CASES)
def test_R1_same_seed_same_bits_with_any_number_of_threads(name):
    make, optimizer, _ = CASES[name]
    digests = set()
    try:
        for threads in (1, 2, 3, 4):
            striate.set_threads(threads)
            losses, model = trained(make, optimizer, 5, batch=24)
            weights = b"".join(w.tobytes() for w in model.get_weights())
            digests.add(hashlib.sha256(losses.tobytes() + weights).hexdigest())
    finally:
        striate.set_threads(available_cores())
    assert len(digests) == 1


def test_exact_mode_trains_to_nearly_the_same_numbers():
    usual, model = trained(residual, CASES["residual"][1], 5)
    striate.set_exact(True)
    try:
        exact, exact_model = trained(residual, CASES["residual"][1], 5)
    finally:
        striate.set_exact(False)
    np.testing.assert_allclose(exact, usual, rtol=1e-4)
    pairs = zip(model.get_weights(), exact_model.get_weights(), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)  # other kernels, other rounding
