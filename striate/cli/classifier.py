"""Asking a model which class a picture is."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from striate.cli.output import complain
from striate.errors import ModelError
from striate.graph import Array
from striate.models import Model
from striate.models.facts import SCALES, WORDS, assumptions, class_count, probabilities

BATCH_SIZE = 256

#: What a user may state about a network if its file does not say it.
PixelsOption = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Values of black and white, if the file does not say: for example 0 255 or -1 1; default: 0 1."),
]
OutputsOption = Annotated[
    str | None, typer.Option(help=f"What the outputs are, if the file does not say: {', '.join(SCALES[:-1])}.")
]


def open_network(name: str) -> Model:
    """A model from a file of any supported format, from a run folder, or by name if it ships with Striate.

    Raises:
        FormatError: it does not exist, or its file is damaged.
    """
    from striate.opening import open_model
    from striate.runs.folder import MODEL, is_run

    run = Path(name)
    return open_model(run / MODEL if is_run(run) else name)


def is_model(path: Path) -> bool:
    """Whether a path is a model: a run folder, a file with the content of one, or the name of one that ships."""
    from striate.models.saving import shipped_models
    from striate.opening import PICTURES, file_kind
    from striate.runs.folder import is_run

    if path.is_dir():
        return is_run(path) or (path / "model.json").is_file()
    if not path.exists():
        return str(path) in shipped_models()
    return path.is_file() and file_kind(path) not in (None, *PICTURES)


def state(where: str, model: Model, pixels: tuple[float, float] | None, outputs: str | None) -> None:
    """Set what the user states about a model's pixels and outputs.

    Arguments:
        where: the command, for messages.
        model: gets the facts.
        pixels, outputs: what `PixelsOption` and `OutputsOption` were given.

    Raises:
        ModelError: the model has its own preprocessing.
        ArgumentError: they are not a range, or not a scale.
    """
    if pixels and model.preprocessing is not None:
        raise ModelError(f"{where}: {model.name} has its own preprocessing; leave --pixels out.")
    model.facts = model.facts.stated(pixels, outputs)


def admit(where: str, model: Model) -> None:
    """Say on stderr what was assumed about a model because neither its file nor the user said it."""
    for sentence in assumptions(model, f"striate {where}"):
        complain(sentence)


def outputs_of(where: str, model: Model, x: Any) -> Array:
    """A model's outputs for a batch: (N, K).

    Raises:
        ModelError: it has several outputs, or not one row of numbers for each sample.
        DataError, ShapeError: as ``model.predict``.
    """
    outputs = model.predict(x, batch_size=BATCH_SIZE)
    if not isinstance(outputs, np.ndarray):
        raise ModelError(f"{where}: expected a model of one output, {model.name} has {len(outputs)}.")
    rows = outputs.reshape(len(outputs), -1)
    if rows.shape[1] != max(outputs.shape[1:], default=1):
        shape = "×".join(map(str, outputs.shape[1:]))
        raise ModelError(f"{where}: expected a row of numbers for each sample, {model.name} gives {shape}.")
    return rows


def classify(where: str, model: Model, outputs: Array) -> tuple[tuple[str, ...], Array]:
    """The names of the classes, and the probability of each.

    Arguments:
        where: the command, for messages.
        model: gave the outputs.
        outputs: of `outputs_of`, (N, K).

    Returns:
        K names, and (N, K); two for a model whose only output is a probability.

    Raises:
        ModelError: the model's outputs are not classes, or the number of its class names differs.
    """
    scale, given = model.facts.outputs, outputs.shape[1]
    count = class_count(scale, given)
    if not count:
        many = "the output" if given == 1 else "the outputs"
        raise ModelError(
            f"{where}: expected a classifier; {many} of {model.name} {'is' if given == 1 else 'are'} {WORDS[scale]}. "
            "If that is wrong, state what they are with --outputs."
        )
    names = model.classes or tuple(map(str, range(count)))
    if len(names) != count:
        raise ModelError(f"{where}: expected a name for each of {count} classes, {model.name} has {len(names)}.")
    return names, probabilities(scale, outputs)
