"""Layers and models of one's own."""

import keras
import numpy as np
from keras import layers, ops


class Linear(layers.Layer):
    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b


class SmallNet(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.convolution = layers.Conv2D(8, 3, activation="relu")
        self.normalization = layers.BatchNormalization()
        self.dropout = layers.Dropout(0.3)
        self.flatten = layers.Flatten()
        self.linear = Linear(classes)

    def call(self, inputs, training=False):
        x = self.normalization(self.convolution(inputs), training=training)
        x = self.flatten(x)
        if training:
            x = self.dropout(x, training=training)
        return ops.softmax(self.linear(x))


rng = np.random.default_rng(0)
x, y = rng.random((96, 8, 8, 1), np.float32), rng.integers(0, 3, 96)
x += 0.5 * y[:, None, None, None]
model = SmallNet(3)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x.astype("float32"), y, epochs=5, batch_size=16, verbose=0)
assert history.history["loss"][-1] < history.history["loss"][0]
assert model.predict(x.astype("float32"), verbose=0).shape == (96, 3)
assert len(model.layers) == 5
assert len(model.weights) == 8
assert len(model.trainable_weights) == 6
