import re

import numpy as np
import pytest

from tests.browser.colors import (
    GLOW,
    HATCH,
    INK,
    NIGHT,
    PAPER,
    distinct,
    is_hatched,
    luminance,
    near,
)
from tests.browser.reports import asymmetric_recording, causal_recording
from tests.report.recordings import translator_recording


def all_cells(queries, keys):
    return [(q, k) for q in range(queries) for k in range(keys)]


def darkness(report, queries, keys):
    colors = report.cell_colors(all_cells(queries, keys))
    return 1 - np.array([luminance(color) for color in colors]).reshape(queries, keys)


def same_order(first, second):
    """Rank correlation of two arrays (Spearman)."""
    ranks = np.stack([np.argsort(np.argsort(values.ravel())) for values in (first, second)])
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def test_rows_are_queries_and_columns_are_keys(visit):
    report = visit("asymmetric")
    weights = asymmetric_recording().examples[0].maps[0].head(0)
    drawn = darkness(report, 5, 8)
    assert same_order(drawn, weights) > 0.9
    for (q, k), color in {(1, 6): INK, (1, 0): PAPER, (3, 0): INK, (3, 6): PAPER}.items():
        assert near(report.cell_colors([(q, k)])[0], color)


def test_darker_always_means_more_weight(visit):
    report = visit("translator")
    weights = translator_recording().examples[0].maps[3].head(0)
    drawn = darkness(report, *weights.shape).ravel()
    order = np.argsort(weights.ravel())
    assert (np.diff(drawn[order]) >= -0.002).all()
    assert drawn[order[-1]] - drawn[order[0]] > 0.3


def test_in_dark_mode_brighter_means_more_weight(visit):
    report = visit("asymmetric", color_scheme="dark")
    colors = report.cell_colors([(1, 6), (1, 0)])
    assert near(colors[0], GLOW)
    assert near(colors[1], NIGHT)


def test_linear_color_shows_small_weights_paler(visit):
    report = visit("asymmetric")
    (before,) = report.cell_colors([(0, 3)])
    report.page.select_option("#scale", "linear")
    report.settle()
    (after,) = report.cell_colors([(0, 3)])
    assert luminance(after) > luminance(before) + 0.1
    assert near(report.cell_colors([(1, 6)])[0], INK)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_masked_cells_look_like_no_weight_at_all(visit, mode):
    report = visit("causal", color_scheme=mode)
    mask = np.asarray(causal_recording().examples[0].maps[0].mask)
    for head in range(2):
        report.choose(layer=0, head=head)
        for cell, color in zip(all_cells(5, 5), report.cell_colors(all_cells(5, 5)), strict=True):
            assert is_hatched(color, mode) == (not mask[head][cell])


def test_the_key_to_masked_cells_has_their_color_and_shows_only_where_there_is_a_mask(visit):
    causal = visit("causal")
    swatch = causal.page.locator("#one .masked")
    assert swatch.is_visible()
    colors = distinct(causal.picture("#one .masked"))
    assert all(any(near(color, each) for color in colors) for each in HATCH["light"])
    assert visit("self").page.locator("#one .masked").is_hidden()


def test_the_tooltip_says_that_a_cell_is_masked(visit):
    report = visit("causal")
    report.hover_cell(0, 4)
    assert "masked" in (report.tooltip() or [])


def test_hiding_special_tokens_empties_their_column_and_rescales_the_rows(visit):
    report = visit("causal")
    head = np.array(report.weights(0, 0, 0))
    report.choose(layer=0, head=0, q=4, k=4)
    before = report.cell_colors([(4, 0), (4, 4)])
    report.click("#hidden")
    column, last = report.cell_colors([(4, 0), (4, 4)])
    assert is_hatched(column)
    assert luminance(last) < luminance(before[1])
    expected = head[4, 4] / head[4, 1:].sum()
    assert report.shown("weight") == f"{expected:.3f}"
    report.hover_cell(4, 0)
    assert report.shown("weight") == "0"
    report.click("#hidden")
    assert report.cell_colors([(4, 0)])[0] == before[0]


