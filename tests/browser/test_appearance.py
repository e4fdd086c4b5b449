from itertools import pairwise

import pytest

from tests.browser.colors import GLOW, INK, NIGHT, PAPER, luminance, near

REPORT_NAMES = ["self", "translator", "smallest", "hostile", "long", "causal"]
PHONE = {"width": 390, "height": 844}

OVERFLOW = """() => {
  const width = document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.right <= width + 1) return false;
    // What scrolls inside its own box is no overflow of the page.
    return !element.closest(".scroll, .tools, .strip, .cards, #live, svg");
  });
  return wide.slice(0, 5).map((e) => `${e.tagName}.${e.className}#${e.id}`);
}"""


def window(width, height=900):
    return {"width": width, "height": height}


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *((name, 320) for name in REPORT_NAMES),
        ("hostile", 390),
        ("translator", 390),
        ("pictures", 390),
        ("hostile-classes", 320),
    ],
)
def test_nothing_reaches_beyond_the_side_of_a_phone(visit, name, width):
    report = visit(name, viewport=window(width), is_mobile=True, has_touch=True)
    assert report.page.evaluate(OVERFLOW) == []
    assert report.page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_reaches_beyond_the_side_of_a_window(visit):
    report = visit("hostile", viewport=window(1920))
    for width in (1920, 1280, 900, 640):
        report.page.set_viewport_size(window(width))
        report.settle()
        assert report.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_window_that_is_zoomed_to_twice_the_size_stays_usable(visit):
    # Zooming to 200 % halves the window in CSS pixels and doubles the pixels per unit.
    report = visit("self", viewport=window(640, 450), device_scale_factor=2)
    assert report.page.evaluate("document.documentElement.scrollWidth") <= 640
    report.hover_cell(6, 9)
    assert (report.tooltip() or ["", "", ""])[2] == "query 6, key 9"
    assert report.page.evaluate("document.querySelector('#chart-heatmap canvas').width") >= 2 * (
        report.page.evaluate("attnreport.view('heatmap').width()")
    )


def test_larger_text_does_not_cut_anything_off(visit):
    report = visit("self", viewport=PHONE)
    report.page.add_style_tag(content="html { font-size: 200%; } body { font-size: 2rem; }")
    report.settle()
    assert report.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_views_stack_on_a_phone_and_stand_side_by_side_on_a_desk(visit):
    left = "(place) => document.querySelector(place).getBoundingClientRect().left"
    desk, phone = visit("self"), visit("self", viewport=PHONE)
    assert desk.page.evaluate(left, "#chart-lines") > 600
    assert phone.page.evaluate(left, "#chart-lines") < 60


@pytest.mark.parametrize(("name", "width"), [("self", 390), ("long", 320), ("long", 1280)])
def test_cells_of_self_attention_are_square(visit, name, width):
    report = visit(name, viewport=window(width))
    view = "attnreport.view('heatmap')"
    assert report.page.evaluate(f"Math.abs({view}.width() - {view}.height()) < 1")


def test_a_touch_chooses_a_cell(visit):
    report = visit("self", viewport=PHONE, has_touch=True, is_mobile=True)
    report.page.touchscreen.tap(*report.cell_point(8, 4))
    report.settle()
    assert (report.state()["q"], report.state()["k"]) == (8, 4)


def test_charts_follow_the_width_of_the_window(visit):
    report = visit("self")
    wide = report.page.evaluate("attnreport.view('heatmap').width()")
    report.page.set_viewport_size(window(390))
    report.until(f"attnreport.view('heatmap').width() < {wide}")
    report.settle()
    report.hover_cell(12, 12)
    assert (report.tooltip() or ["", "", ""])[2] == "query 12, key 12"


def test_dark_mode_is_followed_while_the_page_is_open(visit):
    report = visit("asymmetric")
    assert near(report.cell_colors([(1, 6)])[0], INK)
    light = report.canvas("lines")
    report.page.emulate_media(color_scheme="dark")
    report.settle()
    assert near(report.cell_colors([(1, 6)])[0], GLOW)
    assert near(report.cell_colors([(1, 0)])[0], NIGHT)
    corner = report.page.screenshot(clip={"x": 0, "y": 0, "width": 8, "height": 8})
    assert luminance(report.pixels(corner)[5][5]) < 0.05
    report.page.emulate_media(color_scheme="light")
    report.settle()
    assert near(report.cell_colors([(1, 6)])[0], INK)
    assert near(report.cell_colors([(1, 0)])[0], PAPER)
    report.page.locator("#chart-lines").scroll_into_view_if_needed()
    report.settle()
    assert report.canvas("lines") == light


