"""Opening an ONNX file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from striate.data import strict_json
from striate.data.files import open_regular
from striate.interop.onnx.messages import ModelProto
from striate.interop.onnx.program import Program, UnreadableError
from striate.interop.onnx.protobuf import DamagedError, TooLargeError
from striate.interop.onnx.values import ValueNeededError
from striate.interop.refusal import refuse, refuse_size
from striate.models import Model
from striate.models.facts import Facts
from striate.models.reading_facts import find_facts
from striate.models.saving import preprocessing_from

#: Keys of a file's metadata.
DESCRIPTION = ("striate.preprocessing", "striate.classes", "striate.threshold", "striate.facts")


def read_onnx(path: str | os.PathLike[str], input_shape: Sequence[int] | None = None) -> Model:
    """A network from an ONNX file; nothing in the file is executed.

    The model's `predict` takes images with channels last; `run` takes and returns arrays as the file has them.

    Arguments:
        path: of the file. Arrays that it keeps in other files are read from its own folder only.
        input_shape: of one sample of the first input, (H, W, C) for an image; where the file does not give it.

    Raises:
        FormatError: the file is damaged, or uses what this library does not support; all reasons at once.
        LimitError: it is larger than any network.
        FileNotFoundError: there is no such file.
    """
    place = Path(path)
    with open_regular(place, "open_model") as file:
        content = file.read()
    try:
        proto = ModelProto.parse(content)
        program = Program(proto, place, len(content))
        try:
            model = program.opened(input_shape).model or Model(name=program.name)
        except ValueNeededError:
            if input_shape is not None:
                refuse(place, "its structure depends on the values of its inputs; leave input_shape out")
            model = Model(name=program.name)  # `run` puts it together, when the values are known
    except UnreadableError as error:
        refuse(place, *dict.fromkeys(error.reasons))
    except TooLargeError as error:
        refuse_size(place, str(error))
    except DamagedError as error:
        refuse(place, f"it is not an ONNX file, or is damaged: {error}")
    model.origin = program
    model.facts = find_facts(model, dtype=program.inputs[0].dtype if program.inputs else None)
    _describe(place, model, {entry.key or "": entry.value or "" for entry in proto.metadata_props})
    return model


def _describe(path: Path, model: Model, metadata: Mapping[str, str]) -> None:
    """What `write_onnx` put beside the network: how pictures are prepared, and what the numbers stand for."""
    try:
        found = {key: strict_json.parse(metadata[key]) for key in DESCRIPTION if key in metadata}
        if DESCRIPTION[0] in found:
            model.preprocessing = preprocessing_from(found[DESCRIPTION[0]])
        model.classes = tuple(str(name) for name in found.get(DESCRIPTION[1], ()))
        model.threshold = float(found.get(DESCRIPTION[2], 0.0))
        if DESCRIPTION[3] in found:
            model.facts = Facts.from_json(found[DESCRIPTION[3]])
    except (ValueError, TypeError) as error:
        refuse(path, f"its metadata {', '.join(DESCRIPTION)} are invalid: {error}")
