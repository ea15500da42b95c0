"""What a network's numbers stand for: the range of the pixels that it takes, and the scale of its outputs.

Both are read from the network's graph, once, when its file is opened. Where the graph does not tell, they are
unknown, and whoever uses the network says what is assumed. Users can state them: ``model.facts = Facts(…)``.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np

from striate.data.photo import PhotoPreprocessing
from striate.errors import ArgumentError, FormatError
from striate.graph import Array

if TYPE_CHECKING:
    from striate.models.model import Model

Range = tuple[float, float]
#: What outputs are. "probabilities" sum to 1; "independent" ones are a probability each; the softmax of "logits" and
#: the sigmoid of "independent-logits" give these; "numbers" are not scores of classes.
Scale = Literal[
    "probabilities", "independent", "log-probabilities", "logits", "independent-logits", "numbers", "unknown"
]
SCALES: tuple[Scale, ...] = get_args(Scale)
#: Each scale in words.
WORDS: dict[Scale, str] = {
    "probabilities": "probabilities that sum to 1 (softmax)",
    "independent": "independent probabilities (sigmoid)",
    "log-probabilities": "logarithms of probabilities (log-softmax)",
    "logits": "logits, whose softmax gives probabilities",
    "independent-logits": "logits, the sigmoid of each of which is a probability",
    "numbers": "numbers that are not probabilities",
    "unknown": "numbers without a softmax or sigmoid; whether they are logits is not known",
}
#: What is assumed of pixels where nothing is known.
ASSUMED: Range = (0.0, 1.0)


@dataclass(frozen=True)
class Facts:
    """What is known about a network beyond its layers.

    Arguments:
        pixels: what black and white are in its input; None: not known.
        outputs: what its first output is, one of `SCALES`.
        file: the kind of file that it was opened from; "" for a network that was not opened from a file.

    Raises:
        ArgumentError: black is not below white, or there is no such scale.
    """

    pixels: Range | None = None
    outputs: Scale = "unknown"
    file: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.pixels is not None:
            if len(self.pixels) != 2 or not np.isfinite(self.pixels).all() or not self.pixels[0] < self.pixels[1]:
                shown = " and ".join(f"{value:g}" for value in self.pixels)
                raise ArgumentError(f"pixels: expected black below white, got {shown}.")
            object.__setattr__(self, "pixels", tuple(map(float, self.pixels)))
        if self.outputs not in SCALES:
            raise ArgumentError(f"outputs: expected one of {', '.join(SCALES)}, got {self.outputs!r}.")

    def stated(self, pixels: Range | None = None, outputs: str | None = None) -> Self:
        """These facts, with those replaced that a user states; errors as `Facts`."""
        said = {"pixels": pixels, "outputs": outputs}
        return replace(self, **{name: value for name, value in said.items() if value is not None})  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """The facts as a dictionary that JSON can hold; not the kind of file, which saving changes."""
        return {name: value for name, value in asdict(self).items() if name != "file"}

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """The facts that ``to_json`` described.

        Raises:
            FormatError: names are unknown or missing, or values out of range.
        """
        try:
            pixels = values["pixels"]
            return cls(None if pixels is None else (float(pixels[0]), float(pixels[1])), values["outputs"])
        except (ArgumentError, KeyError, TypeError, ValueError, IndexError) as error:
            raise FormatError(
                f"Facts.from_json: expected pixels and outputs, got {str(values)[:80]}: {error}"
            ) from None

    def sentences(self, model: "Model") -> list[str]:
        """The lines of a summary about them."""
        lines = [f"Opened from: {self.file}"] if self.file else []
        if model.preprocessing is not None:
            lines.append(f"Input: {model.preprocessing.describe().rstrip('.')}")
        elif takes_pictures(model):
            black, white = self.pixels or ASSUMED
            range_ = f"pixels from {black:g} (black) to {white:g} (white)"
            lines.append(f"Input: {range_}{'' if self.pixels else ', which is assumed: the network does not say'}")
        lines.append(f"Output: {WORDS[self.outputs]}")
        return lines


def takes_pictures(model: "Model") -> bool:
    """Whether a network has one input, which has the shape of pictures: (H, W, 1, 3 or 4)."""
    if not model.is_graph or len(specs := model.input_specs()) != 1:
        return False
    shape = specs[0][0]
    return len(shape) == 3 and shape[-1] in (1, 3, 4)


def pixels_between(model: "Model", black: float, white: float) -> PhotoPreprocessing:
    """The preprocessing that turns whole pictures into a model's input, numbers from ``black`` to ``white``.

    Raises ArgumentError if black is not below white.
    """
    Facts((black, white))
    height, width, channels = model.input_specs()[0][0]
    std = 255 / (white - black)
    colours: Literal["grey", "RGB"] = "grey" if channels == 1 else "RGB"
    return PhotoPreprocessing((height, width), mean=(-black * std,), std=(std,), colours=colours)


def assumptions(model: "Model", command: str) -> list[str]:
    """What is assumed of a network because neither its file nor a user says it.

    Arguments:
        model: the network.
        command: whose options state it, such as "striate predict".
    """
    sentences = []
    if model.preprocessing is None and takes_pictures(model) and model.facts.pixels is None:
        sentences.append(
            "This file does not say how pictures become numbers; pixels from 0 to 1 are assumed. "
            f"If the answers are odd, try {command} --pixels 0 255, or -1 1."
        )
    if model.facts.outputs == "unknown" and _gives_several(model):
        sentences.append(
            "This file does not say what its outputs are; they are taken for logits, whose softmax is shown. "
            f"If they are something else, say so with {command} --outputs."
        )
    return sentences


def _gives_several(model: "Model") -> bool:
    """Whether a network's first output is a row of numbers."""
    sizes = [size for size in model.outputs[0].shape[1:] if size != 1] if model.is_graph else []
    return len(sizes) == 1


# Answers


def class_count(scale: Scale, outputs: int) -> int:
    """How many classes the outputs score; 0: they are not scores. A single probability scores two classes."""
    if outputs == 1:
        return 2 if scale in ("independent", "independent-logits") else 0
    return 0 if scale == "numbers" else outputs


def probabilities(scale: Scale, outputs: Array) -> Array:
    """The probability of each class.

    Arguments:
        scale: of the outputs; the softmax is taken of outputs of unknown scale.
        outputs: (N, K).

    Returns:
        (N, `class_count`) in float32. A single output is the probability of the second class, that of label 1.
    """
    values = outputs.astype(np.float64)
    with np.errstate(over="ignore"):
        if scale in ("logits", "unknown"):
            values = np.exp(values - values.max(axis=1, keepdims=True))
            values /= values.sum(axis=1, keepdims=True)
        elif scale == "log-probabilities":
            values = np.exp(values)
        elif scale == "independent-logits":
            values = 1 / (1 + np.exp(-values))
    if class_count(scale, outputs.shape[1]) > outputs.shape[1]:
        values = np.concatenate([1 - values, values], axis=1)
    return values.astype(np.float32)
