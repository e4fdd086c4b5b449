"""Where a token comes from, through all layers."""

import numpy as np
import pytest

from attnreport.analysis import rollout
from tests.browser.damage import expect_failure, flip
from tests.report.recordings import SENTENCE, patterned_recording

LAYERS = [attention.array() for attention in patterned_recording().examples[0].maps]
SIZE = len(SENTENCE)


def shares(report, query):
    """What each token holds of the query, by column: the input first."""
    rows = report.page.evaluate(f"attnreport.rows('attn:flow-nodes/0/{query}')")
    found = np.full((len(LAYERS) + 1, SIZE), np.nan)
    for row in rows:
        found[row["column"], row["position"]] = row["share"]
    return found


@pytest.mark.parametrize("query", [0, 5, SIZE - 1])
def test_the_flow_is_the_rollout_from_every_layer_on(visit, query):
    report = visit("patterned")
    found = shares(report, query)
    for column in range(len(LAYERS)):
        np.testing.assert_allclose(found[column], rollout(LAYERS[column:])[query], atol=1e-6)
    assert found[-1].tolist() == [float(place == query) for place in range(SIZE)]


def test_edges_carry_what_their_tokens_hold(visit):
    report = visit("patterned")
    found = shares(report, 5)
    edges = report.page.evaluate("attnreport.rows('attn:flow-edges/0/5')")
    strengths = [edge["share"] for edge in edges]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[-1] >= 0.003
    carried = np.zeros_like(found)
    for edge in edges:
        carried[edge["column"] - 1, edge["key"]] += edge["share"]
    # Only the faintest edges are left out.
    assert (carried[:-1] <= found[:-1] + 1e-9).all()
    assert np.abs(carried[:-1] - found[:-1]).max() < 0.1
    assert carried[-2].sum() == pytest.approx(1, abs=0.02)


def test_the_sources_follow_the_query_and_not_the_pointer(visit):
    report = visit("patterned")
    report.choose(q=5)
    comes_from = rollout(LAYERS)[5]
    best = np.argsort(-comes_from, kind="stable")[:5]
    listed = report.page.locator("#sources li").all_text_contents()
    assert [float(text.split()[-1].removesuffix("%")) / 100 for text in listed] == pytest.approx(
        list(comes_from[best]), abs=0.0051
    )
    assert listed[0].startswith(SENTENCE[best[0]])
    told = "attnreport.view('flow').signal('q')"
    report.hover_cell(8, 8)
    assert report.page.evaluate(told) == 5
    report.choose(q=8)
    assert report.page.evaluate(told) == 8
    assert report.page.locator("#sources li").all_text_contents() != listed


def test_a_click_on_a_token_of_the_flow_follows_that_one(visit):
    report = visit("patterned")
    report.page.locator("#chart-flow").scroll_into_view_if_needed()
    x, y = report.page.evaluate(
        """() => {
          const view = attnreport.view("flow"); const [left, top] = view.origin();
          const box = document.querySelector("#chart-flow canvas").getBoundingClientRect();
          return [box.left + left - 24, box.top + top + view.scale("y")(2.5)];
        }"""
    )
    report.page.mouse.click(x, y)
    report.settle()
    assert report.state()["q"] == 2


def test_nothing_is_followed_through_a_damaged_layer(visit, damaged):
    report = visit(damaged("patterned", lambda page: flip(page, "b0")))
    expect_failure(report)
    assert report.page.locator("#sources li").count() == 0
    assert report.page.evaluate("attnreport.rows('attn:flow-edges/0/5')") == []
