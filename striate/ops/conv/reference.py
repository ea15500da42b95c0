"""Convolution in plain NumPy: the definition.

What deep learning calls convolution slides a kernel over the input without flipping it (cross-correlation):

    y[n, i, j, k] = Σ over a, b, c of  x[n, i·stride + a·dilation − before, j·… , c] · w[a, b, c, k]

where entries outside of ``x`` count as 0. In one, two or three spatial dimensions it is the same sum.

To compute it, each window of the input is laid out as one row of a matrix; then the whole convolution is one matrix
product, rows × weights. Its gradients are the two other products of the same three matrices.

Letters: N images, G groups, P = number of windows of one image, Q = entries of a kernel (KH · KW · C/G), K outputs.

Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning" (2016); Chellapilla et al. (2006).
"""

import math
from collections.abc import Iterator

import numpy as np

from striate.graph import Array, Shape
from striate.ops.windows import Pads, crop_spatial, pad_spatial, shifted, sliding_windows

#: Entries of windows laid out at a time. A matter of taste: larger matrices are no faster to multiply.
MOST = 2**24


def forward(x: Array, w: Array, strides: Shape, padding: Pads, dilation: Shape, groups: int, out: Shape) -> Array:
    """y = x ⋆ w: x (N, *size, C), w (*kernel, C/G, K) → (N, *out, K)."""
    windows = sliding_windows(pad_spatial(x, padding), w.shape[:-2], strides, dilation, out)  # (N, *out, *kernel, C)
    weights = _weights_as_matrix(w, groups)  # (G, Q, K/G)
    y = np.empty((len(x), *out, w.shape[-1]), np.result_type(x, w))
    for part in _parts(windows.shape):
        rows = _as_rows(windows[part], len(out), groups)  # (G, N·P, Q)
        y[part] = _groups_last(rows @ weights, y[part].shape)
    return y


def grad_weight(
    x: Array, grad_output: Array, kernel: Shape, strides: Shape, padding: Pads, dilation: Shape, groups: int
) -> Array:
    """Σ over images and windows of window × gradient: x (N, *size, C), grad (N, *out, K) → (*kernel, C/G, K)."""
    out, channels, outputs = grad_output.shape[1:-1], x.shape[-1] // groups, grad_output.shape[-1]
    windows = sliding_windows(pad_spatial(x, padding), kernel, strides, dilation, out)  # (N, *out, *kernel, C)
    gw = np.zeros((groups, math.prod(kernel) * channels, outputs // groups), np.result_type(x, grad_output))
    for part in _parts(windows.shape):
        rows = _as_rows(windows[part], len(out), groups)  # (G, N·P, Q)
        gw += rows.transpose(0, 2, 1) @ _groups_first(grad_output[part], groups)  # (G, Q, K/G)
    return (
        gw.reshape(groups, *kernel, channels, -1)
        .transpose(*range(1, len(kernel) + 2), 0, -1)
        .reshape(*kernel, channels, outputs)
    )  # (*kernel, C/G, G, K/G) → (*kernel, C/G, K)


def grad_input(
    grad_output: Array, w: Array, size: Shape, strides: Shape, padding: Pads, dilation: Shape, groups: int
) -> Array:
    """Each entry of the gradient, times the kernel, added to its window: grad (N, *out, K), w → (N, *size, C)."""
    n, *out, _ = grad_output.shape
    *kernel, channels, outputs = w.shape
    g = _groups_first(grad_output, groups)  # (G, N·P, K/G)
    grown = tuple(before + s + after for s, (before, after) in zip(size, padding, strict=True))
    padded = np.zeros((n, *grown, groups * channels), np.result_type(g, w))
    for entry in np.ndindex(*kernel):
        column = w[entry].reshape(channels, groups, outputs // groups).transpose(1, 2, 0)  # (G, K/G, C/G)
        part = _groups_last(g @ column, (n, *out, groups * channels))
        padded[:, *shifted(entry, strides, dilation, tuple(out))] += part
    return crop_spatial(padded, padding)


def _parts(shape: Shape) -> Iterator[tuple[slice, slice]]:
    """Images, and rows of their windows, that are laid out together: all windows at once are much larger than x."""
    images, height = shape[:2]
    rows = max(1, MOST // max(1, math.prod(shape[2:])))
    many, high = max(1, rows // max(1, height)), min(rows, height)
    for n in range(0, images, many):
        for i in range(0, height, max(1, high)):
            yield slice(n, n + many), slice(i, i + high)


def _as_rows(windows: Array, axes: int, groups: int) -> Array:
    """(N, *out, *kernel, C) → (G, N·P, Q): one row for each window, with its entries in the order of the weights."""
    channels = windows.shape[-1] // groups
    grouped = windows.reshape(*windows.shape[:-1], groups, channels) if groups > 1 else windows[..., None, :]
    count, entries = math.prod(windows.shape[: axes + 1]), math.prod(windows.shape[axes + 1 : -1])
    return np.moveaxis(grouped, -2, 0).reshape(groups, count, entries * channels)


def _weights_as_matrix(w: Array, groups: int) -> Array:
    """(*kernel, C/G, K) → (G, Q, K/G)."""
    return w.reshape(-1, groups, w.shape[-1] // groups).transpose(1, 0, 2)


def _groups_first(y: Array, groups: int) -> Array:
    """(N, *out, K) → (G, N·P, K/G)."""
    return y.reshape(-1, groups, y.shape[-1] // groups).transpose(1, 0, 2)


def _groups_last(y: Array, shape: Shape) -> Array:
    """(G, N·P, K/G) → (N, *out, K)."""
    return y.transpose(1, 0, 2).reshape(shape)
