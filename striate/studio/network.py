"""A network at work for the studio: what it takes, and the trace of each input through all of its layers."""

import hashlib
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate import layers
from striate.data.drawing import Preprocessing, Stroke, render
from striate.data.photo import PhotoPreprocessing
from striate.errors import ArgumentError, ModelError
from striate.explain import Recording
from striate.explain.recording import OUTPUT
from striate.graph import Array, Graph, Tensor
from striate.models import Model
from striate.models.facts import ASSUMED, Scale, assumptions, class_count, pixels_between, probabilities
from striate.models.layer_graph import computing_calls
from striate.studio.keeping import Kept

Pixels = NDArray[np.uint8]
Channels = Literal[1, 3]

#: Bytes that are kept for recent pictures, and for drawings; unless that is too little for one.
MEMORY, MEMORY_OF_DRAWINGS = 256 << 20, 32 << 20
#: A trace's name in addresses.
KEY = re.compile("[0-9a-f]{16}")
#: Notes on the page about outputs that are not probabilities, or that need not sum to 1.
SHOWN: dict[Scale, str] = {
    "independent": "The outputs are independent probabilities; they need not sum to 100 %.",
    "independent-logits": "The outputs are independent logits, shown after a sigmoid; they need not sum to 100 %.",
    "logits": "The outputs are logits, shown after a softmax.",
}


@dataclass(frozen=True)
class Layer:
    """One row of the page: what is known of a layer before any input.

    Arguments:
        name: of its output in a `Recording`.
        kind: the layer's class, such as ``Conv2D``.
        sentence: what it does.
        shape: of its output, without the sample.
        inputs: the names of the rows that it reads.
        weights: the places of its weights.
    """

    name: str
    kind: str
    sentence: str
    shape: tuple[int, ...]
    inputs: tuple[str, ...]
    weights: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Trace:
    """One input, and every number that a network computed from it.

    Arguments:
        key: its name in addresses, a hash of the input.
        frame: the part of a picture that the network sees; None for drawings.
        recording: every number.
        probabilities: of the classes; empty if there are none.
        sure: whether the likeliest class reaches the model's threshold.
    """

    key: str
    frame: Pixels | None
    recording: Recording
    probabilities: Array
    sure: bool

    @property
    def size(self) -> int:
        """In bytes."""
        return self.recording.nbytes + self.probabilities.nbytes + (0 if self.frame is None else self.frame.nbytes)

    def output(self, layer: str) -> Array:
        """What a layer computed, of shape (…, channels)."""
        return np.atleast_1d(self.recording.values(layer)[0])


class Network:
    """A model at work for the studio, on drawings if its preprocessing is for them, or else on pictures.

    A model whose pixel range is unknown gets pixels from 0 to 1, and `notes` says so. Any number of threads may use it;
    the network sees one input at a time, as the engine uses every core by itself.

    Arguments:
        model: the network.
        memory: bytes for recent inputs with the outputs of all layers; the least recently used are dropped. Default:
            256 MiB, 32 MiB for drawings, or what one input takes if that is more.

    Raises:
        ModelError: the model does not take one picture, or its classes do not fit its outputs.
        ArgumentError: ``memory`` is too little for one input.
    """

    def __init__(self, model: Model, memory: int | None = None) -> None:
        if reason := why_no_picture(model):
            raise ModelError(f"studio: {reason}")
        self.name = model.name
        self.notes = assumptions(model, "striate open")
        self._model = model
        self._preprocessing = _preprocessing(model)
        # Without a threshold, the network is sure of a class that is likelier than all others together.
        self._threshold = model.threshold or 0.5
        self._scale = model.facts.outputs
        graph = model.traced(1)
        (begin,) = model.input_names
        self.layers, self._end = _rows(
            graph, model.names, begin, f"What the network sees: {self._preprocessing.describe()}"
        )
        self.classes = self._classes(model, graph.outputs[0])
        self._lock = Lock()
        self._kept: Kept[Trace] = Kept(self._memory(memory))

    @property
    def draws(self) -> bool:
        """Whether it takes drawings."""
        return isinstance(self._preprocessing, Preprocessing)

    @property
    def channels(self) -> Channels:
        """Of the pictures that it takes: grey, or RGB."""
        return 1 if self.layers[0].shape[-1] == 1 else 3

    def draw(self, strokes: Sequence[Stroke], width: float) -> Trace:
        """What it makes of a drawing; raises `ArgumentError` if it takes pictures, or as `render`."""
        if not isinstance(self._preprocessing, Preprocessing):
            raise ArgumentError(
                "drawing: this network takes pictures. Send it one, or give it preprocessing for drawings."
            )
        return self._record(self._preprocessing.prepare(render(strokes, width=width)), None)

    def look(self, image: Pixels) -> Trace:
        """What it makes of a picture of shape (H, W, 1 or 3); raises `DataError` where a drawing has no ink."""
        if isinstance(self._preprocessing, Preprocessing):
            return self._record(self._preprocessing.prepare(image, ink="auto"), None)
        frame = self._preprocessing.frame(image)
        return self._record(self._preprocessing.of_frame(frame), frame)

    def recall(self, key: str) -> Trace | None:
        """The trace of a recent input; None if it is not kept any more."""
        return self._kept.get(key)

    def numbers(self, trace: Trace, of: tuple[int, ...] | None = None) -> Recording:
        """Every number of a trace, with gradients of one number of the network's output if it is given."""
        if of is None:
            return trace.recording
        with self._lock:
            return trace.recording.towards(of)

    def warm_up(self) -> None:
        """Compile the network, which takes seconds if its machine code is not cached on disk."""
        with self._lock:
            self._run(np.zeros(self.layers[0].shape, np.float32))

    def _run(self, x: Array) -> Recording:
        return Recording(self._model, x[np.newaxis])

    def _record(self, x: Array, frame: Pixels | None) -> Trace:
        with self._lock:
            recording = self._run(x)
        shares, sure = np.zeros(0, np.float32), False
        if self.classes:
            (shares,) = probabilities(self._scale, recording.values(self._end).reshape(1, -1))
            sure = bool(shares.max() >= self._threshold)
        trace = Trace(hashlib.sha256(x.tobytes()).hexdigest()[:16], frame, recording, shares, sure)
        self._kept.keep(trace.key, trace)
        return trace

    def _memory(self, asked: int | None) -> int:
        """How many bytes may be kept: at least those of one trace."""
        itemsize = np.dtype(np.float32).itemsize
        one = sum(math.prod(row.shape) for row in self.layers) * itemsize + len(self.classes) * itemsize
        one += 0 if self.draws else math.prod(self.layers[0].shape)  # of its frame
        if asked is None:
            return max(MEMORY_OF_DRAWINGS if self.draws else MEMORY, one)
        if asked < one:
            raise ArgumentError(
                f"studio: expected memory for one picture's layers, {one:,} bytes with this network, got {asked:,}."
            )
        return asked

    def _classes(self, model: Model, output: Tensor) -> tuple[str, ...]:
        """The names of the classes, or their numbers; none if the outputs are not classes."""
        *others, outputs = _sizes(output)
        count = class_count(self._scale, outputs) if math.prod(others) == 1 else 0
        if not count:
            shape = "×".join(map(str, _sizes(output)))
            self.notes.append(f"The output, of shape {shape}, is not a list of classes.")
            return ()
        if self._scale in SHOWN and count == outputs:
            self.notes.append(SHOWN[self._scale])
        if not model.classes:
            self.notes.append("The file does not name its classes; they are numbered.")
            return tuple(f"class {number}" for number in range(count))
        if len(model.classes) != count:
            raise ModelError(
                f"studio: expected a name for each of {count} classes, got {len(model.classes)}. "
                "Set the model's classes."
            )
        return model.classes


