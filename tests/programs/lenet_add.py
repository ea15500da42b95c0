"""LeNet built with add, strings and objects for everything, sparse labels."""

import keras
from keras.datasets import mnist
from keras.layers import AveragePooling2D, Conv2D, Dense, Flatten
from keras.models import Sequential
from keras.optimizers import SGD

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:640].reshape(-1, 28, 28, 1).astype("float32") / 255.0
x_test = x_test[:256].reshape(-1, 28, 28, 1).astype("float32") / 255.0
y_train, y_test = y_train[:640], y_test[:256]

model = Sequential()
model.add(keras.Input((28, 28, 1)))
model.add(Conv2D(filters=6, kernel_size=5, strides=1, activation="tanh", padding="same"))
model.add(AveragePooling2D(pool_size=(2, 2), strides=(2, 2)))
model.add(Conv2D(filters=16, kernel_size=5, activation="tanh"))
model.add(AveragePooling2D(2))
model.add(Flatten())
model.add(Dense(units=120, activation="tanh", kernel_initializer="he_normal", kernel_regularizer="l2"))
model.add(Dense(84, activation="tanh", kernel_regularizer=keras.regularizers.L2(1e-4)))
model.add(Dense(10))

model.compile(
    optimizer=SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=3, name="top3")],
)
model.fit(x_train, y_train, batch_size=32, epochs=2, validation_data=(x_test, y_test), verbose=2)
results = model.evaluate(x_test, y_test, return_dict=True)
assert set(results) == {"loss", "accuracy", "top3"}, results
assert results["top3"] >= results["accuracy"] > 0.3
logits = model.predict(x_test[:3])
assert logits.shape == (3, 10)
assert logits.argmax(axis=-1).shape == (3,)
