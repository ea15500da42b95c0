"""What takes part in a measurement."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contender:
    """One way of doing a workload.

    Arguments:
        side: whose it is: "striate", "torch", "torch.compile", "onnxruntime" or "keras".
        variant: which of that side's ways.
        call: does it once, from NumPy to NumPy: a training step gives its loss, inference gives probabilities (N, K).
    """

    side: str
    variant: str
    call: Callable[[], Any]

    @property
    def name(self) -> str:
        """Side and variant, as in tables."""
        return f"{self.side} {self.variant}".strip()
