"""A network with branches, small enough to be worked out by hand: it tells red pictures from green and blue ones."""

import numpy as np

import striate
from striate import layers
from striate.data import PhotoPreprocessing

SIDE = 24
CLASSES = ("red", "green", "blue", "grey", "black", "white")
#: The factors by which the layer "copies" multiplies the red channel, one for each map.
FACTORS = np.arange(40, dtype=np.float32) - 5
#: Scores of the first three classes for each channel's mean.
WEIGHT = 8.0


def branched(*, activation="softmax", deep=12):
    """Input → copies → positive ↘ joined → small → deep_0 … → means → classes; input → channels ↗."""
    x = striate.Input((SIDE, SIDE, 3), name="pixels")
    copies = layers.Conv2D(40, 1, use_bias=False, name="copies")
    channels = layers.Conv2D(3, 1, use_bias=False, name="channels")
    end = layers.Dense(6, activation=activation, name="classes")
    joined = layers.Concatenate(name="joined")([layers.ReLU(name="positive")(copies(x)), channels(x)])
    y = layers.MaxPooling2D(2, name="small")(joined)
    for number in range(deep):
        y = layers.ReLU(name=f"deep_{number}")(y)
    model = striate.Model(x, end(layers.GlobalAveragePooling2D(name="means")(y)), name="branched")
    factors = np.zeros((1, 1, 3, 40), np.float32)
    factors[0, 0, 0] = FACTORS
    copies.kernel.assign(factors)
    channels.kernel.assign(np.eye(3, dtype=np.float32)[None, None])
    scores = np.zeros((43, 6), np.float32)
    scores[40:, :3] = WEIGHT * np.eye(3)
    end.kernel.assign(scores)
    model.classes = CLASSES
    model.preprocessing = PhotoPreprocessing((SIDE, SIDE), shorter_side=SIDE)
    return model


def paper(red, green, blue, *, size=(SIDE, SIDE)):
    """A picture of one colour, with a black half on the left."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[:, size[1] // 2 :] = red, green, blue
    return picture
