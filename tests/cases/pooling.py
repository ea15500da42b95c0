"""Cases of pooling and its gradients: the corners by hand, and 500 random shapes dealt out among the operations."""

import numpy as np

from striate.ops.operation import Operation
from striate.ops.pooling import (
    ADAPTIVE_AVERAGE_POOL,
    ADAPTIVE_MAX_POOL,
    ADAPTIVE_MAX_POOL_GRAD,
    AVERAGE_POOL,
    AVERAGE_POOL_GRAD,
    BRIGHTEST_POOL,
    BRIGHTEST_POOL_GRAD,
    LP_POOL,
    LP_POOL_GRAD,
    MAX_POOL,
    MAX_POOL_GRAD,
)
from striate.ops.windows import entries_inside, output_sizes
from tests.cases.case import Case, random_sizes

Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

#: What an operation takes beside the window, two values each.
SETTINGS: dict[Operation, list[dict[str, object]]] = {
    MAX_POOL: [{}],
    AVERAGE_POOL: [{"count_include_pad": False}, {"count_include_pad": True}],
    LP_POOL: [{"p": 2.0}, {"p": 1.0}, {"p": 3.5}],
    BRIGHTEST_POOL: [{"weights": (1.0, 1.0, 1.0)}, {"weights": (0.299, 0.587, 0.114)}],
}
CHANNELS = 3


def window(pool_size: Shape, strides: Shape, padding: Pads, dilation: Shape) -> dict[str, object]:
    return {"pool_size": pool_size, "strides": strides, "padding": padding, "dilation": dilation}


def corners() -> list[tuple[Shape, dict[str, object]]]:
    none, one, two = ((0, 0), (0, 0)), (1, 1), (2, 2)
    image = (2, 6, 7, CHANNELS)
    return [
        (image, window(two, two, none, one)),  # as in every course
        (image, window((3, 3), two, ((0, 1), (1, 1)), one)),  # overlapping, asymmetric
        (image, window((3, 2), (1, 3), ((2, 2), (0, 1)), one)),
        (image, window((2, 3), one, none, (3, 2))),
        (image, window((1, 1), two, none, one)),
        (image, window((6, 7), one, none, one)),  # global
        (image, window(two, (3, 3), none, one)),  # gaps between the windows
        ((0, 6, 7, CHANNELS), window(two, two, none, one)),  # an empty batch
        ((1, 9, CHANNELS), window((3,), (2,), ((1, 1),), (1,))),
        ((1, 4, 5, 4, CHANNELS), window((2, 3, 2), (2, 1, 2), ((0, 0), (1, 1), (0, 1)), (1, 1, 2))),
        # channels that fill no vector, one and a bit, and several
        ((1, 7, 5, 5), window(two, two, none, one)),
        ((2, 5, 4, 17), window((3, 3), two, ((1, 1), (1, 1)), one)),
        ((1, 6, 9, 40), window((3, 3), one, ((1, 1), (1, 1)), one)),
    ]


def random_window(generator: np.random.Generator) -> tuple[Shape, dict[str, object]]:
    """An input and a window over it in 1, 2 or 3 dimensions; no window lies entirely in the padding."""
    while True:
        axes = int(generator.integers(1, 4))
        pool_size, strides = random_sizes(generator, axes, 1, 3), random_sizes(generator, axes, 1, 3)
        dilation = random_sizes(generator, axes, 1, 2)
        padding = tuple((before, after) for before, after in generator.integers(0, 3, (axes, 2)).tolist())
        size = random_sizes(generator, axes, 3, 6 if axes < 3 else 4)
        try:
            out = output_sizes("", size, pool_size, strides, padding, dilation)
        except ValueError:
            continue
        if all(counts.min() > 0 for counts in entries_inside(size, pool_size, strides, padding, dilation, out)):
            return (int(generator.integers(1, 3)), *size, CHANNELS), window(pool_size, strides, padding, dilation)


def gradient_case(forward: Case) -> Case:
    """The gradient operation of a pool, at the same place."""
    (x,) = (array.shape for array in forward.arrays())
    g = forward.operation.shape(*forward.arrays(), **forward.attributes)
    if forward.operation is AVERAGE_POOL:
        return Case(AVERAGE_POOL_GRAD, (g,), {"size": x[1:-1], **forward.attributes})
    operation = {MAX_POOL: MAX_POOL_GRAD, LP_POOL: LP_POOL_GRAD, BRIGHTEST_POOL: BRIGHTEST_POOL_GRAD}[forward.operation]
    return Case(operation, (x, g), forward.attributes)


def adaptive_cases(generator: np.random.Generator) -> list[Case]:
    """Windows of unequal size, windows that overlap, and more windows than numbers."""
    shapes = [
        ((2, 7, 2), (3,)),
        ((2, 5, 6, 2), (1, 1)),
        ((2, 5, 6, 2), (5, 6)),
        ((2, 3, 2, 2), (5, 7)),
        ((0, 3, 3, 1), (2, 2)),
        ((1, 7, 5, 40), (3, 4)),
    ]
    for _ in range(40):
        axes = int(generator.integers(1, 4))
        shapes.append(((2, *random_sizes(generator, axes, 1, 6), 2), random_sizes(generator, axes, 1, 7 - axes)))
    cases = []
    for x, out in shapes:
        g = (x[0], *out, x[-1])
        cases += [
            Case(ADAPTIVE_MAX_POOL, (x,), {"output_size": out}),
            Case(ADAPTIVE_MAX_POOL_GRAD, (x, g)),
            Case(ADAPTIVE_AVERAGE_POOL, (x,), {"output_size": out}),
            Case(ADAPTIVE_AVERAGE_POOL.adjoint, (g,), {"size": x[1:-1]}),
        ]
    return cases


_generator = np.random.default_rng(2007)
_corners = [
    Case(operation, (x,), {**place, **setting})
    for operation, settings in SETTINGS.items()
    for setting in settings
    for x, place in corners()
    if x[-1] == CHANNELS or operation is not BRIGHTEST_POOL  # has weights for so many
]
_dealt = [(operation, setting) for operation, settings in SETTINGS.items() for setting in settings]
_random = []
for _number in range(500):
    _x, _place = random_window(_generator)
    _operation, _setting = _dealt[_number % len(_dealt)]
    _random.append(Case(_operation, (_x,), {**_place, **_setting}))

FORWARD = _corners + _random
ADAPTIVE = adaptive_cases(_generator)
CASES = FORWARD + [gradient_case(case) for case in FORWARD[:200]] + ADAPTIVE
