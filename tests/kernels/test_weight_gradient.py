"""The weight gradient of direct convolution, where its cut is not that of the grid's small cases."""

import pytest

from tests.cases.conv import case, gradient_cases
from tests.kernels.agreement import assert_agrees, assert_same_bits_with_any_number_of_threads, native


def gradient(images, size, channels, outputs, kernel=1, groups=1, padded=True):
    """Of a convolution; padded, it keeps the size of its images."""
    settings = ((1, 1), ((kernel // 2 * padded,) * 2,) * 2, (1, 1), groups)
    weights = kernel, kernel, channels // groups, outputs
    return gradient_cases(case((images, size, size, channels), weights, *settings))[1]


def assert_computed_as(expected, each):
    """A case is cut in this way, agrees with the reference, and has the same bits with any number of threads."""
    executor, (result,) = native([each], exact=True)  # on some machines a transform would be faster
    way = dict(executor.plan.schedule[0].settings)["way"]
    assert {name: getattr(way, name) for name in expected} == expected
    assert_agrees(result, each)
    assert_same_bits_with_any_number_of_threads(lambda: native([each], exact=True)[1])


@pytest.mark.parametrize(
    ("shape", "fetched"),
    [
        ((9, 15, 512, 24), True),  # several chunks in a shard
        ((9, 14, 520, 17), True),  # the last block is narrower
        ((2, 14, 512, 24), False),  # a cache holds it
        ((16, 28, 64, 24), False),  # a pixel is read as a whole
    ],
)
def test_what_lies_in_memory_is_fetched_while_what_came_before_is_summed(shape, fetched):
    assert_computed_as({"fetch": fetched}, gradient(*shape))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((16, 7, 32, 128, 5), {"merged": 0, "apart": True}),
        ((2, 7, 64, 24, 5, 2), {"merged": 0, "apart": True}),
        ((33, 14, 20, 24, 3), {"merged": 0, "apart": False}),
        ((33, 14, 40, 24, 3, 2), {"merged": 0, "apart": False}),
        ((5, 12, 6, 16, 5), {"merged": 1, "copied": True, "apart": False}),
        ((3, 80, 3, 16, 7), {"merged": 1, "copied": True, "chunk": (1, 1, 7, 80), "chunks": 2}),  # rows of an image
        ((40, 40, 3, 32, 5), {"merged": 1, "copied": True, "chunk": (1, 1, 40, 40)}),  # several images
        ((5, 12, 6, 16, 5, 1, False), {"merged": 1, "copied": False, "apart": True}),
        ((300, 12, 6, 16, 5, 1, False), {"merged": 1, "copied": False, "apart": False}),
    ],
)
def test_runs_of_rows_are_items_where_there_are_few_others(shape, expected):
    assert_computed_as(expected, gradient(*shape))
