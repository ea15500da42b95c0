"""A9: the one preprocessing path for drawings."""

import csv
import hashlib
import json
import os
import tracemalloc
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.data import Preprocessing, decode_image, drawing, render
from striate.datasets import mnist
from striate.errors import ArgumentError, DataError, FormatError, LimitError, ShapeError, StriateError

SIX = [[(0.62, 0.15), (0.45, 0.35), (0.36, 0.62), (0.45, 0.82), (0.62, 0.8), (0.66, 0.63), (0.52, 0.55), (0.38, 0.64)]]
CURVE = [(0.5 + 0.3 * np.sin(t), 0.5 + 0.3 * np.cos(2 * t)) for t in np.linspace(0, 5, 200)]


def by_distance(strokes, width, size):
    """The oracle: coverage from the distance of every pixel to every segment."""
    y, x = np.mgrid[:size, :size] + 0.5
    nearest = np.full((size, size), np.inf)
    for stroke in strokes:
        points = np.array(stroke) * size
        for start, end in zip(points, points[1:] if len(points) > 1 else points, strict=False):
            move = end - start
            square = move @ move
            along = np.clip(((x - start[0]) * move[0] + (y - start[1]) * move[1]) / square, 0, 1) if square else 0
            nearest = np.minimum(nearest, np.hypot(x - start[0] - along * move[0], y - start[1] - along * move[1]))
    return 255 * np.clip(width * size / 2 + 0.5 - nearest, 0, min(1, width * size))


@pytest.mark.parametrize(("size", "width"), [(100, 0.08), (56, 0.05), (64, 0.4), (100, 0.011), (28, 0.02)])
@pytest.mark.parametrize(
    "strokes",
    [
        SIX,
        [CURVE],
        [[(0.5, 0.5)]],
        [[(-0.5, 0.1), (1.4, 0.9)]],
        [[(0.2, 0.2)] * 5],
        [[(0.3, 0.3), (0.6, 0.3), (0.3, 0.3)]],
    ],
)
def test_A9_render_agrees_with_distances(strokes, size, width):
    difference = np.abs(render(strokes, width=width, size=size) - by_distance(strokes, width, size))
    assert difference.max() <= 0.31 * 255  # pixels on the edge, from a quarter pixel of placement and the notches
    assert difference.mean() < 3


def test_A9_render_nothing():
    assert not render([], width=0.1, size=10).any()
    assert not render([[]], width=0.1, size=10).any()
    assert not render([np.zeros((0, 2))], width=0.1, size=10).any()
    assert not render([[(-0.9, -0.9)]], width=0.1, size=10).any()


def test_A9_render_hair_line():
    assert render(SIX, width=1e-300).max() == 0
    assert 0 < render(SIX, width=0.001, size=100).max() < 255


@pytest.mark.parametrize(
    ("strokes", "options", "error", "message"),
    [
        (SIX, {"width": 0}, ArgumentError, "render: expected a brush width in canvas units, 0 < width <= 0.5, got 0"),
        (SIX, {"width": float("nan")}, ArgumentError, "got nan"),
        (SIX, {"width": 0.1, "size": 5000}, ArgumentError, "render: expected a size of 1 to 1024 pixels, got 5000"),
        ([[(0.5, float("nan"))]], {"width": 0.1}, DataError, "render: expected finite points, got NaN or infinity"),
        ([[(140, 70)]], {"width": 0.1}, DataError, r"in canvas units, 0 to 1, got 70 to 140. Are these pixels\?"),
        ([[0.5, 0.5]], {"width": 0.1}, DataError, r"expected points \(x, y\), two numbers each, got a stroke of shape"),
        ([3], {"width": 0.1}, DataError, r"got a stroke of shape \(\)"),
        ([[(10**400, 0)]], {"width": 0.1}, DataError, "too large"),
        ([[("a", "b")]], {"width": 0.1}, DataError, r"expected points \(x, y\), two numbers each, got something else"),
        ([[(0.5, 0.5)] * 20_001], {"width": 0.1}, LimitError, "render: expected at most 20,000 points, got 20,001"),
        (
            [np.random.default_rng(0).random((20_000, 2)).tolist()],
            {"width": 0.001},
            LimitError,
            "render: expected strokes of at most 200,000,000 pixels under the brush",
        ),
    ],
)
def test_R4_render(strokes, options, error, message):
    with pytest.raises(error, match=message):
        render(strokes, **options)


