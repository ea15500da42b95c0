"""How people write digits: the pen's way for each, in two or three hands, and scribbles that are no digit at all.

Points are written in hundredths, "x,y" from the top left corner. A hand moves in curves, so they are joined by a smooth
one (Catmull–Rom); a point given twice is a corner.
"""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Strokes = list[list[Point]]


def _points(text: str) -> list[Point]:
    return [(float(x) / 100, float(y) / 100) for x, y in (point.split(",") for point in text.split())]


def curve(text: str, *, steps: int = 8) -> list[Point]:
    """Return a smooth way through the points."""
    points = _points(text)
    ends = [points[0], *points, points[-1]]
    way = [points[0]]
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        if b != c:
            way += [_between(a, b, c, d, step / steps) for step in range(1, steps + 1)]
    return way


def _between(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    def axis(p: float, q: float, r: float, s: float) -> float:
        return q + t / 2 * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)))

    return axis(a[0], b[0], c[0], d[0]), axis(a[1], b[1], c[1], d[1])


def line(text: str) -> list[Point]:
    """Return a way through the points with straight sides, as densely set as a pointer's events."""
    return curve(" ".join(f"{point} {point}" for point in text.split()))


def loop(x: float, y: float, width: float, height: float, *, tilt: float = 0.0, start: float = -90.0) -> list[Point]:
    """Return a closed oval around (x, y), drawn anticlockwise as people do, leaning to the right by `tilt`."""
    angles = [math.radians(start - 360 * step / 32) for step in range(34)]  # two steps past the start, to close
    return [
        (x + width / 2 * math.cos(angle) - tilt * height / 2 * math.sin(angle), y + height / 2 * math.sin(angle))
        for angle in angles
    ]


DIGITS: dict[str, Sequence[Strokes]] = {
    "0": [
        [loop(0.5, 0.5, 0.42, 0.62)],
        [loop(0.5, 0.5, 0.34, 0.66, tilt=0.12, start=-60)],
        [loop(0.45, 0.52, 0.5, 0.54, start=-110)],
    ],
    "1": [
        [line("50,18 50,82")],
        [line("57,16 45,84")],
        [line("38,34 53,17 53,83")],
    ],
    "2": [
        [curve("30,33 37,21 50,17 64,24 66,38 54,56 30,80 30,80 72,80")],
        [curve("32,30 48,19 64,30 58,50 40,70 30,78 32,70 42,70 56,78 72,74")],
    ],
    "3": [
        [curve("32,24 48,17 63,24 62,39 45,47 45,47 64,55 67,70 52,82 31,76")],
        [line("31,19 66,19 46,44") + curve("46,44 64,49 68,66 54,81 32,77")],
    ],
    "4": [
        [line("42,18 30,55 72,55"), line("60,34 58,84")],
        [line("34,22 32,50 66,50"), line("66,20 64,82")],
        [line("57,82 57,18 27,60 74,60")],
    ],
    "5": [
        [line("37,19 35,46") + curve("35,46 50,41 66,50 66,68 52,81 32,77"), line("37,19 67,18")],
        [line("68,19 40,20 37,45") + curve("37,45 53,42 66,53 63,72 48,81 31,74")],
    ],
    "6": [
        [curve("60,17 44,30 35,50 35,68 45,81 59,79 66,67 60,55 48,53 37,63")],
        [curve("50,16 38,36 33,60 40,79 56,82 66,70 60,56 44,55 34,66")],
        [curve("64,20 50,22 38,40 34,62 43,78 57,76 62,64 53,54 40,58 35,66")],
    ],
    "7": [
        [line("29,20 69,20 46,83")],
        [curve("30,24 50,21 68,20 68,20 55,45 46,66 43,83")],
        [line("30,20 70,20 44,83"), line("40,50 66,50")],
    ],
    "8": [
        [curve("62,27 50,18 37,28 45,43 60,54 66,70 50,82 35,71 42,55 58,42 63,28")],
        [loop(0.5, 0.33, 0.26, 0.3), loop(0.5, 0.65, 0.34, 0.34)],
        [curve("60,22 46,19 38,30 48,46 58,62 56,78 43,80 37,68 48,50 60,36 61,22")],
    ],
    "9": [
        [curve("64,32 54,19 40,23 35,36 44,48 57,45 64,32 64,32 63,56 58,84")],
        [loop(0.49, 0.35, 0.3, 0.32, start=0), line("64,34 60,82")],
        [curve("63,30 50,18 36,30 42,45 56,44 64,28 64,28 64,60 55,79 38,78")],
    ],
}

SCRIBBLES: Sequence[Strokes] = [
    # there and back, as one crosses out
    [line("15,20 85,28 15,37 85,45 15,54 85,62 15,71 85,80")],
    # a tangle
    [[(0.5 + 0.34 * math.sin(0.37 * step), 0.5 + 0.34 * math.cos(0.23 * step + 1)) for step in range(75)]],
    # loops along a line, as one tries a pen
    [[(0.12 + 0.007 * step + 0.1 * math.cos(0.3 * step), 0.5 + 0.2 * math.sin(0.3 * step)) for step in range(105)]],
]
