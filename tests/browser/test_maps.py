"""Weights on a map of cells, over the picture that the cells are of."""

import numpy as np
import pytest

from tests.browser.colors import is_hatched, near
from tests.report.picture_recordings import GRID, LEADING, picture_recording

PATCHES = 2  # the stack of the attention among patches, of the first example
BEFORE = len(LEADING)

POINT = """([side, row, column]) => {
  const view = attnreport.view(`map-${side}`);
  const canvas = document.querySelector(`#chart-map-${side} canvas`);
  canvas.scrollIntoView({ block: "center" });
  const box = canvas.getBoundingClientRect();
  const shrunk = box.width / parseFloat(canvas.style.width);
  const [left, top] = view.origin();
  const x = left + view.scale("x")(column);
  const y = top + view.scale("y")(row);
  return [box.left + x * shrunk, box.top + y * shrunk];
}"""

# The color that is drawn at a place in the grid.
COLOR = """([row, column]) => {
  const view = attnreport.view("map-key");
  const canvas = document.querySelector("#chart-map-key canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const ratio = canvas.width / parseFloat(canvas.style.width);
  const [left, top] = view.origin();
  const padding = view.padding();
  const x = Math.floor((left + padding.left + view.scale("x")(column)) * ratio);
  const y = Math.floor((top + padding.top + view.scale("y")(row)) * ratio);
  return [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
}"""


def point(report, row, column, side="key"):
    return report.page.evaluate(POINT, [side, row + 0.5, column + 0.5])


def click(report, row, column, side="key"):
    report.page.mouse.click(*point(report, row, column, side))
    report.settle()


def color(report, row, column):
    return tuple(report.page.evaluate(COLOR, [row, column]))


def outlined(report, side="key"):
    """The border of the heaviest cells, as rows of a chart."""
    name = report.page.evaluate(f"attnreport.view('map-{side}').signal('map')")
    return report.page.evaluate(
        "(address) => attnreport.rows(address)", f"attn:outline/heaviest/{name}"
    )


def border(cells):
    """Lines around a set of cells, found by asking every pair of neighbors."""
    padded = np.pad(np.asarray(cells).reshape(GRID, -1), 1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    flat = {(c, r, c + 1, r) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)}
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    return flat | {(c, r, c, r + 1) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)}


@pytest.fixture
def report(visit):
    found = visit("pictures")
    found.choose(stack=PATCHES, layer=0, head=0, q=BEFORE + 20)
    return found


def test_a_cell_is_chosen_by_a_click_and_by_keys(report):
    click(report, 3, 4)
    assert report.state()["q"] == BEFORE + 3 * GRID + 4
    report.press("ArrowRight", "ArrowDown")
    assert report.state()["q"] == BEFORE + 4 * GRID + 5
    report.press(*["ArrowUp"] * 5)
    assert report.state()["q"] == BEFORE - 1
    report.press("ArrowLeft", "ArrowLeft")
    assert report.state()["q"] == 0
    report.press(*["ArrowRight"] * 3)
    assert report.state()["q"] == BEFORE + 1


def test_hovering_says_the_cell_and_its_weight(report):
    weights = report.weights(PATCHES, 0, 0)
    report.page.mouse.move(*point(report, 1, 3))
    report.settle()
    label, weight = report.tooltip()
    assert label == "cell 2,4 → cell 1,3"
    assert float(weight) == pytest.approx(weights[BEFORE + 20][BEFORE + GRID + 3], rel=1e-2)
    assert report.shown("key") == "cell 1,3"
    report.page.mouse.move(2, 2)
    report.settle()
    assert report.tooltip() is None


