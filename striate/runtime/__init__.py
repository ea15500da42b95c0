"""Executors: what runs a graph."""

from striate.runtime.budget import ExecutorCache, kept_bytes, set_memory_budget, set_memory_limit
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
    "ExecutorCache",
    "ReferenceExecutor",
    "executor",
    "kept_bytes",
    "predicting_executor",
    "set_exact",
    "set_executor",
    "set_memory_budget",
    "set_memory_limit",
    "set_threads",
    "set_tuning",
    "settings",
]
