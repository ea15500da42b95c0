"""What a benchmarked network is: the same layers twice, in Striate and in PyTorch.

Neither library is imported before something is built with it, so that a process can measure one alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from striate.models import Model

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """A network and its twin.

    Arguments:
        name: as in tables.
        input_shape: (H, W, C) that it is measured at.
        classes: outputs of its softmax.
        striate_model: (input_shape, classes) → a model that gives probabilities.
        torch_model: (input_shape, classes) → a module that takes (N, C, H, W) and gives logits.
    """

    name: str
    input_shape: Shape
    classes: int
    striate_model: Callable[[Shape, int], Model]
    torch_model: Callable[[Shape, int], nn.Module]


def half(kernel: int | tuple[int, int]) -> tuple[int, int]:
    """The padding that keeps the size at stride 1."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return height // 2, width // 2
