"""The page in a real browser: what a person does, and what they then see."""

import re
from contextlib import contextmanager

import numpy as np
import pytest
from playwright.sync_api import expect

from striate.data.drawing import render
from tests.studio.conftest import running
from tests.studio.standin import stand_in
from tests.studio.strokes import DIGITS, SCRIBBLES
from tests.studio.test_server import png

TALL = DIGITS["1"][0]
HOLLOW = DIGITS["0"][0]
#: Digits that every `pytest` draws; others are `exhaustive`.
FEW = [("3", 0), ("8", 0)]


def few(*values, more):
    """Parameters: those that every `pytest` tries, and those that are left to the exhaustive tests."""
    return [*values, *(pytest.param(value, marks=pytest.mark.exhaustive) for value in more)]


WIDTHS = few(360, 1280, more=(390, 768, 1920, 3840))  # phone to projector
FLAT = [[(0.1, 0.5), (0.3, 0.5), (0.6, 0.5), (0.9, 0.5)]]


@contextmanager
def visiting(browser, address, *, path="/", ready=".bars", **options):
    """Open the page; a script that fails, or that the page's own policy blocks, fails the test."""
    trouble = []
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda line: trouble.append(line.text) if "Content Security Policy" in line.text else None)
        page.goto(f"http://{address}{path}")
        page.wait_for_selector(ready)
        yield page
    assert trouble == []


@pytest.fixture
def page(browser, studio):
    with visiting(browser, studio) as page:
        yield page


def draw(page, strokes, *, lift=True):
    """Draw with the mouse; without `lift` the last stroke's button stays down."""
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    for number, stroke in enumerate(strokes):
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        if lift or number < len(strokes) - 1:
            page.mouse.up()


def expect_glyph(page, glyph):
    expect(page.locator("#glyph")).to_have_text(glyph)


def expect_final(page, glyph):
    """Wait for the answer to the whole drawing: an answer is read out once no other has followed it for a while."""
    expect(page.locator("#spoken")).to_have_text(re.compile(f"^{glyph}, "))


def maps(page, layer):
    """The canvas with all of a layer's maps."""
    return page.get_by_role("application", name=f"{layer}, ")


def ink(page, selector="#pad"):
    """How many pixels of a canvas are painted."""
    return page.evaluate(
        """selector => {
          const canvas = document.querySelector(selector);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return data.filter((value, index) => index % 4 === 3 && value > 0).length;
        }""",
        selector,
    )


def activations(strokes):
    model = stand_in()
    picture = model.preprocessing.prepare(render(strokes, width=0.08))
    return {output.name: output.values[0] for output in model.activations(picture[np.newaxis])}


def test_P1_empty_page_invites(page):
    assert page.get_by_text("Draw a digit").is_visible()
    assert page.locator("#glyph").inner_text() == ""
    assert page.get_by_role("button", name="Undo").is_disabled()
    assert page.get_by_role("button", name="Clear").is_disabled()


def test_P1_answer_comes_while_the_pen_is_down(page):
    draw(page, TALL, lift=False)
    expect_glyph(page, "1")
    expect(page.locator("#glyph")).to_have_class("sure")
    assert page.get_by_text("Draw a digit").is_hidden()
    page.mouse.up()
    expect(page.locator("#spoken")).to_have_text(re.compile(r"1, 9\d\.\d %"))
    expect(page.locator(".row.first .label")).to_have_text("1")


def test_P1_scribble_is_not_sure(page):
    draw(page, FLAT)
    expect_glyph(page, "?")
    assert page.locator("#verdict").inner_text() == "Not sure"
    expect(page.locator("#glyph")).not_to_have_class("sure")


@pytest.mark.parametrize(
    ("probabilities", "verdict"),
    [
        ([0.4, 0.3, 0.2, 0.1], "Not sure"),  # the likeliest of four is not yet twice as likely as by chance
        ([0.6, 0.2, 0.1, 0.1], "Not sure: perhaps a"),
        ([0.5, 0.0, 0.5, 0.0], "Not sure: perhaps a or c"),
    ],
)
def test_P1_not_sure_names_only_what_is_likely(page, probabilities, verdict):
    show = """async (probabilities) => {
        const { Answer } = await import("./answer.js");
        new Answer(["a", "b", "c", "d"]).show({ sure: false, probabilities: Float32Array.from(probabilities) });
        return document.getElementById("verdict").textContent;
    }"""
    assert page.evaluate(show, probabilities) == verdict


