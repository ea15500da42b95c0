"""Cases of picking numbers by their place."""

import numpy as np

from striate.graph import Array
from striate.ops.selection import MAX_UNPOOL, MAX_UNPOOL_GRAD, TAKE, TAKE_GRAD
from tests.cases.case import Case, Maker

TAKEN = [
    ((2, 4, 5, 3), (3, 0, 0, 2), 1),
    ((2, 4, 5, 3), (4, 3, 2, 1, 0), 2),
    ((2, 4, 5, 3), (1,), 3),
    ((2, 4, 5, 3), (1, 1, 0), 0),
    ((2, 3, 40), (2, 0), 1),
    ((2, 3, 33), tuple(range(32, -1, -2)), 2),
    ((5,), (4, 4, 4), 0),
    ((2, 3), (), 1),
    ((0, 3), (2, 1), 1),
]
UNPOOLED = [((2, 3, 2, 5), (6, 5)), ((1, 4, 3), (8,)), ((2, 2, 2, 2, 17), (4, 3, 4)), ((0, 2, 2, 3), (4, 4))]


def places(shape: tuple[int, ...], size: tuple[int, ...], outside: int = 0) -> Maker:
    """A place for each number, each at most once in its map, and ``outside`` of them in none."""

    def make(generator: np.random.Generator) -> Array:
        count = int(np.prod(shape[1:-1]))
        rows = [[generator.permutation(int(np.prod(size)))[:count] for _ in range(shape[-1])] for _ in range(shape[0])]
        found = np.array(rows, np.float64).reshape(shape[0], shape[-1], count).transpose(0, 2, 1).reshape(shape)
        found.reshape(-1)[:outside] = np.prod(size)
        return found

    return make


CASES = [Case(TAKE, (shape,), {"indices": indices, "axis": axis}) for shape, indices, axis in TAKEN]
CASES += [
    Case(
        TAKE_GRAD,
        ((*shape[:axis], len(indices), *shape[axis + 1 :]),),
        {"size": shape[axis], "indices": indices, "axis": axis},
    )
    for shape, indices, axis in TAKEN
]
for _shape, _size in UNPOOLED:
    _whole = (_shape[0], *_size, _shape[-1])
    for _outside in (0, 2):
        CASES += [
            Case(MAX_UNPOOL, (_shape, places(_shape, _size, _outside)), {"size": _size}, differentiable=(0,)),
            Case(MAX_UNPOOL_GRAD, (places(_shape, _size, _outside), _whole), {}, differentiable=(1,)),
        ]
