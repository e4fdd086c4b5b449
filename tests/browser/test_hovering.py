import numpy as np
import pytest

from tests.report.recordings import HOSTILE, SENTENCE, self_recording


def pinned(report):
    state = report.state()
    return state["q"], state["k"]


def weight_of(report, query, key):
    state = report.state()
    maps = self_recording().examples[0].maps
    return float(maps[state["layer"]].head(state["head"])[query, key])


def test_hovering_shows_the_pair_in_captions_and_tooltip(visit):
    report = visit("self")
    report.hover_cell(4, 2)
    assert report.shown("query") == "fox"
    assert report.shown("key") == "quick"
    tooltip = report.tooltip()
    assert tooltip is not None
    assert tooltip[0] == "fox → quick"
    assert tooltip[2] == "query 4, key 2"
    weight = weight_of(report, 4, 2)
    assert abs(float(tooltip[1]) - weight) <= 0.0006
    # The exact number: it names no other float32.
    assert np.float32(tooltip[3]) == np.float32(weight)


def test_every_corner_of_the_heatmap_names_its_own_cell(visit):
    report = visit("self")
    last = len(SENTENCE) - 1
    for query, key in ((0, 0), (0, last), (last, 0), (last, last)):
        report.hover_cell(query, key)
        assert (report.tooltip() or ["", "", ""])[2] == f"query {query}, key {key}"


@pytest.mark.parametrize("width", [1280, 500, 390, 320])
def test_the_pointer_means_the_cell_that_is_drawn_under_it(visit, width):
    # Long labels at the end, and narrow windows, leave less room than Vega asks for.
    report = visit("hostile", viewport={"width": width, "height": 900})
    last = len(HOSTILE) - 1
    for query, key in ((0, 0), (last, last), (last, 0), (20, 30)):
        report.hover_cell(query, key)
        assert (report.tooltip() or ["", "", ""])[2] == f"query {query}, key {key}"


@pytest.mark.parametrize("name", ["self", "hostile", "translator", "long"])
def test_the_bars_stand_under_their_columns(visit, name):
    report = visit(name)
    left = """(name) => {
      const view = attnreport.view(name);
      const canvas = document.querySelector(`#chart-${name} canvas`);
      const box = canvas.getBoundingClientRect();
      const shrunk = box.width / parseFloat(canvas.style.width);
      return [0, 1].map((end) => box.left + (view.origin()[0] + end * view.width()) * shrunk);
    }"""
    heatmap, row = (report.page.evaluate(left, name) for name in ("heatmap", "row"))
    assert row == pytest.approx(heatmap, abs=3)


@pytest.mark.parametrize(
    ("name", "width"), [("hostile", 1280), ("hostile", 390), ("translator", 768), ("self", 390)]
)
def test_nothing_moves_under_the_pointer(visit, name, width):
    report = visit(name, viewport={"width": width, "height": 900})
    # The page may end earlier or later, but what is looked at while hovering stays in place.
    places = """["#strip-key", "#chart-heatmap", "#chart-row"].map(
      (place) => Math.round(document.querySelector(place).getBoundingClientRect().top + scrollY))"""
    report.hover_cell(0, 0)
    before = report.page.evaluate(places)
    count = report.page.evaluate("attnreport.stack().query.labels.length")
    for position in range(0, count, max(1, count // 8)):
        report.hover_cell(position, 0)
        assert report.page.evaluate(places) == before


def test_leaving_restores_what_is_chosen(visit):
    report = visit("self")
    report.click_cell(5, 1)
    caption = report.text("#one .caption")
    picture = report.canvas("heatmap")
    report.hover_cell(9, 9)
    assert report.text("#one .caption") != caption
    report.page.mouse.move(5, 5)
    report.settle()
    assert report.text("#one .caption") == caption
    assert report.tooltip() is None
    assert report.canvas("heatmap") == picture


def test_hovering_chooses_nothing(visit):
    report = visit("self")
    before = pinned(report)
    report.hover_cell(9, 9)
    assert pinned(report) == before


def test_a_click_pins_the_pair(visit):
    report = visit("self")
    report.click_cell(7, 3)
    assert pinned(report) == (7, 3)
    report.page.mouse.move(5, 5)
    report.settle()
    assert report.shown("query") == SENTENCE[7]
    assert report.shown("key") == SENTENCE[3]


def test_the_strip_and_the_bars_follow_the_pointer(visit):
    report = visit("self", viewport={"width": 1280, "height": 1400})
    report.page.locator("#across").scroll_into_view_if_needed()
    report.settle()
    report.click_cell(1, 1)
    report.page.mouse.move(5, 5)
    report.settle()
    bars = report.canvas("row")
    report.hover_cell(8, 1)
    assert report.page.locator("#strip-key .tk.on").text_content() == SENTENCE[8]
    assert report.canvas("row") != bars


def test_axis_labels_belong_to_no_cell(visit):
    report = visit("self")
    box = report.page.locator("#chart-heatmap canvas").bounding_box()
    report.page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    report.settle()
    assert report.tooltip() is None


def test_the_tooltip_stays_inside_the_window(visit):
    report = visit("self", viewport={"width": 700, "height": 600})
    for query, key in ((0, 12), (12, 12), (12, 0)):
        report.hover_cell(query, key)
        box = report.page.locator("#tip").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 700
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 600


def test_hovering_over_a_thumbnail_names_the_head(visit):
    report = visit("self")
    report.page.locator("#chart-overview").scroll_into_view_if_needed()
    box = report.page.locator("#chart-overview canvas").bounding_box()
    report.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.9)
    report.until("!document.querySelector('#tip').hidden")
    assert (report.tooltip() or [""])[0] == "layer 1 · head 2"


def test_a_reference_link_is_named(visit):
    report = visit("translator")
    report.hover_cell(2, 2)
    assert (report.tooltip() or [])[-2:] == ["reference", "linked"]
    assert "The reference alignment links the two." in report.text("#one .caption")
    report.hover_cell(2, 3)
    assert "linked" not in (report.tooltip() or [])
    assert "links it to “dog”" in report.text("#one .caption")
