"""Convolution in plain NumPy: the definition.

What deep learning calls convolution slides a kernel over the input without flipping it (cross-correlation):

    y[n, i, j, k] = Σ over a, b, c of  x[n, i·stride + a·dilation − before, j·… , c] · w[a, b, c, k]

where entries outside of ``x`` count 0. In one, two or three spatial dimensions it is the same sum.

To compute it, each window of the input is laid out as one row of a matrix; then the whole convolution is one matrix
product, rows × weights. Its gradients are the two other products of the same three matrices.

Letters: N images, G groups, P = number of windows of one image, Q = entries of a kernel (KH · KW · C/G), K outputs.

Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning" (2016); Chellapilla et al. (2006).
"""

import math

import numpy as np

from striate.graph import Array, Shape
from striate.ops.windows import Pads, crop_spatial, pad_spatial, shifted, sliding_windows


def forward(x: Array, w: Array, strides: Shape, padding: Pads, dilation: Shape, groups: int, out: Shape) -> Array:
    """y = x ⋆ w: x (N, *size, C), w (*kernel, C/G, K) → (N, *out, K)."""
    kernel, outputs = w.shape[:-2], w.shape[-1]
    rows = _windows_as_rows(x, kernel, strides, padding, dilation, groups, out)  # (G, N·P, Q)
    y = rows @ _weights_as_matrix(w, groups)  # (G, N·P, K/G)
    return _groups_last(y, (len(x), *out, outputs))


def grad_weight(
    x: Array, grad_output: Array, kernel: Shape, strides: Shape, padding: Pads, dilation: Shape, groups: int
) -> Array:
    """Σ over images and windows of window × gradient: x (N, *size, C), grad (N, *out, K) → (*kernel, C/G, K)."""
    out, channels, outputs = grad_output.shape[1:-1], x.shape[-1] // groups, grad_output.shape[-1]
    rows = _windows_as_rows(x, kernel, strides, padding, dilation, groups, out)  # (G, N·P, Q)
    gw = rows.transpose(0, 2, 1) @ _groups_first(grad_output, groups)  # (G, Q, K/G)
    return (
        gw.reshape(groups, *kernel, channels, -1)
        .transpose(*range(1, len(kernel) + 2), 0, -1)
        .reshape(*kernel, channels, outputs)
    )  # (*kernel, C/G, G, K/G) → (*kernel, C/G, K)


def grad_input(
    grad_output: Array, w: Array, size: Shape, strides: Shape, padding: Pads, dilation: Shape, groups: int
) -> Array:
    """Each gradient number, times the kernel, added where its window was: grad (N, *out, K), w → (N, *size, C)."""
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


def _windows_as_rows(
    x: Array, kernel: Shape, strides: Shape, padding: Pads, dilation: Shape, groups: int, out: Shape
) -> Array:
    """(N, *size, C) → (G, N·P, Q): one row for each window, with its entries in the order of the weights."""
    windows = sliding_windows(pad_spatial(x, padding), kernel, strides, dilation, out)  # (N, *out, *kernel, C)
    channels = x.shape[-1] // groups
    grouped = windows.reshape(*windows.shape[:-1], groups, channels) if groups > 1 else windows[..., None, :]
    return np.moveaxis(grouped, -2, 0).reshape(groups, len(x) * math.prod(out), math.prod(kernel) * channels)


def _weights_as_matrix(w: Array, groups: int) -> Array:
    """(*kernel, C/G, K) → (G, Q, K/G)."""
    return w.reshape(-1, groups, w.shape[-1] // groups).transpose(1, 0, 2)


def _groups_first(y: Array, groups: int) -> Array:
    """(N, *out, K) → (G, N·P, K/G)."""
    return y.reshape(-1, groups, y.shape[-1] // groups).transpose(1, 0, 2)


def _groups_last(y: Array, shape: Shape) -> Array:
    """(G, N·P, K/G) → (N, *out, K)."""
    return y.transpose(1, 0, 2).reshape(shape)