@pytest.mark.parametrize("kind", few("touch", more=("pen",)))
def test_P1_finger_and_pen_draw_too(browser, studio, kind):
    with visiting(browser, studio, has_touch=True, viewport={"width": 390, "height": 844}) as page:
        box = page.locator("#pad").bounding_box()
        places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in TALL[0]]
        devtools = page.context.new_cdp_session(page)
        for number, place in enumerate(places):
            if kind == "touch":
                event = "touchMove" if number else "touchStart"
                devtools.send("Input.dispatchTouchEvent", {"type": event, "touchPoints": [place]})
            else:
                event = {"type": "mouseMoved" if number else "mousePressed", "pointerType": "pen", "button": "left"}
                devtools.send("Input.dispatchMouseEvent", event | place | {"buttons": 1, "clickCount": 1})
        expect_glyph(page, "1")
        assert page.evaluate("scrollY") == 0


def test_P1_keyboard_alone_can_draw(page):
    page.locator("#pad").focus()
    page.keyboard.press("Shift+ArrowUp")
    for key in ["ArrowUp"] * 12 + [" "] + ["ArrowDown"] * 24 + [" "]:
        page.keyboard.press(key)
    expect_glyph(page, "1")
    page.keyboard.press("Control+z")
    expect_glyph(page, "")


def test_P1_undo_redo_and_clear(page):
    draw(page, TALL)
    expect_glyph(page, "1")
    draw(page, FLAT)
    expect_glyph(page, "?")
    page.get_by_role("button", name="Undo").click()
    expect_glyph(page, "1")
    page.keyboard.press("Control+Shift+z")
    expect_glyph(page, "?")
    page.get_by_role("button", name="Undo").click()
    expect_glyph(page, "1")
    page.keyboard.press("Control+y")
    expect_glyph(page, "?")
    page.keyboard.press("Delete")
    expect_glyph(page, "")
    assert ink(page) == 0
    page.get_by_role("button", name="Undo").click()  # clearing can be undone as well
    expect_glyph(page, "?")
    page.get_by_role("button", name="Clear").click()
    expect_glyph(page, "")


def test_P1_brush_size_changes_the_drawing(page):
    draw(page, TALL)
    expect_glyph(page, "1")
    thin = ink(page)
    page.keyboard.press("]")
    expect(page.locator("#brush")).to_have_value("0.09")
    page.locator("#brush").fill("0.16")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert ink(page) > 1.5 * thin


def test_P1_drawing_and_brush_survive_a_reload(page):
    page.locator("#brush").fill("0.12")
    draw(page, TALL)
    expect_glyph(page, "1")
    page.reload()
    expect_glyph(page, "1")
    expect(page.locator("#brush")).to_have_value("0.12")


def test_R4_page_works_where_the_browser_keeps_nothing(browser, studio):
    with browser.new_context() as context:
        context.add_init_script("Object.defineProperty(window, 'sessionStorage', { get() { throw new Error() } })")
        page = context.new_page()
        page.goto(f"http://{studio}/")
        page.wait_for_selector(".bars")
        draw(page, TALL)
        expect_glyph(page, "1")
        page.get_by_role("button", name="Undo").click()
        expect_glyph(page, "")


def test_P1_picture_is_uploaded_pasted_and_dropped(page):
    picture = png(255 - render(TALL, width=0.08))
    draw(page, FLAT)
    page.locator("#file").set_input_files({"name": "one.png", "mimeType": "image/png", "buffer": picture})
    expect_glyph(page, "1")
    for kind, property_name in (("paste", "clipboardData"), ("drop", "dataTransfer")):
        page.get_by_role("button", name="Undo").click()
        expect_glyph(page, "?")
        page.evaluate(
            """([kind, property, bytes]) => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(bytes)], "one.png", { type: "image/png" }));
              const event = kind === "paste" ? ClipboardEvent : DragEvent;
              document.body.dispatchEvent(new event(kind, { [property]: data, bubbles: true, cancelable: true }));
            }""",
            [kind, property_name, list(picture)],
        )
        expect_glyph(page, "1")


