"""Opening an ONNX file."""

import os
from collections.abc import Sequence
from pathlib import Path

from striate.data.files import open_regular
from striate.interop.onnx.messages import ModelProto
from striate.interop.onnx.program import Program, UnreadableError
from striate.interop.onnx.protobuf import DamagedError, TooLargeError
from striate.interop.onnx.values import ValueNeededError
from striate.interop.refusal import refuse, refuse_size
from striate.models import Model


def read_onnx(path: str | os.PathLike[str], input_shape: Sequence[int] | None = None) -> Model:
    """A network from an ONNX file; nothing in the file is executed.

    The model's `predict` takes images with channels last; `run` takes and returns arrays as the file has them.

    Arguments:
        path: of the file. Arrays that it keeps in other files are read from its own folder only.
        input_shape: of one sample of the first input, (H, W, C) for an image; where the file does not say it.

    Raises:
        FormatError: the file is damaged, or has what this library does not; all reasons at once.
        LimitError: it is larger than any network.
        FileNotFoundError: there is no such file.
    """
    place = Path(path)
    with open_regular(place, "open_model") as file:
        content = file.read()
    try:
        program = Program(ModelProto.parse(content), place, len(content))
        try:
            model = program.opened(input_shape).model or Model(name=program.name)
        except ValueNeededError:
            model = Model(name=program.name)  # `run` puts it together, when the numbers are there
    except UnreadableError as error:
        refuse(place, *dict.fromkeys(error.reasons))
    except TooLargeError as error:
        refuse_size(place, str(error))
    except DamagedError as error:
        refuse(place, f"it is no ONNX file, or damaged: {error}")
    model.origin = program
    return model
