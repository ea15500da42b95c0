"""The ladder of docs/convolution.md: its steps are right, and the page shows the code that is measured."""

import contextlib
import inspect
import io
import re

import pytest

from benchmarks import ladder
from benchmarks.ladder import MARKS, PAGE, Layer, Step, insert, tables

SHOWN = ("loops", "native", "scalar", "vector", "tiled", "panels", "packed")


@pytest.mark.parametrize("layer", [Layer(9, 48), Layer(14, 16)], ids=lambda layer: layer.label)
def test_every_step_is_right(layer: Layer) -> None:
    steps = ladder.ladder(layer)
    assert [step.name for step in steps if not step.is_right()] == []
    assert [step.threads for step in steps].count(2) == 1


def test_a_wrong_step_is_noticed() -> None:
    step = ladder.python_loops()
    assert step.is_right()
    assert not Step(step.name, step.operations, step.call, step.result, step.expected + 1).is_right()
    assert not Step(step.name, step.operations, lambda: None, step.result, step.expected).is_right()


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_shows_what_is_measured(name: str) -> None:
    shown = getattr(ladder, name)
    assert inspect.getsource(getattr(shown, "write", shown)) in PAGE.read_text("utf-8")


def test_the_page_prints_what_it_shows() -> None:
    blocks = re.findall(r"```(python|text|llvm)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    printed, compared = "", 0
    for kind, text in blocks:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, str(PAGE), "exec"), names)  # noqa: S102 (our own page)
            printed = out.getvalue()
        else:
            assert text.strip() == printed.strip()
            compared += 1
    assert compared > 0


def test_tables() -> None:
    timing = {"least": 1e-3, "q1": 2e-3, "median": 4e-3, "q3": 8e-3, "n": 5}
    found = {
        "a layer": [
            {"name": "part", "operations": 2_000_000, **timing},
            {"name": "whole", "operations": 8_000_000, **timing},
            {"name": "peak", "operations": 16_000_000, **timing},
        ]
    }
    lines = tables(found).splitlines()
    assert "**a layer**" in lines
    assert lines[-3:] == [
        "| 0 | part | 2 | 12.5 % | 0.5 (0.25 … 1) | 5 | ≈ 4 ms |",
        "| 1 | whole | 8 | 50 % | 2 (1 … 4) | 5 | 1 ms |",
        "| 2 | peak | 16 | 100 % | 4 (2 … 8) | 5 | ≈ 0.5 ms |",
    ]


def test_only_what_lies_between_the_marks_is_replaced() -> None:
    page = f"before\n{MARKS[0]}old\n{MARKS[1]}after\n"
    assert insert(page, "new\n") == f"before\n{MARKS[0]}new\n{MARKS[1]}after\n"
    assert insert(insert(page, "new\n"), "old\n") == page
    assert PAGE.read_text("utf-8").count(MARKS[0]) == PAGE.read_text("utf-8").count(MARKS[1]) == 1
