"""Keras as an oracle, on PyTorch; tests that ask for it are skipped where it is not installed."""

import os
from typing import Any

import numpy as np
import pytest


def keras() -> Any:
    """The package."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def numbers(tensor: Any) -> np.ndarray:
    """A tensor of PyTorch as an array."""
    return np.asarray(tensor.detach().numpy())
