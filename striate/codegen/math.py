"""Exponentials, logarithms and the like on vectors of float32: polynomials, no calls into any library.

So the bits are the same on every machine that has fused multiply-add, and on every machine that has not. Each docstring
states the largest error, in units in the last place (ulp) of the result, found by trying *every* float32 there is
(`power`: 10⁹ random pairs) against float64, with fused multiply-add; without it none of 3·10⁷ numbers had an error
larger than that by 0.1. Infinities, NaN, zeros and denormal numbers give what C's functions of these names give.

The coefficients minimise the largest relative error over the reduced range; each was rounded to float32 before the
next was fitted.

Source of the reductions: Muller, "Elementary functions" (2016), chapters 11 and 12.
"""

import math
from collections.abc import Sequence

import numpy as np

from striate.codegen.function import Function
from striate.codegen.values import DOUBLE, FLOAT, INT, LONG, Type, Value

#: ln 2 in two parts, the second what the first lacks. Where products are not rounded the first has all bits of a
#: float32; elsewhere 16 of them, so that n times it needs no rounding.
LN2, LN2_SHORT = ((high, math.log(2) - high) for high in (float(np.float32(math.log(2))), 45426 / 2**16))
#: Adding one of these rounds a number to an integer, which is then in the low bits of the sum.
ROUNDER, ROUNDER_64 = 1.5 * 2.0**23, 1.5 * 2.0**52

#: (exp(r) − 1 − r) / r² for |r| ≤ ½·ln 2; highest power first, as all coefficients here.
EXP = (0.00019766994, 0.0013933228, 0.008333541, 0.041666485, 0.16666666, 0.5)
#: (ln(1 + r) − r + ½·r²) / r³ for √½ ≤ 1 + r ≤ √2
LOG = (-0.07636428, 0.12762213, -0.1315961, 0.1420158, -0.16623409, 0.20001242, -0.2500082, 0.3333333)
#: (tanh(x) − x) / x³ in x², for x ≤ 0.62
TANH = (-0.0057470957, 0.020675607, -0.05375059, 0.1333157, -0.33333287)
#: For float64: exp(½·x²)·Φ(−x) in (x − 3) / (x + 3) for 0 ≤ x ≤ 15
CDF_64 = (
    *(5.2677870828277e-05, 0.00011450498854075498, -0.00033854781629346346, -0.0009828225980379446),
    *(0.002904214495611777, 0.00613181123912697, -0.04621323458150049, 0.12322505228769615),
    *(-0.2064026219126693, 0.12151394739107525),
)
#: log₂((1 + s) / (1 − s)) / s in s², and 2ʳ for |r| ≤ ½
LOG2_64 = (
    *(0.28290704977503434, 0.3199051692930105, 0.4122092666574587),
    *(0.5770779422043508, 0.9617966941139982, 2.8853900817778495),
)
EXP2_64 = (
    *(1.531671832418411e-05, 0.00015469997235845632, 0.0013333421552166635, 0.00961802477256249),
    *(0.055504109774389854, 0.2402265121983341, 0.693147180534622, 0.9999999999588975),
)


def polynomial(f: Function, x: Value, coefficients: Sequence[float]) -> Value:
    """c₀·xⁿ + … + cₙ by Horner's rule."""
    value: Value | float = coefficients[0]
    for coefficient in coefficients[1:]:
        value = f.fma(value, x, coefficient)
    return f.wide(value, x.type)


def clamp(f: Function, x: Value, low: float, high: float) -> Value:
    """x, but not below ``low`` nor above ``high``; NaN stays NaN."""
    x = f.select(x < low, low, x)
    return f.select(x > high, high, x)


def exp(f: Function, x: Value) -> Value:
    """eˣ = 2ⁿ·eʳ for the integer n nearest to x / ln 2. Error: 0.99 ulp."""
    n, less_one = _reduced_expm1(f, clamp(f, x, -104.0, 89.0))
    half = n >> 1  # 2ⁿ itself may be too large or too small for a number
    first, second = _power_of_two(f, half), _power_of_two(f, n - half)
    return f.fma(less_one, first, first) * second


def expm1(f: Function, x: Value) -> Value:
    """eˣ − 1, also near 0. Error: 1.44 ulp."""
    n, less_one = _reduced_expm1(f, clamp(f, x, -18.0, 89.0))
    scale = _power_of_two(f, n - 1)  # half of 2ⁿ, which may be too large
    result = f.fma(less_one, scale, scale - 0.5) * 2.0
    return f.select(f.absolute(x) < 2.0**-26, x, result)


