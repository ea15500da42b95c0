"""What is known of an architecture besides its layers, and what all of them end with."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from striate.data.photo import PhotoPreprocessing
from striate.layers.layer import WEIGHT_SOURCE
from striate.models import Model

if TYPE_CHECKING:
    from striate.interop.states import State

InputShape = tuple[int, int, int]
Weights = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Published:
    """Published weights whose names are not ours.

    Arguments:
        layers: the published name of each layer, and its name here.
        preprocessing: how photographs are prepared for these weights.
    """

    layers: Mapping[str, str]
    preprocessing: PhotoPreprocessing


@dataclass(frozen=True)
class Architecture:
    """An entry of the registry.

    Arguments:
        name: as in ``--arch`` and ``striate.architectures``.
        year: of publication.
        parameters: how many trainable parameters, for the published classes and size.
        paper: authors, title, where it appeared.
        card: what one should know about it, in plain sentences; where the error's figures come from.
        build: (weights, classes, input_shape) → model; random weights where ``weights`` is None.
        imagenet_error: top-1 and top-5 error on the validation photographs, in percent; None: never measured on
            ImageNet.
        preprocessing: how photographs are prepared for the published weights; None: it takes no photographs.
        classes: gives the names of the published classes.
        published: weights under other names than the layers have here.
        ignored: prefixes of names in published files that belong to parts used only in training.
    """

    name: str
    year: int
    parameters: int
    paper: str
    card: str
    build: Callable[..., Model]
    imagenet_error: tuple[float, float] | None = None
    preprocessing: PhotoPreprocessing | None = None
    classes: Callable[[], tuple[str, ...]] | None = None
    published: tuple[Published, ...] = field(default=(), repr=False)
    ignored: tuple[str, ...] = ()

    def outline(self) -> Model:
        """The network with zeros for weights: to inspect its structure, without the time that random weights take."""
        with _zeros_for_weights():
            return self.build()

    def model(self, weights: Weights, network: Callable[[], Model]) -> Model:
        """The network with its weights, preprocessing and names of classes: what an architecture's function returns.

        Arguments:
            weights: a file that `interop.weights.read_weights` reads; None: random weights.
            network: builds the layers.

        Raises:
            FormatError: the file cannot be read, or holds weights of another network; see `interop.weights.assign`.
        """
        if weights is None:
            return self._described(network(), self.preprocessing)
        from striate.interop.weights import read_weights

        state = read_weights(weights)
        with _zeros_for_weights():
            model = network()
        return self.load(model, state, weights)

    def load(self, model: Model, state: "State", path: str | os.PathLike[str] = "the weights") -> Model:
        """Give one of this architecture's networks the weights of a file, under whichever of the published names.

        Arguments, errors: as `interop.weights.assign`. Layers that the file has for other classes get random weights.
        """
        from striate.interop.weights import assign, renamed

        preprocessing = self.preprocessing
        for one in self.published:
            if (found := renamed(state, one.layers)) is not None:
                state, preprocessing = found, one.preprocessing
        for layer in assign(model, state, path, self.ignored):
            layer.kernel.assign(layer.kernel_initializer(layer.kernel.shape, "float32"))
        return self._described(model, preprocessing)

    def fits(self, state: "State") -> bool:
        """Whether a file's arrays have the names of this network's, whatever the number of classes."""
        from striate.interop.weights import fits

        outline = self.outline()
        return any(found is not None and fits(outline, found, self.ignored) for found in self._namings(state))

    def opened(self, state: "State", path: str | os.PathLike[str], input_shape: Sequence[int] | None = None) -> Model:
        """The network that a file's weights belong to, with as many classes as they have.

        Arguments:
            state: the file's arrays.
            path: the file, for messages.
            input_shape: of one image; default: as published.

        Raises:
            FormatError: the weights are of another network.
        """
        from striate.interop.weights import classes_in

        settings = {} if input_shape is None else {"input_shape": tuple(input_shape)}
        with _zeros_for_weights():
            model = self.build(**settings)
            counts = [classes_in(model, found) for found in self._namings(state) if found is not None]
            classes = next((count for count in counts if count is not None), None)
            if classes not in (None, model.outputs[0].shape[-1]):
                model = self.build(classes=classes, **settings)
        return self.load(model, state, path)

    def _namings(self, state: "State") -> Iterator["State | None"]:
        """A file's arrays under our layers' names: as they are, and for each of the published namings."""
        from striate.interop.weights import renamed

        yield state
        yield from (renamed(state, one.layers) for one in self.published)

    def _described(self, model: Model, preprocessing: PhotoPreprocessing | None) -> Model:
        height, width, channels = model.input_specs()[0][0]
        if preprocessing is not None and channels == preprocessing.channels:
            model.preprocessing = for_size(preprocessing, (height, width))
        if self.classes is not None and model.outputs[0].shape[-1] == len(self.classes()):
            model.classes = self.classes()
        return model


@contextmanager
def _zeros_for_weights() -> Iterator[None]:
    token = WEIGHT_SOURCE.set(lambda shape: np.zeros(shape, np.float32))
    try:
        yield
    finally:
        WEIGHT_SOURCE.reset(token)


def for_size(preprocessing: PhotoPreprocessing, size: tuple[int, int]) -> PhotoPreprocessing:
    """The same for an input of another size: of a photograph, the same part of the shorter side is seen."""
    shorter = preprocessing.shorter_side
    if size == preprocessing.size or shorter is None:
        return replace(preprocessing, size=size)
    return replace(preprocessing, size=size, shorter_side=round(max(size) * shorter / max(preprocessing.size)))
