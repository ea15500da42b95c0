"""``striate summary``: a network as a table."""

from typing import Annotated

import typer

from striate.architectures import ARCHITECTURES
from striate.cli.classifier import open_network
from striate.cli.output import console, say, say_json
from striate.models.summary import summarize


def summary(
    model: Annotated[str, typer.Argument(metavar="MODEL|ARCH", help="Model file or name, or an architecture.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show a network layer by layer: shapes, parameters, work, receptive fields."""
    network = ARCHITECTURES[model].outline() if model in ARCHITECTURES else open_network(model)
    if not as_json:
        network.summary(console().width, say)
        return
    table = summarize(network)
    facts = {"file": table.facts.file} | table.facts.to_json()
    totals = {"multiply_adds": table.multiply_adds, "activation_bytes": table.activation_bytes}
    say_json(table._asdict() | {"rows": [row._asdict() for row in table.rows], "facts": facts} | totals)
