"""The strip of a text so long that only what can be seen is colored at once."""

import time

from tests.browser.reports import long_recording
from tests.browser.test_strip import in_order_of, shares

PATIENCE_S = 5.0
# Positions of the tokens that can be seen whole: of the strip, in the window.
IN_SIGHT = """() => {
  const box = document.querySelector("#strip-key .strip").getBoundingClientRect();
  return [...document.querySelectorAll("#strip-key .tk")].flatMap((token, position) => {
    const { top, bottom } = token.getBoundingClientRect();
    const seen = top >= Math.max(box.top, 0) && bottom <= Math.min(box.bottom, innerHeight);
    return seen ? [position] : [];
  });
}"""
SCROLL = """(strip) => {
  document.querySelector("#strip-key").scrollIntoView({ block: "start" });
  document.querySelector("#strip-key .strip").scrollTop = strip;
}"""


def colors_of(weights):
    """How dark each token is when all are colored, as the page computes it."""
    return [round(100 * (weight / max(weights)) ** 0.5) for weight in weights.tolist()]


def until_colored(report, expected):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if close(shares(report), expected):
            return
        time.sleep(0.02)
    assert shares(report) == expected


def close(found, expected):
    """Equal but for rounding: the page holds the weights in other steps."""
    return all(
        one is not None and abs(one - other) <= 1
        for one, other in zip(found, expected, strict=True)
    )


def test_what_can_be_seen_is_colored_at_once_and_the_rest_soon(visit):
    head = long_recording().examples[0].maps[0].head(1)
    report = visit("long")
    for scrolled in (0, 10_000):
        report.page.evaluate(SCROLL, scrolled)
        for query in (5, 60):
            report.choose(layer=0, head=1, q=query)
            expected = colors_of(head[query])
            seen = report.page.evaluate(IN_SIGHT)
            assert 0 < len(seen) < len(expected)
            found = shares(report)
            assert close([found[i] for i in seen], [expected[i] for i in seen])
            until_colored(report, expected)
            assert in_order_of(head[query], shares(report))


def test_a_choice_while_colors_wait_is_what_is_colored_in_the_end(visit):
    head = long_recording().examples[0].maps[0].head(1)
    report = visit("long")
    for query in (5, 60, 20):
        report.choose(layer=0, head=1, q=query)
    until_colored(report, colors_of(head[20]))
    assert report.page.locator("#strip-key .tk.on").all_text_contents() == ["token20"]
