"""What max pooling does to small arrays."""

import keras
import numpy as np

x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], dtype="float32").reshape((1, 3, 3, 1))
pool = keras.layers.MaxPooling2D(pool_size=(2, 2), strides=(1, 1), padding="valid")
assert np.asarray(pool(x)).reshape(2, 2).tolist() == [[5.0, 6.0], [8.0, 9.0]]
same = keras.layers.MaxPooling2D(pool_size=(2, 2), strides=(1, 1), padding="same")
assert np.asarray(same(x)).reshape(3, 3).tolist() == [[5.0, 6.0, 6.0], [8.0, 9.0, 9.0], [8.0, 9.0, 9.0]]
series = np.array([1.0, 2.0, 3.0, 4.0, 5.0], dtype="float32").reshape((1, 5, 1))
assert np.asarray(keras.layers.MaxPooling1D(pool_size=2, strides=2)(series)).ravel().tolist() == [2.0, 4.0]

image = np.array([[2, 2, 7, 3], [9, 4, 6, 1], [8, 5, 2, 4], [3, 1, 2, 6]], dtype="float32").reshape(1, 4, 4, 1)
model = keras.models.Sequential([keras.layers.MaxPooling2D(pool_size=2, strides=2)])
output = np.squeeze(model.predict(image))
assert output.tolist() == [[9.0, 7.0], [8.0, 6.0]]
mean = keras.models.Sequential([keras.layers.GlobalAveragePooling2D()])
assert np.isclose(np.squeeze(mean.predict(image)), image.mean())