def log(f: Function, x: Value) -> Value:
    """ln x = k·ln 2 + ln m for √½ ≤ m < √2. Error: 0.86 ulp."""
    denormal = x < 2.0**-126
    biased, m = _exponent(f, f.select(denormal, x * 2.0**23, x))
    k = f.convert(biased, FLOAT) - f.select(denormal, f.constant(127.0 + 23.0, x.type), 127.0)
    return _log_ends(f, x, x, _reduced_log(f, m - 1.0, k))


def log1p(f: Function, x: Value) -> Value:
    """ln(1 + x), also near 0: with 1 + x = 2ᵏ·(1 + r), r = x·2⁻ᵏ + (2⁻ᵏ − 1) is rounded once. Error: 1.44 ulp."""
    u = x + 1.0
    biased, m = _exponent(f, u)
    scale = f.bits((254 - biased) << 23, FLOAT)
    r = f.select(x < 2.0**25, f.fma(x, scale, scale - 1.0), m - 1.0)  # in large x, 1 is lost anyway
    result = _reduced_log(f, r, f.convert(biased, FLOAT) - 127.0)
    return f.select(x.equals(0.0), x, _log_ends(f, u, x, result))


def tanh(f: Function, x: Value) -> Value:
    """tanh x = 1 − 2 / (e²ˣ + 1), and a polynomial near 0, where that would cancel. Error: 1.34 ulp."""
    size = f.absolute(x)
    square = size * size
    small = f.fma(size * square, polynomial(f, square, TANH), size)
    large = 1.0 - 2.0 / (exp(f, size + size) + 1.0)
    return f.call("copysign", f.select(size < 0.62, small, large), x)


def sigmoid(f: Function, x: Value) -> Value:
    """1 / (1 + e⁻ˣ) = 1 − q for q = s / (1 + s) and s = e to the power −|x|; for negative x it is q = s − s·q.

    Error: 1.65 ulp.
    """
    small = exp(f, -f.absolute(x))  # never overflows
    share = small / (small + 1.0)
    return f.select(x < 0.0, f.fma(-small, share, small), 1.0 - share)


def normal_density(f: Function, x: Value) -> Value:
    """e to the power −½·x², which is √2π times the normal distribution's density. Error: 1.46 ulp."""
    size = clamp(f, f.absolute(x), 0.0, 15.0)
    square = size * size
    rest = _rounded_off(f, size, square)
    density = exp(f, square * -0.5)
    return f.fma(density * -0.5, rest, density)


def normal_cdf(f: Function, x: Value) -> Value:
    """Φ(x), the standard normal distribution's share below x, in float64. Error: 0.68 ulp."""
    below = _normal_tail(f, f.convert(clamp(f, f.absolute(x), 0.0, 15.0), DOUBLE))
    return f.convert(f.select(x > 0.0, 1.0 - below, below), FLOAT)


def erf(f: Function, x: Value) -> Value:
    """The error function, 1 − 2·Φ(−√2·|x|) with the sign of x, in float64."""
    size = f.convert(clamp(f, f.absolute(x), 0.0, 10.0), DOUBLE) * math.sqrt(2)
    return f.call("copysign", f.convert(1.0 - 2.0 * _normal_tail(f, size), FLOAT), x)


def _normal_tail(f: Function, size: Value) -> Value:
    """Φ(−size) of float64 from 0 to 15."""
    density = _exp2(f, size * size * (-0.5 / math.log(2)))
    return polynomial(f, (size - 3.0) / (size + 3.0), CDF_64) * density


def round_even(f: Function, x: Value) -> Value:
    """The nearest integer, ties to even: adding 2²³ leaves no bits for a fraction."""
    whole = f.call("copysign", f.constant(2.0**23, x.type), x)
    return f.select(f.absolute(x) < 2.0**23, f.call("copysign", (x + whole) - whole, x), x)


def floor(f: Function, x: Value) -> Value:
    """The largest integer that is not above x."""
    near = round_even(f, x)
    return f.select(near > x, near - 1.0, near)


