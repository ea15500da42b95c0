"""Where each temporary array of a plan lies in one block of memory, so that those never needed together share space."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

ALIGNMENT = 64  # bytes of a cache line, and of the widest vector


class Span(NamedTuple):
    """A temporary array: its size, and the first and last step at which its contents matter."""

    bytes: int
    first: int
    last: int


def pack(spans: Sequence[Span], gap: int = 0) -> tuple[list[int], int]:
    """Byte offset of each span and the size of the whole; spans that live at the same time do not overlap.

    The largest first, each at the lowest place that is free for its whole life.

    Arguments:
        spans: what needs a place.
        gap: bytes to leave free behind each.

    Source: Pisarchyk, Lee, "Efficient memory management for deep neural net inference" (2020), greedy by size.
    """
    offsets = [0] * len(spans)
    placed: list[int] = []
    for number in sorted(range(len(spans)), key=lambda i: (-spans[i].bytes, spans[i].first)):
        span = spans[number]
        size = round_up(span.bytes + gap)
        rivals = sorted(
            (offsets[i], offsets[i] + round_up(spans[i].bytes + gap))
            for i in placed
            if spans[i].first <= span.last and span.first <= spans[i].last
        )
        offset = 0
        for start, stop in rivals:
            if offset + size <= start:
                break
            offset = max(offset, stop)
        offsets[number] = offset
        placed.append(number)
    return offsets, max((offsets[i] + round_up(span.bytes + gap) for i, span in enumerate(spans)), default=0)


def alive(spans: Sequence[Span]) -> list[int]:
    """Bytes of the arrays whose contents matter, at each step."""
    change = [0] * (max((span.last for span in spans), default=0) + 2)
    for span in spans:
        change[span.first] += span.bytes
        change[span.last + 1] -= span.bytes
    return list(accumulate(change[:-1]))


def round_up(size: int) -> int:
    """The size rounded up to where the next array may begin."""
    return -(-size // ALIGNMENT) * ALIGNMENT
