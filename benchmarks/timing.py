"""Times of calls that take turns.

Libraries keep their threads spinning for a while after a call, which eats the core that the next one needs; a machine
is slow for everybody now and then; caches are warm for whoever ran last. So contenders take turns in short blocks, in
an order that changes, with a rest before each block and a first call in it that does not count.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REST = 0.03  # seconds
BLOCK = 0.05  # seconds that a block takes, about
BLOCKS = 6, 40  # at least, at most
WARM_CALLS = (1, 12)  # before anything is timed; it takes some until a tuned malloc needs no fresh pages
MOST_CALLS = 200  # in one block


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: how many were timed, their median and quartiles, and the least."""

    n: int
    median: float
    q1: float
    q3: float
    least: float

    @classmethod
    def of(cls, times: list[float]) -> "Timing":
        """The summary of some times."""
        q1, median, q3 = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
        return cls(len(times), median, q1, q3, min(times))


def interleaved(
    calls: Mapping[str, Callable[[], Any]], seconds: float, rest: float = REST, blocks: tuple[int, int] = BLOCKS
) -> dict[str, Timing]:
    """How long each call takes, when they take turns.

    Arguments:
        calls: by name.
        seconds: for each, rests included, as far as the least number of blocks allows.
        rest: seconds of quiet before each block.
        blocks: of each call, at least and at most.
    """
    counts, rounds = {}, []
    for name, call in calls.items():
        warm_until = time.perf_counter() + seconds / 2
        for number in range(WARM_CALLS[1]):
            if number >= WARM_CALLS[0] and time.perf_counter() > warm_until:
                break
            call()
        time.sleep(rest)
        cost = max(_timed(call), 1e-7)
        counts[name] = max(1, min(MOST_CALLS, round(BLOCK / cost)))
        rounds.append(seconds / (rest + cost * (counts[name] + 1)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, shuffle = list(calls), random.Random(0).shuffle
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(max(blocks[0], min(blocks[1], round(min(rounds))))):
            shuffle(order)
            for name in order:
                gc.collect(0)
                time.sleep(rest)
                calls[name]()
                times[name] += [_timed(calls[name]) for _ in range(counts[name])]
    finally:
        if collecting:
            gc.enable()
    return {name: Timing.of(found) for name, found in times.items()}


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
