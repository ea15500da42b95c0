"""Striate: convolutional networks as a glass box.

    import striate
    from striate import layers

    model = striate.Sequential([striate.Input((28, 28, 1)), layers.Conv2D(16, 3, activation="relu"), …])

Layers, models and training have Keras's names. `striate.ops` has the operations behind the layers.
"""

import sys

from striate import architectures, data, datasets, errors, graph, layers, models, ops, runtime, training, utils
from striate.layers import initializers, regularizers
from striate.layers.layer import Layer
from striate.models import Input, Model, Sequential, load_model
from striate.opening import open_model
from striate.ops import activations
from striate.random import get_seed, set_seed
from striate.runtime import set_exact, set_executor, set_threads, set_tuning
from striate.training import callbacks, losses, metrics, optimizers

__version__ = "0.1.0"

# Keras's module names, so that ``from striate.optimizers import Adam`` works as well; this table says where each lives.
for _name, _module in {
    "activations": activations,
    "callbacks": callbacks,
    "initializers": initializers,
    "losses": losses,
    "metrics": metrics,
    "optimizers": optimizers,
    "optimizers.schedules": optimizers.schedules,
    "regularizers": regularizers,
    "saving": models.saving,
}.items():
    sys.modules[f"striate.{_name}"] = _module
saving = models.saving

__all__ = [
    "Input",
    "Layer",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "architectures",
    "callbacks",
    "data",
    "datasets",
    "errors",
    "get_seed",
    "graph",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "open_model",
    "ops",
    "optimizers",
    "regularizers",
    "runtime",
    "saving",
    "set_exact",
    "set_executor",
    "set_seed",
    "set_threads",
    "set_tuning",
    "training",
    "utils",
]