def test_A9_strokes_whose_length_is_a_multiple_of_the_step():
    """Rounding may place the brush once more at the very end, where no segment begins."""
    for length in (0.06338656910463875, 0.1267731382092775, 0.2662235902394827):
        stroke = [[(0.1, 0.5), (0.1 + length, 0.5)]]
        for shifted in (stroke, [[(0.0, 0.5), (length, 0.5)]]):
            difference = np.abs(render(shifted, width=0.01) - by_distance(shifted, 0.01, 280))
            assert difference.max() <= 0.31 * 255


#: What refusing a drawing may take, and drawing it: bytes at any one time, and places of the brush.
MOST_BYTES = 160 << 20
MOST_PLACES = drawing.MAX_WORK // drawing.STAMP_COST


@contextmanager
def counted(monkeypatch):
    """Counts bytes that were in use at any one time, and places of the brush."""
    count = {"bytes": 0, "places": 0}
    along = drawing._along

    def counting(*arguments):
        found = along(*arguments)
        count["places"] += len(found)
        return found

    monkeypatch.setattr(drawing, "_along", counting)
    tracemalloc.start()
    try:
        yield count
    finally:
        count["bytes"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        monkeypatch.setattr(drawing, "_along", along)


ZIGZAG = [[-1, -1], [2, 2], [2, -1], [-1, 2]]


@pytest.mark.parametrize("size", [280, 1024])
@pytest.mark.parametrize("width", [5e-324, 1e-9, 1e-3, 0.5])
@pytest.mark.parametrize(
    "strokes",
    [[np.array(ZIGZAG * 5000)], [[point] for point in ZIGZAG * 100], [np.array(ZIGZAG * 20)] * 250, [[]] * 1000],
    ids=["one long stroke", "dots", "many strokes", "strokes of nothing"],
)
def test_R3_work_for_a_drawing_is_bounded_before_it_is_done(strokes, width, size, monkeypatch):
    with counted(monkeypatch) as count, suppress(LimitError):
        render(strokes, width=width, size=size)
    assert count["bytes"] < MOST_BYTES
    assert count["places"] <= MOST_PLACES


COORDINATES = st.floats(-1, 2) | st.sampled_from([-1, 0, 5e-324, 1e-9, 1, 2, 2.0000001, 1e308])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.lists(st.tuples(COORDINATES, COORDINATES), max_size=9), st.integers(1, 2000)), max_size=4),
    st.floats(0, 0.6) | st.floats(0, 1e-3),
    st.integers(0, 1100),
)
def test_R3_hostile_drawings_stay_within_bounds(monkeypatch, strokes, width, size):
    with counted(monkeypatch) as count, suppress(StriateError):
        assert render([points * times for points, times in strokes], width=width, size=size).shape == (size, size)
    assert count["bytes"] < MOST_BYTES
    assert count["places"] <= MOST_PLACES


def test_A9_same_strokes_same_bytes():
    pictures = [render(SIX, width=0.07), render([[tuple(p) for p in json.loads(json.dumps(SIX[0]))]], width=0.07)]
    prepared = [Preprocessing().prepare(picture).tobytes() for picture in pictures]
    assert pictures[0].tobytes() == pictures[1].tobytes()
    assert prepared[0] == prepared[1]
    # Written down, so that another machine or version of NumPy that differs shows.
    assert hashlib.sha256(pictures[0]).hexdigest()[:16] == "71ab1e88e6b1c0a4"
    assert hashlib.sha256(prepared[0]).hexdigest()[:16] == "35059e7b7724d43a"


