"""No operation asks for memory far above what it is given and returns; what is too large is refused in our words."""

import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import MemoryLimitError
from striate.graph import Tensor
from striate.ops import operation
from striate.ops.conv import reference
from striate.ops.conv.op import CONV, CONV_GRAD_INPUT, CONV_GRAD_WEIGHT
from striate.ops.operation import granted
from striate.ops.pooling.op import AVERAGE_POOL_GRAD, LP_POOL_GRAD, MAX_POOL_GRAD
from striate.ops.resize import UPSAMPLE_BILINEAR
from striate.ops.windows import entries_inside

IMAGE = np.random.default_rng(0).standard_normal((1, 160, 160, 8)).astype(np.float32)
KERNEL = np.random.default_rng(1).standard_normal((11, 11, 8, 8)).astype(np.float32)
WINDOW = {"pool_size": (9, 9), "strides": (1, 1), "padding": ((4, 4), (4, 4)), "dilation": (1, 1)}
CONVOLUTION = {"strides": (1, 1), "padding": ((5, 5), (5, 5)), "dilation": (1, 1), "groups": 1}


def most_memory(compute: Callable[[], Any]) -> int:
    """Bytes that were in use at most while something was computed, without what was there before."""
    tracemalloc.start()
    try:
        compute()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CALLS: dict[str, Callable[[], Any]] = {
    "conv": lambda: CONV(IMAGE, KERNEL, **CONVOLUTION),
    "conv_grad_input": lambda: CONV_GRAD_INPUT(IMAGE, KERNEL, size=(160, 160), **CONVOLUTION),
    "conv_grad_weight": lambda: CONV_GRAD_WEIGHT(IMAGE, IMAGE, kernel=(11, 11), **CONVOLUTION),
    "max_pool": lambda: ops.max_pool(IMAGE, 9, 1, "same"),
    "max_pool_grad": lambda: MAX_POOL_GRAD(IMAGE, IMAGE, **WINDOW),
    "average_pool": lambda: ops.average_pool(IMAGE, 9, 1, "same"),
    "average_pool_grad": lambda: AVERAGE_POOL_GRAD(IMAGE, size=(160, 160), count_include_pad=False, **WINDOW),
    "lp_pool": lambda: ops.lp_pool(IMAGE, 9, 1, "same"),
    "lp_pool_grad": lambda: LP_POOL_GRAD(IMAGE, IMAGE, p=2.0, **WINDOW),
    "brightest_pool": lambda: ops.brightest_pool(IMAGE, 9, 1, "same", weights=[1.0] * 8),
    "adaptive_max_pool": lambda: ops.adaptive_max_pool(IMAGE, (9, 9)),
    "resize": lambda: UPSAMPLE_BILINEAR(IMAGE, output_size=(80, 80)),
    "take": lambda: ops.take(IMAGE, np.arange(160) // 2, 1),
    "softmax": lambda: ops.softmax(IMAGE),
    "matmul": lambda: ops.matmul(IMAGE, np.ones((8, 20), np.float32)),
    "variance": lambda: ops.variance(IMAGE, (1, 2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_memory_is_some_times_that_of_inputs_and_result(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 11 × 11 laid out at once would be 121 images; they are laid out in parts."""
    monkeypatch.setattr(reference, "MOST", 2**16)
    assert most_memory(CALLS[name]) < 12 * IMAGE.nbytes


def test_windows_laid_out_in_parts_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    x, w = generator.standard_normal((3, 9, 8, 4)), generator.standard_normal((3, 3, 2, 6))
    settings = CONVOLUTION | {"padding": ((1, 1), (1, 1)), "groups": 2}
    y = CONV(x, w, **settings)
    expected = [y, CONV_GRAD_WEIGHT(x, y, kernel=(3, 3), **settings)]
    for most in (1, 100, 1000, 3000):
        monkeypatch.setattr(reference, "MOST", most)
        got = [CONV(x, w, **settings), CONV_GRAD_WEIGHT(x, y, kernel=(3, 3), **settings)]
        for one, wanted in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, wanted, rtol=1e-12, atol=1e-12)


def test_entries_of_windows_are_counted_as_if_each_was_looked_at() -> None:
    for n in (1, 3, 7):
        for k, stride, before, after, d in np.ndindex(4, 3, 4, 4, 3):
            span = d * k + k + 1  # dilation d + 1, kernel k + 1
            if before + n + after >= span:
                out = (before + n + after - span) // (stride + 1) + 1
                places = np.arange(out)[:, None] * (stride + 1) + np.arange(k + 1) * (d + 1) - before
                expected = ((places >= 0) & (places < n)).sum(axis=1)
                (got,) = entries_inside((n,), (k + 1,), (stride + 1,), ((before, after),), (d + 1,), (out,))
                np.testing.assert_array_equal(got, expected)


HUGE = 2**30


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.pad(np.zeros((2, 3)), HUGE), r"pad: an array of \(2147483650, 2147483651\) takes 36,893,488,233,"),
        (lambda: ops.broadcast_to(np.zeros(1), (HUGE, HUGE)), r"broadcast_to: an array of \(1073741824, 1073741824\) "),
        (lambda: ops.one_hot([0, 1], HUGE), r"one_hot: an array of \(2, 1073741824\) takes 8,589,934,592 bytes; "),
        (
            lambda: ops.add(np.zeros((2**20, 1)), np.zeros(2**20)),
            r"add: an array of \(1048576, 1048576\) takes 8,796,093,022,208 bytes; .* this machine has\.",
        ),
        (
            lambda: ops.upsample_nearest(np.zeros((1, 4, 4, 1)), HUGE),
            r"upsample_nearest: an array of \(1, 4294967296, 4294967296, 1\) takes",
        ),
        (lambda: ops.matmul(np.zeros((2**20, 1)), np.zeros((1, 2**20))), r"dense: an array of \(1048576, 1048576\) "),
        (
            lambda: ops.max_pool(np.zeros((1, 4, 4, 1)), 2, 1, HUGE),
            r"max_pool: expected at most 134,217,728 windows along an axis, got 2,147,483,651 of an input of 4 with ",
        ),
        (
            lambda: ops.conv2d(np.zeros((1, 4, 4, 1)), np.zeros((2, 2, 1, 1)), strides=HUGE, padding=HUGE),
            r"the padded input: an array of \(1, 2147483652, 2147483652, 1\) takes",
        ),
        (
            lambda: UPSAMPLE_BILINEAR(np.zeros((1, 9000, 1)), output_size=(9000,)),
            r"upsample_bilinear: expected at most 67,108,864 weights along an axis, got 9,000 positions resampl",
        ),
    ],
)
def test_R7_what_is_too_large_is_refused_before_it_is_asked_for(
    call: Callable[[], Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation, "memory", lambda: 2**33 - 1)
    with pytest.raises(MemoryLimitError, match=message):
        call()


def test_R7_symbols_of_any_size_are_only_shapes() -> None:
    assert ops.add(Tensor((HUGE, 1)), Tensor((HUGE,))).shape == (HUGE, HUGE)
    assert ops.multiply(Tensor((2**62, 1)), Tensor((2**62,))).shape == (2**62, 2**62)


def test_R7_memory_that_is_not_there_is_our_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(*_: Any, **__: Any) -> Any:
        raise MemoryError("Unable to allocate 25 GiB")

    monkeypatch.setattr(ops.elementwise.EXP, "forward", forward)
    message = re.escape("exp: not enough memory for a result of (3,): Unable to allocate 25 GiB")
    with pytest.raises(MemoryLimitError, match=message):
        ops.exp(np.zeros(3))


def test_a_limit_that_is_granted() -> None:
    with granted(100), pytest.raises(MemoryLimitError, match=r"exp: an array of \(26,\) takes 104 bytes; 100 are gran"):
        ops.exp(np.zeros(26, np.float32))
    ops.exp(np.zeros(26, np.float32))
