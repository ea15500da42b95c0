"""``striate studio``: draw, and see every layer's output."""

from typing import Annotated

import typer

from striate.cli.classifier import open_network

MIB = 1 << 20
Memory = Annotated[
    int | None, typer.Option(min=1, help="MiB for the layers of recent pictures; default: 256, or enough for one.")
]


def studio(
    model: Annotated[str, typer.Option(help="Model file, or the name of a model that ships with Striate.")] = "digits",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    memory: Memory = None,
) -> None:
    """Open the studio in the browser: draw, and see every layer's output."""
    from striate.studio import serve

    serve(open_network(model), port=port, open_browser=not no_browser, memory=None if memory is None else memory * MIB)
