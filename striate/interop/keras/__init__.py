"""Keras's models, opened without executing anything: a configuration is data, and a class is a name in a table.

`reading` the files · `networks` and `calls` how layers are put together · `layer_configs` the layers · `objects` what
stands in their arguments · `weights` which array belongs to which variable.
"""

from striate.interop.keras.reading import read_keras, read_keras_weights

__all__ = ["read_keras", "read_keras_weights"]
