"""``striate evaluate``: how good a model is, and what it gets wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from striate.cli.classifier import (
    BATCH_SIZE,
    OutputsOption,
    PixelsOption,
    admit,
    classify,
    is_model,
    open_network,
    outputs_of,
    state,
)
from striate.cli.data import CLASSES, is_folder, load_digits
from striate.cli.output import complain, say_json, say_table
from striate.data import PhotoPreprocessing
from striate.errors import ModelError
from striate.graph import Array
from striate.models import Model
from striate.models.facts import ASSUMED
from striate.training.losses import SparseCategoricalCrossentropy
from striate.training.metrics import confusion_matrix

WORST = 3


def evaluate(
    model: Annotated[str, typer.Argument(help="Model file, run folder, or the name of a model that ships.")],
    data: Annotated[
        str, typer.Argument(help="What to test it on: mnist, or a folder with a sub-folder of photographs per class.")
    ] = "mnist",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that decode photographs; default: one per core, at most 2.")
    ] = None,
    pixels: PixelsOption = None,
    outputs: OutputsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Test a model: accuracy, loss, confusion matrix, worst classes."""
    if is_model(Path(data)) and not is_model(Path(model)):
        raise typer.BadParameter(f"expected the model before the data; {data} is a model.", param_hint="data")
    photos = is_folder(data)
    network = open_network(model)
    state("evaluate", network, pixels, outputs)
    if photos:
        names, y, probabilities = on_photos(network, Path(data), workers)
    else:
        if isinstance(network.preprocessing, PhotoPreprocessing):
            raise ModelError(f"evaluate: expected a folder of photographs, as {network.name} needs; got {data}.")
        x, y = load_digits("test")
        if network.preprocessing is None:
            black, white = network.facts.pixels or ASSUMED
            x = np.float32(white - black) * x + np.float32(black)
        names, probabilities = classify("evaluate", network, outputs_of("evaluate", network, x))
        if names != CLASSES:
            raise ModelError(
                f"evaluate: expected a model of the classes {' '.join(CLASSES)}, got {' '.join(names)[:80]}."
            )
    admit("evaluate", network)
    loss = float(SparseCategoricalCrossentropy()(y, probabilities))
    matrix = confusion_matrix(y, probabilities.argmax(axis=1), len(names))
    accuracy = float(matrix.trace() / matrix.sum())
    worst = worst_classes(matrix, names)

    if as_json:
        say_json(
            {
                "model": model,
                "data": data,
                "samples": len(y),
                "accuracy": accuracy,
                "loss": loss,
                "classes": names,
                "confusion": matrix.tolist(),
                "worst": [asdict(one) for one in worst],
            }
        )
        return
    kind = "pictures" if photos else "digits"
    summary = [("Accuracy", f"{accuracy:.2%} of {len(y):,} {kind}"), ("Loss", f"{loss:.4f}")]
    say_table(("", ""), summary, left=2, title=f"{network.name} on {data}")
    cells = [[name, *(str(n) if n else "·" for n in row)] for name, row in zip(names, matrix, strict=True)]
    say_table(("", *names), cells, title=f"Confusion matrix: a row for each {kind[:-1]}, a column for each answer")
    rows = [(one.name, f"{one.recall:.2%}", f"{one.taken_for} ({one.times}×)") for one in worst]
    say_table(("Class", "Recognised", "Most often taken for"), rows, title="Worst classes")


def on_photos(model: Model, folder: Path, workers: int | None) -> tuple[tuple[str, ...], Array, Array]:
    """A model's answers for a folder of photographs, or for its split "test" or "validation" if it has one.

    Returns:
        The names of K classes, labels (N,), probabilities (N, K).

    Raises:
        ModelError: the model takes no photographs, or does not know one of the folder's classes.
        DataError, FormatError: there are no photographs, or one cannot be read.
    """
    from striate.data.checks import left_out
    from striate.data.photo_batches import PhotoBatches
    from striate.data.photo_folder import SPLITS, find_photos
    from striate.data.workers import workers_wanted

    if not isinstance(model.preprocessing, PhotoPreprocessing):
        raise ModelError(f"evaluate: expected a model of photographs; {model.name} has no preprocessing for them.")
    found = find_photos(folder)
    for finding in left_out(found):
        complain(f"{folder}: {finding}")
    if unknown := [name for name in found.classes if name not in model.classes]:
        raise ModelError(
            f"evaluate: expected folders named like the model's classes {', '.join(model.classes)[:80]}; "
            f"got {', '.join(unknown)[:80]}."
        )
    photos = next(found.splits[split] for split in SPLITS if found.splits.get(split))
    labels = [model.classes.index(found.classes[photo.label]) for photo in photos]
    paths = [found.path(photo) for photo in photos]
    with PhotoBatches(
        paths, labels, len(model.classes), model.preprocessing, batch_size=BATCH_SIZE, workers=workers_wanted(workers)
    ) as batches:
        outputs = outputs_of("evaluate", model, (images for images, _ in batches))
    names, probabilities = classify("evaluate", model, outputs)
    return names, np.array(labels), probabilities


@dataclass(frozen=True)
class Weakness:
    """A class, the share of it that is recognised, and the class it is most often mistaken for, and how often."""

    name: str
    recall: float
    taken_for: str
    times: int


def worst_classes(matrix: Array, names: Sequence[str]) -> list[Weakness]:
    """The classes that are recognised least often, the worst first; classes without samples are left out.

    Arguments:
        matrix: (K, K), how often a class (row) was taken for another (column).
        names: of the K classes.
    """
    totals = matrix.sum(axis=1)
    recall = np.where(totals, matrix.diagonal() / np.maximum(totals, 1), np.inf)
    errors = matrix - np.diag(matrix.diagonal())
    return [
        Weakness(names[i], float(recall[i]), names[errors[i].argmax()], int(errors[i].max()))
        for i in np.argsort(recall, kind="stable")[:WORST]
        if totals[i]
    ]
