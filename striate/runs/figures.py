"""The drawings of a report: inline SVG whose colours come from the page's style."""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from striate.runs.scores import Bin

__all__ = ["Line", "line_chart", "reliability_diagram"]

WIDTH, HEIGHT = 336, 208
LEFT, RIGHT, TOP, BOTTOM = 44, 76, 12, 28  # room for the numbers, and for the lines' names
INNER_WIDTH, INNER_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Arguments:
        name: written at its end.
        kind: a class of the page's style, such as "train".
        values: one for each epoch; None where there is none.
    """

    name: str
    kind: str
    values: Sequence[float | None]


def line_chart(lines: Sequence[Line], label: str, shown: Callable[[float], str], top: float | None = None) -> str:
    """Lines over epochs, from 0 up.

    Arguments:
        lines: of equal length.
        label: a sentence that says what the chart shows, for screen readers.
        shown: a value as text.
        top: upper end of the scale; default: as high as the values need.
    """
    known = [value for line in lines for value in line.values if value is not None]
    step = _step(top or max([*known, 1e-9]))
    highest = top or step * math.ceil(max([*known, 1e-9]) / step)
    epochs = len(lines[0].values)
    parts = [_level(number * step / highest, shown(number * step)) for number in range(round(highest / step) + 1)]
    for epoch in sorted({1, (epochs + 1) // 2, epochs}):
        parts.append(_text(_x(epoch, epochs), HEIGHT - 8, str(epoch), "middle"))
    ends = []
    for line in lines:
        places = [
            (_x(epoch, epochs), _y(value / highest), f"{line.name}, epoch {epoch}: {shown(value)}")
            for epoch, value in enumerate(line.values, 1)
            if value is not None
        ]
        if not places:
            continue
        route = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        parts.append(f'<polyline class="line {line.kind}" points="{route}"/>')
        parts += [
            f'<circle class="dot {line.kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>'
            f"{html.escape(what)}</title></circle>"
            for x, y, what in places
        ]
        ends.append((places[-1][1], line))
    for (_, line), y in zip(sorted(ends, key=lambda end: end[0]), _apart(sorted(y for y, _ in ends)), strict=True):
        parts.append(_text(WIDTH - RIGHT + 8, y + 4, line.name, "start", line.kind))
    return _svg(parts, label)


def reliability_diagram(bins: Sequence[Bin], label: str) -> str:
    """How often answers are right (bars) beside how sure the network was (the diagonal), by tenths of confidence."""
    parts = [_level(share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    total = sum(one.count for one in bins)
    for number, one in enumerate(bins):
        if one.count:
            x, y = LEFT + INNER_WIDTH * number / len(bins), _y(one.accuracy)
            what = f"{one.count:,} answers, mean confidence {one.confidence:.1%}: {one.accuracy:.1%} are right"
            strength = 0.25 + 0.75 * one.count / total
            parts.append(
                f'<rect class="bar" x="{x + 1:.1f}" y="{y:.1f}" width="{INNER_WIDTH / len(bins) - 2:.1f}" '
                f'height="{max(_y(0) - y, 1):.1f}" opacity="{strength:.2f}"><title>{what}</title></rect>'
            )
    parts.append(f'<line class="line train" x1="{LEFT}" y1="{_y(0)}" x2="{LEFT + INNER_WIDTH}" y2="{_y(1)}"/>')
    parts.append(_text(LEFT + INNER_WIDTH + 8, _y(1) + 4, "calibrated", "start", "train"))
    parts += [_text(LEFT + INNER_WIDTH * share, HEIGHT - 8, f"{share:.0%}", "middle") for share in (0, 0.5, 1)]
    return _svg(parts, label)


def _x(epoch: int, epochs: int) -> float:
    return LEFT + INNER_WIDTH * ((epoch - 1) / (epochs - 1) if epochs > 1 else 0.5)


def _y(share: float) -> float:
    return TOP + INNER_HEIGHT * (1 - share)


def _step(highest: float) -> float:
    """The largest of 1, 2, 5, 10, … that divides a scale into four parts or more."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return max(factor * power for factor in (1, 2, 5, 2.5) if factor * power <= highest / 4 * 1.0001)


def _apart(places: Sequence[float]) -> list[float]:
    """Places of texts, moved down where two would overlap."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + 14) if moved else place)
    return moved


def _level(share: float, text: str) -> str:
    y = _y(share)
    line = f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + INNER_WIDTH}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 8, y + 4, text, "end")


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(label)}">' + "".join(parts) + "</svg>"
    )
