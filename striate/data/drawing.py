"""From a drawing to what a network sees: the one path that training, the command line and the studio share.

    strokes ── render ──►  picture  ── Preprocessing.prepare ──►  (28, 28, 1)
    a photograph ── decode_image ──►  ↑

The same strokes give the same bytes on every machine. So sums are sums of integers below 2⁵³, which float64 holds
exactly whatever the order in which a BLAS adds them, and each result is rounded once, in one division.

Source of the frame (box of 20, centre of mass in the middle of 28): Y. LeCun, L. Bottou, Y. Bengio, P. Haffner,
"Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE, 1998, section III.A.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from striate.errors import ArgumentError, DataError, FormatError, LimitError, ShapeError

__all__ = ["Preprocessing", "render"]

Stroke = Sequence[tuple[float, float]]
Pixels = NDArray[np.uint8]

MAX_POINTS = 20_000
MAX_SIZE = 1024
MAX_WIDTH = 0.5
MAX_WORK = 200_000_000  # pixels under the brush, at all its places together: a fraction of a second
STAMP_COST = 1000  # placing the brush takes as long as this many pixels
MAX_SIDE = 8192  # of a picture to prepare
PHASES = 4  # the brush is placed to a quarter of a pixel
WORKING_SIZE = 512  # larger pictures are averaged down to this first


def render(strokes: Sequence[Stroke], *, width: float, size: int = 280) -> Pixels:
    """Draw strokes with a round, anti-aliased brush: uint8 (size, size), ink is 255 on paper of 0.

    ``strokes`` is a sequence of strokes, a stroke a sequence of points (x, y) in canvas units: (0, 0) is the top left,
    (1, 1) the bottom right corner. A stroke of one point is a dot. What leaves the canvas is cut off. ``width`` is the
    diameter of the brush in canvas units, above 0 and at most 0.5. ``size`` is the side of the picture in pixels, 1 to
    1024 (default 280).

    Raises ArgumentError for a width or size out of range; DataError for points that are not pairs of numbers, are
    not finite, or lie more than a whole canvas outside; LimitError for more than 20,000 points, or
    strokes so long and wide that they would take more than a fraction of a second.
    """
    if not 0 < width <= MAX_WIDTH:
        raise ArgumentError(
            f"render: expected a brush width in canvas units, 0 < width <= {MAX_WIDTH}, got {width!s:.20}."
        )
    if not 1 <= size <= MAX_SIZE:
        raise ArgumentError(f"render: expected a size of 1 to {MAX_SIZE} pixels, got {size}.")
    points = [_points(stroke) for stroke in strokes]
    if (count := sum(map(len, points))) > MAX_POINTS:
        raise LimitError(f"render: expected at most {MAX_POINTS:,} points, got {count:,}. Draw less or thin them out.")
    radius = width * size / 2
    margin = math.ceil(radius) + 1
    side = 2 * margin + 1
    # A round brush moved by s leaves notches of about s²/8r at its edge: this s keeps them below 1/8 of a pixel.
    step = math.sqrt(max(radius, 0.25))
    paths = [stroke * size for stroke in points]
    if (work := sum(_count(path, step) for path in paths) * max(side * side, STAMP_COST)) > MAX_WORK:
        raise LimitError(
            f"render: expected strokes of at most {MAX_WORK:,} pixels under the brush, got {work:,}. "
            f"Draw less, or with a narrower brush."
        )
    stamps = _stamps(radius)
    centres = np.concatenate([np.empty((0, 2)), *(_along(path, step) for path in paths)])  # (M, 2)
    places = np.unique(np.rint(centres * PHASES).astype(np.int64), axis=0)
    cells, phases = np.divmod(places, PHASES)
    near = ((cells >= -margin) & (cells < size + margin)).all(axis=1)
    canvas = np.zeros((size + 4 * margin, size + 4 * margin), np.uint8)
    for (x, y), (phase_x, phase_y) in zip((cells[near] + margin).tolist(), phases[near].tolist(), strict=True):
        under_brush = canvas[y : y + side, x : x + side]
        np.maximum(under_brush, stamps[phase_y, phase_x], out=under_brush)
    return canvas[2 * margin : 2 * margin + size, 2 * margin : 2 * margin + size].copy()


def _points(stroke: Stroke) -> NDArray[np.float64]:
    try:
        points = np.array(stroke, np.float64)  # (P, 2)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"render: expected points (x, y), two numbers each, got something else ({error!s:.80})."
        ) from error
    if points.shape in ((0,), (0, 2)):
        return points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"render: expected points (x, y), two numbers each, got a stroke of shape {points.shape}.")
    if not np.isfinite(points).all():
        raise DataError("render: expected finite points, got NaN or infinity.")
    if points.min() < -1 or points.max() > 2:
        raise DataError(
            f"render: expected points in canvas units, 0 to 1, got {points.min():g} to {points.max():g}. "
            f"Are these pixels? Divide by the size of the canvas."
        )
    return points


def _along(points: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Points of a stroke (P, 2) that are at most ``step`` apart: its ends, its sharp turns, and evenly spaced ones."""
    moves, lengths = _moves(points)
    if not lengths.any():
        return points[:1]
    travelled = np.cumsum(lengths)
    even = np.arange(0, travelled[-1], step)
    even = even[even < travelled[-1]]  # rounding may make the last one reach it
    segment = np.searchsorted(travelled, even, side="right")
    back = (travelled[segment] - even) / lengths[segment]
    return np.concatenate(
        [points[1:][segment] - moves[segment] * back[:, None], points[1:-1][_turns(moves, lengths)], points[-1:]]
    )


