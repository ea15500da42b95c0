"""Callbacks, schedules, saving and loading, freezing, batches by hand."""

import os
import tempfile

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.random((200, 12, 12, 1)).astype("float32")
y = (x.mean(axis=(1, 2, 3)) > 0.5).astype("float32").reshape(-1, 1)

folder = tempfile.mkdtemp()
model = keras.Sequential(
    [
        keras.Input((12, 12, 1)),
        layers.Conv2D(4, 3, activation="relu", name="first"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(8, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, decay_steps=10, decay_rate=0.9)
model.compile(
    keras.optimizers.Adam(schedule), keras.losses.BinaryCrossentropy(), metrics=["accuracy", keras.metrics.AUC()]
)
path = os.path.join(folder, "best.keras")
history = model.fit(
    x,
    y,
    epochs=4,
    validation_split=0.25,
    verbose=0,
    class_weight={0: 1.0, 1: 2.0},
    callbacks=[
        keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True),
        keras.callbacks.CSVLogger(os.path.join(folder, "log.csv")),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, sorted(logs))),
    ],
)
assert os.path.exists(path)
with open(os.path.join(folder, "log.csv")) as log:
    assert len(log.readlines()) == len(history.epoch) + 1

again = keras.models.load_model(path)
assert again.predict(x[:4], verbose=0).shape == (4, 1)
weights = model.get_weights()
again.set_weights(weights)
assert np.allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)

again.get_layer("first").trainable = False
again.compile("sgd", "binary_crossentropy")
before = again.get_layer("first").get_weights()[0].copy()
loss = again.train_on_batch(x[:32], y[:32])
assert np.all(np.isfinite(loss))
assert np.array_equal(before, again.get_layer("first").get_weights()[0])
assert again.predict_on_batch(x[:3]).shape == (3, 1)


def batches():
    while True:
        chosen = rng.integers(0, len(x), 16)
        yield x[chosen], y[chosen]


again.fit(batches(), steps_per_epoch=5, epochs=2, verbose=0)
