"""The functional interface: branches that add up, two inputs, two outputs, a second model that shares layers."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)
inputs = keras.Input(shape=(16, 16, 3), name="img")
x = layers.Conv2D(8, 3, activation="relu")(inputs)
x = layers.Conv2D(16, 3, activation="relu")(x)
block_1_output = layers.MaxPooling2D(3)(x)
x = layers.Conv2D(16, 3, padding="same", use_bias=False)(block_1_output)
x = layers.BatchNormalization()(x)
x = layers.Activation("relu")(x)
block_2_output = layers.add([x, block_1_output])
x = layers.GlobalAveragePooling2D()(block_2_output)
extra = keras.Input(shape=(4,), name="extra")
x = layers.Concatenate()([x, layers.Dense(4, activation="relu")(extra)])
x = layers.Dropout(0.5)(x)
kind = layers.Dense(3, activation="softmax", name="kind")(x)
size = layers.Dense(1, name="size")(x)

model = keras.Model(inputs=[inputs, extra], outputs=[kind, size], name="toy")
model.summary()
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-3),
    loss={"kind": "sparse_categorical_crossentropy", "size": keras.losses.MeanSquaredError()},
    loss_weights={"kind": 1.0, "size": 0.2},
    metrics={"kind": ["accuracy"], "size": ["mae"]},
)
rng = np.random.default_rng(0)
images, more = rng.random((64, 16, 16, 3), np.float32), rng.random((64, 4), np.float32)
history = model.fit(
    {"img": images, "extra": more},
    {"kind": rng.integers(0, 3, 64), "size": rng.random((64, 1), np.float32)},
    epochs=2,
    batch_size=32,
    verbose=0,
)
assert {"loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"} <= set(history.history), set(history.history)
kinds, sizes = model.predict([images, more], verbose=0)
assert kinds.shape == (64, 3)
assert sizes.shape == (64, 1)

extractor = keras.Model(inputs=model.inputs[0], outputs=block_2_output)
assert extractor.predict(images[:5], verbose=0).shape == (5, 4, 4, 16)
scaled = keras.Model(inputs, layers.Rescaling(2.0)(block_2_output * 1.0))
assert np.allclose(scaled.predict(images[:2], verbose=0), 2 * extractor.predict(images[:2], verbose=0), atol=1e-5)
