"""Fine-tuning: beginning with what a network learnt elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from striate.architectures import ARCHITECTURES
from striate.errors import ArgumentError, FormatError, ModelError
from striate.layers.layer import Layer
from striate.models import Model, load_model
from striate.runs.folder import MODEL, is_run

__all__ = ["Freeze", "freeze_layers", "pretrained", "set_depth_rates", "transfer_weights"]

Freeze = int | Literal["all-but-head"]


def pretrained(path: Path, arch: str) -> Model:
    """The network whose weights are in ``path``: a run folder, a model file of ours, or published weights of ``arch``.

    Raises:
        FormatError: there is no such file, it is none of these, or damaged.
    """
    if not path.exists():
        raise FormatError(f"train: expected weights to begin with, a file or a run folder; there is no {path}.")
    if is_run(path):
        return load_model(path / MODEL)
    if _is_model_file(path):
        return load_model(path)
    return ARCHITECTURES[arch].build(weights=path)


def _is_model_file(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return "striate" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def layers_with_weights(layer: Layer) -> Iterator[Layer]:
    """The innermost layers that have variables, in the order they compute."""
    inner = list(layer.sublayers())
    for one in inner:
        yield from layers_with_weights(one)
    if not inner and layer.weights:
        yield layer


def transfer_weights(source: Model, target: Model) -> None:
    """Give ``target`` the weights of ``source``, but for its last layer, the head, and others made for the classes.

    Arguments:
        source: the same architecture, possibly for other classes.
        target: keeps its fresh head.

    Raises:
        ModelError: another architecture, or one whose layers have other sizes.
    """
    pairs = list(zip(layers_with_weights(source), layers_with_weights(target), strict=False))
    counts = [len(list(layers_with_weights(model))) for model in (source, target)]
    if counts[0] != counts[1]:
        raise ModelError(
            f"transfer_weights: expected weights of the same architecture, {target.name} with {counts[1]} layers that "
            f"have weights; got {source.name} with {counts[0]}. Choose its --arch."
        )
    classes = source.output_shape[-1], target.output_shape[-1]
    for given, taker in pairs[:-1]:
        shapes = [[variable.shape for variable in layer.weights] for layer in (given, taker)]
        if shapes[0] == shapes[1]:
            for old, new in zip(given.weights, taker.weights, strict=True):
                new.assign(old.value)
        elif [(*shape[:-1], classes[1]) for shape in shapes[0] if shape[-1] == classes[0]] != shapes[1]:
            raise ModelError(
                f"transfer_weights: expected weights of shapes {shapes[1]} for {taker.name}, got {shapes[0]}. "
                "Choose the --arch and the --size that the weights were made for."
            )


def freeze_layers(model: Model, freeze: Freeze) -> None:
    """Keep the first ``freeze`` layers that have weights, or all but the head, as they are; batch normalisation too.

    Raises:
        ArgumentError: there are not as many layers, or none would be left to learn.
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
    """Have earlier layers learn more slowly: the first at ``first`` times the learning rate of the last.

    From layer to layer the rate grows by the same factor: of L layers with weights, layer i (from 0) has

        rate = first ^ (1 − i / (L − 1))

    Arguments:
        model: its variables' ``rate_factor`` are set.
        first: above 0 and at most 1; 1: all learn alike.

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
