"""``striate predict``: what a model makes of pictures."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from striate.cli.classifier import classify, open_network
from striate.cli.output import complain, say, say_json, visible
from striate.data import PhotoPreprocessing, Preprocessing, decode_image
from striate.errors import ModelError, ShapeError, StriateError
from striate.graph import Array
from striate.models import Model

INKS = ("auto", "dark", "bright")


def predict(
    images: Annotated[
        list[Path], typer.Argument(help="Pictures: PNG, JPEG, GIF, BMP or WebP; first of them possibly a model or run.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Model file, run folder, or name of a model that ships; default digits.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 3,
    ink: Annotated[str, typer.Option(help="What is ink: dark, bright, or auto: what the border is not.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Say what is in pictures, and how sure the model is."""
    if ink not in INKS:
        raise typer.BadParameter(f"expected {', '.join(INKS)}; got {ink!r}.", param_hint="--ink")
    if model is None:
        model = str(images.pop(0)) if len(images) > 1 and is_model(images[0]) else "digits"
    network = open_network(model)
    if not isinstance(network.preprocessing, Preprocessing) and ink != "auto":
        raise ModelError(f"predict: {network.name} takes pictures as they are, not drawings; leave --ink out.")
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
            shares = ", ".join(f"{one['class']} {one['probability']:.1%}" for one in result["top"])
            name = visible(str(path))  # on one line, also if the name has two
            say(f"{name}: {shares}" if result["sure"] else f"{name}: not sure ({shares})")
    if as_json:
        say_json(results)
    if any("error" in result for result in results):
        raise typer.Exit(1)


def is_model(path: Path) -> bool:
    """Whether what stands before the pictures is a model: a run folder, or a file with the suffix of models."""
    from striate.runs.folder import is_run

    return is_run(path) or path.suffix == ".safetensors"


def recognise(model: Model, path: Path, ink: str, top: int) -> dict[str, Any]:
    """Whether the model is sure of a picture, and its ``top`` classes with their probabilities, the best first.

    Raises:
        StriateError, OSError: the file is no picture, has no ink, or is none that the model takes.
    """
    names, (probabilities,) = classify("predict", model, as_input(model, path, ink)[np.newaxis])
    best = np.argsort(-probabilities, kind="stable")[:top]
    return {
        "sure": bool(probabilities.max() >= model.threshold),
        "top": [{"class": names[i], "probability": float(probabilities[i])} for i in best],
    }


def as_input(model: Model, path: Path, ink: Any) -> Array:
    """A picture as the model takes it, (H, W, C): prepared, or as it is if the model has no preprocessing.

    Raises:
        ModelError: the model takes no pictures.
        ShapeError: the picture has another size than the model takes.
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
    return np.divide(pixels, 255, dtype=np.float32)
