"""Small line plots as SVG, both axes logarithmic."""

import math
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 320, 250  # of a panel, pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 40, 34  # around its axes
COLOURS = ("#0b62a4", "#c2410c", "#4d7c0f", "#6d28d9")

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One plot.

    Arguments:
        title: what lies along the horizontal axis.
        unit: of the vertical axis.
        lines: name → points, all numbers above 0.
    """

    title: str
    unit: str
    lines: dict[str, Points]


def svg(panels: list[Panel]) -> str:
    """Panels side by side, as the text of an SVG file."""
    parts = [f'<g transform="translate({i * WIDTH} 0)">{_panel(panel)}</g>' for i, panel in enumerate(panels)]
    size = f'width="{WIDTH * len(panels)}" height="{HEIGHT}"'
    style = 'font-family="sans-serif" font-size="10" fill="#222"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{background}{"".join(parts)}</svg>\n'


def _panel(panel: Panel) -> str:
    xs = sorted({x for points in panel.lines.values() for x, _ in points})
    ys = [y for points in panel.lines.values() for _, y in points]
    low, high = _nice(min(ys), down=True), _nice(max(ys), down=False)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * _share(x, xs[0], xs[-1])

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(y, low, high)

    found = [f'<text x="{LEFT}" y="14">{escape(panel.title)}</text>']
    for x in xs:
        found.append(f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{x:g}</text>')
    for y in _ticks(low, high):
        found.append(f'<path d="M{LEFT} {down(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        found.append(f'<text x="{LEFT - 4}" y="{down(y) + 3:.1f}" text-anchor="end">{y:g} {escape(panel.unit)}</text>')
    for number, (name, points) in enumerate(panel.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [f"{across(x):.1f},{down(y):.1f}" for x, y in points]
        found.append(f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        found += [f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>' for x, y in (p.split(",") for p in places)]
        found.append(f'<text x="{LEFT + 70 * number}" y="30" fill="{colour}">● {escape(name)}</text>')
    return "".join(found)


def _share(value: float, low: float, high: float) -> float:
    """How far along a logarithmic axis."""
    return math.log(value / low) / math.log(high / low) if high > low else 0.5


def _nice(value: float, down: bool) -> float:
    """The nearest of …, 1, 2, 5, 10, … at or beyond a number."""
    base = 10.0 ** math.floor(math.log10(value))
    steps = [step * base for step in (1, 2, 5, 10)]
    return max(s for s in steps if s <= value) if down else min(s for s in steps if s >= value)


def _ticks(low: float, high: float) -> list[float]:
    """…, 1, 2, 5, 10, … from low to high; powers of ten alone where that would be many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 3 else (1,)
    return [tick for power in powers for tick in (step * 10.0**power for step in steps) if low <= tick <= high]
