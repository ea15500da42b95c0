"""The builder itself: tiny kernels, compiled and called."""

import numpy as np
import pytest

from striate.codegen import Function, Pointer, Value, host, kernel
from striate.codegen.values import BIT, BYTE, DOUBLE, ELEMENTS, FLOAT, INT, LONG
from tests.codegen.native import run


@kernel
def list_range(f: Function, bounds: Pointer, y: Pointer, *, known: bool, start: int, stop: int, step: int, unroll: int):
    """y = how many passes the loop made, then the index of each."""
    count = f.accumulator(0, LONG)
    first, last = (start, stop) if known else (bounds[0], bounds[1])
    for i in f.range(first, last, step, unroll):
        count.value = count.value + 1
        (y + count.value).store(i if isinstance(i, Value) else f.constant(i, LONG))
    y.store(count.value)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("unroll", [1, 4])
@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [(0, 0, 1), (0, 1, 1), (0, 4, 1), (0, 13, 1), (3, 17, 1), (5, 3, 1), (0, 16, 4), (0, 17, 4), (2, 43, 5), (9, 0, 2)],
)
def test_range_is_pythons(known, unroll, start, stop, step):
    y = np.zeros(64, np.int64)
    bounds = np.array([start, stop], np.int64)
    run(list_range, bounds, y, known=known, start=start, stop=stop, step=step, unroll=unroll)
    assert y[1 : y[0] + 1].tolist() == list(range(start, stop, step))


def test_a_loop_that_is_known_to_run_once_is_not_written():
    f = Function("once", host())
    assert list(f.range(3, 4)) == [3]
    assert list(f.range(3, 3)) == []
    assert "br" not in f.text("once")


@kernel
def count_multiples(f: Function, y: Pointer, *, size: int):
    """y = how many of 0 … size − 1 are multiples of 2, of 6, and of 6 but not of 4."""
    counts = [f.accumulator(0, LONG) for _ in range(3)]
    for i in f.range(0, size):
        with f.when((i % 2).equals(0)):
            counts[0].value = counts[0].value + 1
            with f.when((i % 3).equals(0)):
                counts[1].value = counts[1].value + 1
                with f.when((i % 4).differs(0)):
                    counts[2].value = counts[2].value + 1
    for i, count in enumerate(counts):
        (y + i).store(count.value)


def test_nested_when_inside_a_loop():
    y = np.zeros(3, np.int64)
    run(count_multiples, y, size=100)
    assert y.tolist() == [50, 17, 8]


@kernel
def fibonacci(f: Function, y: Pointer, *, size: int):
    a, b = f.accumulator(0, LONG), f.accumulator(1, LONG)
    for i in f.range(0, size, unroll=3):
        (y + i).store(a.value)
        a.value, b.value = b.value, a.value + b.value


def test_accumulators_are_assigned_again():
    y = np.zeros(12, np.int64)
    run(fibonacci, y, size=12)
    assert y.tolist() == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]


@kernel
def copy_some(f: Function, x: Pointer, count: Pointer, y: Pointer, *, lanes: int, known: int):
    """y + 1 = the first lanes of x + 1, as many as count says."""
    some = count[0] if known < 0 else known
    (y + 1).store((x + 1).load(lanes, some), count=some)
    (y + lanes + 2).store((x + 1).load(lanes, some))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("lanes", [2, 4, 16])
