"""Other libraries' files that `Model.save` and its like write and read; modules are imported when needed."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from striate.interop.onnx import write_onnx
from striate.models import Format


def _later(name: str) -> Callable[..., Any]:
    """A function of `striate.interop.keras`, imported on first use so that a start is faster."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module("striate.interop.keras"), name)(*arguments)

    return call


ARCHIVE = Format(
    write=_later("write_keras"),
    read=_later("read_keras"),
    read_weights=_later("read_keras_weights"),
    beginning=b"PK\x03\x04",
)
#: Weights by the names of layers, as older versions of Keras write them.
BY_NAME = replace(
    ARCHIVE,
    write=_later("write_keras_h5"),
    write_weights=_later("write_keras_h5_weights"),
    beginning=b"\x89HDF\r\n\x1a\n",
)
#: Weights by class and number, as Keras 3 writes them.
BY_NUMBER = replace(BY_NAME, write_weights=_later("write_keras_weights"))

#: See `striate.models.FORMATS`.
FORMATS = {
    ".keras": ARCHIVE,
    ".weights.h5": BY_NUMBER,
    ".h5": BY_NAME,
    ".hdf5": BY_NAME,
    ".onnx": Format(write=write_onnx),
}
