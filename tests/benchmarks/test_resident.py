"""The table of memory that programs hold, and what levels off."""

import pytest

from benchmarks import resident


@pytest.mark.parametrize(("last", "verdict"), [(109, "levels off"), (112, "GROWS")])
def test_a_row(last: int, verdict: str) -> None:
    held = [10_000_000, *[100_000_000] * 9, *[last * 1_000_000] * 10]
    row = resident.row("x", {"held": held, "peak": 300_000_000})
    assert row == ["x", "20", "10", "100", "100", str(last), "300", verdict]


def test_the_page() -> None:
    page = resident.page({"x": {"held": [10_000_000] * 10, "peak": 20_000_000}})
    assert page.startswith("# Memory of programs that run for long")
    assert "| x | 10 | 10 | 10 | 10 | 10 | 20 | levels off |" in page


@pytest.mark.parametrize("name", ["batch sizes, predicted", "input sizes", "models made, trained and dropped"])
def test_programs_can_be_run(name: str) -> None:
    pytest.importorskip("llvmlite")
    program, _ = resident.PROGRAMS[name]
    held = list(program(2))
    assert len(held) == 2
    assert min(held) > 10_000_000
