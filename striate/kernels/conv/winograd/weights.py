"""Weights for products of matrices: transformed, and before that turned round for the gradient of the input."""

from itertools import chain

from striate.codegen import Function, Pointer, kernel
from striate.kernels.conv.winograd.tiling import apart
from striate.kernels.conv.winograd.transforms import both_ways, matrices


@kernel
def transform_weights(f: Function, w: Pointer, u: Pointer, *, m: int, channels: int, outputs: int, width: int) -> None:
    """u = G w Gᵀ; an item is a panel of output channels and an input channel.

    w (3, 3, C, K) → u (panels, planes, C, width): output channels are cut into panels, filled up with zeros.
    """
    lanes, stride = f.target.lanes, apart(channels * width)
    for item in f.items():
        panel, c = item // channels, item % channels
        place = u + panel * ((m + 2) ** 2 * stride) + c * width
        for k in f.range(0, width, lanes):
            first = panel * width + k
            count = None if outputs % lanes == 0 else f.smaller(lanes, outputs - first)
            taps = w + c * outputs + first
            tap = channels * outputs
            numbers = [[(taps + (i * 3 + j) * tap).load(lanes, count) for j in range(3)] for i in range(3)]
            for plane, value in enumerate(chain(*both_ways(f, matrices(m).weights, numbers))):
                (place + k + plane * stride).store(value)


@kernel
def flip(f: Function, w: Pointer, flipped: Pointer, *, channels: int, outputs: int) -> None:
    """flipped[2 − i, 2 − j, k, c] = w[i, j, c, k]; an item is one tap (i, j) and as many k as a vector has lanes."""
    lanes = f.target.lanes
    blocks = -(-outputs // lanes)
    for item in f.items():
        tap, k = item // blocks, item % blocks * lanes
        source, target = w + tap * (channels * outputs) + k, flipped + (8 - tap) * (channels * outputs)
        k_left = None if outputs % lanes == 0 else f.smaller(lanes, outputs - k)
        for c in f.range(0, channels, lanes):
            c_left = None if channels % lanes == 0 else f.smaller(lanes, channels - c)
            rows = [
                (source + f.smaller(c + i, channels - 1) * outputs).load(lanes, k_left) for i in range(lanes)
            ]  # beyond the last channel, the last one again, which is not stored
            for i, column in enumerate(f.transpose(rows)):
                row = target + (k + i) * channels + c
                if k_left is None:
                    row.store(column, count=c_left)
                else:
                    with f.when(f.within(k + i, outputs)):
                        row.store(column, count=c_left)
