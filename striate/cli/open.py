"""``striate open``: a network of any supported format in the studio, with every layer's output for a picture."""

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.classifier import OutputsOption, PixelsOption
from striate.cli.output import console, say
from striate.cli.studio import MIB, Memory
from striate.data.files import open_regular
from striate.errors import DataError
from striate.models.facts import pixels_between

MAX_NAMES_BYTES = 1 << 20


def open_file(
    path: Annotated[str, typer.Argument(help="ONNX, Keras, TensorFlow.js, PyTorch, safetensors or NumPy file.")],
    arch: Annotated[str | None, typer.Option(help="Architecture, for a file of weights only.")] = None,
    classes: Annotated[Path | None, typer.Option(help="Class names: a text file with one per line.")] = None,
    pixels: PixelsOption = None,
    outputs: OutputsOption = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    memory: Memory = None,
) -> None:
    """Open any model in the studio: show it a picture, see every layer. Nothing in the file is executed.

    A network that does not take pictures is shown as a table.
    """
    from striate.opening import open_model
    from striate.studio import serve, why_no_picture

    model = open_model(path, arch)
    if classes:
        model.classes = _names(classes)
    model.facts = model.facts.stated(outputs=outputs)
    if reason := why_no_picture(model):
        model.summary(console().width, say)
        say(f"No page is opened: {reason}")
        return
    if pixels:
        model.preprocessing = pixels_between(model, *pixels)
    serve(model, port=port, open_browser=not no_browser, memory=None if memory is None else memory * MIB)


def _names(path: Path) -> tuple[str, ...]:
    try:
        with open_regular(path, "open") as file:
            lines = file.read(MAX_NAMES_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"open: expected the classes as UTF-8 text, got something else: {path} ({error}).") from None
    return tuple(line.strip() for line in lines if line.strip())
