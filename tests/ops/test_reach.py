"""Which rectangle of an input a rectangle of an output depends on, through a whole graph."""

import pytest

from striate import ops
from striate.graph import Tensor
from striate.ops.operation import Box
from striate.ops.reach import input_box

X = Tensor((1, 9, 10, 2))
UPPER_LEFT = ops.crop(X, ((0, 0), (0, 3), (0, 2), (0, 0)))  # (y, x) reads (y, x)
LOWER_RIGHT = ops.crop(X, ((0, 0), (3, 0), (2, 0), (0, 0)))  # (y, x) reads (y + 3, x + 2)


@pytest.mark.parametrize(
    ("output", "box", "expected"),
    [
        (UPPER_LEFT, ((1, 3), (2, 3)), ((1, 3), (2, 3))),
        (LOWER_RIGHT, ((1, 3), (2, 3)), ((4, 6), (4, 5))),
        (UPPER_LEFT + LOWER_RIGHT, ((1, 3), (2, 3)), ((1, 6), (2, 5))),
        (LOWER_RIGHT + UPPER_LEFT, ((1, 3), (2, 3)), ((1, 6), (2, 5))),
        (
            ops.max_pool(X, 3, strides=2, padding="same"),
            ((0, 1), (4, 5)),
            ((0, 2), (8, 10)),
        ),
        (ops.max_pool(X, 2, strides=2) + 1.0, ((2, 4), (0, 2)), ((4, 8), (0, 4))),
        (ops.pad(X, ((0, 0), (2, 2), (1, 1), (0, 0))), ((0, 5), (0, 2)), ((0, 3), (0, 1))),  # cut to what there is
        (ops.mean(X, (1, 2)), (), ((0, 9), (0, 10))),
        (ops.relu(Tensor((1, 9, 10, 2))), ((0, 1), (0, 1)), ()),  # of another input
    ],
)
def test_O13_boxes_of_inputs(output, box, expected) -> None:
    assert input_box(output, X, Box(box)) == expected
