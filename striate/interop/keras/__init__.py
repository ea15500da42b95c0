"""Keras's models, opened without executing anything: a configuration is data, and a class is a name in a table.

`reading` the files · `networks` and `calls` how layers are put together · `layer_configs` the layers · `operations`
what stands between them · `objects` what stands in their arguments · `training` how they are compiled · `weights` which
array belongs to which variable · `export` the way back.
"""

from striate.interop.keras.export.files import write_keras, write_keras_h5, write_keras_h5_weights, write_keras_weights
from striate.interop.keras.reading import read_keras, read_keras_weights

__all__ = [
    "read_keras",
    "read_keras_weights",
    "write_keras",
    "write_keras_h5",
    "write_keras_h5_weights",
    "write_keras_weights",
]
