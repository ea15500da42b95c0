"""Keras's files: ``.keras`` archives and ``.h5``, told apart by their content."""

import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from striate.data import strict_json
from striate.data.archives import open_archive
from striate.data.files import open_regular
from striate.errors import FormatError, StriateError
from striate.graph import Shape, Variable
from striate.interop.hdf5 import MAGIC, Group, parse_hdf5, read_hdf5
from striate.interop.hdf5.source import granted_to
from striate.interop.keras.export.networks import Entry, Translation
from striate.interop.keras.networks import Builder
from striate.interop.keras.training import compile_arguments
from striate.interop.keras.weights import Matching, Slot, slots_in_order
from striate.interop.refusal import refuse
from striate.layers.layer import Layer
from striate.models import Model
from striate.models.reading_facts import find_facts
from striate.models.saving import put_beside_the_network, weights_from_file

ZIP = b"PK\x03\x04"
#: Weights that a file may hold beyond one for each of its bytes.
SPARE_NUMBERS = 4 << 20
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
#: The attribute that says how a model in an ``.h5`` file was compiled; in an archive that is part of the configuration.
TRAINING = "training_config"
#: Where a file that we wrote says what Keras has no place for: preprocessing, class names, threshold, and names of
#: layers that it does not take, by path.
OURS, NAMES = "striate", "names"


class Contents(NamedTuple):
    """What a file holds.

    Arguments:
        config: the network's description; None: the file holds weights only.
        version: of the Keras that wrote it.
        root: the weights.
        training: how the model was compiled; None: it was not.
        ours: what `beside_the_network` gave, in a file that we wrote.
    """

    config: Any
    version: str
    root: Group
    training: Any = None
    ours: Any = None


