"""How people write digits: the pen's way for each, in two or three hands, and scribbles that are no digit at all.

Points lie in 0…1 from the top left corner. A hand moves in curves, so the points are joined by a smooth one
(Catmull–Rom); a point given twice is a corner.
"""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Strokes = list[list[Point]]


def curve(*points: Point, steps: int = 8) -> list[Point]:
    """Return a smooth way through the points."""
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


def line(*points: Point) -> list[Point]:
    """Return a way through the points with straight sides, as densely set as a pointer's events."""
    corners = [point for point in points for _ in range(2)]
    return curve(*corners)


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
        [line((0.5, 0.18), (0.5, 0.82))],
        [line((0.57, 0.16), (0.45, 0.84))],
        [line((0.38, 0.34), (0.53, 0.17), (0.53, 0.83))],
    ],
    "2": [
        [curve((0.3, 0.33), (0.37, 0.21), (0.5, 0.17), (0.64, 0.24), (0.66, 0.38), (0.54, 0.56), (0.3, 0.8), (0.3, 0.8), (0.72, 0.8))],
        [curve((0.32, 0.3), (0.48, 0.19), (0.64, 0.3), (0.58, 0.5), (0.4, 0.7), (0.3, 0.78), (0.32, 0.7), (0.42, 0.7), (0.56, 0.78), (0.72, 0.74))],
    ],
    "3": [
        [curve((0.32, 0.24), (0.48, 0.17), (0.63, 0.24), (0.62, 0.39), (0.45, 0.47), (0.45, 0.47), (0.64, 0.55), (0.67, 0.7), (0.52, 0.82), (0.31, 0.76))],
        [line((0.31, 0.19), (0.66, 0.19), (0.46, 0.44)) + curve((0.46, 0.44), (0.64, 0.49), (0.68, 0.66), (0.54, 0.81), (0.32, 0.77))],
    ],
    "4": [
        [line((0.42, 0.18), (0.3, 0.55), (0.72, 0.55)), line((0.6, 0.34), (0.58, 0.84))],
        [line((0.34, 0.22), (0.32, 0.5), (0.66, 0.5)), line((0.66, 0.2), (0.64, 0.82))],
        [line((0.57, 0.82), (0.57, 0.18), (0.27, 0.6), (0.74, 0.6))],
    ],
    "5": [
        [line((0.37, 0.19), (0.35, 0.46)) + curve((0.35, 0.46), (0.5, 0.41), (0.66, 0.5), (0.66, 0.68), (0.52, 0.81), (0.32, 0.77)), line((0.37, 0.19), (0.67, 0.18))],
        [line((0.68, 0.19), (0.4, 0.2), (0.37, 0.45)) + curve((0.37, 0.45), (0.53, 0.42), (0.66, 0.53), (0.63, 0.72), (0.48, 0.81), (0.31, 0.74))],
    ],
    "6": [
        [curve((0.6, 0.17), (0.44, 0.3), (0.35, 0.5), (0.35, 0.68), (0.45, 0.81), (0.59, 0.79), (0.66, 0.67), (0.6, 0.55), (0.48, 0.53), (0.37, 0.63))],
        [curve((0.5, 0.16), (0.38, 0.36), (0.33, 0.6), (0.4, 0.79), (0.56, 0.82), (0.66, 0.7), (0.6, 0.56), (0.44, 0.55), (0.34, 0.66))],
        [curve((0.64, 0.2), (0.5, 0.22), (0.38, 0.4), (0.34, 0.62), (0.43, 0.78), (0.57, 0.76), (0.62, 0.64), (0.53, 0.54), (0.4, 0.58), (0.35, 0.66))],
    ],
    "7": [
        [line((0.29, 0.2), (0.69, 0.2), (0.46, 0.83))],
        [curve((0.3, 0.24), (0.5, 0.21), (0.68, 0.2), (0.68, 0.2), (0.55, 0.45), (0.46, 0.66), (0.43, 0.83))],
        [line((0.3, 0.2), (0.7, 0.2), (0.44, 0.83)), line((0.4, 0.5), (0.66, 0.5))],
    ],
    "8": [
        [curve((0.62, 0.27), (0.5, 0.18), (0.37, 0.28), (0.45, 0.43), (0.6, 0.54), (0.66, 0.7), (0.5, 0.82), (0.35, 0.71), (0.42, 0.55), (0.58, 0.42), (0.63, 0.28))],
        [loop(0.5, 0.33, 0.26, 0.3), loop(0.5, 0.65, 0.34, 0.34)],
        [curve((0.6, 0.22), (0.46, 0.19), (0.38, 0.3), (0.48, 0.46), (0.58, 0.62), (0.56, 0.78), (0.43, 0.8), (0.37, 0.68), (0.48, 0.5), (0.6, 0.36), (0.61, 0.22))],
    ],
    "9": [
        [curve((0.64, 0.32), (0.54, 0.19), (0.4, 0.23), (0.35, 0.36), (0.44, 0.48), (0.57, 0.45), (0.64, 0.32), (0.64, 0.32), (0.63, 0.56), (0.58, 0.84))],
        [loop(0.49, 0.35, 0.3, 0.32, start=0), line((0.64, 0.34), (0.6, 0.82))],
        [curve((0.63, 0.3), (0.5, 0.18), (0.36, 0.3), (0.42, 0.45), (0.56, 0.44), (0.64, 0.28), (0.64, 0.28), (0.64, 0.6), (0.55, 0.79), (0.38, 0.78))],
    ],
}  # fmt: skip

SCRIBBLES: Sequence[Strokes] = [
    # there and back, as one crosses out
    [line(*[(0.15 + 0.7 * (step % 2), 0.2 + 0.085 * step) for step in range(8)])],
    # a tangle
    [[(0.5 + 0.34 * math.sin(0.37 * step), 0.5 + 0.34 * math.cos(0.23 * step + 1)) for step in range(75)]],
    # loops along a line, as one tries a pen
    [[(0.12 + 0.007 * step + 0.1 * math.cos(0.3 * step), 0.5 + 0.2 * math.sin(0.3 * step)) for step in range(105)]],
]