def test_the_grid_of_all_heads_shows_each_head_in_its_place(visit):
    report = visit("translator")
    # Encoder: three heads in the first layer, one in the second.
    report.choose(stack=0)
    rows = report.pixels(report.canvas("overview"))
    ratio = rows.shape[1] / report.page.evaluate(
        "parseFloat(document.querySelector('#chart-overview canvas').style.width)"
    )
    box = report.page.evaluate(
        """() => { const view = attnreport.view("overview"); const [left, top] = view.origin();
        return [left, top, view.width(), view.height()]; }"""
    )
    left, top, width, height = (side * ratio for side in box)
    manifest = report.page.evaluate("attnreport.manifest.stacks[0].heads")
    assert manifest == [3, 1]
    for layer, heads in enumerate(manifest):
        for head in range(3):
            inside = [
                rows[int(top + height * (layer + v) / 2)][int(left + width * (head + u) / 3)]
                for u in np.linspace(0.1, 0.9, 24)
                for v in np.linspace(0.1, 0.9, 24)
            ]
            # Where no head is, the canvas is transparent or as pale as weight zero.
            drawn = any(color[3] > 0 and luminance(color) < 0.5 for color in inside)
            assert drawn == (head < heads)


def test_bars_follow_the_chosen_row(visit):
    report = visit("asymmetric")
    report.choose(q=1, k=0)
    sharp = report.canvas("row")
    report.choose(q=0, k=0)
    assert report.canvas("row") != sharp
    report.choose(q=1, k=0)
    assert report.canvas("row") == sharp


def test_every_view_is_drawn(visit):
    report = visit("self")
    for name in ("heatmap", "overview", "row", "lines", "entropy"):
        rows = report.pixels(report.canvas(name), every=3)
        assert np.count_nonzero(rows[..., 3]) > 40
    for name in ("scatter", "pair"):
        assert report.page.locator(f"#chart-{name} svg path").count() > 6


def test_labels_of_the_bars_are_whole_whatever_the_row(visit):
    report = visit("causal", viewport={"width": 390, "height": 900})
    report.page.locator("#chart-row").scroll_into_view_if_needed()
    for query, hidden in ((3, False), (4, True), (2, True), (0, False), (3, True)):
        report.choose(q=query, hidden=hidden)
        rows = report.pixels(report.canvas("row"))
        # Ink in the outermost line of pixels is a letter cut in two.
        assert not rows[[0, -1], :, 3].any()


@pytest.mark.parametrize("name", ["entropy", "scatter"])
def test_numbers_on_axes_are_written_out(visit, name):
    report = visit("long")
    svg = report.page.evaluate(
        """async (name) => {
          const view = attnreport.view(name);
          // As if there were so many keys that their logarithm has two digits.
          if (name === "entropy") await view.signal("keys", 5000).runAsync();
          return view.toSVG();
        }""",
        name,
    )
    labels = re.findall(r"<text[^>]*>([\d.,e+−-]+)</text>", svg)
    assert "10" in labels
    assert not [label for label in labels if "e" in label]


def test_a_pair_that_one_head_masks_is_told_apart_from_no_weight(visit):
    # The first head sees all before, the second only what is next to it.
    report = visit("causal", "#L0H0q3k0")
    rows = report.page.evaluate("attnreport.rows('attn:pair/0/3/0/0/sqrt')")
    assert [row["masked"] for row in rows] == [False, True]
    assert [row["name"].endswith(": masked") for row in rows] == [False, True]
    rule = report.page.evaluate("attnreport.view('pair').signal('rule')")
    fills = [
        report.page.locator(f"#chart-pair svg [aria-label='{row['name']}']").get_attribute("fill")
        for row in rows
    ]
    assert [fill == rule for fill in fills] == [False, True]