def power(f: Function, a: Value, b: Value) -> Value:
    """aᵇ = 2 to the power b·log₂ a, in float64: float32 would lose the digits that large exponents need.

    Error: 0.51 ulp.
    """
    x, y = f.convert(f.absolute(a), DOUBLE), f.convert(b, DOUBLE)
    exponent = f.select(x.equals(1.0) | y.equals(0.0), 0.0, y * _log2(f, x))  # 1 even where the other is NaN
    result = f.convert(_exp2(f, exponent), FLOAT)
    y = clamp(f, y, -(2.0**25), 2.0**25)  # beyond 2²⁴, all are even
    whole, half = _rounded(y).equals(y), y * 0.5
    result = f.select(whole & _rounded(half).differs(half), f.call("copysign", result, a), result)
    return f.select((a < 0.0) & (a > -math.inf) & y.differs(_rounded(y)), math.nan, result)


def _reduced_expm1(f: Function, x: Value) -> tuple[Value, Value]:
    """x = n·ln 2 + r: n in the low nine bits of an integer, and eʳ − 1."""
    shifted = f.fma(x, 1 / math.log(2), ROUNDER)
    n = shifted - ROUNDER
    high, low = _ln2(f)
    r = f.fma(n, -low, f.fma(n, -high, x))
    return f.bits(shifted, INT), f.fma(r * r, polynomial(f, r, EXP), r)


def _power_of_two(f: Function, n: Value) -> Value:
    """2ⁿ for −126 ≤ n ≤ 127, from the low nine bits of n."""
    return f.bits((n << 23) + _bits(1.0), FLOAT)


def _exponent(f: Function, x: Value) -> tuple[Value, Value]:
    """x = 2ᵏ·m for √½ ≤ m < √2: k + 127 and m."""
    bits = f.bits(x, INT)
    biased = (bits + (_bits(1.0) - _bits(math.sqrt(0.5)))) >> 23
    return biased, f.bits(bits - (biased << 23) + _bits(1.0), FLOAT)


def _reduced_log(f: Function, r: Value, k: Value) -> Value:
    """k·ln 2 + ln(1 + r)"""
    square = r * r
    high, low = _ln2(f)
    rest = f.fma(r * square, polynomial(f, r, LOG), k * low)
    return f.fma(k, high, r + f.fma(square, -0.5, rest))


def _ln2(f: Function) -> tuple[float, float]:
    return LN2 if f.target.fused else LN2_SHORT


def _rounded_off(f: Function, x: Value, square: Value) -> Value:
    """The rounding error of x²: of x = h + l, h its upper 12 bits, no product is rounded (Dekker, 1971)."""
    if f.target.fused:
        return f.fma(x, x, -square)
    high = f.bits(f.bits(x, INT) & ~0xFFF, FLOAT)
    low = x - high
    return (high * high - square) + (high + high) * low + low * low


def _log_ends(f: Function, u: Value, x: Value, result: Value) -> Value:
    """``result`` = ln u corrected where u is not a positive number: at 0, below it, and where u and x are ∞ or NaN."""
    ends = f.select(u.equals(0.0), -math.inf, f.select(u < 0.0, math.nan, x))
    return f.select((u > 0.0) & (u < math.inf), result, ends)


def _rounded(x: Value) -> Value:
    """The integer nearest to a float64 of at most 2⁵⁰."""
    return (x + ROUNDER_64) - ROUNDER_64


def _log2(f: Function, x: Value) -> Value:
    """log₂ x of float64 that were positive float32, accurate to 2⁻⁴³."""
    bits, one = f.bits(x, LONG), _bits(1.0, DOUBLE)
    biased = (bits + (one - _bits(math.sqrt(0.5), DOUBLE))) >> 52
    m = f.bits(bits - (biased << 52) + one, DOUBLE)
    k = f.bits(biased | _bits(2.0**52, DOUBLE), DOUBLE) - (2.0**52 + 1023.0)
    s = (m - 1.0) / (m + 1.0)
    result = f.fma(s, polynomial(f, s * s, LOG2_64), k)
    ends = f.select(x.equals(0.0), -math.inf, x)
    return f.select((x > 0.0) & (x < math.inf), result, ends)


def _exp2(f: Function, x: Value) -> Value:
    """2ˣ of float64, accurate to 2⁻³⁴ where it is a float32."""
    x = clamp(f, x, -200.0, 200.0)
    shifted = x + ROUNDER_64
    scale = f.bits((f.bits(shifted, LONG) << 52) + _bits(1.0, DOUBLE), DOUBLE)
    return polynomial(f, x - (shifted - ROUNDER_64), EXP2_64) * scale


def _bits(number: float, type: Type = FLOAT) -> int:
    """How a number is written in memory."""
    if type == DOUBLE:
        return int(np.float64(number).view(np.int64))
    return int(np.float32(number).view(np.int32))
