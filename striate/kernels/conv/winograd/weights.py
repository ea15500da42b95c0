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
def flip(f: Function, w: Pointer, flipped: Pointer, *, channels: int, outputs: int, groups: int) -> None:
    """flipped[2 − i, 2 − j, k, c] = w[i, j, c, k] in each group; an item is one tap (i, j) and a vector of k.

    w (3, 3, C/G, K) → flipped (3, 3, K/G, C).
    """
    lanes = f.target.lanes
    blocks = -(-outputs // lanes)
    in_group, columns = outputs // groups, groups * channels
    for item in f.items():
        tap, k = item // blocks, item % blocks * lanes
        first = 0 if groups == 1 else k // in_group * channels
        source = w + tap * (channels * outputs) + k
        target = flipped + (8 - tap) * (in_group * columns) + first
        row = k if groups == 1 else k % in_group
        k_left = None if outputs % lanes == 0 else f.smaller(lanes, outputs - k)
        for c in f.range(0, channels, lanes):
            c_left = None if channels % lanes == 0 else f.smaller(lanes, channels - c)
            rows = [
                (source + f.smaller(c + i, channels - 1) * outputs).load(lanes, k_left) for i in range(lanes)
            ]  # beyond the last channel, the last one again, which is not stored
            for i, column in enumerate(f.transpose(rows)):
                place = target + (row + i) * columns + c
                if k_left is None:
                    place.store(column, count=c_left)
                else:
                    with f.when(f.within(k + i, outputs)):
                        place.store(column, count=c_left)