def test_A9_mnist_digits_stay_themselves():
    digits = mnist.load_split("test")[0][:1000]
    prepared = np.array([Preprocessing().prepare(digit) for digit in digits])
    difference = np.abs(prepared[..., 0] - digits / 255).mean(axis=(1, 2))
    assert difference.mean() < 0.0015  # measured: 0.0012; a shift by one pixel would give 0.06
    assert (difference < 0.005).mean() > 0.98


def test_A9_place_size_and_polarity_do_not_matter():
    small = [[(0.1 + 0.4 * x, 0.5 + 0.4 * y) for x, y in SIX[0]]]
    one = Preprocessing().prepare(render(SIX, width=0.08))
    other = Preprocessing().prepare(render(small, width=0.032))
    assert np.abs(one - other).mean() < 0.01
    picture = render(SIX, width=0.08)
    np.testing.assert_array_equal(Preprocessing().prepare(255 - picture, ink="dark"), one)
    np.testing.assert_array_equal(Preprocessing().prepare(255 - picture, ink="auto"), one)
    np.testing.assert_array_equal(Preprocessing().prepare(picture, ink="auto"), one)
    np.testing.assert_array_equal(Preprocessing(ink="dark").prepare(picture), 1 - one)


def test_A9_frame():
    prepared = Preprocessing(size=40, box=30).prepare(render(SIX, width=0.08))[..., 0]
    assert prepared.dtype == np.float32
    assert prepared.shape == (40, 40)
    assert prepared.min() == 0
    assert prepared.max() <= 1
    assert max(np.count_nonzero(prepared.any(axis=axis)) for axis in (0, 1)) == 30
    for axis in (0, 1):
        mass = prepared.sum(axis=axis)
        assert abs((mass * np.arange(40)).sum() / mass.sum() - 20) <= 0.5


def test_A9_uneven_paper_and_noise_vanish():
    drawn = render(SIX, width=0.08).astype(float)
    y, x = np.mgrid[:280, :280] / 280
    noise = np.random.default_rng(0).normal(0, 2, drawn.shape)
    photograph = 220 - 90 * x - 30 * y + noise - drawn / 255 * 70
    prepared = Preprocessing().prepare(photograph.clip(0, 255).astype(np.uint8), ink="auto")
    assert np.abs(prepared - Preprocessing().prepare(render(SIX, width=0.08))).mean() < 0.02


@pytest.mark.parametrize("width", [0.004, 0.01, 0.03, 0.1, 0.16])
def test_A9_thin_and_thick_pens_keep_their_ink(width):
    prepared = Preprocessing().prepare(render(SIX, width=width))
    assert 0.05 < prepared.mean() < 0.3  # of MNIST's test digits, 95 in 100 have 0.05 to 0.2
    assert prepared.max() > 0.8


def test_A9_large_pictures_are_shrunk_first():
    large = np.kron(render(SIX, width=0.08), np.ones((5, 5), np.uint8))
    prepared = Preprocessing().prepare(large)
    assert np.abs(prepared - Preprocessing().prepare(render(SIX, width=0.08))).mean() < 0.01


@pytest.mark.parametrize("ink", ["bright", "dark", "auto"])
@pytest.mark.parametrize(
    "image", [np.zeros((28, 28), np.uint8), np.full((9, 5), 255, np.uint8), np.full((300, 2), 90, np.uint8)]
)
def test_A9_empty_picture(image, ink):
    with pytest.raises(DataError, match="prepare: no ink found, expected a difference of at least 24 of 255"):
        Preprocessing().prepare(image, ink=ink)


@pytest.mark.parametrize(
    ("image", "ink", "error", "message"),
    [
        (np.zeros((4, 4)), "bright", DataError, "prepare: expected a uint8 array, 0 to 255, got float64"),
        ([[1]], "bright", DataError, "got list"),
        (np.zeros((4, 4, 3), np.uint8), "bright", ShapeError, r"expected a grey picture .* got \(4, 4, 3\)"),
        (np.zeros((1, 9000), np.uint8), "bright", LimitError, r"sides of at most 8,192 pixels, got \(1, 9000\)"),
        (np.zeros((0, 4), np.uint8), "bright", ShapeError, r"got \(0, 4\)"),
        (np.zeros((4, 4), np.uint8), "blue", ArgumentError, "expected ink 'bright', 'dark' or 'auto', got 'blue'"),
    ],
)
def test_R4_prepare(image, ink, error, message):
    with pytest.raises(error, match=message):
        Preprocessing().prepare(image, ink=ink)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from(["bright", "dark", "auto"]))
