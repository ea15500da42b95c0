"""How numbers become one: a state, and how two states are combined."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from striate.codegen import Accumulator, Function, Value
from striate.codegen.values import ELEMENTS, Type
from striate.kernels.broadcasting import Formula

State = tuple[Value, ...]


class Reducer(NamedTuple):
    """How numbers become one.

    Arguments:
        formula: (f, one vector of each operand) → what is reduced: one vector for each result.
        combine: (f, state, state) → state, with one vector for each result.
        start: for each result, the neutral element of ``combine``.
        dtypes: of the results.
        divisor: of the results at the end.
    """

    formula: Formula
    combine: Callable[[Function, State, State], State]
    start: tuple[float, ...]
    dtypes: tuple[str, ...]
    divisor: int = 1

    def of_states(self) -> "Reducer":
        """The reducer that combines this one's results of parts."""
        return self._replace(formula=_each)

    def begin(self, f: Function, lanes: int) -> list[Accumulator]:
        """The initial state, before any number."""
        return [f.accumulator(f.constant(start, kind.wide(lanes))) for start, kind in self._parts()]

    def add(self, f: Function, state: Sequence[Accumulator], values: State) -> None:
        """Combine the state with values."""
        combined = self.combine(f, tuple(part.value for part in state), values)
        for part, value in zip(state, combined, strict=True):
            part.value = value

    def only(self, f: Function, values: State, count: int) -> State:
        """The first ``count`` lanes of values, and the neutral element in the others."""
        lanes = values[0].type.lanes
        if count == lanes:
            return values
        mask = f.first_lanes(lanes, count)
        return tuple(f.select(mask, value, start) for value, (start, _) in zip(values, self._parts(), strict=True))

    def total(self, f: Function, states: Sequence[Sequence[Accumulator]]) -> State:
        """All states as one."""
        values = [tuple(part.value for part in state) for state in states]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=False)
            values = [self.combine(f, *pair) for pair in pairs] + values[len(values) // 2 * 2 :]
        return values[0]

    def across_lanes(self, f: Function, state: State) -> State:
        """All lanes as one, halves first."""
        while (lanes := state[0].type.lanes) > 1:
            half = lanes // 2
            low, high = (
                tuple(f.shuffle(v, v, range(first, first + half)) if half > 1 else f.lane(v, first) for v in state)
                for first in (0, half)
            )
            state = self.combine(f, low, high)
        return state

    def finished(self, state: State) -> State:
        """What is stored."""
        return state if self.divisor == 1 else tuple(value / self.divisor for value in state)

    def _parts(self) -> Iterator[tuple[float, Type]]:
        return zip(self.start, (ELEMENTS[dtype] for dtype in self.dtypes), strict=True)


def _each(f: Function, *values: Value) -> State:
    return values


def _add(f: Function, a: State, b: State) -> State:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _larger(f: Function, a: State, b: State) -> State:
    return (f.maximum(a[0], b[0]),)


def _first_largest(f: Function, a: State, b: State) -> State:
    """The larger number and its position; of equal ones the first, NaN before all."""
    (x, i), (y, j) = a, b
    nan_x, nan_y = x.is_nan(), y.is_nan()
    equal = x.equals(y) | (nan_x & nan_y)
    second = f.select(equal, j < i, (y > x) | nan_y)
    return f.select(second, y, x), f.select(second, j, i)


MAXIMUM = Reducer(_each, _larger, (-math.inf,), ("f4",))
FIRST_LARGEST = Reducer(_each, _first_largest, (-math.inf, 2**31 - 1), ("f4", "i4"))


def sum_of(formula: Formula = _each, results: int = 1, divisor: int = 1) -> Reducer:
    """Σ of each of a formula's results, divided at the end."""
    return Reducer(formula, _add, (0.0,) * results, ("f4",) * results, divisor)


TOTAL = sum_of()
