"""Data sets that ship in the package: loading them needs no network."""

from striate.datasets import mnist

__all__ = ["mnist"]