def read_keras(path: str | os.PathLike[str], input_shape: Shape | None = None) -> Model:
    """Open a model that Keras saved, as ``.keras`` or as ``.h5``; nothing of it is executed.

    The layers are ours of the same names. What only matters while a network is trained is left out: the optimizer's
    state, constraints, noise. The model is compiled as it was, if optimizer, losses and metrics are among ours.
    Everything is computed in float32.

    Arguments:
        path: of the file; its content tells the format.
        input_shape: of one sample of the first input; default: as the file says.

    Raises:
        FormatError: it is neither, or damaged; it holds weights only; or it has layers, arguments, custom objects or
            Python code that have no counterpart here: all of them are listed.
        FileNotFoundError: there is no such file.

    Source: https://keras.io/guides/serialization_and_saving/
    """
    contents = _read(path)
    if contents.config is None:
        refuse(path, "it holds weights only. Build the model, then call load_weights")
    model = model_from(
        path,
        contents.config,
        re.match(r"[012](\.|$)", contents.version) is not None,
        sum(math.prod(array.shape) for array in contents.root.walk()),
        Path(path).stat().st_size,
        lambda matching: matching.match(contents.root),
        input_shape,
        contents.training,
    )
    names: dict[str, str] = {}
    if contents.ours is not None:
        try:
            put_beside_the_network(model, contents.ours)
            names = {str(key): str(name) for key, name in contents.ours.get(NAMES, {}).items()}
            _rename(model, names, "")
        except (StriateError, TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
            refuse(path, f"what it says under {OURS!r} is damaged: {str(error).rstrip('.')}")
    if contents.training and (arguments := compile_arguments(contents.training, names)):
        model.compile(**arguments)
    return model


def _rename(model: Model, names: dict[str, str], path: str) -> None:
    """Give layers the names that they had before they were in a file of Keras.

    Raises:
        ValueError: two would have the same.
    """
    layers = dict.fromkeys(node.operation for node in model.nodes_in_order if isinstance(node.operation, Layer))
    for layer in layers:
        place = f"{path}{layer.name}"
        if isinstance(layer, Model):
            _rename(layer, names, f"{place}/")
        layer.name = names.get(place, layer.name)
    if len({layer.name for layer in layers}) < len(layers):
        raise ValueError("two layers have the same name")
    if not path:
        model.name = names.get("", model.name)


def read_keras_weights(path: str | os.PathLike[str], model: Model) -> None:
    """Give a model the weights that Keras saved, with an architecture or alone (``save_weights``).

    Layers are found by name in files of Keras 2 and in ``.h5`` models; in those of Keras 3, which have no names, by
    their order among the layers of their class. A model whose structure is Python code must have attributes of the
    same names.

    Arguments:
        path: of the file; its content tells the format.
        model: has exactly the layers of the file; nothing in it is changed unless all weights fit.

    Raises:
        FormatError: as `read_keras`, or weights are missing, left over or of another shape: all of them are listed.
        FileNotFoundError: there is no such file.
    """
    matching = Matching(_slot(Translation().tree(model)))
    matching.match(_read(path).root)
    if matching.reasons:
        refuse(path, *matching.reasons)
    matching.assign()


def _slot(entry: Entry) -> Slot:
    """A layer of a model that is there, where weights are to go."""
    layers = [_slot(one) for one in entry.inner.layers()] if entry.inner else []
    held = [(path, _slot(one)) for path, one in entry.below]
    variables = [one for one in entry.part.variables if isinstance(one, Variable)]
    kind = entry.inner.kind if entry.inner else entry.part.kind
    return Slot(entry.name, kind, variables, entry.trainable, layers, held)


def model_from(
    path: str | os.PathLike[str],
    config: Any,
    legacy: bool,
    size: int,
    stored: int,
    match: Callable[[Matching], None],
    input_shape: Shape | None = None,
    training: Any = None,
) -> Model:
    """A model from its description and what finds its weights.

    Arguments:
        path: of the file.
        config: the description.
        legacy: whether the file is older than Keras 3.
        size: how many numbers the file's weights hold.
        stored: bytes in which they are stored. A byte may stand for a number, but not for many: what deflate can make
            of a small file would exhaust memory.
        match: pairs the model's variables with the file's arrays.
        input_shape: as `read_keras`.
        training: what the network was compiled with, of which the loss says what its outputs are.
    """
    builder = Builder(legacy)
    with weights_from_file(min(size, stored + SPARE_NUMBERS), "the architecture"):
        model = builder.network(config, input_shape)
    if model is None:
        refuse(path, *dict.fromkeys(builder.reasons))
    matching = Matching(slots_in_order(model, builder.order))
    match(matching)
    if matching.reasons:
        refuse(path, *matching.reasons)
    matching.assign()
    model.facts = find_facts(model, loss=training.get("loss") if isinstance(training, dict) else None)
    return model


@contextmanager
def json_errors(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Errors of `strict_json.parse`, reported for a file."""
    try:
        yield
    except FormatError:
        raise
    except ValueError as error:
        refuse(path, f"{what} is not valid JSON: {error}")


def _read(path: str | os.PathLike[str]) -> Contents:
    with open_regular(path, "open_model") as file:
        beginning = file.read(len(MAGIC))
    if beginning == MAGIC:
        return _read_h5(path)
    if beginning.startswith(ZIP):
        return _read_archive(path)
    refuse(path, f"expected a Keras model, an HDF5 file or a ZIP archive, got a file that begins with {beginning!r}")


def _read_h5(path: str | os.PathLike[str]) -> Contents:
    root = read_hdf5(path)
    config, version = root.attributes.get("model_config"), root.attributes.get("keras_version", "2")
    if config is None:
        return Contents(None, "", root)
    if not isinstance(config, str) or not isinstance(version, str):
        refuse(path, "expected text in the attributes model_config and keras_version")
    training, ours = (root.attributes.get(name) for name in (TRAINING, OURS))
    with json_errors(path, "the attribute model_config"):
        network = strict_json.parse(config)
    with json_errors(path, f"the attribute {OURS}"):
        beside = strict_json.parse(ours) if isinstance(ours, str) else None
    try:
        compiled = strict_json.parse(training) if isinstance(training, str) else None
    except ValueError:  # it opens without; training it asks for compile
        compiled = None
    return Contents(network, version, root, compiled, beside)


def _read_archive(path: str | os.PathLike[str]) -> Contents:
    where = f"open_model: cannot open {path}"
    with open_regular(path, "open_model") as file:
        size = os.fstat(file.fileno()).st_size
        with open_archive(file, where, granted_to(size)) as archive:
            if missing := [name for name in (CONFIG, METADATA, WEIGHTS) if name not in archive]:
                refuse(path, f"expected an archive with {CONFIG}, {METADATA} and {WEIGHTS}, {missing[0]} is missing")
            texts = {}
            for name in (CONFIG, METADATA):
                if archive[name].file_size > strict_json.MAX_BYTES:
                    refuse(path, f"{name} is not valid JSON: it is longer than {strict_json.MAX_BYTES:,} bytes")
                with json_errors(path, name):
                    texts[name] = strict_json.parse(archive.read(name))
            metadata = texts[METADATA]
            version = metadata.get("keras_version") if isinstance(metadata, dict) else None
            if not isinstance(version, str):
                refuse(path, f"expected the version of Keras in {METADATA}")
            root = parse_hdf5(archive.read(WEIGHTS), f"{path}/{WEIGHTS}", granted_to(size))
            config = texts[CONFIG]
            training = config.get("compile_config") if isinstance(config, dict) else None
            return Contents(config, version, root, training, metadata.get(OURS))
