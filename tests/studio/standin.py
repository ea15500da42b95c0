"""A model small enough to be checked by eye: it tells tall drawings from round ones, and is not sure about the rest.

It has what the page must cope with: maps with numbers of both signs, smaller maps, dense units, probabilities.
"""

import time

import numpy as np

import striate
from striate import layers, ops
from striate.data.drawing import Preprocessing

THRESHOLD = 0.6


class Measures(layers.Layer):
    """How wide the ink is, and how full the middle."""

    def call(self, inputs):
        slopes, pooled, x = inputs
        nothing = 0 * (
            ops.mean(slopes, (1, 2, 3)) + ops.mean(pooled, (1, 2, 3))
        )  # they are in the network, and do not count
        width = ops.sum(ops.sum(x, 1) > 1.0, (1, 2)) + nothing
        middle = ops.mean(x[:, 12:16, 12:16], (1, 2, 3))
        return ops.stack([width / 28, middle], 1)

    def describe(self):
        return "2 units: how wide, and how full in the middle."


class Scores(layers.Layer):
    """A 0 is wide and hollow, a 1 is narrow."""

    def call(self, measures):
        width, middle = measures[:, :1] * 28, measures[:, 1:]
        zero, one = 6 * (width > 8.0) * (middle < 0.1), 6 * (1 - (width > 8.0))
        return ops.softmax(ops.concatenate([zero, one, ops.pad(zero, ((0, 0), (8, 0)))[:, :8] * 0], 1))

    def describe(self):
        return "10 probabilities that add up to 1."


class Slow(Preprocessing):
    """Takes its time."""

    def __init__(self, seconds):
        super().__init__()
        object.__setattr__(self, "seconds", seconds)

    def prepare(self, image, *, ink="bright"):
        time.sleep(self.seconds)
        return super().prepare(image, ink=ink)


def stand_in(*, preprocessing=None):
    """Reads a 1 from what is tall, a 0 from what is hollow."""
    x = striate.Input((28, 28, 1), name="input")
    slopes = layers.Conv2D(2, 2, padding="same", use_bias=False, name="slopes")
    pooled = layers.MaxPooling2D(7, name="pooled")
    measures = Measures(name="measures")([slopes(x), pooled(x), x])
    model = striate.Model(x, Scores(name="softmax")(measures), name="stand-in")
    slopes.kernel.assign(np.array([[[-1, -1], [0, 1]], [[1, 0], [0, 0]]], np.float32).reshape(2, 2, 1, 2))
    model.classes = tuple("0123456789")
    model.threshold = THRESHOLD
    model.preprocessing = preprocessing or Preprocessing()
    return model
