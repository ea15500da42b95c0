"""From a drawing to every layer's output: what the studio needs from a model, and how it uses it."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.data.drawing import Preprocessing, render
from striate.errors import ModelError
from striate.models.facts import WORDS

Ink = Literal["bright", "dark", "auto"]
Channels = Literal[1, 3]
Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]


class LayerOutput(Protocol):
    """One layer's output for a batch."""

    @property
    def name(self) -> str:
        """Unique in its model, such as ``conv2d_1``."""

    @property
    def kind(self) -> str:
        """The layer's class, such as ``Conv2D``."""

    @property
    def sentence(self) -> str:
        """What the layer does, with the standard term, in one plain sentence."""

    @property
    def values(self) -> NDArray[Any]:
        """The output of shape (N, …), channels last."""


class Model(Protocol):
    """A classifier of drawings that shows its layers."""

    @property
    def name(self) -> str:
        """As shown to people."""

    @property
    def classes(self) -> Sequence[str]:
        """The label of each output, in order."""

    @property
    def threshold(self) -> float:
        """The lowest top probability that counts as an answer; below it, the model is not sure."""

    @property
    def preprocessing(self) -> Any:
        """How a picture becomes an input; a `Preprocessing` where pictures are drawings."""

    @property
    def facts(self) -> Any:
        """What its outputs are, as `striate.models.Facts`."""

    def activations(self, x: Values, /) -> Sequence[LayerOutput]:
        """Return every layer's output for the batch, in order; the last is the softmax over the classes."""


@dataclass(frozen=True)
class Layer:
    """One row of the page: what is known of a layer before any drawing."""

    name: str
    kind: str
    sentence: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """A network's answer for one picture."""

    sure: bool
    tensors: tuple[Values, ...]  # the input, then each layer's output, without the batch axis


class Recogniser:
    """A model of drawings at work for the studio.

    Any number of threads may use it. The network sees one picture at a time: the engine uses every core by itself, and
    layers need not be thread-safe.

    Raises ModelError if the model has no preprocessing for drawings, or does not end in a softmax over its classes.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model.preprocessing, Preprocessing):
            raise ModelError(
                "studio: expected a model with preprocessing for drawings. Set it, as in "
                "model.preprocessing = striate.data.Preprocessing(), and save the model."
            )
        if model.facts.outputs != "probabilities":
            raise ModelError(
                f"studio: expected a model of drawings that ends in a softmax; the outputs of {model.name} are "
                f"{WORDS[model.facts.outputs]}. Add one, as in layers.Softmax()."
            )
        self.name = model.name
        self.classes = tuple(model.classes)
        self.notes: list[str] = []  # nothing is assumed about a model of drawings
        self._model = model
        self._prepare = model.preprocessing.prepare
        self._lock = Lock()
        # A dot is the smallest drawing. It gives the shapes, and warms the engine up before the first stroke.
        dot = self._prepare(render([[(0.5, 0.5)]], width=0.1), ink="bright")
        self.layers = (_input_layer(dot, model.preprocessing), *map(_layer, model.activations(dot[np.newaxis])))
        if self.layers[-1].shape != (len(self.classes),):
            raise ModelError(
                f"studio: expected one output for each of the {len(self.classes)} classes, "
                f"got outputs of shape {self.layers[-1].shape}. Set the model's classes."
            )

    def recognise(self, image: Pixels, *, ink: Ink) -> Answer:
        """Run every layer on a picture; raise `DataError` where it has no ink."""
        picture = self._prepare(image, ink=ink)  # before it is the picture's turn: a large one takes long
        with self._lock:
            outputs = self._model.activations(picture[np.newaxis])
        tensors = (picture, *(np.asarray(output.values[0], np.float32) for output in outputs))
        return Answer(sure=bool(tensors[-1].max() >= self._model.threshold), tensors=tensors)


def _input_layer(picture: Values, preprocessing: Preprocessing) -> Layer:
    return Layer("input", "Input", f"What the network sees: {preprocessing.describe()}", picture.shape)


def _layer(output: LayerOutput) -> Layer:
    return Layer(output.name, output.kind, output.sentence, output.values.shape[1:])
