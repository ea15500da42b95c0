"""Kernels of pooling. Read `loops` first: what all of them share."""

from striate.kernels.pooling import brightest, largest, mean, norm

__all__ = ["brightest", "largest", "mean", "norm"]
