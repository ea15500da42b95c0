"""``striate export``: a model as a file for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.classifier import open_network
from striate.cli.output import say
from striate.errors import ArgumentError
from striate.interop.onnx import write_onnx
from striate.models.formats import writer
from striate.models.summary import readable_bytes


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model file or name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write: .onnx, .keras or .h5.")],
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="ONNX: inputs and outputs as N, H, W, C instead of N, C, H, W.")
    ] = False,
) -> None:
    """Write a model as an ONNX or Keras file, for other programs."""
    write = writer("export", out)  # before the model is opened: whether the suffix is supported
    if channels_last and write is not write_onnx:
        raise ArgumentError(f"export: --channels-last is for ONNX; Keras's files are channels-last, got {out}.")
    network = open_network(model)
    if channels_last:
        write_onnx(network, out, channels_last=True)
    else:
        network.export(out)
    say(f"{out} ({readable_bytes(out.stat().st_size)})")
