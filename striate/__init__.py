"""Striate: convolutional networks as a glass box.

    import striate
    from striate import layers

    model = striate.Sequential([striate.Input((28, 28, 1)), layers.Conv2D(16, 3, activation="relu"), …])

Layers, models and training have Keras's names. `striate.ops` has the operations behind the layers.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from striate import data, errors, graph, layers, models, ops, runtime, training
from striate.interop import formats
from striate.layers import activations, initializers, regularizers
from striate.layers.layer import Layer
from striate.models import Input, Model, Sequential, load_model
from striate.random import get_seed, set_seed
from striate.runtime import (
    set_exact,
    set_executor,
    set_memory_budget,
    set_memory_limit,
    set_threads,
    set_tuning,
)
from striate.training import Step, callbacks, losses, metrics, optimizers

if TYPE_CHECKING:
    from striate import architectures, datasets, explain, utils
    from striate.opening import open_model

__version__ = "0.1.0"

#: What a start need not wait for is imported when it is first asked for.
_LATER = {"architectures": "", "datasets": "", "explain": "", "utils": "", "open_model": "opening"}

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
models.FORMATS.update(formats.FORMATS)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    module = importlib.import_module(f"striate.{_LATER[name] or name}")
    return getattr(module, name) if _LATER[name] else module


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Input",
    "Layer",
    "Model",
    "Sequential",
    "Step",
    "__version__",
    "activations",
    "architectures",
    "callbacks",
    "data",
    "datasets",
    "errors",
    "explain",
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
    "set_memory_budget",
    "set_memory_limit",
    "set_seed",
    "set_threads",
    "set_tuning",
    "training",
    "utils",
]
