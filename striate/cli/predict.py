"""``striate predict``: a model's answers for pictures."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from striate.cli.classifier import (
    OutputsOption,
    PixelsOption,
    admit,
    classify,
    is_model,
    open_network,
    outputs_of,
    state,
)
from striate.cli.output import complain, say, say_json, visible
from striate.data import PhotoPreprocessing, Preprocessing, decode_image
from striate.errors import ModelError, ShapeError, StriateError
from striate.graph import Array
from striate.models import Model
from striate.models.facts import ASSUMED, class_count, pixels_between

INKS = ("auto", "dark", "bright")
#: How many outputs of a network that is not a classifier are printed.
MOST_NUMBERS = 10


def predict(
    images: Annotated[
        list[Path],
        typer.Argument(help="Pictures: PNG, JPEG, GIF, BMP or WebP; before them, optionally, a model or run."),
    ],
    model: Annotated[
        str | None, typer.Option(help="Model file, run folder, or name of a model that ships; default digits.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 3,
    ink: Annotated[
        str, typer.Option(help="Ink of drawings: dark, bright, or auto, the opposite of the border.")
    ] = "auto",
    pixels: PixelsOption = None,
    outputs: OutputsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Classify pictures, with probabilities; of networks that are not classifiers, print the outputs."""
    if ink not in INKS:
        raise typer.BadParameter(f"expected {', '.join(INKS)}; got {ink!r}.", param_hint="--ink")
    model = model_before(images) if model is None else model
    for path in images:
        if is_model(path):
            raise typer.BadParameter(
                f"expected one model, before the pictures or as --model; {visible(str(path))} is a model too.",
                param_hint="images",
            )
    network = open_network(model or "digits")
    if not isinstance(network.preprocessing, Preprocessing) and ink != "auto":
        raise ModelError(
            f"predict: --ink is for models of drawings, {network.name} takes other pictures; leave it out."
        )
    state("predict", network, pixels, outputs)
    results: list[dict[str, Any]] = []
    for path in images:
        try:
            result = recognise(network, path, ink, top)
        except (StriateError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            complain(f"{path}: {reason}")
            results.append({"image": str(path), "error": reason})
            continue
        results.append({"image": str(path)} | result)
        if not as_json:
            say(f"{visible(str(path))}: {as_text(result)}")  # on one line, also if the name has two
    if as_json:
        say_json(results)
    if not all("error" in result for result in results):
        admit("predict", network)
    if any("error" in result for result in results):
        raise typer.Exit(1)


def model_before(images: list[Path]) -> str | None:
    """The model before the pictures, which is removed from the list; None if there is none.

    Raises:
        typer.BadParameter: no pictures are left.
    """
    if not is_model(images[0]):
        return None
    if len(images) == 1:
        raise typer.BadParameter(
            f"expected pictures after the model {visible(str(images[0]))}, got none.", param_hint="images"
        )
    return str(images.pop(0))


def recognise(model: Model, path: Path, ink: str, top: int) -> dict[str, Any]:
    """A model's answer for a picture.

    Returns:
        For a classifier, whether it is sure, and the ``top`` classes with their probabilities, the best first; for any
        other network its outputs.

    Raises:
        StriateError, OSError: the file is not a picture, has no ink, or does not fit the model.
    """
    outputs = outputs_of("predict", model, as_input(model, path, ink)[np.newaxis])
    if not class_count(model.facts.outputs, outputs.shape[1]):
        return {"numbers": outputs[0].tolist()}
    names, (probabilities,) = classify("predict", model, outputs)
    best = np.argsort(-probabilities, kind="stable")[:top]
    return {
        "sure": bool(probabilities.max() >= model.threshold),
        "top": [{"class": names[i], "probability": float(probabilities[i])} for i in best],
    }


def as_text(result: dict[str, Any]) -> str:
    """The result of `recognise` as one line."""
    if "numbers" in result:
        numbers = result["numbers"]
        rest = ", …" if len(numbers) > MOST_NUMBERS else ""
        return ", ".join(f"{number:.6g}" for number in numbers[:MOST_NUMBERS]) + rest
    shares = ", ".join(f"{one['class']} {one['probability']:.1%}" for one in result["top"])
    return shares if result["sure"] else f"not sure ({shares})"


def as_input(model: Model, path: Path, ink: Any) -> Array:
    """A picture as the model takes it, (H, W, C): preprocessed, or as it is if the model has no preprocessing.

    Raises:
        ModelError: the model does not take pictures.
        ShapeError: the picture's size is not the model's.
        StriateError, OSError: as `decode_image` and `Preprocessing.prepare`.
    """
    if isinstance(model.preprocessing, PhotoPreprocessing):
        return model.preprocessing.prepare(decode_image(path))
    if model.preprocessing is not None:
        return model.preprocessing.prepare(decode_image(path, channels=1), ink=ink)
    shape = model.input_specs()[0][0]
    match shape:
        case (int(), int(), 1 | 3 | 4 as channels):
            pixels = decode_image(path, channels=channels)
        case _:
            raise ModelError(f"predict: expected a model of pictures (H, W, 1, 3 or 4), {model.name} takes {shape}.")
    if pixels.shape != shape:
        raise ShapeError(
            f"predict: expected a picture of {shape[0]} × {shape[1]} pixels (height × width), because {model.name} has "
            f"no preprocessing; got {pixels.shape[0]} × {pixels.shape[1]}. Scale the picture first."
        )
    return pixels_between(model, *(model.facts.pixels or ASSUMED)).normalized(pixels)
