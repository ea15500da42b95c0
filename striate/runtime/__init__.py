"""Executors: what runs a graph."""

from striate.runtime.choice import (
    Executor,
    executor,
    predicting_executor,
    set_exact,
    set_executor,
    set_tuning,
    settings,
)
from striate.runtime.reference import ReferenceExecutor
from striate.runtime.team import set_threads

__all__ = [
    "Executor",
    "ReferenceExecutor",
    "executor",
    "predicting_executor",
    "set_exact",
    "set_executor",
    "set_threads",
    "set_tuning",
    "settings",
]
