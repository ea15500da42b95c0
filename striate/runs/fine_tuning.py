"""Fine-tuning: starting from trained weights, and changing earlier layers less than later ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from striate.data import PhotoPreprocessing
from striate.data.safetensors import read_metadata
from striate.errors import ArgumentError, FormatError, LimitError
from striate.layers.layer import Layer
from striate.models import Model, load_model
from striate.models.saving import MAX_METADATA
from striate.runs.folder import MODEL, is_run

__all__ = ["Freeze", "freeze_layers", "set_depth_rates", "weights_file"]

Freeze = int | Literal["all-but-head"]


def weights_file(path: Path) -> tuple[Path, PhotoPreprocessing | None]:
    """The file of weights, for a run folder that of its model, and its preprocessing of photographs, if it has one.

    Raises:
        FormatError: there is no such file, or it is a damaged model.
    """
    if not path.exists():
        raise FormatError(f"train: expected a file of weights or a run folder; {path} does not exist.")
    file = path / MODEL if is_run(path) else path
    preprocessing = load_model(file).preprocessing if file != path or _is_model(file) else None
    return file, preprocessing if isinstance(preprocessing, PhotoPreprocessing) else None


def _is_model(path: Path) -> bool:
    """Whether this is a model file of ours, not only a file of weights."""
    try:
        return "striate" in read_metadata(path, MAX_METADATA)
    except (FormatError, LimitError, OSError):
        return False


def layers_with_weights(layer: Layer) -> Iterator[Layer]:
    """The innermost layers that have variables, in the order they compute."""
    inner = list(layer.sublayers())
    for one in inner:
        yield from layers_with_weights(one)
    if not inner and layer.weights:
        yield layer


def freeze_layers(model: Model, freeze: Freeze) -> None:
    """Freeze the first ``freeze`` layers that have weights, or all but the head; batch normalisation too.

    Raises:
        ArgumentError: there are not that many layers, or none would be left to train.
    """
    layers = list(layers_with_weights(model))
    count = len(layers) - 1 if freeze == "all-but-head" else freeze
    if not 0 <= count < len(layers):
        raise ArgumentError(
            f"freeze_layers: expected 0 to {len(layers) - 1} layers to freeze, or 'all-but-head', because {model.name} "
            f"has {len(layers)} layers with weights; got {freeze!r}."
        )
    for layer in layers[:count]:
        layer.trainable = False


def set_depth_rates(model: Model, first: float) -> None:
    """Let earlier layers learn more slowly: the first at ``first`` times the learning rate of the last.

    The rate grows by the same factor from layer to layer: of L layers with weights, layer i (from 0) has

        rate = first ^ (1 − i / (L − 1))

    Arguments:
        model: its variables' ``rate_factor`` are set.
        first: above 0 and at most 1; 1: the same rate for all.

    Raises:
        ArgumentError: ``first`` is out of range.

    Source: discriminative fine-tuning, Howard, Ruder, "Universal language model fine-tuning for text classification"
    (2018), section 3.2.
    """
    if not 0 < first <= 1:
        raise ArgumentError(f"set_depth_rates: expected a share above 0 and at most 1, got {first!r}.")
    layers = list(layers_with_weights(model))
    for i, layer in enumerate(layers):
        for variable in layer.weights:
            variable.rate_factor = first ** (1 - i / max(len(layers) - 1, 1))
