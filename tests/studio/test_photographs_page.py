"""The page for photographs in a real browser: what a person does, and what they then see."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import striate
from striate import layers
from striate.studio.network import Network
from tests.studio.branched import branched, paper
from tests.studio.conftest import running
from tests.studio.test_page import WIDTHS, few, maps, visiting
from tests.studio.test_server import png

RED, BLUE = png(paper(255, 0, 0)), png(paper(0, 0, 255))
READY = "#outline details"


@pytest.fixture(scope="module")
def address():
    with running(branched()) as address:
        yield address


@pytest.fixture
def page(browser, address):
    with visiting(browser, address, ready=READY) as page:
        yield page


def choose(page, content, name="picture.png"):
    page.locator("#file").set_input_files({"name": name, "mimeType": "image/png", "buffer": content})


def give(page, kind, *contents):
    """Drop or paste files."""
    page.evaluate(
        """([kind, contents]) => {
          const data = new DataTransfer();
          const files = contents.map((bytes) => new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
          for (const file of files) data.items.add(file);
          const [event, property] = kind === "drop" ? [DragEvent, "dataTransfer"] : [ClipboardEvent, "clipboardData"];
          document.body.dispatchEvent(new event(kind, { [property]: data, bubbles: true, cancelable: true }));
        }""",
        [kind, [list(content) for content in contents]],
    )


def expect_answer(page, name):
    expect(page.locator("#glyph")).to_have_text(name)


def is_painted(canvas):
    """Whether a canvas shows more than one colour."""
    return canvas.evaluate(
        """canvas => {
          if (!canvas.width) return false;
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const pixels = new Uint32Array(data.buffer);
          return new Set(pixels.filter((pixel) => pixel !== 0)).size > 1;
        }"""
    )


def expect_painted(page, layer):
    canvas = maps(page, layer)
    for _ in range(100):
        if is_painted(canvas):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{layer} stayed empty")


def test_P3_empty_page_invites_and_shows_the_network(page):
    assert page.get_by_text("Drop a picture here").is_visible()
    assert page.locator("#layers figure").count() == 20
    assert page.locator(".row:visible").count() == 0


@pytest.mark.parametrize("way", few("drop", more=("choose", "paste")))
def test_P3_picture_gets_five_classes_and_what_the_network_sees(page, way):
    choose(page, RED) if way == "choose" else give(page, way, RED)
    expect_answer(page, "red")
    rows = page.locator("#likeliest .row")
    assert rows.locator(".label").all_inner_texts() == ["red", "green", "blue", "grey", "black"]  # of equals the first
    assert rows.first.locator(".number").inner_text() == "91.6 %"  # e⁴ / (e⁴ + 5)
    expect(page.get_by_alt_text("The part of the picture that the network sees")).to_be_visible()
    expect(page.locator("#spoken")).to_have_text("red, 91.6 %")


def test_P3_maps_come_when_their_layer_comes_into_view_and_go_when_it_leaves(page):
    choose(page, RED)
    expect_answer(page, "red")
    expect_painted(page, "copies")
    last = maps(page, "deep_11")
    assert last.evaluate("canvas => canvas.width") == 0  # far below
    last.scroll_into_view_if_needed()
    expect_painted(page, "deep_11")
    expect(maps(page, "pixels")).to_have_js_property("width", 0)


def test_P3_number_under_the_pointer_is_the_engines(page):
    choose(page, RED)
    expect_answer(page, "red")
    expect_painted(page, "copies")
    page.get_by_role("button", name="Next maps").first.click()
    expect(page.get_by_text("maps 32–39 of 40")).to_be_visible()
    canvas = maps(page, "copies")
    expect_painted(page, "copies")
    canvas.hover(position={"x": 40, "y": 20})  # map 32, in the right half: red
    readout = page.locator("figure", has=page.locator("[title=copies]")).locator(".readout")
    assert re.match(r"\[\d+, \d+, 32\] 27\b", readout.inner_text().replace("\n", " "))  # 1 × (32 − 5)
    assert "−34" in readout.inner_text()  # the scale is that of all 40 maps


def test_P3_keyboard_alone_reaches_a_deep_layer_and_its_numbers(page):
    choose(page, RED)
    expect_answer(page, "red")
    page.get_by_role("link", name="ReLU deep_9").focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("/#deep_9")
    expect(maps(page, "deep_9")).to_be_focused()
    expect_painted(page, "deep_9")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(page.locator("figure", has=page.locator("[title=deep_9]")).locator(".turner")).to_contain_text("32–42 of 43")
    page.keyboard.press("Enter")
    assert page.url.endswith("/#deep_9/40")
    expect(page.get_by_role("application", name="One map of deep_9")).to_be_focused()
    for key in ("ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert page.url.endswith("/#deep_9/40/1,0")
    page.keyboard.press("Escape")
    assert page.locator(".lens:visible").count() == 0


def test_P3_branches_can_be_followed_by_links(page):
    joined = page.locator("figure", has=page.locator("[title=joined]"))
    assert joined.locator(".relation a").all_inner_texts() == ["positive", "channels"]
    joined.get_by_role("link", name="channels").click()
    expect(maps(page, "channels")).to_be_focused()


def test_P3_reload_and_link_restore_picture_and_place(browser, address):
    with visiting(browser, address, ready=READY, path="/#deep_3/41/2,7") as page:
        expect(page.locator(".lens:visible")).to_have_count(1)
        choose(page, RED)
        expect(page.locator(".lens:visible")).to_contain_text("[2, 7, 41]")
        page.reload()
        expect_answer(page, "red")
        expect(page.locator(".lens:visible")).to_contain_text("[2, 7, 41]")


@pytest.mark.parametrize("place", few("nowhere", more=("copies/99", "copies/0/99,0", "%")))
def test_R4_link_to_nowhere_leads_to_the_whole_network(browser, address, place):
    with visiting(browser, address, ready=READY, path=f"/#{place}") as page:
        choose(page, RED)
        expect_answer(page, "red")
        assert page.locator(".lens:visible").count() == 0


def test_R4_bad_picture_is_named_and_the_answer_stays(page):
    choose(page, RED)
    expect_answer(page, "red")
    give(page, "drop", b"some text")
    expect(page.get_by_role("alert")).to_have_text(re.compile(r"^Expected a picture \(PNG, .*\), got something else"))
    expect_answer(page, "red")
    expect_painted(page, "copies")
    give(page, "drop", BLUE, RED)
    expect_answer(page, "blue")
    expect(page.get_by_role("alert")).to_have_text("One picture at a time: this is the first of 2.")
    choose(page, RED)
    expect_answer(page, "red")
    expect(page.get_by_role("alert")).to_have_text("")


def test_R4_slow_answer_says_so_and_can_be_stopped(page):
    page.route("**/api/inputs/", lambda _: None)  # never answered
    choose(page, RED)
    expect(page.get_by_text("Working…")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(page.get_by_role("alert")).to_have_text("")
    assert page.locator("#glyph").inner_text() == ""


@pytest.fixture
def forgetful(browser):
    """The address of a studio that keeps one picture."""
    with running(branched(), memory=Network(branched()).look(paper(0, 0, 0)).size) as address:
        yield address


def test_P3_picture_that_the_server_forgot_is_shown_to_it_again(browser, forgetful):
    with visiting(browser, forgetful, ready=READY) as page, visiting(browser, forgetful, ready=READY) as other:
        choose(page, RED)
        expect_answer(page, "red")
        choose(other, BLUE)
        expect_answer(other, "blue")
        maps(page, "deep_11").scroll_into_view_if_needed()
        expect_painted(page, "deep_11")
        expect(page.get_by_role("alert")).to_have_text("")


def test_R7_picture_that_the_server_forgot_and_the_page_has_not_is_asked_for(browser, forgetful):
    with visiting(browser, forgetful, ready=READY) as page, visiting(browser, forgetful, ready=READY) as other:
        choose(page, RED)
        expect_answer(page, "red")
        page.reload()  # what was shown comes from the server; the file is not there any more
        expect_answer(page, "red")
        choose(other, BLUE)
        expect_answer(other, "blue")
        maps(page, "deep_11").scroll_into_view_if_needed()
        expect(page.get_by_role("alert")).to_have_text("It is not kept any more. Open or draw it again.")
        choose(page, RED)
        expect_painted(page, "deep_11")
        expect(page.get_by_role("alert")).to_have_text("")


def test_R4_page_outlives_the_server(browser):
    with running(branched()) as address:
        visit = visiting(browser, address, ready=READY)
        page = visit.__enter__()
        choose(page, RED)
        expect_answer(page, "red")
    choose(page, BLUE)
    expect(page.get_by_role("alert")).to_contain_text("The studio does not answer")
    expect_answer(page, "red")
    visit.__exit__(None, None, None)


def test_P3_what_a_file_does_not_say_is_on_the_page(browser):
    model = branched(activation=None)
    model.classes, model.preprocessing = (), None
    with running(model) as address, visiting(browser, address, ready=READY) as page:
        assert page.get_by_text("This file does not say how pictures become numbers; pixels from 0 to 1").is_visible()
        assert page.get_by_text("they are taken for logits, whose softmax is shown. If they are something").is_visible()
        choose(page, RED)
        expect_answer(page, "class 0")


def test_P3_one_sigmoid_shows_two_classes_whose_bars_lead_to_the_one_unit(browser):
    model = striate.Sequential(
        [striate.Input((24, 24, 3)), layers.Flatten(), layers.Dense(1, activation="sigmoid", name="unit")]
    )
    model.classes = ("cat", "dog")
    model.set_weights([np.zeros((24 * 24 * 3, 1)), np.array([2.0])])
    with running(model) as address, visiting(browser, address, ready=READY) as page:
        choose(page, RED)
        expect_answer(page, "dog")
        rows = page.locator("#likeliest .row")
        assert [text.split("\n")[0] for text in rows.all_inner_texts()] == ["dog", "cat"]
        rows.first.click()
        expect(page.locator("figure").last).to_contain_text("[0]")


@pytest.mark.parametrize("scheme", few("light", more=("dark",)))
@pytest.mark.parametrize("width", WIDTHS)
def test_P3_page_fits_every_width_and_is_not_empty(browser, address, width, scheme):
    size = {"width": width, "height": 800}
    with visiting(browser, address, ready=READY, viewport=size, color_scheme=scheme) as page:
        choose(page, RED)
        expect_answer(page, "red")
        maps(page, "copies").scroll_into_view_if_needed()
        expect_painted(page, "copies")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        screenshot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
        assert (screenshot.mean() > 128) == (scheme == "light")
        assert screenshot.std() > 10


@pytest.mark.parametrize(
    ("size", "ratio", "tile"), [(24, 1, 48), (56, 1, 56), (224, 1, 56), (224, 2, 112), (1000, 1, 55)]
)
def test_P3_large_maps_are_made_smaller_until_two_lines_hold_them(page, size, ratio, tile):
    arranged = """async ([size, ratio]) => {
        const { arrange, cellAt, tileAt } = await import("./maps.js");
        const room = { width: 976 * ratio, height: 133 * ratio, tile: 112 * ratio, least: 48 * ratio, gap: 4 * ratio };
        const arrangement = arrange({ height: size, width: size, channels: 32 }, room);
        const { x, y, width } = tileAt(arrangement, { channel: 20 });
        return [width, cellAt(arrangement, x + width - 0.01, y + 0.01)];
    }"""
    width, cell = page.evaluate(arranged, [size, ratio])
    assert width == tile
    assert cell["channel"] == 20
    assert cell["row"] == 0
    assert size - 20 <= cell["column"] < size
