"""Who takes part: one file for each library."""

from benchmarks.contenders.contender import Contender

__all__ = ["Contender"]
