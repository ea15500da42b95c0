"""A model small enough to be checked by eye: it tells tall drawings from round ones, and is not sure about the rest.

It has what the page must cope with: maps with numbers of both signs, smaller maps, dense units, probabilities.
"""

import time
from dataclasses import dataclass

import numpy as np

from striate.data.drawing import Preprocessing
from striate.models import Facts


@dataclass(frozen=True)
class Output:
    """One layer's output."""

    name: str
    kind: str
    sentence: str
    values: np.ndarray


class StandIn:
    """Reads a 1 from what is tall, a 0 from what is hollow."""

    name = "stand-in"
    classes = tuple("0123456789")
    threshold = 0.6
    facts = Facts((0, 1), "probabilities")

    def __init__(self, *, seconds=0.0):
        self.preprocessing = Preprocessing()
        self.seconds = seconds

    def activations(self, x):
        """Return four layers; takes `seconds` for it."""
        time.sleep(self.seconds)
        slopes = np.concatenate([np.diff(x, axis=axis, append=0) for axis in (1, 2)], axis=3)
        pooled = x.reshape(-1, 4, 7, 4, 7, 1).max(axis=(2, 4))
        width = (x.sum(axis=1) > 1).sum(axis=(1, 2))
        middle = x[:, 12:16, 12:16].mean(axis=(1, 2, 3))
        units = np.stack([width / 28, middle], axis=1)
        scores = np.zeros((len(x), 10))
        scores[:, 0] = 6 * ((width > 8) & (middle < 0.1))
        scores[:, 1] = 6 * (width <= 8)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return [
            Output("slopes", "Conv2D", "2 maps, the differences between neighbours.", slopes),
            Output("pooled", "MaxPooling2D", "The largest of every 7×7 window.", pooled),
            Output("measures", "Dense", "2 units: how wide, and how full in the middle.", units),
            Output("softmax", "Dense", "10 probabilities that add up to 1.", np.exp(scores)),
        ]
