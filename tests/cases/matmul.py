"""Cases of the product of stacks of matrices: each factor as it lies and turned, and every way of broadcasting."""

import numpy as np

from striate.ops.matmul import MATMUL
from tests.cases.case import Case, random_sizes

STACKS = [
    ((), ()),
    ((3,), (3,)),
    ((3,), ()),
    ((), (3,)),
    ((2, 3), (2, 3)),
    ((2, 1), (1, 3)),
    ((2, 3), (1, 1)),
    ((1, 3), (2, 3)),
    ((2, 1, 2), (3, 1)),
    ((0,), (0,)),
]
SIZES = [(2, 3, 4), (1, 1, 1), (5, 7, 17), (3, 0, 2), (0, 2, 3), (2, 3, 0)]
TURNED = [(a, b) for a in (False, True) for b in (False, True)]


def matmul_case(
    stacks: tuple[tuple[int, ...], tuple[int, ...]], sizes: tuple[int, int, int], turned: tuple[bool, bool]
) -> Case:
    n, k, m = sizes
    a = (*stacks[0], *((k, n) if turned[0] else (n, k)))
    b = (*stacks[1], *((m, k) if turned[1] else (k, m)))
    return Case(MATMUL, (a, b), {"transpose_a": turned[0], "transpose_b": turned[1]})


_generator = np.random.default_rng(0)

CASES = [matmul_case(stacks, (2, 3, 4), turned) for stacks in STACKS for turned in TURNED]
CASES += [matmul_case(((2,), (2,)), sizes, turned) for sizes in SIZES for turned in TURNED]
CASES += [matmul_case(((2,), (2,)), (50, 5, 40), turned) for turned in TURNED]  # panels of the right factor are copied
for _ in range(20):
    _n, _k, _m = random_sizes(_generator, 3, 1, 20)
    CASES += [matmul_case(((2, 1), (2,)), (_n, _k, _m), TURNED[int(_generator.integers(4))])]
