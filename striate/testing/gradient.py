"""A check of gradients by finite differences."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from striate.graph import Array, Graph, Tensor, gradients
from striate.runtime.reference import ReferenceExecutor

#: Step widths, tried in turn: a kink further away than the step does no harm.
STEPS = (1e-4, 1e-5, 1e-6)

#: How often the point is moved when it lies on a kink.
MOVES = 4

#: Inputs of at most this size are checked entry by entry, too.
EVERY_NUMBER = 24


class _KinkError(Exception):
    """The function is not smooth here, so a difference quotient says nothing about its gradient."""


def check_gradient(
    function: Callable[..., Any],
    inputs: Sequence[Array],
    attributes: Mapping[str, Any] | None = None,
    *,
    wrt: Sequence[int] | None = None,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> float:
    """Check the gradient of an operation, or of any function made of operations, in float64.

    For a random g, the slope of ⟨function(x + t·d), g⟩ at t = 0 must be ⟨gradient, d⟩: along random directions d of
    each input and, for small inputs, along every axis. The slope is a central difference, extrapolated once. Where two
    step widths disagree there is a kink between the points (a ReLU at 0, a tie of a maximum); then the steps become
    smaller, and at last the point is moved.

    Arguments:
        function: computes with operations; on arrays it returns an array, on symbols a symbol.
        inputs: where to check; floating inputs are taken in float64.
        attributes: settings, passed on by name.
        wrt: positions of the inputs to differentiate with respect to; default: all that are floating.
        tolerance: largest error, relative to the norm of the gradient (entry by entry: to its largest entry).
        seed: of g and the directions.

    Returns:
        The largest error found, relative as above.

    Raises:
        AssertionError: a gradient is missing or wrong, or there are kinks at all points tried.

    Source: Griewank, Walther, "Evaluating Derivatives", 2nd ed. (2008); Richardson, Phil. Trans. A 210 (1911).
    """
    attributes = dict(attributes or {})
    arrays = [np.array(value, np.float64) if np.asarray(value).dtype.kind == "f" else value for value in inputs]
    wrt = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"] if wrt is None else wrt
    where = (
        f"{getattr(function, 'name', getattr(function, '__name__', function))} {[a.shape for a in arrays]} {attributes}"
    )
    generator = np.random.default_rng(seed)
    for _ in range(MOVES):
        try:
            return _largest_error(where, function, arrays, attributes, wrt, tolerance, generator)
        except _KinkError:
            for i in wrt:
                arrays[i] = arrays[i] * (1 + 1e-2 * generator.standard_normal(arrays[i].shape)) + 1e-3
    raise AssertionError(
        f"check_gradient: {where}: expected a smooth point, got kinks at {MOVES} points near the inputs."
    )


def _largest_error(
    where: str,
    function: Callable[..., Any],
    arrays: list[Array],
    attributes: dict[str, Any],
    wrt: Sequence[int],
    tolerance: float,
    generator: np.random.Generator,
) -> float:
    g = generator.standard_normal(np.shape(function(*arrays, **attributes)))
    found = _gradients(where, function, arrays, attributes, wrt, g)
    worst = 0.0
    for i, gradient in zip(wrt, found, strict=True):
        for direction, size in _directions(gradient, generator):
            along = _along(function, arrays, attributes, i, direction, g)
            expected, got = _slope(along, size, tolerance), float(np.vdot(gradient, direction))
            error = abs(got - expected) / size
            if not error <= tolerance:
                raise AssertionError(
                    f"check_gradient: {where}: expected slope {expected:.12g} along a direction of input {i}, "
                    f"got {got:.12g}: relative error {error:.1e}, allowed {tolerance:.1e}."
                )
            worst = max(worst, error)
    return worst


def _gradients(
    where: str,
    function: Callable[..., Any],
    arrays: list[Array],
    attributes: dict[str, Any],
    wrt: Sequence[int],
    g: Array,
) -> list[Array]:
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    grad_output = Tensor(g.shape, g.dtype)
    found = gradients(function(*symbols, **attributes), [symbols[i] for i in wrt], grad_output)
    for i, gradient in zip(wrt, found, strict=True):
        if gradient is None or gradient.shape != arrays[i].shape:
            got = "none" if gradient is None else f"one of shape {gradient.shape}"
            raise AssertionError(
                f"check_gradient: {where}: expected a gradient of shape {arrays[i].shape} for input {i}, got {got}."
            )
    graph = Graph([*symbols, grad_output], [gradient for gradient in found if gradient is not None])
    values = ReferenceExecutor(graph).run([*arrays, g])
    for i, value in zip(wrt, values, strict=True):
        if not np.isfinite(value).all():
            raise AssertionError(f"check_gradient: {where}: expected a finite gradient for input {i}, got {value}.")
    return values


def _directions(gradient: Array, generator: np.random.Generator) -> Iterator[tuple[Array, float]]:
    """Directions, and how large the slope along each may be expected to be; 1 where the gradient is 0."""
    norm, largest = float(np.linalg.norm(gradient)), float(np.abs(gradient).max(initial=0))
    for _ in range(2):
        yield generator.standard_normal(gradient.shape), norm or 1.0
    if gradient.size <= EVERY_NUMBER:
        for axis in np.eye(gradient.size):
            yield axis.reshape(gradient.shape), largest or 1.0


def _along(
    function: Callable[..., Any], arrays: list[Array], attributes: dict[str, Any], i: int, direction: Array, g: Array
) -> Callable[[float], float]:
    """t → ⟨function(x + t·direction), g⟩, with x the input number i."""

    def value(t: float) -> float:
        return float(np.vdot(function(*arrays[:i], arrays[i] + t * direction, *arrays[i + 1 :], **attributes), g))

    return value


def _slope(value: Callable[[float], float], size: float, tolerance: float) -> float:
    """The slope at 0 of a function that is smooth there; ``size`` is how large it may be expected to be.

    The slope over 2·h and over h may differ by the order of h², and so may the bends, after division by h: at a kink
    they differ by much more.
    """
    middle = value(0.0)
    for h in STEPS:
        far_right, far_left, right, left = value(2 * h), value(-2 * h), value(h), value(-h)
        wide, narrow = (far_right - far_left) / (4 * h), (right - left) / (2 * h)
        wide_bend, narrow_bend = (far_right - 2 * middle + far_left) / (4 * h), (right - 2 * middle + left) / (2 * h)
        if max(abs(wide - narrow), abs(wide_bend - 2 * narrow_bend)) <= tolerance * max(size, abs(narrow)):
            return (4 * narrow - wide) / 3
    raise _KinkError
