"""Executors: what runs a graph."""

from striate.runtime.reference import ReferenceExecutor

__all__ = ["ReferenceExecutor"]
