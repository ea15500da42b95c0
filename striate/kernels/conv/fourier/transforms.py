"""Fourier transforms of windows of images, and the products of what they give."""

import cmath
from collections.abc import Iterator, Sequence

from striate.codegen import Function, Pointer, Tile, Value, kernel
from striate.codegen.values import Integer
from striate.kernels.conv.fourier.tiling import Three, Tiling
from striate.kernels.conv.geometry import Axis

Complex = tuple[Value, Value]


def fourier(f: Function, numbers: Sequence[Complex], sign: int) -> list[Complex]:
    """result[k] = Σₙ numbers[n] · exp(sign·2πi·k·n/N), N = 2ᵃ·3ᵇ.

    First of every second, or third, number: these transforms are shorter, and give the whole one by few products.
    """
    size = len(numbers)
    if size == 1:
        return list(numbers)
    ways = 2 if size % 2 == 0 else 3
    parts = [fourier(f, numbers[first::ways], sign) for first in range(ways)]
    result: list[Complex] = []
    for k in range(size):
        turned = [_turn(f, part[k % len(part)], sign * (first * k % size) / size) for first, part in enumerate(parts)]
        result.append((_sum([real for real, _ in turned]), _sum([imaginary for _, imaginary in turned])))
    return result


def _turn(f: Function, number: Complex, turns: float) -> Complex:
    """number · exp(2πi·turns)."""
    real, imaginary = number
    quarters = {0: (real, imaginary), 1: (-imaginary, real), 2: (-real, -imaginary), 3: (imaginary, -real)}
    if (4 * turns).is_integer():
        return quarters[int(4 * turns) % 4]
    factor = cmath.exp(2j * cmath.pi * turns)
    return f.fma(real, factor.real, imaginary * -factor.imag), f.fma(imaginary, factor.real, real * factor.imag)


def _sum(values: Sequence[Value]) -> Value:
    total, *others = values
    for value in others:
        total = total + value
    return total


def transform(f: Function, way: Tiling, sign: int, used: Three) -> None:
    """Transform the window in scratch memory, in place: one axis after another, one line of places at a time.

    Arguments:
        sign: −1 to frequencies, 1 back.
        used: places from the first on that there are before, or are needed after; lines elsewhere are left out.
    """
    axes = (2, 1, 0) if sign < 0 else (0, 1, 2)
    for number, axis in enumerate(axes):
        size, step = way.window[axis], way.steps[axis]
        if size == 1:
            continue
        lines = [(0, way.window[other]) for other in range(3)]
        for other in axes[number + 1 :] if sign < 0 else axes[:number]:
            lines[other] = 0, used[other]
        lines[axis] = 0, 1
        for d, h, w in nested(f, lines):
            line = [place(f, way, d, h, w) + n * step for n in range(size)]
            results = fourier(f, [read(there, way.lanes) for there in line], sign)
            for there, result in zip(line, results, strict=True):
                write(there, result, way.lanes)


