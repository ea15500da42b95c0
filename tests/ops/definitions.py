"""What convolution and pooling mean, in plain loops: slow, easy to check by eye, sharing no line with the library."""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from striate.graph import Array

Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def windows(size: Shape, kernel: Shape, strides: Shape, padding: Pads, dilation: Shape) -> Shape:
    """How many windows fit along each axis: counted, by sliding until one sticks out."""
    counts = []
    for n, k, stride, (before, after), d in zip(size, kernel, strides, padding, dilation, strict=True):
        count = 0
        while count * stride + (k - 1) * d < before + n + after:
            count += 1
        counts.append(count)
    return tuple(counts)


def conv(x: Array, w: Array, strides: Shape, padding: Pads, dilation: Shape, groups: int) -> Array:
    """In two dimensions these are seven loops: images, rows, columns, output maps, kernel rows, columns, channels."""
    images, *size, _ = x.shape
    *kernel, channels, maps = w.shape
    out = windows(tuple(size), tuple(kernel), strides, padding, dilation)
    y = np.zeros((images, *out, maps))
    for n in range(images):
        for position in itertools.product(*map(range, out)):
            for k in range(maps):
                first_channel = channels * (k // (maps // groups))
                for entry in itertools.product(*map(range, kernel)):
                    place = [
                        i * s + a * d - before
                        for i, s, a, d, (before, _) in zip(position, strides, entry, dilation, padding, strict=True)
                    ]
                    if all(0 <= p < limit for p, limit in zip(place, size, strict=True)):
                        for c in range(channels):
                            y[n, *position, k] += x[n, *place, first_channel + c] * w[*entry, c, k]
    return y


def window_pixels(
    x: Array, pool_size: Shape, strides: Shape, padding: Pads, dilation: Shape
) -> Iterator[tuple[Shape, list[Array], int]]:
    """For each window: (image, *position), the pixels in it (C,) in row-major order, how many entries it has at all."""
    images, *size, _ = x.shape
    for n in range(images):
        for position in itertools.product(*map(range, windows(tuple(size), pool_size, strides, padding, dilation))):
            pixels = []
            for entry in itertools.product(*map(range, pool_size)):
                place = [
                    i * s + a * d - before
                    for i, s, a, d, (before, _) in zip(position, strides, entry, dilation, padding, strict=True)
                ]
                if all(0 <= p < limit for p, limit in zip(place, size, strict=True)):
                    pixels.append(x[n, *place])
            yield (n, *position), pixels, math.prod(pool_size)


def max_pool(pixels: list[Array], entries: int) -> Array:
    return np.array([max(pixel[c] for pixel in pixels) for c in range(len(pixels[0]))])


def average_pool(pixels: list[Array], entries: int, count_include_pad: bool) -> Array:
    count = entries if count_include_pad else len(pixels)
    return np.array([sum(pixel[c] for pixel in pixels) / count for c in range(len(pixels[0]))])


def lp_pool(pixels: list[Array], entries: int, p: float) -> Array:
    return np.array([sum(abs(pixel[c]) ** p for pixel in pixels) ** (1 / p) for c in range(len(pixels[0]))])


def brightest_pool(pixels: list[Array], entries: int, weights: tuple[float, ...]) -> Array:
    brightest = pixels[0]
    for pixel in pixels[1:]:
        if sum(a * b for a, b in zip(pixel, weights, strict=True)) > sum(
            a * b for a, b in zip(brightest, weights, strict=True)
        ):
            brightest = pixel
    return brightest