def test_the_heaviest_fifth_of_the_cells_is_outlined_and_said(report):
    row = np.array(report.weights(PATCHES, 0, 0)[BEFORE + 20])[BEFORE:]
    inside = (row >= np.sort(row)[-13]) & (row >= row.mean())
    found = {(r["x0"], r["y0"], r["x1"], r["y1"]) for r in outlined(report)}
    assert found == border(inside)
    share = round(100 * row[inside].sum() / row.sum())
    assert report.shown("heaviest") == (
        f"The outline holds {inside.sum()} of 64 cells: the heaviest 20%, but none below the mean. "
        f"They have {share}% of the weight of all cells."
    )


def test_what_looks_at_a_cell_can_be_asked_too(report):
    before = outlined(report)
    report.page.locator("#one label", has_text="to “").click()
    report.settle()
    weights = np.array(report.weights(PATCHES, 0, 0))
    column = weights[BEFORE:, BEFORE + 20]
    assert {(r["x0"], r["y0"], r["x1"], r["y1"]) for r in outlined(report)} == border(
        column >= np.sort(column)[-13]
    )
    assert outlined(report) != before


def test_tokens_that_are_no_cells_stand_beside_the_map(report):
    tokens = report.page.locator("#leading-key button")
    assert [text.split()[0] for text in tokens.all_text_contents()] == list(LEADING)
    weight = report.weights(PATCHES, 0, 0)[BEFORE + 20][0]
    assert float(tokens.first.locator("b").text_content() or "") == pytest.approx(weight, rel=1e-2)
    tokens.first.click()
    report.settle()
    assert report.state()["q"] == 0
    assert tokens.first.get_attribute("aria-pressed") == "true"


def test_the_weights_let_the_picture_through(report):
    pixels = picture_recording(1).examples[0].maps[2].key.picture.pixels
    heavy = color(report, 1.3, 2.3)
    report.choose(opacity=0)
    assert near(color(report, 1.3, 2.3), (int(pixels[5, 9, 0]),) * 3)
    report.choose(opacity=1)
    assert heavy[0] > heavy[2] + 40
    assert color(report, 1.3, 2.3)[0] >= heavy[0]
    assert report.page.locator("#opacity").is_visible()
    report.page.locator("#opacity").focus()
    report.press("Home")
    assert report.state()["opacity"] == 0


def test_a_gate_of_cells_is_a_map_without_a_matrix(visit):
    report = visit("pictures")
    report.choose(stack=1)
    assert report.page.locator("#chart-map-key canvas").is_visible()
    for gone in ("#chart-heatmap", "#chart-entropy", "#strip-key", "#chart-channels"):
        assert report.page.locator(gone).is_hidden()
    assert report.page.locator("[name=direction]").locator("visible=true").count() == 0
    assert report.ends_of_colors("map-key") == pytest.approx((0.4, 0.7))
    click(report, 6, 6)
    assert report.state()["k"] == 6 * GRID + 6
    assert report.shown("weight") == "0.400"
    facts = report.text("#statistics")
    assert "0.4 to 0.7" in facts
    assert "entropy" not in facts


def test_a_grid_without_a_picture_is_a_map_too(visit):
    report = visit("windows")
    assert report.page.locator("#opacity").is_hidden()
    report.choose(q=0)
    inside, outside = color(report, 0.3, 0.7), color(report, 3.5, 3.5)
    assert is_hatched(outside)
    assert not near(inside, outside)
    report.page.mouse.move(*point(report, 3, 3))
    report.settle()
    assert report.tooltip() == ["cell 0,0 → cell 3,3", "masked"]
    assert "of 4 cells" in report.shown("heaviest")


def test_text_may_look_at_a_picture(visit):
    report = visit("caption")
    assert report.page.locator("#strip-query .tk").count() == 3
    assert report.page.locator("#strip-key").is_hidden()
    report.click("#strip-query [data-position='2']")
    assert report.state()["q"] == 2
    click(report, 1, 0)
    state = report.state()
    assert (state["k"], state["direction"]) == (2, "to")
    report.choose(direction="from", q=1)
    assert report.page.evaluate("attnreport.view('map-key').signal('cell')") == 2