def test_A9_any_picture_gives_a_frame_or_an_error(height, width, seed, ink):
    rng = np.random.default_rng(seed)
    image = (rng.random((height, width)) ** 4 * 255).astype(np.uint8)
    try:
        prepared = Preprocessing().prepare(image, ink=ink)
    except StriateError:
        return
    assert prepared.shape == (28, 28, 1)
    assert 0 <= prepared.min() <= prepared.max() <= 1
    assert prepared.any()


def test_A9_preprocessing_is_saved():
    settings = Preprocessing(size=32, box=24, ink="dark", min_contrast=30, min_stroke=1.5)
    assert Preprocessing.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "expected size to be an integer 1 to 1024, got 0"),
        ({"size": True}, "got True"),
        ({"box": 29}, "expected box to be an integer 1 to 28, got 29"),
        ({"min_contrast": 1.5}, "expected min_contrast to be an integer 1 to 255, got 1.5"),
        ({"ink": "auto"}, "expected ink 'bright' or 'dark', got 'auto'"),
        ({"min_stroke": float("nan")}, "expected min_stroke to be 0 to 20, got nan"),
    ],
)
def test_R4_preprocessing_values(change, message):
    with pytest.raises(ArgumentError, match=f"Preprocessing: .*{message}|{message}"):
        Preprocessing(**change)
    with pytest.raises(FormatError, match=f"Preprocessing.from_json: .*{message}"):
        Preprocessing.from_json(Preprocessing().to_json() | change)


@pytest.mark.parametrize("values", [{}, {"size": 28}, Preprocessing().to_json() | {"evil": 1}, [1], None])
def test_R4_preprocessing_names(values):
    with pytest.raises(FormatError, match=r"Preprocessing.from_json: expected exactly .*'box', 'ink'"):
        Preprocessing.from_json(values)


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set: no photographed digits")
def test_A9_photographed_digits_look_like_mnist():
    folder = Path(os.environ["STRIATE_DATA"]) / "handwritten62"
    with open(folder / "labels.csv", newline="") as table:
        digits = [row["file"] for row in csv.DictReader(table) if row["kind"] == "DIGIT" and not row["duplicate_of"]]
    with zipfile.ZipFile(folder / "handwritten62_png.zip") as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        photographs = [decode_image(archive.read(members[name]), channels=1) for name in digits[::5]]
    prepared = []
    for photograph in photographs:
        try:
            prepared.append(Preprocessing().prepare(photograph, ink="auto"))
        except DataError:  # a few are too faint to be read
            continue
    assert len(prepared) >= 0.98 * len(photographs)
    ink = np.array(prepared).mean(axis=(1, 2, 3))
    assert 0.06 < np.median(ink) < 0.14  # MNIST: 0.12
    assert np.mean(ink > 0.25) < 0.02  # paper taken for ink


def test_faint_ink_stays_where_it_is_near_to_certain_ink():
    """Near is a fourteenth of the picture: strokes fade as a pen lifts, and far from them there is only dirt."""
    size = 280
    image = np.zeros((size, size, 1), np.uint8)
    image[60:220, 100:112] = 255
    alone = Preprocessing().prepare(image, ink="bright")
    near, far = image.copy(), image.copy()
    near[60:220, 112:124] = 100
    far[60:220, 160:172] = 100
    assert Preprocessing().prepare(near, ink="bright").sum() > 1.05 * alone.sum()
    np.testing.assert_allclose(Preprocessing().prepare(far, ink="bright"), alone, atol=1e-6)
