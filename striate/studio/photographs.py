"""Photographs go in; the likeliest classes and every layer's maps come out, for networks of any depth."""

import hashlib
import io
import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Literal

import numpy as np

from striate.configurable import free_name
from striate.data.photo import PhotoPreprocessing
from striate.errors import ArgumentError, ModelError
from striate.graph import Array, Graph, Tensor
from striate.models import Model
from striate.models.layer_graph import computing_calls
from striate.runtime import Executor, executor
from striate.studio.recognition import Layer, Pixels, Values

#: Layers' outputs that are kept for the newest pictures; those of the last one are kept whatever their size.
MAX_KEPT_BYTES = 512 << 20
#: What a network's outputs are: shares that sum to 1; a probability each; or any numbers, of which a softmax is taken.
Scale = Literal["probabilities", "independent", "scores"]


@dataclass(frozen=True)
class GraphLayer(Layer):
    """One row of the page, and the names of the rows that it reads."""

    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sight:
    """One picture, and what the network made of it.

    Arguments:
        picture: its name in addresses, which follows from what is seen.
        frame: the part that the network sees.
        tensors: the input, then each layer's output, without the batch axis.
        scale: what the outputs are; None where they are no classes.
        probabilities: of the classes; none where there are none.
        sure: the likeliest class is as probable as the model's threshold asks.
    """

    picture: str
    frame: Pixels
    tensors: tuple[Array, ...]
    scale: Scale | None
    probabilities: Values
    sure: bool

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(tensor.nbytes for tensor in self.tensors)


class Photographs:
    """A model at work on photographs.

    A model that does not say how pictures become numbers gets pixels from 0 to 1, and `notes` says so.

    Raises ModelError if the model does not take one picture, or its classes do not fit its outputs.
    """

    def __init__(self, model: Model) -> None:
        if reason := why_no_picture(model):
            raise ModelError(f"studio: {reason}")
        self.name = model.name
        self.notes: list[str] = []
        self._preprocessing = self._prepared(model)
        # Who does not say from where on to trust a network is told what is likelier than everything else together.
        self._threshold = model.threshold or 0.5
        graph = model.traced()
        self.layers, tensors = _rows(graph, _input_sentence(self._preprocessing))
        self.classes = self._classes(model, graph.outputs[0])
        self._end = {tensor: number for number, tensor in enumerate(tensors, start=1)}[graph.outputs[0]]
        self._graph = Graph(graph.inputs, tensors, graph.variables, graph.updates, graph.random)
        self._lock = Lock()
        self._sights: OrderedDict[str, Sight] = OrderedDict()

    @property
    def channels(self) -> Literal[1, 3]:
        """Of the pictures that are recognised: grey, or RGB."""
        return 1 if self._preprocessing.channels == 1 else 3

    def recognise(self, image: Pixels) -> Sight:
        """Run every layer on a picture of shape (H, W, 1 or 3), and keep what came out."""
        frame = self._preprocessing.frame(image)
        picture = hashlib.sha256(frame.tobytes()).hexdigest()[:16]
        x = self._preprocessing.of_frame(frame).astype(self._graph.inputs[0].dtype)
        with self._lock:  # one picture at a time: the engine uses every core by itself
            sight = self._look(picture, frame, x)
            self._sights.pop(picture, None)
            self._sights[picture] = sight
            while len(self._sights) > 1 and sum(kept.size for kept in self._sights.values()) > MAX_KEPT_BYTES:
                self._sights.popitem(last=False)
        return sight

    def recall(self, picture: str) -> Sight | None:
        """What the network made of one of the newest pictures; None if it is not kept any more."""
        with self._lock:
            return self._sights.get(picture)

    def warm_up(self) -> None:
        """Have the machine code written, which takes seconds for a network that this machine has not seen yet."""
        with self._lock:
            self._run(np.zeros(self.layers[0].shape, self._graph.inputs[0].dtype))

    @cached_property
    def _executor(self) -> Executor:
        return executor(self._graph)

    def _run(self, x: Array) -> list[Array]:
        return [output[0] for output in self._executor.run([x[np.newaxis]])]

    def _look(self, picture: str, frame: Pixels, x: Array) -> Sight:
        tensors = (x, *(np.atleast_1d(output) for output in self._run(x)))
        if not self.classes:
            return Sight(picture, frame, tensors, None, np.zeros(0, np.float32), sure=False)
        scale, probabilities = as_probabilities(tensors[self._end].reshape(-1))
        sure = bool(probabilities.max() >= self._threshold)
        return Sight(picture, frame, tensors, scale, probabilities, sure)

    def _prepared(self, model: Model) -> PhotoPreprocessing:
        ((height, width, channels), dtype) = model.input_specs()[0]
        if isinstance(model.preprocessing, PhotoPreprocessing):
            made = (*model.preprocessing.size, model.preprocessing.channels)
            if made != (height, width, channels):
                raise ModelError(
                    f"studio: expected a preprocessing that makes inputs of {height}×{width}×{channels}, got one for "
                    f"{'×'.join(map(str, made))}. Set the model's preprocessing."
                )
            return model.preprocessing
        whole = not np.issubdtype(dtype, np.floating)
        self.notes.append(
            "This file does not say how pictures become numbers; "
            f"{'whole numbers from 0 to 255' if whole else 'pixels from 0 to 1'} are assumed. "
            "If the answers are odd, try striate open --pixels 0 255, or -1 1."
        )
        return pixels_between(model, 0, 255 if whole else 1)

    def _classes(self, model: Model, output: Tensor) -> tuple[str, ...]:
        """The names of the classes, or their numbers; none if the outputs are no classes."""
        *others, count = _sizes(output)
        if count == 1 or math.prod(others) != 1:
            shape = "×".join(map(str, _sizes(output)))
            self.notes.append(f"What comes out are no classes: its shape is {shape}.")
            return ()
        if not model.classes:
            self.notes.append("This file does not name its classes; they are shown by number.")
            return tuple(f"class {number}" for number in range(count))
        if len(model.classes) != count:
            raise ModelError(
                f"studio: expected one output for each of the {len(model.classes)} classes, got {count} outputs. "
                "Set the model's classes."
            )
        return model.classes


