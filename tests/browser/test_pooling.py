"""A single row of weights over a text: which words count."""

import numpy as np
import pytest

from tests.browser.reports import pooling_recording

# Every text that a chart draws.
TEXTS = """(name) => {
  const found = [];
  const walk = (item) => {
    if (typeof item.text === "string" && item.opacity !== 0) found.push(item.text);
    for (const child of item.items ?? []) walk(child);
  };
  walk(attnreport.view(name).scenegraph().root);
  return found;
}"""


def test_words_are_as_dark_as_they_weigh(visit):
    report = visit("pooling", viewport={"width": 390, "height": 900})
    row = pooling_recording().examples[0].maps[0].head(0)[0]
    shares = report.page.evaluate(
        """[...document.querySelectorAll("#strip-key .tk")]
             .map((token) => token.style.getPropertyValue("--w"))"""
    )
    assert [int(share[:-1]) for share in shares] == np.rint(100 * row / row.max()).tolist()
    tints = report.page.evaluate(
        """[...document.querySelectorAll("#strip-key .tk")].map((token) =>
             Number(getComputedStyle(token).backgroundColor.match(/([\\d.]+)\\)$/)[1]))"""
    )
    # The tint grows in proportion, as the scale beside it does.
    np.testing.assert_allclose(tints, 0.62 * np.rint(100 * row / row.max()) / 100, atol=0.01)
    assert float(report.shown("strip-most")) == pytest.approx(row.max(), abs=5e-4)
    assert report.page.locator("#scale").is_hidden()
    reading = report.page.locator("#reading").inner_text()
    assert "twice the tint where it has twice the weight" in reading
    assert "parks" not in reading
    strip, more = report.page.locator("#strip-key .strip"), report.page.locator("#strip-key .more")
    assert more.text_content() == "Show the whole text"
    more.click()
    report.until("document.querySelector('#strip-key .more').textContent === 'Show less'")
    assert strip.evaluate("(strip) => strip.scrollHeight - strip.clientHeight") <= 1


def test_bars_have_the_words_below(visit):
    report = visit("pooling")
    words = pooling_recording().examples[0].maps[0].key.labels
    assert [text for text in report.page.evaluate(TEXTS, "row") if text in words] == list(words)
    assert report.page.locator(".cards canvas").count() == 0
    assert "40 tokens one weight each" in report.text(".facts")
    assert report.page.locator("h2:visible").all_inner_texts()[2] == "What it looks at"


def test_deletion_curves_are_drawn_with_the_spread_of_their_draws(visit):
    report = visit("pooling")
    assert report.page.locator("#chart-deletion canvas").is_visible()
    rows = report.page.evaluate("attnreport.rows('attn:deletion')")
    assert [(row["name"], row["share"], row["score"]) for row in rows[:2]] == [
        ("heaviest words first", 0, 0.9),
        ("heaviest words first", 0.2, 0.3),
    ]
    assert [(row["least"], row["greatest"]) for row in rows] == [
        *[(0.9, 0.9), (0.3, 0.3)],
        *[(0.9, 0.9), (0.7, 0.9)],
    ]
    texts = report.page.evaluate(TEXTS, "deletion")
    assert "share of words taken away" in texts
    assert "probability" in texts
