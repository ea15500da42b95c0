"""A check that one linear function is the exact adjoint of another."""

from collections.abc import Callable

import numpy as np

from striate.graph import Array


def check_adjoint(
    forward: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    x: Array,
    *,
    tolerance: float = 1e-12,
    seed: int = 0,
) -> float:
    """Check that ``adjoint`` is the transpose of the linear function ``forward``: ⟨A·x, g⟩ = ⟨x, Aᵀ·g⟩.

    Arguments:
        forward: a linear function of one array.
        adjoint: takes arrays of the shape that ``forward`` returns, and returns arrays of the shape of ``x``.
        x: where to check; float64.
        tolerance: largest difference of the two products, relative to ‖A·x‖·‖g‖.
        seed: of g, which is drawn from the standard normal distribution.

    Returns:
        The difference, relative as above.

    Raises:
        AssertionError: the shapes or the products differ; it gives both.

    Source: Claerbout, "Earth Soundings Analysis: Processing versus Inversion" (1992), the dot-product test.
    """
    y = forward(x)
    g = np.random.default_rng(seed).standard_normal(y.shape)
    back = adjoint(g)
    if back.shape != x.shape:
        raise AssertionError(f"check_adjoint: expected the adjoint to return shape {x.shape}, got {back.shape}.")
    left, right = float(np.vdot(y, g)), float(np.vdot(x, back))
    error = abs(left - right) / max(float(np.linalg.norm(y) * np.linalg.norm(g)), np.finfo(np.float64).tiny)
    if not error <= tolerance:
        raise AssertionError(
            f"check_adjoint: expected ⟨A·x, g⟩ = ⟨x, Aᵀ·g⟩, got {left:.17g} and {right:.17g}: "
            f"relative difference {error:.1e}, allowed {tolerance:.1e}."
        )
    return error
