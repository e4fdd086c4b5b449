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
    assert report.page.locator("#strip-key .full").all_text_contents() == ["word07"]
    assert float(report.shown("strip-most")) == pytest.approx(row.max(), abs=5e-4)
    assert report.page.locator("#scale").is_hidden()
    reading = report.page.locator("#reading").inner_text()
    assert "Twice as dark" in reading
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
    assert report.page.locator("h2:visible").all_inner_texts()[1] == "What it looks at"
