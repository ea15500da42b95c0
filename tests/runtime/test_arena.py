"""Where temporary arrays lie: no two that are needed at the same time share a byte, and little is wasted."""

from hypothesis import given
from hypothesis import strategies as st

from striate.runtime.arena import ALIGNMENT, Span, pack

spans = st.lists(
    st.builds(
        lambda size, first, length: Span(size, first, first + length),
        st.integers(0, 10_000), st.integers(0, 20), st.integers(0, 8),
    ),
    max_size=30,
)  # fmt: skip


@given(spans, st.sampled_from([0, 64]))
def test_what_lives_at_the_same_time_does_not_overlap(spans, gap):
    offsets, size = pack(spans, gap)
    for i, a in enumerate(spans):
        assert offsets[i] % ALIGNMENT == 0
        assert offsets[i] + a.bytes + gap <= size
        for j, b in enumerate(spans[:i]):
            together = a.first <= b.last and b.first <= a.last
            apart = offsets[i] + a.bytes + gap <= offsets[j] or offsets[j] + b.bytes + gap <= offsets[i]
            assert apart or not together or not (a.bytes + gap and b.bytes + gap)


def test_a_chain_needs_room_for_two():
    _, size = pack([Span(6400, step, step + 1) for step in range(50)])
    assert size == 2 * 6400


def test_the_size_is_at_least_what_lives_at_once_and_not_much_more():
    chain = [Span(64 * (1 + step % 5), step, step + step % 4) for step in range(40)]
    alive = max(sum(s.bytes for s in chain if s.first <= step <= s.last) for step in range(44))
    _, size = pack(chain)
    assert alive <= size <= 1.3 * alive


def test_the_largest_come_first():
    """The middle one is beside each of the others, which share their place: 192 + 64 bytes."""
    offsets, size = pack([Span(64, 0, 2), Span(192, 3, 5), Span(64, 2, 3)])
    assert size == 256
    assert offsets == [0, 0, 192]


def test_nothing_needs_nothing():
    assert pack([]) == ([], 0)
