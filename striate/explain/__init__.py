"""What is inside a network: every layer's numbers, the sums behind each of them, and what they depend on."""

from striate.explain.activations import LayerOutput, activations
from striate.explain.receptive import receptive_field
from striate.explain.sums import Explanation, Sum, explain

__all__ = ["Explanation", "LayerOutput", "Sum", "activations", "explain", "receptive_field"]
