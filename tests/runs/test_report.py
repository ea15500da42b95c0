"""The report: whole in one file, true to the numbers, and readable in a real browser, also on a phone."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from striate.runs import PhotoSettings, PhotoTraining, RunFolder, TrainedPhotos, write_report
from striate.runs.figures import Line, line_chart, reliability_diagram
from striate.runs.folder import REPORT
from striate.runs.scores import Bin, score
from tests.data.photos import stripes

HOSTILE = "<b onload=x>&dogs\"'"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a network that was asked before it learnt, so that there are mistakes, in a class of evil name."""
    root = tmp_path_factory.mktemp("report")
    stripes(root / "photos" / "train", 12, classes=("cats", HOSTILE))
    stripes(root / "photos" / "val", 6, classes=("cats", HOSTILE), first=50)
    (root / "photos" / ".hidden").write_text("")
    training = PhotoTraining(PhotoSettings(str(root / "photos"), size=16, epochs=3))
    run = RunFolder.create(root / "run", training.config())
    lines = [(0.7, 0.5, 0.72, 0.5), (0.6, 0.6, 0.65, 0.58), (0.4, 0.9, None, 0.75)]
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    run.write_log(
        [
            dict(zip(names, line, strict=True)) | {"epoch": i, "learning_rate": 0.001 * i}
            for i, line in enumerate(lines, 1)
        ]
    )
    labels = np.array([photo.label for photo in training.photos.splits["validation"]])
    probabilities = np.full((12, 2), 0.2)
    probabilities[np.arange(12), np.where(np.arange(12) < 3, 1 - labels, labels)] = 0.8
    photos = training.photos.splits["validation"]
    trained = TrainedPhotos(training.model, "validation", photos, score(labels, probabilities))
    write_report(training, trained, run)
    return root / "run" / REPORT


class Page(HTMLParser):
    """Tags and their attributes, and the text between them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_nothing_is_loaded_and_nothing_runs(report):
    page = Page(report.read_text())
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "b onload"}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href", "xlink:href", "action"):
            assert attributes.get(name, "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert "url(" not in report.read_text()


def test_what_it_says_is_what_was_measured(report):
    page = Page(report.read_text())
    text = " ".join(page.text.split())
    assert "75.0% of 12 validation pictures are recognised" in text
    assert "95 % confidence interval: 46.8% to 91.1%" in text
    assert "most frequent class would be right for 50.0%" in text
    assert "3 of 12 answers are wrong" in text
    assert HOSTILE in text
    assert "hidden files and folders: 1, left out" in text
    assert text.count("80% sure") == 3
    assert len([1 for tag, _ in page.tags if tag == "img"]) == 3
    cells = re.findall(r"<td style[^>]*>([^<]*)</td>", report.read_text())
    assert sorted(cells) == ["3", "3", "6", "·"]


@pytest.fixture(scope="module")
def browser():
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no browser: install Debian's chromium to run these tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("width", [360, 800, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(browser, report, width, scheme):
    with browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme) as context:
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        assert said == []
        assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        ink, paper = (page.evaluate(f"getComputedStyle(document.documentElement).{name}") for name in INK)
        brightness = [sum(map(int, re.findall(r"\d+", colour))) for colour in (ink, paper)]
        assert (brightness[0] > brightness[1]) == (scheme == "dark")
        assert page.get_by_role(
            "img", name="Accuracy over epochs; in the last epoch training 0.9, validation 0.75"
        ).count()


INK = ("color", "backgroundColor")


def points(svg):
    return [
        [tuple(map(float, point.split(","))) for point in route.split()]
        for route in re.findall(r'<polyline[^>]*points="([^"]*)"', svg)
    ]


def test_lines_go_where_the_numbers_are():
    svg = line_chart([Line("a", "train", [0, 0.5, 1.0]), Line("b", "validation", [1.0, None, 0])], "x", str, 1.0)
    rising, falling = points(svg)
    assert [x for x, _ in rising] == pytest.approx([44, 152, 260])
    assert [y for _, y in rising] == pytest.approx([180, 96, 12])
    assert falling == [(44, 12), (260, 180)]


@pytest.mark.parametrize(("values", "top"), [([0.69], "0.8"), ([3.2, 0.1], "4"), ([0.0], "1e-09"), ([90.0], "100")])
def test_scales_end_at_round_numbers_above_the_values(values, top):
    svg = line_chart([Line("a", "train", values)], "x", "{:.1g}".format)
    ticks = re.findall(r'text-anchor="end">([^<]*)<', svg)
    assert float(ticks[0]) == 0
    assert float(ticks[-1]) >= max(values) * 0.9
    assert 4 <= len(ticks) <= 12


def test_no_values_no_line():
    assert points(line_chart([Line("a", "train", [None])], "x", str, 1.0)) == []


def test_bars_are_as_high_as_answers_are_right():
    svg = reliability_diagram([Bin(0, 0, 0), Bin(3, 0.7, 0.5), Bin(1, 0.95, 1.0)], "<label>")
    heights = [float(height) for height in re.findall(r'class="bar"[^>]*height="([\d.]+)"', svg)]
    assert heights == pytest.approx([84, 168])
    assert 'aria-label="&lt;label&gt;"' in svg
