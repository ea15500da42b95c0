"""Windows along one axis, as arithmetic on indices that are known while a kernel is written or only when it runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from striate.codegen import Function
from striate.codegen.values import LONG, Integer
from striate.graph import Tensor
from striate.ops.operation import known_shape

#: Windows, or places, that are written one by one at the ends of an axis, and entries of a window: beyond this, loops.
MOST_WRITTEN = 16


@dataclass(frozen=True)
class Sliding:
    """``out`` windows of ``kernel`` entries, ``dilation`` apart, moving by ``stride`` over ``before`` + ``size`` + ….

    Window i has its entry a at place i·stride + a·dilation − before.
    """

    size: int
    out: int
    kernel: int
    stride: int = 1
    before: int = 0
    dilation: int = 1

    @property
    def span(self) -> int:
        """From a window's first to its last entry."""
        return self.dilation * (self.kernel - 1)

    @property
    def interior(self) -> tuple[int, int]:
        """The windows first … last − 1 that lie in the input with all their entries."""
        first = min(-(-self.before // self.stride), self.out)
        room = self.size - 1 - self.span + self.before
        return first, max(first, min(room // self.stride + 1, self.out))

    @property
    def tiles(self) -> bool:
        """Whether windows lie side by side, from the first place on."""
        return self.stride == self.kernel and self.dilation == 1 and self.before == 0 and self.fits

    @property
    def fits(self) -> bool:
        """Whether no window reaches beyond the input."""
        return self.interior == (0, self.out)

    def start(self, window: Integer) -> Any:
        """Place of entry 0."""
        return window * self.stride - self.before

    def entries(self, f: Function, window: Integer) -> tuple[Integer, Integer]:
        """The entries first … last − 1 that lie in the input."""
        if self.fits:
            return 0, self.kernel
        start = self.start(window)
        first = (f.larger(-start, 0) + (self.dilation - 1)) // self.dilation
        return first, f.smaller((self.size - start + (self.dilation - 1)) // self.dilation, self.kernel)

    def positions(self, f: Function) -> Iterator[tuple[Integer, tuple[Integer, Integer]]]:
        """Loop over all windows: each one's number, and its entries in the input.

        Those that reach beyond the input are written one by one, so that inside no bounds are computed.
        """
        first, last = self.interior
        if self.kernel > MOST_WRITTEN or self.out - (last - first) > MOST_WRITTEN:
            for window in f.range(0, self.out):
                yield window, self.entries(f, window)
            return
        for window in (*range(first), *range(last, self.out)):
            yield window, self.entries(f, window)
        for window in f.range(first, last):
            yield window, (0, self.kernel)

    def covering(self, f: Function, place: Integer) -> Iterator[tuple[Integer, Integer]]:
        """Loop over the windows that have an entry at ``place``: (window, which of its entries)."""
        beyond = place + self.before
        first = (f.larger(beyond - self.span, 0) + (self.stride - 1)) // self.stride
        for window in f.range(first, f.smaller(beyond // self.stride + 1, self.out)):
            distance = beyond - window * self.stride
            if self.dilation == 1:
                yield window, distance
            elif isinstance(distance, int):
                if distance % self.dilation == 0:
                    yield window, distance // self.dilation
            else:
                hit = (distance % self.dilation).equals(0)
                for _ in f.range(0, f.convert(hit, LONG)):  # once, or not at all
                    yield window, distance // self.dilation

    def places(self, f: Function) -> "Iterator[tuple[Integer, Sequence[tuple[Integer, Integer]] | None]]":
        """Loop over all places: each one, and the windows that cover it as `covering` has them; None: ask `covering`.

        Inside, the pattern of windows and entries repeats with every stride, and is written for one stride.
        """
        patterns = [self._pattern(place, self.out) for place in range(self.size)]
        regular = [pattern == self._pattern(place, None) for place, pattern in enumerate(patterns)]
        first, last = _longest_run(regular)
        strides = (last - first) // self.stride
        last = first + strides * self.stride
        ends = self.size - (last - first)
        if self.kernel > MOST_WRITTEN or self.stride > MOST_WRITTEN or ends > MOST_WRITTEN:
            for place in f.range(0, self.size):
                yield place, None
            return
        for place in (*range(first), *range(last, self.size)):
            yield place, patterns[place]
        for number in f.range(0, strides):
            for place in range(first, first + self.stride):
                yield place + number * self.stride, [(window + number, entry) for window, entry in patterns[place]]

    def _pattern(self, place: int, windows: int | None) -> list[tuple[int, int]]:
        """The windows with an entry at ``place``, and which; of ``windows``, or of any number, also negative."""
        found = [divmod(place + self.before - entry * self.dilation, self.stride) for entry in range(self.kernel)]
        return [
            (window, entry)
            for entry, (window, rest) in enumerate(found)
            if rest == 0 and (windows is None or 0 <= window < windows)
        ][::-1]


@dataclass(frozen=True)
class Adaptive:
    """``out`` windows spread evenly over ``size`` entries: window i is ⌊i·size / out⌋ … ⌈(i + 1)·size / out⌉ − 1."""

    size: int
    out: int
    dilation: ClassVar[int] = 1
    tiles: ClassVar[bool] = False

    @property
    def kernel(self) -> int:
        """Entries of the largest window."""
        return max(-(-(i + 1) * self.size // self.out) - i * self.size // self.out for i in range(self.out))

    def start(self, window: Integer) -> Any:
        """Place of entry 0."""
        return window * self.size // self.out

    def entries(self, f: Function, window: Integer) -> tuple[Integer, Integer]:
        """The entries first … last − 1 that the window has."""
        end = (window * self.size + (self.size + self.out - 1)) // self.out
        return 0, end - self.start(window)

    def positions(self, f: Function) -> Iterator[tuple[Integer, tuple[Integer, Integer]]]:
        """Loop over all windows: each one's number, and its entries."""
        for window in f.range(0, self.out):
            yield window, self.entries(f, window)

    def covering(self, f: Function, place: Integer) -> Iterator[tuple[Integer, Integer]]:
        """Loop over the windows that have an entry at ``place``: (window, which of its entries)."""
        last = (place * self.out + (self.out + self.size - 1)) // self.size
        for window in f.range(place * self.out // self.size, last):
            yield window, place - self.start(window)

    def places(self, f: Function) -> Iterator[tuple[Integer, None]]:
        """Loop over all places."""
        for place in f.range(0, self.size):
            yield place, None


Axis = Sliding | Adaptive
Axes = tuple[Axis, Axis, Axis]


def sliding(x: Tensor, y: Tensor, window: Mapping[str, Any]) -> Axes:
    """The axes of a pool from ``x`` to ``y`` with these attributes."""
    along = zip(
        known_shape(x)[1:-1],
        known_shape(y)[1:-1],
        window["pool_size"],
        window["strides"],
        (before for before, _ in window["padding"]),
        window["dilation"],
        strict=True,
    )
    return three([Sliding(*numbers) for numbers in along])


def adaptive(x: Tensor, y: Tensor) -> Axes:
    """The axes of an adaptive pool from ``x`` to ``y``."""
    return three([Adaptive(*sizes) for sizes in zip(known_shape(x)[1:-1], known_shape(y)[1:-1], strict=True)])


def three(axes: Sequence[Axis]) -> Axes:
    """One to three axes as depth, height and width; what is missing has size 1."""
    missing: list[Axis] = [Sliding(1, 1, 1)] * (3 - len(axes))
    depth, height, width = missing + list(axes)
    return depth, height, width


def _longest_run(flags: Sequence[bool]) -> tuple[int, int]:
    """The first and the place after the last of the longest run that holds."""
    best, start = (0, 0), 0
    for place, flag in enumerate([*flags, False]):
        if not flag:
            best = max(best, (start, place), key=lambda run: run[1] - run[0])
            start = place + 1
    return best
