"""The weight gradient of direct convolution, where its cut is not that of the grid's small cases."""

import pytest

from tests.cases.conv import case, gradient_cases
from tests.kernels.agreement import assert_agrees, assert_same_bits_with_any_number_of_threads, native


def gradient(images, size, channels, outputs):
    """Of a 1×1 convolution."""
    settings = ((1, 1), ((0, 0),) * 2, (1, 1), 1)
    return gradient_cases(case((images, size, size, channels), (1, 1, channels, outputs), *settings))[1]


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
    each = gradient(*shape)
    executor, (result,) = native([each])
    assert dict(executor.plan.steps[0].settings)["way"].fetch == fetched
    assert_agrees(result, each)
    assert_same_bits_with_any_number_of_threads(lambda: native([each])[1])
