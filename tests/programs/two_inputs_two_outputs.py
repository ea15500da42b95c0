"""A network with two unnamed inputs and a dictionary of outputs, weighted samples, saved and opened again."""

import os
import tempfile

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
image, size = rng.random((64, 6, 6, 1)).astype("float32"), rng.random((64, 2)).astype("float32")
label, price = rng.integers(0, 3, 64), size.sum(axis=1, keepdims=True)

first, second = keras.Input((6, 6, 1)), keras.Input((2,))
hidden = layers.Concatenate()([layers.Flatten()(layers.Conv2D(2, 3, activation="relu")(first)), second])
outputs = {"kind": layers.Dense(3, activation="softmax")(hidden), "price": layers.Dense(1)(hidden)}
model = keras.Model([first, second], outputs)
assert [tuple(shape) for shape in model.input_shape] == [(None, 6, 6, 1), (None, 2)]
model.compile(
    optimizer="adam",
    loss={"kind": "sparse_categorical_crossentropy", "price": "mse"},
    metrics={"kind": ["accuracy"], "price": ["mae"]},
)
history = model.fit(
    [image, size],
    {"kind": label, "price": price},
    sample_weight={"kind": np.ones(64), "price": np.linspace(0, 1, 64)},
    epochs=2,
    verbose=0,
)
assert set(history.history) == {"loss", "kind_loss", "price_loss", "kind_accuracy", "price_mae"}
answers = model.predict([image, size], verbose=0)
assert {name: answer.shape for name, answer in answers.items()} == {"kind": (64, 3), "price": (64, 1)}

path = os.path.join(tempfile.mkdtemp(), "two.keras")
model.save(path)
again = keras.models.load_model(path)
for name, answer in again.predict([image, size], verbose=0).items():
    assert np.allclose(answer, answers[name], atol=1e-6)
