"""``striate architectures``: the networks that have a name."""

from striate.architectures import ARCHITECTURES
from striate.cli.output import say_table
from striate.models.summary import summarize


def architectures() -> None:
    """List the predefined networks: year, size, work and paper."""
    rows = []
    for one in ARCHITECTURES.values():
        model = one.build()
        table = summarize(model)
        sides = "×".join(map(str, model.input_specs()[0][0]))
        rows.append((one.name, one.paper, str(one.year), sides, f"{table.parameters:,}", f"{table.multiply_adds:,}"))
    say_table(("Name", "Paper", "Year", "Input", "Parameters", "Multiply-adds"), rows, left=2)