def test_the_cards_of_examples_follow_dark_mode(visit):
    report = visit("translator")
    report.until("[...document.querySelectorAll('.cards canvas')].every((c) => c.width > 1)")
    before = report.picture("[data-example='0'] canvas")
    report.page.emulate_media(color_scheme="dark")
    report.settle()
    after = report.picture("[data-example='0'] canvas")
    assert luminance(before[12, 12]) != luminance(after[12, 12])


def test_few_tokens_are_all_labelled(visit):
    report = visit("self")
    assert report.page.evaluate("attnreport.view('heatmap').signal('keyTicks').length") == 13


def test_labels_of_a_long_text_are_thinned_evenly_and_stay_readable(visit):
    report = visit("long")
    ticks = report.page.evaluate("attnreport.view('heatmap').signal('keyTicks')")
    assert len(ticks) <= 40
    assert {b - a for a, b in pairwise(ticks)} == {3}
    width = report.page.evaluate("attnreport.view('heatmap').width()")
    assert width / len(ticks) >= 8


def test_the_color_scale_of_a_long_text_ends_where_its_weights_do(visit):
    report = visit("long", "#L0H0q3k3")
    ceiling = report.page.evaluate("attnreport.view('heatmap').signal('ceiling')")
    weights = report.weights(0, 0, 0)
    above = sum(weight > ceiling for row in weights for weight in row)
    assert ceiling < 1
    assert above <= 0.002 * 100 * 100
    assert visit("self").page.evaluate("attnreport.view('heatmap').signal('ceiling')") == 1


def test_a_single_token_is_drawn(visit):
    report = visit("smallest")
    assert near(report.cell_colors([(0, 0)])[0], INK)
    assert report.text("#strip-key .strip").strip() == "only"
    assert report.shown("weight") == "1.000"
    report.hover_cell(0, 0)
    assert (report.tooltip() or [""])[0] == "only → only"
    assert report.page.locator("#all, #chart-pair").count() == 0


def test_printing_opens_what_is_folded_and_hides_what_cannot_be_used(visit):
    report = visit("translator")
    assert report.page.locator("details[open]").count() == 0
    report.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    report.settle()
    report.page.emulate_media(media="print")
    assert report.page.locator("details:not([open])").count() == 0
    for gone in (".tools", "#bar .stepper button", "#tip", "dialog"):
        assert report.page.locator(gone).locator("visible=true").count() == 0
    assert report.page.locator("#made dl").is_visible()


def test_printing_gives_a_few_whole_pages(visit):
    report = visit("self")
    report.page.emulate_media(media="print")
    pdf = report.page.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF-")
    pages = pdf.count(b"/Type /Page\n") or pdf.count(b"/Type /Page ")
    assert 1 <= pages <= 8


def test_printing_in_dark_mode_uses_light_paper(visit):
    report = visit("self", color_scheme="dark")
    report.page.emulate_media(media="print", color_scheme="dark")
    background = report.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"


def test_motion_is_left_out_for_those_who_ask(visit):
    moving = visit("self", reduced_motion="no-preference")
    still = visit("self", reduced_motion="reduce")
    ask = """() => [getComputedStyle(document.documentElement).scrollBehavior,
      getComputedStyle(document.querySelector(".tk")).transitionDuration]"""
    assert moving.page.evaluate(ask) == ["smooth", "0.12s"]
    assert still.page.evaluate(ask)[0] == "auto"
    assert still.page.evaluate(ask)[1] == "0s"


def test_the_lines_stand_beside_a_small_heatmap(visit):
    report = visit("strong")
    heatmap = report.page.locator("#chart-heatmap canvas").bounding_box()
    lines = report.page.locator("#chart-lines canvas").bounding_box()
    assert heatmap
    assert lines
    gap = lines["x"] - (heatmap["x"] + heatmap["width"])
    assert 0 < gap < 60
