"""A number in a real browser: click it, read the sum that it came from, and go on from there."""

import re

import pytest
from playwright.sync_api import expect

from tests.studio.branched import branched
from tests.studio.conftest import running
from tests.studio.strokes import DIGITS
from tests.studio.test_page import (
    FLAT,
    TALL,
    WIDTHS,
    activations,
    draw,
    expect_final,
    expect_glyph,
    few,
    maps,
    visiting,
)
from tests.studio.test_photographs_page import READY, RED, choose, expect_answer


@pytest.fixture
def page(browser, studio):
    with visiting(browser, studio, reduced_motion="reduce") as page:
        draw(page, TALL)
        expect_final(page, "1")
        yield page


def anatomy(page):
    return page.get_by_role("complementary", name="Where a number came from")


def steepest(strokes):
    """Where the first map of slopes is largest: (row, column)."""
    slopes = activations(strokes)["slopes"][..., 0]
    return divmod(int(slopes.argmax()), slopes.shape[1])


def test_P3_a_clicked_number_shows_its_window_and_its_sum(page):
    maps(page, "slopes").click(position={"x": 20, "y": 20})
    lens = page.get_by_role("application", name="One map of slopes")
    row, column = steepest(TALL)
    box = lens.bounding_box()
    lens.click(position={"x": (column + 0.5) * box["width"] / 28, "y": (row + 0.5) * box["height"] / 28})
    expect(page).to_have_url(re.compile(rf"#slopes/0/{row},{column}$"))
    panel = anatomy(page)
    expect(panel.get_by_role("heading")).to_contain_text(f"slopes [{row}, {column}, 0]")
    value = activations(TALL)["slopes"][row, column, 0]
    expect(panel.get_by_role("heading")).to_contain_text(f"{value:.3g}"[:5])
    expect(panel.locator(".formula")).to_contain_text("conv")
    assert panel.locator(".grid").count() == 3  # window · kernel = products
    assert panel.locator(".terms p").count() == 4


def test_P3_every_term_can_be_opened_down_to_the_ink_and_up_again(browser, studio):
    row, column = steepest(TALL)
    with visiting(browser, studio, path=f"/#slopes/0/{row},{column}") as page:
        draw(page, TALL)
        expect_final(page, "1")
        panel = anatomy(page)
        largest = panel.locator(".terms p").first
        largest.get_by_role("button").first.click()
        expect(panel.get_by_role("heading")).to_contain_text("input [")
        expect(panel).to_contain_text("It is what the network was given")
        panel.get_by_role("button", name="Read by").click()
        expect(panel.locator(".uses")).to_contain_text("slopes [")
        expect(panel.locator(".uses")).to_contain_text("pooled [")
        panel.locator(".trail button").first.click()
        expect(panel.get_by_role("heading")).to_contain_text("slopes [")
        page.go_back()
        expect(panel.get_by_role("heading")).to_contain_text("input [")
        expect(panel.locator(".trail")).not_to_contain_text("input [")


def test_P3_keyboard_alone_walks_through_sums(page):
    page.locator(".row").nth(1).click()
    panel = anatomy(page)
    panel.locator(".shares button").first.focus()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("heading")).to_contain_text("softmax/concatenate [0]")
    expect(panel.get_by_role("heading")).to_be_focused()
    page.keyboard.press("Tab")
    expect(panel.get_by_label("Show")).to_be_focused()


def test_P3_units_open_too_and_gradients_flow_back(page):
    page.locator(".row").nth(1).click()
    panel = anatomy(page)
    expect(panel.get_by_role("heading")).to_contain_text("softmax [1]")
    panel.get_by_label("Show").select_option("∂ 1 / ∂ this number")
    expect(panel.get_by_role("heading")).to_contain_text("∂ softmax [1]")
    expect(panel).to_contain_text("where gradients begin")
    panel.get_by_label("Show").select_option("this number")
    expect(panel.get_by_role("heading")).to_have_text(re.compile(r"^softmax \[1\]"))


def test_P3_a_sum_follows_the_pen(page):
    page.locator(".row").nth(1).click()
    before = anatomy(page).get_by_role("heading").inner_text()
    draw(page, FLAT)
    expect_glyph(page, "?")
    expect(anatomy(page).get_by_role("heading")).not_to_have_text(before)
    page.get_by_role("button", name="Clear").click()
    expect(anatomy(page)).to_contain_text(
        "as soon as there is something to compute it from"
    )  # the paper stays where it is


def test_P3_softmax_shows_every_class_and_its_share(browser, digits_studio):
    with visiting(browser, digits_studio, path="/#dense_1/5") as page:
        draw(page, DIGITS["5"][0])
        rows = anatomy(page).locator(".shares tbody tr")
        expect(rows).to_have_count(10)
        expect_final(page, "5")
        shares = [float(text.strip(" %<>")) for text in rows.locator("td:last-child").all_inner_texts()]
        assert sum(shares) == pytest.approx(100, abs=1)
        assert rows.locator("td:last-child").nth(5).evaluate("cell => getComputedStyle(cell).fontWeight") == "600"


@pytest.mark.parametrize("way", few("Escape", more=("button",)))
def test_P3_a_sum_closes(page, way):
    page.locator(".row").nth(1).click()
    expect(anatomy(page)).to_be_visible()
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        anatomy(page).get_by_role("button", name="Hide the sum").click()
    expect(anatomy(page)).to_be_hidden()


def test_P3_links_to_any_number_restore_it(browser):
    with running(branched()) as address:
        path = "/#classes/0~%E2%88%82%20classes%2Fkernel~40,0~0,0"
        with visiting(browser, address, path=path, ready=READY) as page:
            choose(page, RED)
            expect_answer(page, "red")
            expect(anatomy(page).get_by_role("heading")).to_contain_text("∂ classes/kernel [40, 0]")
            page.reload()
            expect(anatomy(page).get_by_role("heading")).to_contain_text("∂ classes/kernel [40, 0]")


def test_R4_a_number_that_is_not_there_is_refused_in_a_sentence(browser, studio):
    with visiting(browser, studio, path="/#slopes/0~nowhere~0,1") as page:
        draw(page, TALL)
        expect(anatomy(page)).to_contain_text("There is no place 'nowhere'")


@pytest.mark.parametrize("width", WIDTHS)
def test_P3_the_page_fits_every_width_beside_a_sum(browser, studio, width):
    row, column = steepest(TALL)
    with visiting(browser, studio, path=f"/#slopes/0/{row},{column}", viewport={"width": width, "height": 720}) as page:
        draw(page, TALL)
        expect(anatomy(page).locator(".grid").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert anatomy(page).evaluate("panel => panel.scrollWidth <= panel.clientWidth")
