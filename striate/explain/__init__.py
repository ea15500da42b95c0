"""What is inside a network: every layer's numbers, the sums behind each of them, and what they depend on."""

from striate.explain.activations import LayerOutput, activations
from striate.explain.receptive import receptive_field
from striate.explain.recording import Number, Origin, Part, Recording, Use
from striate.explain.sums import Explanation, explain

__all__ = [
    "Explanation",
    "LayerOutput",
    "Number",
    "Origin",
    "Part",
    "Recording",
    "Use",
    "activations",
    "explain",
    "receptive_field",
]
