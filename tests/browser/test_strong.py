"""Weights above 1, which attention without a softmax may have."""

import numpy as np
import pytest

from tests.browser.colors import INK, PAPER, near
from tests.browser.reports import strong_recording

LARGEST = 40.0


@pytest.mark.parametrize("name", ["strong", "strong-u8"])
def test_the_color_scale_ends_at_the_largest_weight(visit, name):
    report = visit(name)
    report.choose(layer=0, head=2)
    assert report.page.evaluate("attnreport.view('heatmap').signal('ceiling')") == LARGEST
    (dark,) = report.cell_colors([(3, 1)])
    assert near(dark, INK)
    report.choose(layer=0, head=0)
    pale = strong_recording().examples[0].maps[0].head(0)
    query, key = np.unravel_index(pale.argmax(), pale.shape)
    (found,) = report.cell_colors([(int(query), int(key))])
    assert not near(found, INK, within=20)
    assert not near(found, PAPER, within=20)


def test_the_tooltip_says_the_weight_as_it_is(visit):
    report = visit("strong")
    report.choose(layer=0, head=2)
    report.hover_cell(3, 1)
    assert (report.tooltip() or [])[1::2] == ["40", "40"]
    caption = report.page.locator("#one .caption").inner_text()
    assert " ".join(caption.split()) == "three has strength 40 for one."


def test_the_stated_error_grows_with_the_scale(visit):
    report = visit("strong-u8")
    report.choose(layer=0, head=2)
    expected = strong_recording().examples[0].maps[0].head(2)
    shown = np.array(report.weights(0, 0, 2))
    for query, key in ((3, 1), (0, 2), (4, 4)):
        report.hover_cell(query, key)
        bound = float((report.tooltip() or [])[3].removeprefix("± "))
        assert abs(shown[query, key] - expected[query, key]) <= 1.05 * bound
    report.hover_cell(3, 1)
    assert 0.1 < float((report.tooltip() or [])[3].removeprefix("± ")) < 0.2


def test_hidden_tokens_leave_the_others_their_strength(visit):
    report = visit("strong")
    report.choose(layer=0, head=2, hidden=True)
    report.hover_cell(3, 1)
    assert (report.tooltip() or [])[1] == "40"
    report.hover_cell(3, 0)
    assert (report.tooltip() or [])[1] == "0"


def test_lines_and_the_grid_of_heads_are_shares_of_the_largest(visit):
    report = visit("strong")
    edges = report.page.evaluate("attnreport.rows('attn:edges-from/0/0/2/3/false')")
    assert max(edge["w"] for edge in edges) == 1
    pair = report.page.evaluate("attnreport.rows('attn:pair/0/3/1/false')")
    assert [row["w"] for row in pair] == [
        float(strong_recording().examples[0].maps[0].head(head)[3, 1]) for head in range(3)
    ]
    assert [row["share"] for row in pair] == [row["w"] / LARGEST for row in pair]
