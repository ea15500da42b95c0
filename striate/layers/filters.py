"""Filters designed by hand, as before networks learned them: edges, stripes, blur, sharpen, emboss.

For the sizes 3, 5, 7 … each is built by the rule that gives its textbook form at size 3.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import random
from striate.errors import ArgumentError

Filter = NDArray[np.float32]


def _binomial(size: int) -> NDArray[Any]:
    """1 2 1, 1 4 6 4 1, …: the smoothest weights of their width."""
    row = np.ones(1)
    for _ in range(size - 1):
        row = np.convolve(row, (1, 1))
    return row


def _sobel_x(size: int) -> NDArray[Any]:
    slope = np.convolve(_binomial(size - 2), (-1, 0, 1))
    return np.asarray(np.outer(_binomial(size), slope))


def _cross(size: int) -> NDArray[Any]:
    """1 on the middle row and the middle column, and where they cross the number that makes the sum 0."""
    cross = np.zeros((size, size))
    cross[size // 2, :] = cross[:, size // 2] = 1
    cross[size // 2, size // 2] = -2 * (size - 1)
    return cross


def _centre(size: int) -> NDArray[Any]:
    centre = np.zeros((size, size))
    centre[size // 2, size // 2] = 1
    return centre


def _emboss(size: int) -> NDArray[Any]:
    places = np.arange(size) - size // 2
    return np.asarray(places[:, None] + places + _centre(size))


def _vertical_stripes(size: int) -> NDArray[Any]:
    """Alternating bright and dark columns, the middle one bright; the sum is 0, so that plain areas give 0."""
    bright = (np.arange(size) - size // 2) % 2 == 0
    row = np.where(bright, (~bright).sum(), -bright.sum())
    return np.tile(row, (size, 1))


RULES: dict[str, Callable[[int], NDArray[Any]]] = {
    "sobel_x": _sobel_x,
    "sobel_y": lambda size: _sobel_x(size).T,
    "laplacian": _cross,
    "sharpen": lambda size: _centre(size) - _cross(size),
    "box_blur": lambda size: np.full((size, size), 1 / size**2),
    "gaussian_blur": lambda size: np.outer(_binomial(size), _binomial(size)) / 4 ** (size - 1),
    "emboss": _emboss,
    "vertical_stripes": _vertical_stripes,
    "vertical_stripes_dark": lambda size: -_vertical_stripes(size),
    "horizontal_stripes": lambda size: _vertical_stripes(size).T,
    "horizontal_stripes_dark": lambda size: -_vertical_stripes(size).T,
}

#: All names that `preset_filter` takes.
PRESETS = (*RULES, "random")


def preset_filter(name: str, size: int = 3, seed: int | None = None, stream: int = 0) -> Filter:
    """A filter by name.

    sobel_x        the slope from left to right: answers to vertical edges
    sobel_y        the slope from top to bottom: answers to horizontal edges
    laplacian      how far a pixel is from its neighbours above, below, left and right: answers to all edges
    sharpen        the image minus its Laplacian
    box_blur       the mean of the window
    gaussian_blur  the same with binomial weights
    emboss         light from one corner
    vertical_stripes, horizontal_stripes              a bright line in the middle between dark ones
    vertical_stripes_dark, horizontal_stripes_dark    the other phase: a dark line between bright ones
    random         standard normal numbers

    Arguments:
        name: one of these.
        size: height and width, odd, at least 3.
        seed: for "random"; None: the one of `set_seed`.
        stream: for "random": another filter from the same seed.

    Returns:
        (size, size).

    Raises:
        ArgumentError: an unknown name, or an even or smaller size.

    Source: Sobel, Feldman (1968), told in Sobel, "History and definition of the so-called Sobel operator" (2014);
    Gonzalez, Woods, "Digital Image Processing", chapter 3.
    """
    if name not in PRESETS:
        raise ArgumentError(f"preset_filter: expected one of {', '.join(PRESETS)}; got {name!r}.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 3 or size % 2 == 0:
        raise ArgumentError(f"preset_filter: expected an odd size of at least 3, got {size!r}.")
    if name == "random":
        seed = random.get_seed() if seed is None else seed
        return random.normal((size, size), seed=seed, purpose="filter", stream=stream).astype(np.float32)
    return np.asarray(RULES[name](size), np.float32)


def preset_filters(*names: str, size: int = 3, seed: int | None = None) -> Filter:
    """Several filters as the kernels of one convolution over a single channel.

    Arguments:
        names, size, seed: see `preset_filter`.

    Returns:
        (size, size, 1, n) for n names, in their order.

    Raises:
        ArgumentError: no name, or as `preset_filter`.
    """
    if not names:
        raise ArgumentError(f"preset_filters: expected at least one of {', '.join(PRESETS)}; got none.")
    return np.stack([preset_filter(name, size, seed, i) for i, name in enumerate(names)], axis=-1)[:, :, None, :]
