"""Cases of upsampling."""

from striate.ops.resize import UPSAMPLE_BILINEAR, UPSAMPLE_NEAREST, UPSAMPLE_NEAREST_GRAD
from tests.cases.case import Case

CASES = [
    case
    for shape, size in [
        ((2, 4, 3), (2,)),
        ((2, 3, 4, 2), (2, 2)),
        ((2, 3, 4, 2), (1, 3)),
        ((0, 3, 4, 2), (2, 2)),
        ((1, 2, 3, 2, 2), (3, 1, 2)),
        ((1, 3, 2, 40), (2, 3)),
    ]
    for case in [
        Case(UPSAMPLE_NEAREST, (shape,), {"size": size}),
        Case(
            UPSAMPLE_NEAREST_GRAD,
            ((shape[0], *(n * f for n, f in zip(shape[1:-1], size, strict=True)), shape[-1]),),
            {"size": size},
        ),
    ]
]
CASES += [
    case
    for shape, out in [
        ((2, 3, 4, 2), (6, 8)),
        ((2, 3, 4, 2), (9, 4)),
        ((2, 1, 5, 2), (3, 10)),
        ((0, 3, 4, 2), (6, 8)),
        ((1, 7, 6, 1), (14, 18)),
        ((1, 3, 2, 70), (6, 4)),
    ]
    for case in [
        Case(UPSAMPLE_BILINEAR, (shape,), {"output_size": out}),
        Case(UPSAMPLE_BILINEAR.adjoint, ((shape[0], *out, shape[-1]),), {"size": shape[1:-1]}),
    ]
]
