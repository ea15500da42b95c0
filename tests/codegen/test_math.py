"""Exponentials and their kin: errors in units in the last place, and the ends of the number line."""

import math

import numpy as np
import pytest

from striate.codegen import Function, Pointer, host, kernel
from striate.codegen import math as codegen_math
from striate.graph import Array
from tests.codegen.machines import lesser, name, pretend
from tests.codegen.native import run

LANES = 16
SPECIAL = np.array(
    [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        1e-45,
        -1e-45,
        1e-38,
        1,
        -1,
        0.5,
        -0.5,
        2,
        -3,
        88.7,
        -87.4,
        -103.9,
        3e38,
        -3e38,
    ],
    np.float32,
)


@kernel
def apply(f: Function, *buffers: Pointer, name: str, size: int):
    """y = the function of this name."""
    *given, y = buffers
    for i in f.range(0, size, LANES):
        (y + i).store(getattr(codegen_math, name)(f, *((x + i).load(LANES) for x in given)))


def compute(name: str, *given: Array) -> Array:
    size = -(-given[0].size // LANES) * LANES
    padded = [np.resize(x, size) for x in given]
    y = np.zeros(size, np.float32)
    run(apply, *padded, y, name=name, size=size)
    return y[: given[0].size]


def sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1) / (1 + small)


def normal_cdf(x: Array) -> Array:
    return 0.5 * np.vectorize(math.erfc, otypes=[float])(-x * math.sqrt(0.5))


#: Name → the function in float64, and the largest error in ulp that any float32 gives.
FUNCTIONS = {
    "exp": (np.exp, 0.99),
    "expm1": (np.expm1, 1.44),
    "log": (np.log, 0.86),
    "log1p": (np.log1p, 1.44),
    "tanh": (np.tanh, 1.34),
    "sigmoid": (sigmoid, 1.65),
    "normal_density": (lambda x: np.exp(-0.5 * x * x), 1.46),
    "normal_cdf": (normal_cdf, 0.68),
}


def errors(got: Array, expected: Array) -> Array:
    """In units in the last place; 0 where infinities, NaN and what overflows agree."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(np.float32)
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        return np.where(same, 0, np.abs(got - expected) / np.spacing(np.abs(rounded)).astype(np.float64))


@pytest.fixture(params=[host(), lesser()[-1]], ids=name, autouse=True)
def machine(request, monkeypatch):
    """This one, and one without fused multiply-add."""
    pretend(monkeypatch, request.param)
    return request.param


@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_errors_are_as_stated(name, machine):
    function, most = FUNCTIONS[name]
    most += 0 if machine.fused else 0.1
    everywhere = (np.arange(2**18, dtype=np.uint64) * 16381 % 2**32).astype(np.uint32).view(np.float32)
    likely = np.linspace(-20, 20, 2**18, dtype=np.float32)
    for x in (everywhere, likely):
        error = errors(compute(name, x), function(x.astype(np.float64)))
        worst = error.argmax()
        assert error[worst] <= most, f"{name}({x[worst]!r}) is off by {error[worst]:.2f} ulp"


@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_ends_of_the_number_line(name):
    function, _ = FUNCTIONS[name]
    got, expected = compute(name, SPECIAL), function(SPECIAL.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got, expected, rtol=3e-7, atol=1.5e-45)
    if name in ("expm1", "log1p", "tanh"):
        assert np.signbit(got).tolist()[:2] == [False, True]  # −0 stays −0


@np.errstate(all="ignore")
def test_power():
    generator = np.random.default_rng(0)
    a = generator.lognormal(0, 3, 2**18).astype(np.float32)
    b = (generator.uniform(-90, 90, a.size) / np.abs(np.log(a))).astype(np.float32)
    assert errors(compute("power", a, b), np.power(a.astype(np.float64), b.astype(np.float64))).max() <= 0.51


@np.errstate(all="ignore")
def test_power_at_the_ends():
    numbers = np.append(SPECIAL, np.float32([3, 1e7 + 1, -(2.0**24), 2.0**25 + 4]))
    a, b = (grid.ravel() for grid in np.meshgrid(numbers, numbers))
    got, expected = compute("power", a, b), np.power(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1.5e-45)
    np.testing.assert_array_equal(np.signbit(got)[~np.isnan(got)], np.signbit(expected)[~np.isnan(got)])
