"""The state of a training run in one file: weights, the optimizer's state, and what the program adds.

A safetensors file with the tensors ``weights/…`` and ``optimizer/…``, and JSON in its metadata. It is written so that
after a crash either the old or the new one is there, whole.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.data.safetensors import read_with_metadata, write_safetensors
from striate.errors import FormatError, LimitError
from striate.models.saving import named_weights

if TYPE_CHECKING:
    from striate.models.model import Model

__all__ = ["load_checkpoint", "save_checkpoint"]

ENTRY = "striate checkpoint"


def save_checkpoint(model: "Model", path: str | Path, progress: Mapping[str, Any]) -> None:
    """Write weights, the optimizer's state, and ``progress``, which JSON can hold.

    Raises:
        ModelError: the model has not been trained.
        FormatError: the file cannot be written.
    """
    tensors = {f"weights/{name}": variable.array for name, variable in named_weights(model).items()}
    tensors |= {f"optimizer/{name}": array for name, array in model.optimizer.state().items()}
    metadata = {ENTRY: json.dumps(dict(progress), allow_nan=False)}
    write_safetensors(path, tensors, metadata, "save_checkpoint")


def load_checkpoint(model: "Model", path: str | Path) -> dict[str, Any]:
    """Put weights and the optimizer's state into a compiled model of the same kind.

    Returns:
        What was given to `save_checkpoint` as ``progress``.

    Raises:
        FormatError: there is no such file, it is damaged, or belongs to another network or optimizer.
        ModelError: the model is not compiled.
    """
    try:
        tensors, metadata = read_with_metadata(path)
        progress = json.loads(metadata[ENTRY])
    except (FormatError, LimitError, OSError, KeyError, ValueError, RecursionError) as error:
        raise FormatError(
            f"load_checkpoint: cannot read {path}: it is not a checkpoint, or damaged: {error}."
        ) from None
    variables = {f"weights/{name}": variable for name, variable in named_weights(model).items()}
    given = {name: array.shape for name, array in tensors.items() if name.startswith("weights/")}
    if given != {name: variable.shape for name, variable in variables.items()}:
        raise FormatError(f"load_checkpoint: cannot read {path}: its weights are not those of {model.name}.")
    for name, variable in variables.items():
        variable.assign(tensors[name])
    own = "optimizer/"
    model.load_optimizer_state({name[len(own) :]: array for name, array in tensors.items() if name.startswith(own)})
    return dict(progress)
