"""Optimizers, one file each: how parameters change, given their gradient."""

from typing import Any

from striate.configurable import Names
from striate.training import schedules
from striate.training.optimizers.adagrad import Adagrad
from striate.training.optimizers.adam import Adam, AdamW
from striate.training.optimizers.lion import Lion
from striate.training.optimizers.optimizer import Optimizer
from striate.training.optimizers.rmsprop import RMSprop
from striate.training.optimizers.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "Optimizer", "RMSprop", "get", "schedules"]

NAMES: Names[Optimizer] = Names("optimizers.get", [Adagrad, Adam, AdamW, Lion, RMSprop, SGD])


def get(identifier: Any) -> Optimizer:
    """An optimizer from its name ("adam"), from ``{"class_name": …, "config": …}``, or the optimizer itself.

    Raises:
        ArgumentError: the name or the config's arguments are unknown.
    """
    return identifier if isinstance(identifier, Optimizer) else NAMES.make(identifier)
