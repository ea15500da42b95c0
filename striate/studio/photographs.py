"""From photographs to the likeliest classes and every layer's maps, for networks of any depth."""

import hashlib
import io
import math
import re
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np

from striate.configurable import free_name
from striate.data.photo import PhotoPreprocessing
from striate.errors import ArgumentError, ModelError
from striate.graph import Array, Graph, Tensor
from striate.models import Model
from striate.models.facts import ASSUMED, Scale, assumptions, class_count, pixels_between, probabilities
from striate.models.layer_graph import computing_calls
from striate.runtime import Executor, executor
from striate.studio.keeping import Kept
from striate.studio.recognition import Channels, Layer, Pixels, Values

#: Bytes that are kept for recent pictures, unless that is too little for one.
MEMORY = 256 << 20
#: A picture's name in addresses.
NAME = re.compile("[0-9a-f]{16}")
#: Notes on the page about outputs that are not probabilities, or that need not sum to 1.
SHOWN: dict[Scale, str] = {
    "independent": "The outputs are independent probabilities; they need not sum to 100 %.",
    "independent-logits": "The outputs are independent logits, shown after a sigmoid; they need not sum to 100 %.",
    "logits": "The outputs are logits, shown after a softmax.",
}


@dataclass(frozen=True)
class GraphLayer(Layer):
    """One row of the page, and the names of the rows that are its inputs."""

    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sight:
    """One picture, and the network's answer.

    Arguments:
        picture: its name in addresses, a hash of the frame.
        frame: the part that the network sees.
        tensors: the input, then each layer's output, without the batch axis.
        probabilities: of the classes; empty if there are none.
        sure: whether the likeliest class reaches the model's threshold.
    """

    picture: str
    frame: Pixels
    tensors: tuple[Array, ...]
    probabilities: Values
    sure: bool

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(array.nbytes for array in (self.frame, *self.tensors, self.probabilities))


class Photographs:
    """A model at work on photographs.

    A model whose pixel range is unknown gets pixels from 0 to 1, and `notes` says so. Any number of threads may use it;
    the network sees one picture at a time.

    Arguments:
        model: the network.
        memory: bytes for recent pictures with the outputs of all layers; the least recently used are dropped. Default:
            256 MiB, or what one picture takes if that is more.

    Raises ModelError if the model does not take one picture, or its classes do not fit its outputs; ArgumentError if
    ``memory`` is too little for one picture.
    """

    def __init__(self, model: Model, memory: int | None = None) -> None:
        if reason := why_no_picture(model):
            raise ModelError(f"studio: {reason}")
        self.name = model.name
        self.notes = assumptions(model, "striate open")
        self._preprocessing = self._prepared(model)
        # Without a threshold, the network is sure of a class that is likelier than all others together.
        self._threshold = model.threshold or 0.5
        graph = model.traced(1)
        self._scale = model.facts.outputs
        self.layers, tensors = _rows(graph, f"What the network sees: {self._preprocessing.describe()}")
        self.classes = self._classes(model, graph.outputs[0])
        self._end = {tensor: number for number, tensor in enumerate(tensors, start=1)}[graph.outputs[0]]
        self._graph = Graph(graph.inputs, tensors, graph.variables, graph.updates, graph.random)
        self._lock = Lock()
        self._kept: Kept[Sight] = Kept(self._memory(memory))

    @property
    def channels(self) -> Channels:
        """Of the pictures that are recognised: grey, or RGB."""
        return 1 if self._preprocessing.channels == 1 else 3

    def recognise(self, image: Pixels) -> Sight:
        """Run every layer on a picture of shape (H, W, 1 or 3), and keep the outputs."""
        frame = self._preprocessing.frame(image)
        picture = hashlib.sha256(frame.tobytes()).hexdigest()[:16]
        x = self._preprocessing.of_frame(frame).astype(self._graph.inputs[0].dtype)
        with self._lock:  # one picture at a time: the engine uses every core by itself
            sight = self._look(picture, frame, x)
        self._kept.keep(picture, sight)
        return sight

    def recall(self, picture: str) -> Sight | None:
        """The answer for a recent picture; None if it is not kept any more."""
        return self._kept.get(picture)

    def warm_up(self) -> None:
        """Compile the network, which takes seconds if its machine code is not cached on disk."""
        with self._lock:
            self._run(np.zeros(self.layers[0].shape, self._graph.inputs[0].dtype))

    def _memory(self, asked: int | None) -> int:
        """How many bytes may be kept: at least those of one `Sight`."""
        tensors = [*self._graph.inputs, *self._graph.outputs]
        one = math.prod(self.layers[0].shape) + len(self.classes) * np.dtype(np.float32).itemsize
        one += sum(math.prod(_sizes(tensor)) * int(tensor.dtype.itemsize) for tensor in tensors)
        if asked is None:
            return max(MEMORY, one)
        if asked < one:
            raise ArgumentError(
                f"studio: expected memory for one picture's layers, {one:,} bytes with this network, got {asked:,}."
            )
        return asked

    @cached_property
    def _executor(self) -> Executor:
        return executor(self._graph)

    def _run(self, x: Array) -> list[Array]:
        return [output[0] for output in self._executor.run([x[np.newaxis]])]

    def _look(self, picture: str, frame: Pixels, x: Array) -> Sight:
        tensors = (x, *(np.atleast_1d(output) for output in self._run(x)))
        if not self.classes:
            return Sight(picture, frame, tensors, np.zeros(0, np.float32), sure=False)
        (shares,) = probabilities(self._scale, tensors[self._end].reshape(1, -1))
        return Sight(picture, frame, tensors, shares, sure=bool(shares.max() >= self._threshold))

    def _prepared(self, model: Model) -> PhotoPreprocessing:
        height, width, channels = model.input_specs()[0][0]
        if isinstance(model.preprocessing, PhotoPreprocessing):
            made = (*model.preprocessing.size, model.preprocessing.channels)
            if made != (height, width, channels):
                raise ModelError(
                    f"studio: expected preprocessing to inputs of {height}×{width}×{channels}, got one to "
                    f"{'×'.join(map(str, made))}. Set the model's preprocessing."
                )
            return model.preprocessing
        return pixels_between(model, *(model.facts.pixels or ASSUMED))

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


def encode_frame(sight: Sight) -> bytes:
    """What the network sees, as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    frame = sight.frame
    Image.fromarray(frame if frame.shape[2] == 3 else frame[:, :, 0]).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _rows(graph: Graph, sentence: str) -> tuple[list[GraphLayer], list[Tensor]]:
    """The input and every layer as rows of the page, and the tensors of all but the input.

    An operation after the last layer that does not belong to any layer is a separate row.
    """
    (begin,) = graph.inputs
    rows = [GraphLayer("input", "Input", sentence, _sizes(begin), ())]
    # The name of the row that a tensor is shown in. Layers such as dropout return their input, which then becomes their
    # output: so each layer's inputs are looked up before its output is entered.
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
        rows.append(GraphLayer(name, "Output", "The network's output.", _sizes(end), _sources([end], shown)))
        tensors.append(end)
    return rows, tensors


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