def why_no_picture(model: Model) -> str:
    """Why a network cannot be asked about a picture, in a sentence; nothing if it can."""
    if not model.is_graph:
        return "expected a network whose structure is known beforehand; this one's depends on the numbers it is given."
    specs = model.input_specs()
    if len(specs) != 1:
        return f"expected a network with one picture as its input, got one with {len(specs)} inputs."
    shape = specs[0][0]
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        sizes = "×".join("?" if size is None else str(size) for size in shape)
        return f"expected a network that takes pictures (height×width×1 or 3), got one that takes {sizes}."
    return ""


def pixels_between(model: Model, black: float, white: float) -> PhotoPreprocessing:
    """What prepares whole pictures for a model's input, as numbers from ``black`` to ``white``.

    Raises ArgumentError if black is not below white.
    """
    if not black < white:
        raise ArgumentError(f"pixels: expected black below white, got {black:g} and {white:g}.")
    height, width, channels = model.input_specs()[0][0]
    std = 255 / (white - black)
    colours: Literal["grey", "RGB"] = "grey" if channels == 1 else "RGB"
    return PhotoPreprocessing((height, width), mean=(-black * std,), std=(std,), colours=colours)


def as_probabilities(outputs: Array) -> tuple[Scale, Values]:
    """What outputs of shape (K,) are, and each class's probability; a softmax of what is none."""
    if np.all((outputs >= 0) & (outputs <= 1)):
        adds_up = abs(float(outputs.sum()) - 1) < 1e-3
        return "probabilities" if adds_up else "independent", outputs.astype(np.float32)
    powers = np.exp(outputs - outputs.max())
    return "scores", (powers / powers.sum()).astype(np.float32)


def encode_frame(sight: Sight) -> bytes:
    """What the network sees, as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    frame = sight.frame
    Image.fromarray(frame if frame.shape[2] == 3 else frame[:, :, 0]).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _rows(graph: Graph, sentence: str) -> tuple[list[GraphLayer], list[Tensor]]:
    """The input and every layer as rows of the page, and the tensors of all but the input.

    What is computed after the last layer, by an operation that belongs to none, is a row of its own.
    """
    (begin,) = graph.inputs
    rows = [GraphLayer("input", "Input", sentence, _sizes(begin), ())]
    # The name of the row that a tensor is shown in. Layers such as dropout give back what they were given, which then
    # is theirs: so each layer's inputs are looked up before its output is entered.
    shown = {begin: "input"}
    tensors: list[Tensor] = []
    for name, call in computing_calls(graph, {}).items():
        inputs = _sources(call.inputs, shown)
        tensors.append(call.outputs[0])
        rows.append(GraphLayer(name, type(call.layer).__name__, call.layer.describe(), _sizes(tensors[-1]), inputs))
        shown[tensors[-1]] = name
    end = graph.outputs[0]
    if end not in set(tensors):
        name = free_name("output", {row.name for row in rows})
        rows.append(GraphLayer(name, "Output", "What the network gives.", _sizes(end), _sources([end], shown)))
        tensors.append(end)
    return rows, tensors


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(size or 0 for size in tensor.shape[1:]) or (1,)


def _sources(tensors: list[Tensor], shown: dict[Tensor, str]) -> tuple[str, ...]:
    """The rows that some tensors come from, through whatever operations there are between."""
    found: dict[str, None] = {}
    stack, seen = tensors[::-1], set(tensors)
    while stack:
        tensor = stack.pop()
        if tensor in shown:
            found[shown[tensor]] = None
        elif tensor.node:
            new = [one for one in reversed(tensor.node.inputs) if one not in seen]
            seen.update(new)
            stack += new
    return tuple(found)


def _input_sentence(preprocessing: PhotoPreprocessing) -> str:
    height, width = preprocessing.size
    if preprocessing.shorter_side is None:
        part = f"the whole picture, scaled to {height}×{width}"
    else:
        part = f"the shorter side scaled to {preprocessing.shorter_side}, the middle {height}×{width} cut out"
    mean, std = map(_listed, (preprocessing.mean, preprocessing.std))
    number = f"pixel − {mean}" if any(preprocessing.mean) else "pixel"
    if any(value != 1 for value in preprocessing.std):
        number = f"({number}) / {std}" if any(preprocessing.mean) else f"{number} / {std}"
    return f"What the network sees: {part}. In {preprocessing.colours}, each number is {number}."


def _listed(values: tuple[float, ...]) -> str:
    text = ", ".join(f"{value:g}" for value in values)
    return text if len(values) == 1 else f"({text})"
