"""Asking a model which class a picture is."""

from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import ModelError
from striate.graph import Array
from striate.models import Model

BATCH_SIZE = 256


def open_network(name: str) -> Model:
    """A model from anybody's file, from the run folder that it is in, or by its name if it ships with Striate.

    Raises:
        FormatError: there is none, or its file is damaged.
    """
    from striate.opening import open_model
    from striate.runs.folder import MODEL, is_run

    run = Path(name)
    return open_model(run / MODEL if is_run(run) else name)


def classify(where: str, model: Model, x: Any) -> tuple[tuple[str, ...], Array]:
    """The names of the classes, and the probability of each.

    Arguments:
        where: the command, for messages.
        model: has one output, a softmax.
        x: a batch of inputs.

    Returns:
        K names, and (N, K).

    Raises:
        ModelError: the model's output is no probability of each of its classes.
        DataError, ShapeError: as ``model.predict``.
    """
    outputs = model.predict(x, batch_size=BATCH_SIZE)
    if isinstance(outputs, list) or outputs.ndim != 2 or not np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        raise ModelError(
            f"{where}: expected a classifier, whose outputs are probabilities that sum to 1; {model.name} is none. "
            "Does it end in a softmax?"
        )
    names = model.classes or tuple(map(str, range(outputs.shape[1])))
    if len(names) != outputs.shape[1]:
        raise ModelError(
            f"{where}: expected a name for each of {outputs.shape[1]} outputs, {model.name} has {len(names)}."
        )
    return names, outputs
