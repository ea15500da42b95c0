"""Cases of convolution and its two gradients: the corners by hand, and 500 random shapes."""

import numpy as np

from striate.ops.conv import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from tests.cases.case import Case, random_sizes


def corners() -> list[Case]:
    """One case for each thing that has gone wrong in somebody's convolution."""
    same, valid, full = ((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, 2), (2, 2))
    one, two = (1, 1), (2, 2)
    image = (2, 6, 7, 4)
    return [
        case(image, (3, 3, 4, 2), one, valid, one),
        case(image, (3, 3, 4, 2), one, same, one),
        case(image, (3, 3, 4, 2), one, full, one),
        case(image, (1, 1, 4, 3), one, valid, one),  # a product of matrices
        case(image, (1, 1, 4, 3), two, valid, one),  # most of the input is never read
        case(image, (6, 7, 4, 3), one, valid, one),  # the kernel covers the image: a dense layer
        case(image, (3, 3, 4, 2), two, valid, one),  # the last column is never read
        case(image, (3, 2, 4, 2), (2, 3), ((0, 1), (2, 0)), one),  # nothing the same on both axes
        case(image, (3, 3, 4, 2), one, ((2, 2), (2, 2)), two),
        case(image, (2, 2, 4, 2), two, ((5, 0), (0, 4)), one),  # windows that lie entirely in the padding
        case(image, (3, 3, 2, 4), two, same, one, groups=2),  # groups with a stride
        case(image, (3, 3, 1, 4), one, same, one, groups=4),  # depthwise
        case(image, (3, 3, 1, 8), two, same, one, groups=4),  # depthwise with multiplier 2
        case((1, 1, 1, 1), (1, 1, 1, 1), one, valid, one),
        case((0, 6, 7, 4), (3, 3, 4, 2), one, same, one),  # an empty batch
        case((0, 6, 7, 4), (3, 3, 2, 4), two, same, one, groups=2),  # also in groups
        case((2, 9, 3), (4, 3, 5), (3,), ((3, 0),), (1,)),  # causal
        case((2, 4, 5, 4, 2), (2, 3, 2, 2, 3), (1, 2, 1), ((0, 1), (1, 1), (1, 0)), (2, 1, 1)),
    ]


def case(
    x: tuple[int, ...],
    w: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int = 1,
) -> Case:
    settings = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    return Case(CONV, (x, w), settings)


def random_case(generator: np.random.Generator) -> Case:
    """A convolution in 1, 2 or 3 dimensions, everything different on every axis, small enough for seven loops."""
    axes = int(generator.integers(1, 4))
    kernel = random_sizes(generator, axes, 1, 4 if axes < 3 else 2)
    strides = random_sizes(generator, axes, 1, 3)
    dilation = random_sizes(generator, axes, 1, 3 if axes < 3 else 2)
    padding = tuple(
        (before, after) for before, after in generator.integers(0, 4 if axes < 3 else 2, (axes, 2)).tolist()
    )
    groups, batch = int(generator.integers(1, 4)), int(generator.integers(1, 3))
    channels, outputs = random_sizes(generator, 2, 1, 2)
    size = tuple(
        max(d * (k - 1) + 1 - sum(pads), 1) + more
        for d, k, pads, more in zip(dilation, kernel, padding, random_sizes(generator, axes, 0, 3), strict=True)
    )
    return case(
        (batch, *size, groups * channels), (*kernel, channels, groups * outputs), strides, padding, dilation, groups
    )


def gradient_cases(forward: Case) -> list[Case]:
    """The two gradient operations of a convolution."""
    x, w = (array.shape for array in forward.arrays())
    g = CONV.shape(*forward.arrays(), **forward.attributes)
    return [
        Case(CONV_GRAD_INPUT, (g, w), {"size": x[1:-1], **forward.attributes}),
        Case(CONV_GRAD_WEIGHT, (x, g), {"kernel": w[:-2], **forward.attributes}),
    ]


_generator = np.random.default_rng(1998)
FORWARD = corners() + [random_case(_generator) for _ in range(500)]
CASES = FORWARD + [case for forward in FORWARD[:120] for case in gradient_cases(forward)]
