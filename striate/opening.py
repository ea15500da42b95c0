"""Opening any model: what a file is, is told by its content, never by its name, and nothing in it is executed."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from striate.architectures import ARCHITECTURES
from striate.data.files import open_regular
from striate.errors import ArgumentError, FormatError
from striate.interop.hdf5 import MAGIC as HDF5
from striate.interop.keras import read_keras
from striate.interop.onnx.reader import read_onnx
from striate.interop.refusal import refuse
from striate.interop.tensorflowjs import read_tensorflowjs
from striate.interop.weights import read_weights
from striate.models import Model, load_model
from striate.models.saving import shipped_models

HEAD = 4096
ZIP = b"PK\x03\x04"
#: A file in Keras's archives, and how long it may be until it comes.
KERAS = b"metadata.json"
BLANK = b" \t\r\n"
#: How the header of a file begins that `Model.save` wrote.
OURS = b'{"__metadata__":{"striate":'


def open_model(
    path: str | os.PathLike[str], arch: str | None = None, input_shape: Sequence[int] | None = None
) -> Model:
    """A model from anybody's file: ours, ONNX, Keras, TensorFlow.js, or weights of a known architecture.

    ========================  =============================================================
    Striate                   ``.safetensors`` that `Model.save` wrote; names of models that ship with it
    ONNX                      ``.onnx``
    Keras                     ``.keras`` and whole models in ``.h5``
    TensorFlow.js             ``model.json`` of a layers model, with its shards beside it
    weights                   PyTorch's ``.pth`` and ``.pt``, ``.safetensors``, ``.npz``, pickled arrays
    ========================  =============================================================

    What the file is, is told by its content. Nothing in it is executed: operators, layers and containers are looked up
    in tables of this library, and whatever is not there is refused, all of it at once.

    Arguments:
        path: of the file; the folder of a TensorFlow.js model will do.
        arch: for files of weights the architecture's name, such as "resnet18"; default: the one whose layers have the
            file's names and shapes.
        input_shape: (H, W, C), for files that do not say the sizes of their input.

    Raises:
        FormatError: there is no such file; it is none of these, is damaged, or has what this library does not.
        LimitError: it asks for more memory than it may.
        ArgumentError: there is no architecture of this name, or the file needs none.

    Examples:
        >>> import striate
        >>> striate.open_model("digits").classes[:3]
        ('0', '1', '2')
    """
    if arch is not None and arch not in ARCHITECTURES:
        raise ArgumentError(f"open_model: expected an architecture, one of {', '.join(ARCHITECTURES)}; got {arch!r}.")
    place = Path(path)
    if str(path) in shipped_models() and not place.exists():
        return load_model(place)
    if not place.exists():
        raise FormatError(f"open_model: no file {path}. The models that ship are called {', '.join(shipped_models())}.")
    if place.is_dir() and (place / "model.json").is_file():
        place /= "model.json"
    reader = _reader(place)
    if reader is None or (reader is read_keras and arch is not None):  # Keras's weights are in files like its models
        return _from_state(place, arch, input_shape)
    if arch is not None:
        raise ArgumentError(f"open_model: {place} holds a whole network; leave arch={arch!r} out.")
    if reader is read_onnx:
        return read_onnx(place, input_shape)
    return reader(place)


def _reader(path: Path) -> Callable[[Path], Model] | None:
    """What reads a file that holds a whole network; None for weights alone."""
    with open_regular(path, "open_model") as file:
        head = file.read(HEAD)
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - HEAD))
        tail = file.read()
    if head.startswith(HDF5):
        return read_keras
    if head.startswith(ZIP):
        return read_keras if KERAS in head + tail else None
    if head.lstrip(BLANK).startswith(b"{"):
        return read_tensorflowjs
    if OURS in head[8:]:
        return load_model
    # Of an ONNX file the first field is its version, and that of a pickle or safetensors file cannot be.
    return read_onnx if head[:1] == b"\x08" else None


def _from_state(path: Path, arch: str | None, input_shape: Sequence[int] | None) -> Model:
    state = read_weights(path)
    if not state:
        refuse(path, "it holds no weights")
    size = sum(array.size for array in state.values())
    near = (one for one in ARCHITECTURES.values() if one.parameters / 2 < size < one.parameters * 2)
    nearest = sorted(near, key=lambda one: abs(one.parameters - size))
    architecture = ARCHITECTURES[arch] if arch else next((one for one in nearest if one.fits(state)), None)
    if architecture is None:
        refuse(
            path,
            f"its {len(state)} arrays ({', '.join(list(state)[:4])}, …) are of no architecture that is known here; if "
            f"it is one of {', '.join(ARCHITECTURES)}, give its name as arch",
        )
    return architecture.opened(state, path, input_shape)