@kernel
def transform_windows(f: Function, x: Pointer, to: Pointer, *, way: Tiling, of_result: bool) -> None:
    """F(x₁ + i·x₂) of two tiles' windows; an item is a vector of channels for one pair.

    x (N, D, H, W, C) → (frequencies, pairs, 2, vectors, lanes): real parts of all channels, then imaginary ones.

    Arguments:
        of_result: whether x is like the result: then a window has the places of the tile alone, and zeros; and real and
            imaginary parts lie vector by vector, (frequencies, pairs, vectors, 2, lanes).
    """
    sums, lanes = way.sums, way.lanes
    channels, vectors = (sums.outputs, way.panels) if of_result else (sums.channels, way.vectors)
    channels = channels * sums.groups
    axes = [Axis(size=axis.count) if of_result else axis for axis in sums.axes]
    for item in f.items():
        pair, vector = item // vectors, item % vectors
        if of_result:
            first, apart = vector * (2 * lanes), lanes
            c, count = way.outputs_of(f, vector)
        else:
            first, apart = vector * lanes, lanes * vectors
            c, count = first, None if channels % lanes == 0 else f.smaller(lanes, channels - first)
        f.clear(f.scratch, way.scratch // 4)
        for part, image, starts in way.two(f, pair):
            begins = [start - axis.before for start, axis in zip(starts, axes, strict=True)]
            sizes = way.tile if of_result else way.window
            bounds = [
                (f.larger(0 - begin, 0), f.smaller(size, axis.size - begin))
                for begin, size, axis in zip(begins, sizes, axes, strict=True)
            ]
            for d, h, w in nested(f, bounds):
                at = number_of([image, begins[0] + d, begins[1] + h, begins[2] + w], [axis.size for axis in axes])
                number = (x + (at * channels + c)).load(lanes, count)
                (place(f, way, d, h, w) + part * lanes).store(number)
        transform(f, way, -1, way.tile if of_result else way.window)
        for frequency, there in places(f, way):
            here = to + (frequency * way.plane(vectors) + pair * (2 * lanes * vectors) + first)
            write(here, read(there, lanes), apart)


class Products:
    """rows × one vector of sums of complex products a · conj b, in registers.

    Arguments:
        f: the kernel.
        rows: how many.
        lanes: of the vector.
    """

    def __init__(self, f: Function, rows: int, lanes: int):
        self._with_real, self._with_imaginary = Tile(f, rows, 2 * lanes, lanes), Tile(f, rows, 2 * lanes, lanes)

    def add(self, a: Pointer, imaginary: int, a_row: int, a_step: int, b: Pointer, b_step: int, depth: int) -> None:
        """sum[r] += Σₖ a[r·a_row + k·a_step] · conj b[k·b_step].

        Arguments:
            a: real parts; their imaginary parts lie ``imaginary`` numbers behind them.
            b: vectors of real parts, each followed by that of the imaginary parts.
        """
        for k in self._with_real.f.range(0, depth, unroll=2):
            left, right = a + k * a_step, b + k * b_step
            self._with_real.multiply(left, a_row, 0, right, 0, 1)
            self._with_imaginary.multiply(left + imaginary, a_row, 0, right, 0, 1)

    def results(self) -> Iterator[tuple[int, Complex]]:
        """(row, sum)."""
        ours, theirs = (
            [value for _, _, _, value in tile.results()] for tile in (self._with_real, self._with_imaginary)
        )
        for row in range(len(ours) // 2):
            (real, turned), (across, both) = ours[2 * row : 2 * row + 2], theirs[2 * row : 2 * row + 2]
            yield row, (real + both, across - turned)


def rows_of_products(registers: int) -> int:
    """How many rows of complex sums fit the registers: each takes four, beside one number, and the two vectors of b."""
    return max(1, (registers - 4) // 4)


# --- places -----------------------------------------------------------------------------------------------------------


def nested(f: Function, bounds: Sequence[tuple[Integer, Integer]]) -> Iterator[tuple[Integer, Integer, Integer]]:
    """A loop over depth, height and width, each from its first place to the one behind its last."""
    deep, high, wide = bounds
    for d in f.range(*deep):
        for h in f.range(*high):
            for w in f.range(*wide):
                yield d, h, w


def place(f: Function, way: Tiling, *indices: Integer) -> Pointer:
    """Where a place of a window is in scratch memory: a vector of real parts, then one of imaginary parts."""
    return f.scratch + sum(i * step for i, step in zip(indices, way.steps, strict=True))


def places(f: Function, way: Tiling) -> Iterator[tuple[Integer, Pointer]]:
    """The numbers of all frequencies, and where they are in scratch memory."""
    for d, h, w in nested(f, [(0, size) for size in way.window]):
        yield number_of([d, h, w], way.window[1:]), place(f, way, d, h, w)


def number_of(indices: Sequence[Integer], sizes: Sequence[int]) -> Integer:
    """A place in row-major order; sizes of all axes but the first."""
    number = indices[0]
    for index, size in zip(indices[1:], sizes, strict=True):
        number = number * size + index
    return number


def read(there: Pointer, lanes: int) -> Complex:
    """A vector of real parts, and that of imaginary parts behind it."""
    return there.load(lanes), (there + lanes).load(lanes)


def write(there: Pointer, number: Complex, apart: int) -> None:
    """Store real parts, and imaginary parts ``apart`` numbers behind them."""
    there.store(number[0])
    (there + apart).store(number[1])