def test_R4_bad_picture_is_named_and_the_drawing_stays(page):
    draw(page, TALL)
    expect_glyph(page, "1")
    painted = ink(page)
    page.locator("#file").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.get_by_role("alert")).to_have_text(re.compile(r"^Expected a picture \(PNG, .*\), got something else"))
    assert ink(page) == painted
    expect_glyph(page, "1")


def test_R4_bad_picture_stays_named_when_a_late_answer_arrives(browser, studio):
    held = []

    def hold(socket):
        server = socket.connect_to_server()
        server.on_message(lambda answer: held.append((socket, answer)))

    with browser.new_context() as context:
        page = context.new_page()
        page.route_web_socket("**/draw", hold)
        page.goto(f"http://{studio}/")
        page.wait_for_selector(".bars")
        draw(page, TALL)
        page.locator("#file").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
        expect(page.get_by_role("alert")).to_contain_text("Expected a picture")
        for socket, answer in held:
            socket.send(answer)
        expect_final(page, "1")
        expect(page.get_by_role("alert")).to_contain_text("Expected a picture")
        draw(page, TALL)
        expect(page.get_by_role("alert")).to_have_text("")


@pytest.mark.parametrize("change", few("Clear", more=("Undo", "Redo")))
def test_P1_late_answers_to_what_is_gone_are_not_shown(browser, studio, change):
    """The paper changes before the server has answered; what it then says is to a drawing that nobody sees."""
    held, sockets = [], []
    holding = False

    def hold(socket):
        sockets.append(socket)
        server = socket.connect_to_server()
        server.on_message(lambda answer: held.append(answer) if holding else socket.send(answer))

    with browser.new_context() as context:
        page = context.new_page()
        page.route_web_socket("**/draw", hold)
        page.goto(f"http://{studio}/")
        page.wait_for_selector(".bars")
        if change == "Redo":  # a hollow drawing comes back while the answer to a tall one is on its way
            draw(page, HOLLOW)
            expect_final(page, "0")
            page.get_by_role("button", name="Undo").click()
            expect_glyph(page, "")
        holding = True
        draw(page, TALL, lift=change != "Redo")
        for _ in range(600):
            if held:
                break
            page.wait_for_timeout(50)
        page.evaluate(
            """() => {
              window.glyphs = [];
              const glyph = document.getElementById("glyph");
              new MutationObserver(() => window.glyphs.push(glyph.textContent)).observe(glyph, {
                childList: true, characterData: true, subtree: true,
              });
            }"""
        )
        if change == "Redo":
            page.keyboard.press("Control+Shift+Z")
            page.mouse.up()
        else:
            page.get_by_role("button", name=change).click()
        assert held
        for answer in held:
            sockets[-1].send(answer)
        sockets[-1].send('{"error": "studio: all of them have come"}')
        expect(page.get_by_role("alert")).to_have_text("All of them have come")
        assert "1" not in page.evaluate("window.glyphs")


def test_P1_drawing_outlives_the_server(browser):
    with running(stand_in()) as address:
        visit = visiting(browser, address)
        page = visit.__enter__()
        draw(page, TALL)
        expect_glyph(page, "1")
    expect(page.get_by_role("alert")).to_contain_text("The studio does not answer")
    assert ink(page) > 0
    page.locator("#file").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"any"})
    expect(page.get_by_role("alert")).to_have_text("The studio does not answer. The page stays as it is; try again.")
    visit.__exit__(None, None, None)


def test_P3_every_layer_is_shown_with_its_sentence(page):
    draw(page, HOLLOW)
    expect_glyph(page, "0")
    assert page.locator("figure").count() == 5
    for layer in stand_in().layers[1:]:
        assert page.get_by_text(layer.describe()).is_visible()
    assert page.locator("#layers .maps > canvas").evaluate_all("all => all.every(canvas => canvas.width > 0)")


