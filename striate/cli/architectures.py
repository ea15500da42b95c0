"""``striate architectures``: the predefined networks."""

from striate.architectures import ARCHITECTURES
from striate.cli.output import say_table
from striate.models.summary import summarize


def architectures() -> None:
    """List the predefined networks: paper, year, size, work, and published ImageNet error (top-1 / top-5)."""
    rows = []
    for one in ARCHITECTURES.values():
        model = one.outline()
        table = summarize(model)
        sides = "×".join(map(str, model.input_specs()[0][0]))
        numbers = (f"{table.trainable_parameters:,}", f"{table.multiply_adds:,}")
        error = "–" if one.imagenet_error is None else "{:.1f} / {:.1f} %".format(*one.imagenet_error)
        rows.append((one.name, one.paper, str(one.year), sides, *numbers, error))
    say_table(("Name", "Paper", "Year", "Input", "Parameters", "Multiply-adds", "ImageNet error"), rows, left=2)
