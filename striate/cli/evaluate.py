"""``striate evaluate``: how good a model is, and where it errs."""

from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
import typer

from striate.cli.classifier import classify
from striate.cli.data import CLASSES, check_name, load_digits
from striate.cli.output import say_json, say_table
from striate.errors import ModelError
from striate.graph import Array
from striate.models import load_model
from striate.training.losses import SparseCategoricalCrossentropy
from striate.training.metrics import confusion_matrix

WORST = 3


def evaluate(
    model: Annotated[str, typer.Argument(help="Model file, or the name of a model that ships with Striate.")],
    data: Annotated[str, typer.Option(help="What to test it on: mnist, handwritten digits.")] = "mnist",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Test a model: accuracy, loss, confusion matrix, worst classes."""
    check_name(data)
    network = load_model(model)
    x, y = load_digits("test")
    names, probabilities = classify("evaluate", network, x)
    if names != CLASSES:
        raise ModelError(f"evaluate: expected a model of the classes {' '.join(CLASSES)}, got {' '.join(names)[:80]}.")
    loss = float(SparseCategoricalCrossentropy()(y, probabilities))
    matrix = confusion_matrix(y, probabilities.argmax(axis=1), len(CLASSES))
    accuracy = float(matrix.trace() / matrix.sum())
    worst = worst_classes(matrix)

    if as_json:
        say_json(
            {
                "model": model,
                "data": data,
                "samples": len(y),
                "accuracy": accuracy,
                "loss": loss,
                "classes": CLASSES,
                "confusion": matrix.tolist(),
                "worst": [asdict(one) for one in worst],
            }
        )
        return
    summary = [("Accuracy", f"{accuracy:.2%} of {len(y):,} digits"), ("Loss", f"{loss:.4f}")]
    say_table(("", ""), summary, left=2, title=f"{network.name} on {data}")
    cells = [[name, *(str(n) if n else "·" for n in row)] for name, row in zip(CLASSES, matrix, strict=True)]
    say_table(("", *CLASSES), cells, title="Confusion matrix: a row for each digit, a column for each answer")
    rows = [(one.name, f"{one.recall:.2%}", f"{one.taken_for} ({one.times}×)") for one in worst]
    say_table(("Class", "Recognised", "Most often taken for"), rows, title="Worst classes")


@dataclass(frozen=True)
class Weakness:
    """A class, the share of it that is recognised, and what else it is most often taken for, and how often."""

    name: str
    recall: float
    taken_for: str
    times: int


def worst_classes(matrix: Array) -> list[Weakness]:
    """The classes that are recognised least often, the worst first.

    Arguments:
        matrix: (K, K), how often a class (row) was taken for another (column).
    """
    recall = matrix.diagonal() / matrix.sum(axis=1)
    errors = matrix - np.diag(matrix.diagonal())
    return [
        Weakness(CLASSES[i], float(recall[i]), CLASSES[errors[i].argmax()], int(errors[i].max()))
        for i in np.argsort(recall, kind="stable")[:WORST]
    ]