def test_P3_number_under_the_pointer_is_the_engines(page):
    draw(page, HOLLOW)
    expect_final(page, "0")
    shown = page.locator("figure", has_text="7×7").locator(".readout")
    values = activations(HOLLOW)["pooled"]
    row, column = np.unravel_index(values[..., 0].argmax(), (4, 4))
    canvas = maps(page, "pooled")
    box = canvas.bounding_box()
    side = box["width"] / 4
    canvas.hover(position={"x": (column + 0.5) * side, "y": (row + 0.5) * side})
    index, value, *scale = re.split(r"\s*\n\s*|(?<=\]) ", shown.inner_text())
    assert index == f"[{row}, {column}, 0]"
    assert np.float32(value) == values[row, column, 0]
    assert scale == ["0", "1"]


def test_P3_signed_maps_show_a_scale_of_both_signs(page):
    draw(page, TALL)
    expect_glyph(page, "1")
    maps(page, "slopes").hover(position={"x": 20, "y": 20})
    least, greatest = page.locator("figure", has=maps(page, "slopes")).locator(".scale span").all_inner_texts()
    assert least == f"−{greatest}"


def test_P3_every_place_is_a_link(browser, page, studio):
    draw(page, TALL)
    expect_glyph(page, "1")
    maps(page, "pooled").click()
    assert page.url.endswith("/#pooled/0")
    lens = page.locator(".lens:visible")
    enlarged = page.get_by_role("application", name="One map of pooled")
    cell = enlarged.evaluate("canvas => canvas.offsetWidth") / 4
    enlarged.click(position={"x": 2.5 * cell, "y": 1.5 * cell})
    assert page.url.endswith("/#pooled/0/1,2")
    expect(lens).to_contain_text("[1, 2, 0]")
    page.go_back()
    assert page.url.endswith("/#pooled/0")
    page.go_back()
    assert lens.count() == 0
    with visiting(browser, studio, path="/#pooled/0/1,2") as linked:
        draw(linked, TALL)
        expect_glyph(linked, "1")
        expect(linked.locator(".lens:visible")).to_contain_text("[1, 2, 0]")


@pytest.mark.parametrize(
    "place", few("nowhere", "%", more=("pooled/99", "pooled/0/9,9", "softmax/99", "pooled/x", "%/0"))
)
def test_R4_link_to_nowhere_leads_to_the_whole_network(browser, studio, place):
    with visiting(browser, studio, path=f"/#{place}") as page:
        draw(page, TALL)
        expect_glyph(page, "1")
        assert page.locator(".lens:visible").count() == 0


def test_P3_keyboard_alone_reaches_every_number(page):
    draw(page, TALL)
    expect_glyph(page, "1")
    maps(page, "slopes").focus()
    for key in ("ArrowRight", "Enter", "ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.url.endswith("/#slopes/1/2,1")
    page.keyboard.press("Escape")
    assert page.locator(".lens:visible").count() == 0


@pytest.mark.parametrize("way", few("Escape", more=("close button", "beside it")))
def test_P3_enlarged_map_closes_wherever_the_focus_is(browser, studio, way):
    with visiting(browser, studio, path="/#slopes/1/2,1") as page:
        lens = page.locator(".lens:visible")
        expect(lens).to_have_count(1)
        draw(page, TALL)  # the map shows the new drawing
        expect_glyph(page, "1")
        expect(page.locator("#pad")).to_be_focused()
        assert lens.count() == 1
        if way == "Escape":
            page.keyboard.press("Escape")  # first the sum of the number
            expect(lens).to_have_count(1)
            page.keyboard.press("Escape")
        elif way == "close button":
            page.get_by_role("button", name="Close").click()
        else:
            page.get_by_text("What the network sees").click()
        expect(lens).to_have_count(0)
        assert page.url.endswith("/")


def test_P3_refused_drawing_keeps_no_answer_of_another(page):
    draw(page, TALL)
    expect_glyph(page, "1")
    page.locator("#brush").fill("0.16")
    ys = np.arange(0.02, 1, 0.06)
    draw(page, [[point for y in ys for point in ((0.01, y), (0.99, y))]])  # no paper is left
    expect(page.get_by_role("alert")).to_contain_text("No ink found")
    expect_glyph(page, "")
    assert page.locator(".row").nth(1).get_attribute("aria-label") == "1"


def test_P1_every_canvas_follows_the_zoom(page):
    draw(page, TALL)
    expect_glyph(page, "1")
    canvas = page.locator("#layers .maps > canvas").first
    assert canvas.evaluate("canvas => canvas.width / canvas.clientWidth") == 1
    screen = {"width": 1400, "height": 720, "deviceScaleFactor": 2, "mobile": False}
    page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", screen)
    page.wait_for_function("canvas => canvas.width === 2 * canvas.clientWidth", arg=canvas.element_handle())
    page.wait_for_function("pad => pad.width === 2 * pad.clientWidth", arg=page.locator("#pad").element_handle())


def test_P1_classes_may_be_words(browser):
    model = stand_in()
    model.classes = ("nothing at all", "ankle boot", *"23456789")
    with (
        running(model) as address,
        visiting(browser, address, viewport={"width": 360, "height": 640}) as page,
    ):
        draw(page, TALL)
        expect_glyph(page, "ankle boot")
        for text in ("#glyph", ".row .label"):
            assert page.locator(text).evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)")