@pytest.mark.parametrize("dtype", ["f4", "u1", "i8"])
def test_masks_read_zeros_and_write_nothing(known, lanes, dtype):
    for count in sorted({0, 1, lanes // 2, lanes}):
        x, y = np.arange(10, 12 + lanes).astype(dtype), np.full(2 * lanes + 4, 77, dtype)
        run(copy_some, x, np.array([count]), y, lanes=lanes, known=count if known else -1)
        expected = np.full(2 * lanes + 4, 77, dtype)
        expected[1 : 1 + count] = x[1 : 1 + count]
        expected[lanes + 2 : 2 * lanes + 2] = [*x[1 : 1 + count], *[0] * (lanes - count)]
        np.testing.assert_array_equal(y, expected, err_msg=str(count))


@kernel
def pick(f: Function, x: Pointer, y: Pointer):
    """Selects by lanes, by one bit, and between addresses; comparisons and bounds of indices."""
    four = x.load(4)
    y.store(f.select(four < 0.0, 9.0, four))
    (y + 4).store(f.select(x[0] < x[1], four, 8.0))
    (y + 8).store(f.choose(f.within(f.constant(-1, LONG), 4), x + 1, x).load())
    (y + 9).store(f.convert(f.within(f.constant(3, LONG), 4), FLOAT))
    (y + 10).store(f.convert(f.smaller(f.first, 5) + f.larger(f.last, 7), FLOAT))
    (y + 11).store(f.maximum(x[3], x[0]))
    (y + 12).store(f.minimum(x[0], x[3]))


def test_selections():
    y = np.zeros(13, np.float32)
    run(pick, np.array([-1, 2, -3, np.nan], np.float32), y)
    np.testing.assert_array_equal(y, [9, 2, 9, np.nan, -1, 2, -3, np.nan, -1, 1, 7, np.nan, np.nan])


@kernel
def convert(f: Function, x: Pointer, y: Pointer, *, signed: bool):
    y.store(f.convert(x.load(4), y.element, signed=signed))


@pytest.mark.parametrize("old", sorted(ELEMENTS))
@pytest.mark.parametrize("new", sorted(ELEMENTS))
def test_conversions_are_numpys(old, new):
    signed = old not in ("u1", "b1", "u4", "u8") and not (old[0] == "f" and new[0] == "u")
    numbers = [0, 1, 1, 0] if "b1" in (old, new) else [0, 1, 100, 7] if not signed else [0, 1, -100, 7]
    if new[0] == "u" and signed:
        numbers = [0, 1, 100, 7]
    x, y = np.array(numbers).astype(old), np.zeros(4, new)
    run(convert, x, y, signed=signed)
    np.testing.assert_array_equal(y, x.astype(new))


@kernel
def sum_of_lanes(f: Function, x: Pointer, y: Pointer, *, lanes: int):
    y.store(f.sum_lanes(x.load(lanes)))
    (y + 1).store(f.fold_lanes(x.load(lanes), f.maximum))


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
def test_lanes_are_folded_halves_first(lanes):
    x = (np.random.default_rng(lanes).standard_normal(lanes) * 10.0 ** np.arange(lanes)).astype(np.float32)
    y = np.zeros(2, np.float32)
    run(sum_of_lanes, x, y, lanes=lanes)
    largest = x.max()
    while len(x) > 1:
        x = x[: len(x) // 2] + x[len(x) // 2 :]
    assert y.tolist() == [x[0], largest]


@kernel
def integers(f: Function, x: Pointer, y: Pointer):
    a, b = x[0], x[1]
    results = [a + b, a - b, a * b, a // b, a % b, a & b, a | b, a ^ b, a << 3, a >> 2, -a, 5 - a, a * 0 + b, a * 1]
    for i, result in enumerate(results):
        (y + i).store(result)


def test_arithmetic_of_integers():
    y = np.zeros(14, np.int64)
    run(integers, np.array([1234, 57]), y)
    a, b = 1234, 57
    assert y.tolist() == [*(a + b, a - b, a * b, a // b, a % b, a & b, a | b, a ^ b, a << 3, a >> 2, -a, 5 - a, b, a)]


@kernel
def lanes_in_order(f: Function, x: Pointer, y: Pointer):
    four = x.load(4)
    packed = f.pack([f.lane(four, i) for i in (3, 1, 2, 0)])
    y.store(f.shuffle(four, packed, [0, 4, 1, 5]))
    (y + 4).store(f.convert(f.lane_numbers(4), FLOAT) + f.lane(four, f.first + 2))
    f.copy(y + 8, x, 4)
    f.clear(y + 9, 2)


def test_lanes_and_memory():
    y = np.zeros(12, np.float32)
    run(lanes_in_order, np.array([10, 20, 30, 40], np.float32), y)
    assert y.tolist() == [10, 40, 20, 20, 30, 31, 32, 33, 10, 0, 0, 40]


def test_equal_texts_have_equal_symbols():
    one = fibonacci.code(host(), (LONG,), (("size", 5),))
    assert one == fibonacci.code(host(), (LONG,), (("size", 5),))
    assert one.symbol != fibonacci.code(host(), (LONG,), (("size", 6),)).symbol


def test_mistakes_are_found_while_the_kernel_is_written():
    f = Function("wrong", host())
    x = f.argument(0, FLOAT)
    with pytest.raises(TypeError, match="wrong: expected float to store, got <4 x i32>"):
        x.store(f.constant(1, INT.wide(4)))
    with pytest.raises(TypeError, match="wrong: expected an operand of type <4 x float>, got <8 x float>"):
        x.load(4) + x.load(8)
    with pytest.raises(TypeError, match="wrong: a value has no truth value while code is written; use when or select"):
        bool(x.load() > 0.0)
    with pytest.raises(TypeError, match="wrong: a single number cannot be masked; load or store it inside when"):
        x.load(1, f.first)
    assert [str(kind) for kind in (BIT, BYTE, DOUBLE.wide(2))] == ["i1", "i8", "<2 x double>"]