def why_no_picture(model: Model) -> str:
    """Why a network cannot be shown a picture, in a sentence; empty if it can."""
    if not model.is_graph:
        return "expected a network with a static graph; a subclassed model has none."
    specs = model.input_specs()
    if len(specs) != 1:
        return f"expected a network with one picture as its input, got one with {len(specs)} inputs."
    shape = specs[0][0]
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        sizes = "×".join("?" if size is None else str(size) for size in shape)
        return f"expected a network that takes pictures (height×width×1 or 3), this one takes {sizes}."
    return ""


def encode_frame(frame: Pixels) -> bytes:
    """What the network sees of a picture, as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(frame if frame.shape[2] == 3 else frame[:, :, 0]).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _preprocessing(model: Model) -> Preprocessing | PhotoPreprocessing:
    height, width, channels = model.input_specs()[0][0]
    if isinstance(model.preprocessing, Preprocessing):
        return model.preprocessing
    if isinstance(model.preprocessing, PhotoPreprocessing):
        made = (*model.preprocessing.size, model.preprocessing.channels)
        if made != (height, width, channels):
            raise ModelError(
                f"studio: expected preprocessing to inputs of {height}×{width}×{channels}, got one to "
                f"{'×'.join(map(str, made))}. Set the model's preprocessing."
            )
        return model.preprocessing
    return pixels_between(model, *(model.facts.pixels or ASSUMED))


def _rows(graph: Graph, names: Mapping[layers.Layer, str], begin: str, sentence: str) -> tuple[tuple[Layer, ...], str]:
    """The input and every layer as rows of the page, and the name of the row that is the network's first output.

    An operation after the last layer that does not belong to any layer is a row of its own.
    """
    (pixels,) = graph.inputs
    rows = [Layer(begin, "Input", sentence, _sizes(pixels), ())]
    # The name of the row that a tensor is shown in. Layers such as dropout return their input, which then becomes their
    # output: so each layer's inputs are looked up before its output is entered.
    shown = {pixels: begin}
    for name, call in computing_calls(graph, names).items():
        inputs, output = _sources(call.inputs, shown), call.outputs[0]
        weights = tuple(f"{name}/{variable.name}" for variable in call.layer.weights)
        rows.append(Layer(name, type(call.layer).__name__, call.layer.describe(), _sizes(output), inputs, weights))
        shown[output] = name
    end = graph.outputs[0]
    if end not in shown:
        rows.append(Layer(OUTPUT, "Output", "The network's output.", _sizes(end), _sources([end], shown)))
        shown[end] = OUTPUT
    return tuple(rows), shown[end]


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(size or 0 for size in tensor.shape[1:]) or (1,)


def _sources(tensors: list[Tensor], shown: dict[Tensor, str]) -> tuple[str, ...]:
    """The rows that some tensors come from, through any operations in between."""
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
