"""``striate export``: a model as a file for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.classifier import open_network
from striate.cli.output import say
from striate.errors import ArgumentError
from striate.interop.onnx import write_onnx
from striate.models.summary import readable_bytes


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model file or name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")],
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="Inputs and outputs as N, H, W, C instead of N, C, H, W.")
    ] = False,
) -> None:
    """Write a model as an ONNX file, for other programs."""
    if out.suffix.lower() != ".onnx":
        raise ArgumentError(f"export: expected a file name that ends in .onnx, got {out}.")
    write_onnx(open_network(model), out, channels_last=channels_last)
    say(f"{out} ({readable_bytes(out.stat().st_size)})")
