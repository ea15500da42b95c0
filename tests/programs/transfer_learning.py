"""A trained network as the frozen beginning of another, then fine-tuned."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.random((96, 8, 8, 1)).astype("float32")
y = rng.integers(0, 3, 96)
x += 0.5 * y[:, None, None, None].astype("float32")

base = keras.Sequential(name="base")
base.add(layers.Conv2D(4, 3, input_shape=(8, 8, 1)))
base.add(layers.BatchNormalization())
base.add(layers.Activation("relu"))
base.add(layers.GlobalAveragePooling2D())
assert base.output_shape == (None, 4)

base.trainable = False
assert not any(layer.trainable for layer in base.layers)
model = keras.Sequential([base, layers.Dense(8, activation="relu", input_dim=4), layers.Dense(3, activation="softmax")])
model.build((None, 8, 8, 1))
assert len(model.trainable_weights) == 4
before = base.get_weights()
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=3, verbose=0, callbacks=keras.callbacks.EarlyStopping(monitor="loss"))
for i, new in enumerate(base.get_weights()):
    assert np.array_equal(before[i], new)  # the running mean and variance as well

base.trainable = True
for layer in base.layers[:-3]:
    layer.trainable = False
assert len(model.trainable_weights) == 6
model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=2, verbose=0)
assert np.array_equal(before[0], base.get_weights()[0])
assert not np.array_equal(before[4], base.get_weights()[4])