def test_P3_units_and_probabilities_are_numbers_to_click(page):
    draw(page, TALL)
    expect_final(page, "1")
    values = activations(TALL)
    maps(page, "measures").click(position={"x": 4, "y": 4})
    assert page.url.endswith("/#measures/0")
    width = str(values["measures"][0].astype(np.float32))
    assert f"[0] {width}" in page.locator("figure", has_text="2 units").inner_text()
    page.locator(".row").nth(1).click()
    assert page.url.endswith("/#softmax/1")
    assert "[1] 0.9" in page.locator("#probabilities").inner_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_P1_page_fits_every_width(browser, studio, width):
    with visiting(browser, studio, viewport={"width": width, "height": 640}) as page:
        draw(page, TALL)
        expect_glyph(page, "1")
        canvas = maps(page, "slopes")
        canvas.click(position={"x": canvas.bounding_box()["width"] - 2, "y": 2})  # the last map, at the edge
        page.get_by_role("application", name="One map of slopes").hover(position={"x": 99, "y": 99})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_P1_dark_scheme_repaints(page):
    paper = page.locator(".paper")
    light = paper.evaluate("paper => getComputedStyle(paper).backgroundColor")
    page.emulate_media(color_scheme="dark")
    expect(paper).not_to_have_css("background-color", light)


@pytest.mark.parametrize(("preference", "animations"), [("reduce", 0), ("no-preference", 1)])
def test_P1_nothing_moves_under_reduced_motion(browser, studio, preference, animations):
    with visiting(browser, studio, reduced_motion=preference) as page:
        maps(page, "pooled").click()
        assert page.locator(".glass:visible").evaluate("glass => glass.getAnimations().length") == animations


@pytest.mark.parametrize(
    ("digit", "strokes"),
    [
        pytest.param(digit, strokes, id=f"{digit}-{hand}", marks=() if (digit, hand) in FEW else pytest.mark.exhaustive)
        for digit, hands in DIGITS.items()
        for hand, strokes in enumerate(hands)
    ],
)
def test_P1_strokes_of_each_digit_get_their_digit_first(browser, digits_studio, digit, strokes):
    with visiting(browser, digits_studio) as page:
        draw(page, strokes)
        expect(page.locator(".row.first .label")).to_have_text(digit)


@pytest.mark.parametrize(
    "strokes",
    [
        pytest.param(SCRIBBLES[0], id="crossing out"),
        pytest.param(SCRIBBLES[1], id="tangle", marks=pytest.mark.exhaustive),
        pytest.param(SCRIBBLES[2], id="loops", marks=pytest.mark.exhaustive),
    ],
)
def test_P1_scribbles_get_not_sure_from_the_model_that_ships(browser, digits_studio, strokes):
    with visiting(browser, digits_studio) as page:
        draw(page, strokes)
        expect_glyph(page, "?")
        assert page.locator("#verdict").inner_text().startswith("Not sure")
