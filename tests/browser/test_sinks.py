"""What rests on sinks, and leaving it out."""

import numpy as np
import pytest

from tests.browser.colors import is_hatched
from tests.browser.reports import word_pieces_recording


def head_of(number):
    return word_pieces_recording().examples[0].maps[0].head(number).astype(np.float64)


def percent(share):
    return f"{100 * share:.0f}%"


def test_the_page_says_how_much_rests_on_the_sink_and_on_special_tokens(visit):
    report = visit("word-pieces", "#L0H0")
    shares = head_of(0).mean(axis=0)
    resting = report.text("[data-show=resting]")
    assert f"{percent(shares[0])} of this head’s attention rests on its sink, <s>." in resting
    together = percent(shares[[0, 8]].sum())
    assert together != percent(shares[0])
    assert f"With all special tokens together it is {together}." in resting
    report.choose(head=1)
    share = head_of(1).mean(axis=0)[[0, 8]].sum()
    expected = f"{percent(share)} of this head’s attention goes to all special tokens together."
    assert report.text("[data-show=resting]") == expected


def test_hidden_sinks_leave_hatched_columns_and_rows_that_sum_to_one(visit):
    report = visit("word-pieces", "#L0H0q5k1")
    assert report.page.locator("#left-out").is_hidden()
    report.click("#sinks")
    assert report.page.locator("#left-out").is_visible()
    weights = head_of(0)
    weights[:, 0] = 0
    row = report.page.evaluate("attnreport.rows('attn:row/0/0/0/5/2')")
    np.testing.assert_allclose(
        [cell["w"] for cell in row], weights[5] / weights[5].sum(), atol=1e-6
    )
    (color,) = report.cell_colors([(5, 0)])
    assert is_hatched(color)
    gone = head_of(0)[5, 0]
    assert report.shown("left-out") == (
        f"{percent(gone)} of this row went to what is left out; the rest is rescaled to 1."
    )


def test_a_row_that_had_all_its_attention_there_says_so(visit):
    report = visit("word-pieces", "#L0H0q4k2s")
    assert report.page.is_checked("#sinks")
    assert report.shown("left-out").startswith("All attention of this row went to what is left out")
    row = report.page.evaluate("attnreport.rows('attn:row/0/0/0/4/2')")
    assert {cell["w"] for cell in row} == {0}
    report.hover_cell(4, 2)
    assert (report.tooltip() or [])[3] == "nothing left of its row"


def test_special_tokens_and_sinks_are_left_out_by_keys_and_kept_in_links(visit):
    report = visit("word-pieces", "#L0H1q5k1")
    report.press("s", "m", "w")
    report.until("location.hash.endsWith('msw')")
    state = report.state()
    assert (state["hidden"], state["sinks"], state["words"]) == (True, True, True)
    assert visit("word-pieces", report.page.evaluate("location.hash")).state() == state


def test_no_sinks_are_offered_where_no_head_has_one(visit):
    assert visit("word-pieces").page.locator("#sinks").is_visible()
    assert visit("gate").page.locator("#sinks").is_hidden()
    assert visit("gate").text("[data-show=resting]") == ""


def shades(scale, weights, largest):
    """The definition of each color scale."""
    if scale == "row":
        return weights / weights.max(axis=1, keepdims=True)
    share = weights / largest
    if scale == "log":
        return np.clip(1 + np.log10(np.maximum(share, 1e-30)) / 4, 0, 1)
    return np.sqrt(share) if scale == "sqrt" else share


RAMP = """(shades) => {
  const color = vega.interpolateColors(attnreport.manifest.ramps.light, "lab");
  return shades.map((shade) => color(shade).match(/\\d+/g).map(Number));
}"""


@pytest.mark.parametrize("scale", ["sqrt", "linear", "log", "row"])
def test_cells_have_the_colors_of_the_scale_and_the_legend_says_so(visit, scale):
    report = visit("word-pieces", "#L0H1")
    report.choose(stack=1, head=1)
    report.page.select_option("#scale", scale)
    report.settle()
    attention = word_pieces_recording().examples[0].maps[1]
    weights = attention.head(1).astype(np.float64)
    cells = [(q, k) for q in range(weights.shape[0]) for k in range(weights.shape[1])]
    # The frames of the chosen row and column lie on no middle of a cell.
    expected = report.page.evaluate(RAMP, shades(scale, weights, 1.0).ravel().tolist())
    drawn = report.cell_colors(cells)
    assert np.abs(np.subtract(drawn, expected)).max() <= 4
    view = "attnreport.view('heatmap').signal"
    ticks, labels = (
        report.page.evaluate(f"{view}('legend{name}')") for name in ("Ticks", "Labels")
    )
    assert len(ticks) == len(labels) >= 5
    values = [float(text.strip("≤%")) / (100 if scale == "row" else 1) for text in labels]
    found = values if scale == "row" else shades(scale, np.array([values]), 1.0)[0]
    np.testing.assert_allclose(ticks, found, atol=2e-3)
