"""Opening any model: its format is detected from the content, never from the name, and nothing in it is executed."""

import operator
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from striate.architectures import ARCHITECTURES
from striate.data.files import open_regular
from striate.data.images import picture_format
from striate.errors import ArgumentError, FormatError
from striate.graph import Shape
from striate.interop.hdf5 import MAGIC as HDF5
from striate.interop.keras import read_keras
from striate.interop.onnx.reader import read_onnx
from striate.interop.refusal import refuse
from striate.interop.tensorflowjs import read_tensorflowjs
from striate.interop.weights import read_weights
from striate.models import Model, load_model
from striate.models.saving import KIND, shipped_models

#: Names of kinds of files, in messages and summaries.
OURS, ONNX, TENSORFLOWJS, WEIGHTS = KIND, "ONNX", "TensorFlow.js", "weights"
KERAS, KERAS_HDF5 = "Keras", "Keras (HDF5)"
PICTURES = ("PNG", "JPEG", "GIF", "BMP", "WebP")
#: Readers of other programs' files that hold a whole network: functions of a path and the sizes of one sample.
READERS: dict[str, Callable[[Path, Shape | None], Model]] = {
    ONNX: read_onnx,
    KERAS: read_keras,
    KERAS_HDF5: read_keras,
    TENSORFLOWJS: read_tensorflowjs,
}

HEAD = 4096  # bytes from each end that tell what a file is
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
KERAS_MEMBER = b"metadata.json"  # a file in Keras's archives
BLANK = b" \t\r\n"
#: The beginning of the header of a file that `Model.save` wrote.
OUR_HEADER = b'{"__metadata__":{"striate":'


def open_model(
    path: str | os.PathLike[str], arch: str | None = None, input_shape: Sequence[int] | None = None
) -> Model:
    """A model from a file of any origin: ours, ONNX, Keras, TensorFlow.js, or weights of a known architecture.

    ========================  =============================================================
    Striate                   ``.safetensors`` that `Model.save` wrote; names of models that ship with it
    ONNX                      ``.onnx``
    Keras                     ``.keras`` and whole models in ``.h5``
    TensorFlow.js             ``model.json`` of a layers model, with its shards beside it
    weights                   PyTorch's ``.pth`` and ``.pt``, ``.safetensors``, ``.npz``, pickled arrays
    ========================  =============================================================

    The format is detected from the content. Nothing in the file is executed: operators, layers and containers are
    looked up in tables of this library, and what is not there is refused, in one message that lists all of it.

    Arguments:
        path: of the file, or of the folder of a TensorFlow.js model.
        arch: for files of weights the architecture's name, such as "resnet18"; default: the one whose layers have the
            file's names and shapes.
        input_shape: (H, W, C), or other sizes of one sample of the first input; default: those in the file, or
            those that an architecture was published for. A network that cannot have these sizes is refused.

    Raises:
        FormatError: there is no such file; it is none of these, is damaged, or uses what this library does not support.
        LimitError: it asks for more memory than allowed.
        ArgumentError: there is no architecture of this name, or the file needs none; or ``input_shape`` is not a shape,
            or cannot be that of this file.

    Examples:
        >>> import striate
        >>> striate.open_model("digits").classes[:3]
        ('0', '1', '2')
    """
    if arch is not None and arch not in ARCHITECTURES:
        raise ArgumentError(f"open_model: expected an architecture, one of {', '.join(ARCHITECTURES)}; got {arch!r}.")
    sizes = None if input_shape is None else _sizes(input_shape)
    place = Path(path)
    if not place.exists():
        if str(path) in shipped_models():
            return _ours(place, arch, sizes)
        raise FormatError(f"open_model: no file {path}. The models that ship are called {', '.join(shipped_models())}.")
    if place.is_dir() and (place / "model.json").is_file():
        place /= "model.json"
    kind = file_kind(place)
    if kind in PICTURES:
        refuse(place, f"it is a picture ({kind}), not a model")
    if kind == OURS:
        return _ours(place, arch, sizes)
    # HDF5 files hold Keras's models, or weights alone: an architecture is given only for weights.
    if kind is None or kind not in READERS or (kind == KERAS_HDF5 and arch is not None):
        return _from_state(place, arch, sizes)
    _needs_no_arch(place, arch)
    model = READERS[kind](place, sizes)
    model.facts = replace(model.facts, file=kind)
    return model


def file_kind(path: Path) -> str | None:
    """The kind of a file, by its content: a kind of model, `WEIGHTS`, a format of pictures; None for anything else.

    Raises:
        FormatError, OSError: it cannot be read.
    """
    with open_regular(path, "open_model") as file:
        head = file.read(HEAD)
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - HEAD))
        tail = file.read()
    signs = {
        picture_format(head): True,
        KERAS_HDF5: head.startswith(HDF5),
        KERAS: head.startswith(ZIP) and KERAS_MEMBER in head + tail,
        TENSORFLOWJS: head.lstrip(BLANK).startswith(b"{"),
        OURS: OUR_HEADER in head[8:],
        # The first field of an ONNX file is its version; a pickle or safetensors file cannot begin so.
        ONNX: head[:1] == b"\x08",
        WEIGHTS: head.startswith((ZIP, PICKLE)) or head[8:9] == b"{",
    }
    return next((kind for kind, found in signs.items() if kind and found), None)


def _sizes(input_shape: Sequence[int]) -> Shape:
    try:
        sizes = tuple(operator.index(size) for size in input_shape)
    except TypeError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ArgumentError(
            "open_model: expected input_shape as the sizes of one sample, integers of at least 1, such as "
            f"(224, 224, 3); got {input_shape!r}."
        )
    return sizes


def _needs_no_arch(path: Path, arch: str | None) -> None:
    if arch is not None:
        raise ArgumentError(f"open_model: {path} holds a whole network; leave arch={arch!r} out.")


def _ours(path: Path, arch: str | None, sizes: Shape | None) -> Model:
    """A file of our own, or a model that ships with Striate, which needs no arguments."""
    _needs_no_arch(path, arch)
    model = load_model(path)
    if sizes is not None and sizes != (own := tuple(model.input_specs()[0][0])):
        raise ArgumentError(f"open_model: {path} takes inputs of shape {own}; leave input_shape={sizes} out.")
    return model


def _from_state(path: Path, arch: str | None, sizes: Shape | None) -> Model:
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
            f"its {len(state)} arrays ({', '.join(list(state)[:4])}, …) do not match any known architecture; if "
            f"it is one of {', '.join(ARCHITECTURES)}, give its name as arch",
        )
    if sizes is not None and len(sizes) != 3:
        raise ArgumentError(f"open_model: expected input_shape as (H, W, C) for {architecture.name}, got {sizes}.")
    model = architecture.opened(state, path, sizes)
    model.facts = replace(model.facts, file=f"weights of {architecture.name}")
    return model
