"""Cases of the operations that only move numbers."""

import numpy as np

from striate.ops.shape import CONCATENATE, PAD, RESHAPE, SLICE, SLICE_GRAD, TRANSPOSE
from tests.cases.case import Case

IMAGE = (2, 4, 5, 3)
ENDS = [
    ((2, 4, 5, 3), ((0, 0), (1, 2), (2, 0), (0, 0))),  # as a convolution pads
    ((2, 4, 5, 3), ((0, 0), (0, 0), (0, 0), (0, 0))),
    ((2, 4, 5, 3), ((1, 0), (0, 1), (2, 1), (1, 1))),  # the batch and the channels, too
    ((3, 4), ((0, 0), (1, 2))),
    ((5,), ((2, 1),)),
    ((0, 3, 2), ((0, 0), (1, 1), (0, 0))),
    ((), ()),
]

CASES = [
    Case(RESHAPE, (IMAGE,), {"shape": (2, 60)}),
    Case(RESHAPE, (IMAGE,), {"shape": (-1, 6)}),
    Case(RESHAPE, ((4,),), {"shape": (1, 2, 2, 1)}),
    Case(RESHAPE, ((),), {"shape": (1, 1)}),
    Case(TRANSPOSE, (IMAGE,), {"axes": (0, 2, 1, 3)}),
    Case(TRANSPOSE, (IMAGE,), {"axes": (3, 0, 1, 2)}),
    Case(TRANSPOSE, ((2, 3, 4, 5, 2),), {"axes": (0, 2, 3, 1, 4)}),
    Case(TRANSPOSE, ((3, 4),), {"axes": (1, 0)}),
    Case(TRANSPOSE, ((3, 4),), {"axes": (0, 1)}),
    Case(TRANSPOSE, ((2, 5, 7, 17),), {"axes": (0, 3, 1, 2)}),
    Case(TRANSPOSE, ((40, 33),), {"axes": (1, 0)}),
    Case(TRANSPOSE, ((2, 0, 3),), {"axes": (2, 0, 1)}),
    Case(TRANSPOSE, ((1, 5, 1, 3),), {"axes": (2, 1, 0, 3)}),  # nothing moves in memory
]
CASES += [Case(PAD, (shape,), {"padding": ends, "value": value}) for shape, ends in ENDS for value in (0.0, -1.5)]
SLICES = [
    *(
        (tuple(n + sum(pair) for n, pair in zip(shape, ends, strict=True)), ends, (1,) * len(shape))
        for shape, ends in ENDS
    ),
    *(((2, 3, 2, 40), ((0, 0), (0, 0), (0, 0), ends), (1, 1, 1, 1)) for ends in ((5, 18), (3, 36))),
    (IMAGE, ((0, 0), (4, 0), (0, 0), (0, 0)), (1, 1, 1, 1)),  # nothing is left
    (IMAGE, ((0, 0), (4, 0), (0, 0), (0, 0)), (1, -1, 2, 1)),
    (IMAGE, ((0, 0), (0, 0), (0, 0), (0, 0)), (1, 2, -1, 1)),
    (IMAGE, ((0, 0), (1, 0), (0, 2), (1, 0)), (1, -2, 3, -1)),
    (IMAGE, ((1, 0), (0, 1), (1, 1), (0, 0)), (-1, -1, -2, 2)),
    ((2, 3, 33), ((0, 0), (0, 0), (2, 1)), (1, 2, 1)),
    ((2, 3, 33), ((0, 0), (0, 0), (0, 0)), (1, 1, -3)),
    ((7,), ((1, 2),), (-3,)),
    ((0, 3), ((0, 0), (0, 0)), (-1, 2)),
]
CASES += [Case(SLICE, (shape,), {"cropping": ends, "steps": steps}) for shape, ends, steps in SLICES]
for _size, _ends, _steps in SLICES:
    _settings = {"size": _size, "cropping": _ends, "steps": _steps}
    CASES += [Case(SLICE_GRAD, (SLICE.shape(np.zeros(_size), cropping=_ends, steps=_steps),), _settings)]
CASES += [
    Case(CONCATENATE, tuple((*IMAGE[:axis], n, *IMAGE[axis + 1 :]) for n in sizes), {"axis": axis})
    for axis in range(4)
    for sizes in [(3,), (2, 3), (1, 4, 2), (2, 0, 1)]
]
CASES += [Case(CONCATENATE, ((1, 3, 2, 5), (1, 3, 2, 40), (1, 3, 2, 17)), {"axis": 3})]
CASES += [Case(CONCATENATE, ((2,), (3,)), {"axis": 0}), Case(CONCATENATE, ((2, 2), (2, 3)), {"axis": 1})]