def _count(points: NDArray[np.float64], step: float) -> int:
    """How many points `_along` gives, give or take one."""
    moves, lengths = _moves(points)
    if not lengths.any():
        return len(points[:1])
    return math.ceil(float(lengths.sum()) / step) + int(np.count_nonzero(_turns(moves, lengths))) + 1


def _moves(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From each point (P, 2) to the next (P − 1, 2), and how far that is (P − 1,)."""
    moves = np.diff(points, axis=0)
    return moves, np.sqrt(moves[:, 0] ** 2 + moves[:, 1] ** 2)


def _turns(moves: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a stroke turns sharply (P − 2,)."""
    cosine = (moves[1:, 0] * moves[:-1, 0] + moves[1:, 1] * moves[:-1, 1]) / np.maximum(
        lengths[1:] * lengths[:-1], 1e-12
    )
    sharp: NDArray[np.bool_] = cosine < 0.97
    return sharp


@functools.lru_cache(maxsize=16)
def _stamps(radius: float) -> Pixels:
    """The brush at each quarter-pixel offset: (PHASES, PHASES, side, side), offsets first (y, x)."""
    reach = math.ceil(radius) + 1
    pixel_centres = np.arange(-reach, reach + 1) + 0.5
    offset = pixel_centres - np.arange(PHASES)[:, None] / PHASES  # (PHASES, side)
    distance = np.sqrt(offset[:, None, :, None] ** 2 + offset[None, :, None, :] ** 2)
    # A brush narrower than a pixel covers part of it only.
    coverage = np.clip(radius + 0.5 - distance, 0, min(1, 2 * radius))
    return np.rint(coverage * 255).astype(np.uint8)


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a network's input; its values are saved with the model.

    ``size`` is the side of the input in pixels (default 28); ``box`` is what the longer side of the ink is scaled to
    (default 20); ``ink`` says whether the network expects ink as 1 on 0 ("bright", as in MNIST; default) or as 0 on 1
    ("dark"). ``min_contrast`` is the least difference between ink and paper, out of 255 (default 24): less
    is paper. ``min_stroke`` is the least width of a stroke in pixels of the input (default 2): thinner pens are made
    thicker before the picture is scaled down, because they would fade.

    Raises ArgumentError for values out of range.
    """

    size: int = 28
    box: int = 20
    ink: Literal["bright", "dark"] = "bright"
    min_contrast: int = 24
    min_stroke: float = 2.0

    def __post_init__(self) -> None:
        for name, low, high in (("size", 1, 1024), ("box", 1, self.size), ("min_contrast", 1, 255)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ArgumentError(f"Preprocessing: expected {name} to be an integer {low} to {high}, got {value!r}.")
        if self.ink not in ("bright", "dark"):
            raise ArgumentError(f"Preprocessing: expected ink 'bright' or 'dark', got {self.ink!r}.")
        if type(self.min_stroke) not in (int, float) or not 0 <= self.min_stroke <= self.box:
            raise ArgumentError(f"Preprocessing: expected min_stroke to be 0 to {self.box}, got {self.min_stroke!r}.")

    def prepare(self, image: Pixels, *, ink: Literal["bright", "dark", "auto"] = "bright") -> NDArray[np.float32]:
        """Return the ink of a picture, framed as in MNIST: float32 of shape (size, size, 1), 0 to 1.

        ``image`` is uint8 of shape (H, W) or (H, W, 1). ``ink`` says what is ink in this picture: "bright" on dark
        (``render`` and MNIST; default), "dark" on light paper, or "auto": whatever the border is not.

        Steps: subtract the paper, even if unevenly lit; stretch the contrast; drop what is not near ink; thicken thin
        strokes; crop to the ink; scale by area averages so that the longer side is ``box``; place the centre of mass
        in the middle.

        Raises ArgumentError for another ``ink``; ShapeError or DataError if ``image`` is not as described; LimitError
        if a side is longer than 8192 pixels; DataError if there is no ink.
        """
        grey = _shrink(_bright_ink(_checked(image), ink))
        strokes, full = self._strokes(grey)
        rows, columns = (np.flatnonzero(strokes.any(axis=axis)) for axis in (1, 0))
        cropped = strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        height, width = (max(1, round(side * self.box / max(cropped.shape))) for side in cropped.shape)
        sums = _area_sums(cropped, height, width)
        top, left = (self._offset(sums.sum(axis=axis)) for axis in (1, 0))
        frame = np.zeros((self.size, self.size, 1), np.float32)
        frame[top : top + height, left : left + width, 0] = sums / (full * cropped.size)
        return frame if self.ink == "bright" else 1 - frame

    def _strokes(self, grey: Pixels) -> tuple[Pixels, int]:
        """The strokes alone (H, W), 0 where there is paper, and the level of full ink."""
        levels = grey - _paper(grey)
        histogram = np.bincount(levels.ravel(), minlength=256)
        threshold = _otsu(histogram)
        paper, ink = histogram[: threshold + 1], histogram[threshold + 1 :]
        middle = _quantile(paper, 0.5)
        # Noise is as wide above the middle as below it, where there is no ink to confuse it with.
        floor = middle + 2 * (middle - _quantile(paper, 0.05))
        full = threshold + 1 + _quantile(ink, 0.75) - floor if ink.any() else 0
        if full < self.min_contrast:
            raise DataError(
                f"prepare: no ink found, expected a difference of at least {self.min_contrast} of 255 from the paper, "
                f"got {max(full, 0)}. Is the picture empty, or was its ink taken for paper?"
            )
        strokes = np.clip(levels.astype(np.int16) - floor, 0, full).astype(np.uint8)
        certain = strokes > full // 2
        strokes[_spread(certain.astype(np.uint8), max(2, max(grey.shape) // 14)) == 0] = 0
        return _spread(strokes, self._missing_width(certain)), full

    def _missing_width(self, certain: NDArray[np.bool_]) -> int:
        """By how many pixels of the picture strokes must grow on either side to be as wide as ``min_stroke``."""
        rows, columns = (np.flatnonzero(certain.any(axis=axis)) for axis in (1, 0))
        scale = self.box / (1 + int(max(rows[-1] - rows[0], columns[-1] - columns[0])))
        padded = np.pad(certain, 1)
        edges = sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1))
        # A long stroke has area = width × length and 2 × length of edges, which count 4/π-fold on average over angles.
        width = 8 / math.pi * int(np.count_nonzero(certain)) / int(edges)
        return max(0, round((self.min_stroke / scale - width) / 2))

    def _offset(self, mass: NDArray[np.float64]) -> int:
        """Where to put the first of these rows (or columns), so that the centre of mass is in the middle."""
        centre = float((mass * np.arange(len(mass))).sum() / mass.sum())
        return min(max(round(self.size / 2 - centre), 0), self.size - len(mass))

    def describe(self) -> str:
        """What the network sees of a picture, in words."""
        return f"the ink alone, centred by mass and scaled to {self.size}×{self.size}."

    def to_json(self) -> dict[str, Any]:
        """Return the values as a dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the Preprocessing that ``to_json`` described.

        Raises FormatError if ``values`` has names that are unknown or missing, or values out of range.
        """
        expected = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != expected:
            got = sorted(map(str, values)) if isinstance(values, Mapping) else type(values).__name__
            raise FormatError(f"Preprocessing.from_json: expected exactly {sorted(expected)}, got {got}.")
        try:
            return cls(**values)
        except ArgumentError as error:
            raise FormatError(f"Preprocessing.from_json: {error}") from error


def _checked(image: Pixels) -> Pixels:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        got = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise DataError(f"prepare: expected a uint8 array, 0 to 255, got {got}. Use render or decode_image.")
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,)) or image.size == 0:
        raise ShapeError(
            f"prepare: expected a grey picture (H, W) or (H, W, 1), got {image.shape}. Use decode_image(channels=1)."
        )
    if max(image.shape) > MAX_SIDE:
        raise LimitError(
            f"prepare: expected sides of at most {MAX_SIDE:,} pixels, got {image.shape}. Scale the picture down first."
        )
    return image.reshape(image.shape[:2])


def _bright_ink(grey: Pixels, ink: str) -> Pixels:
    if ink not in ("bright", "dark", "auto"):
        raise ArgumentError(f"prepare: expected ink 'bright', 'dark' or 'auto', got {ink!r}.")
    if ink == "auto":
        border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
        paper_is_bright = 2 * np.median(border) > float(grey.min()) + float(grey.max())
        ink = "dark" if paper_is_bright else "bright"
    return 255 - grey if ink == "dark" else grey


def _shrink(grey: Pixels) -> Pixels:
    longer = max(grey.shape)
    if longer <= WORKING_SIZE:
        return grey
    height, width = (max(1, round(side * WORKING_SIZE / longer)) for side in grey.shape)
    return np.rint(_area_sums(grey, height, width) / grey.size).astype(np.uint8)


def _paper(grey: Pixels) -> Pixels:
    """The paper under bright ink (H, W): an opening, which takes away all that is narrower than half the picture."""
    radius = max(grey.shape) // 4
    return _spread(255 - _spread(255 - grey, radius), radius)


def _spread(grey: Pixels, radius: int) -> Pixels:
    """The maximum over a square of 2·radius + 1 pixels around each pixel (H, W)."""
    for axis in (0, 1):
        grey = np.pad(grey, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)])
        covered = 1
        while covered < 2 * radius + 1:  # windows of 1, 2, 4, … pixels, and the rest
            shift = min(covered, 2 * radius + 1 - covered)
            before, after = np.split(grey, [shift], axis)[1], np.split(grey, [-shift], axis)[0]
            grey = np.maximum(before, after)
            covered += shift
    return grey


def _area_sums(grey: Pixels, height: int, width: int) -> NDArray[np.float64]:
    """Weighted sums (height, width) of a picture (H, W); divided by H × W they are its area averages."""
    rows, columns = _overlaps(height, grey.shape[0]), _overlaps(width, grey.shape[1])
    summed = np.zeros((height, grey.shape[1]))
    for begin in range(0, len(grey), WORKING_SIZE):  # of a large picture, a few rows at a time become floats
        part = slice(begin, begin + WORKING_SIZE)
        summed += rows[:, part] @ grey[part].astype(np.float64)
    return summed @ columns.T


def _overlaps(new: int, old: int) -> NDArray[np.float64]:
    """How much of old pixel j lies under new pixel i (new, old), in units that make every overlap an integer."""
    new_edges, old_edges = np.arange(new + 1) * old, np.arange(old + 1) * new
    end = np.minimum(new_edges[1:, None], old_edges[None, 1:])
    start = np.maximum(new_edges[:-1, None], old_edges[None, :-1])
    overlap: NDArray[np.int64] = np.maximum(end - start, 0)
    return overlap.astype(np.float64)


def _otsu(histogram: NDArray[np.int64]) -> int:
    """The last level of the darker of the two best separated classes (N. Otsu, IEEE Trans. SMC 9(1), 1979)."""
    count = np.cumsum(histogram)
    mass = np.cumsum(histogram * np.arange(256))
    total, total_mass = float(count[-1]), float(mass[-1])
    between = (total_mass * count - total * mass) ** 2 / np.maximum(count * (total - count), 1)
    return int(np.argmax(between))


def _quantile(histogram: NDArray[np.int64], q: float) -> int:
    cumulative = np.cumsum(histogram)
    return int(np.searchsorted(cumulative, q * cumulative[-1]))
