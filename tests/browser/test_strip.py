from itertools import pairwise

import pytest

from tests.report.recordings import SENTENCE, self_recording, translator_recording

SHARES = """(which) => [...document.querySelectorAll(`#strip-${which} .tk`)].map((token) =>
  token.style.getPropertyValue("--w") ? parseFloat(token.style.getPropertyValue("--w")) : null)"""


def shares(report, which="key"):
    """How strongly each token is colored, from 0 to 100; None for one that is not colored."""
    return report.page.evaluate(SHARES, which)


def in_order_of(weights, colored):
    order = sorted(range(len(weights)), key=lambda i: weights[i])
    found = [colored[i] for i in order]
    return all(low <= high for low, high in pairwise(found))


def test_the_text_stands_there_word_by_word(visit):
    report = visit("self")
    shown = [text.removeprefix("##") for text in SENTENCE]
    assert report.page.locator("#strip-key .tk").all_text_contents() == shown
    # The pieces of a word touch, other words do not.
    assert "jumps" in report.page.locator("#strip-key .wd").all_text_contents()
    assert report.page.locator("#strip-key .tk.sp").all_text_contents() == ["[CLS]", "[SEP]"]
    assert report.page.locator("#strip-query").is_hidden()


def test_tokens_are_colored_by_what_the_chosen_one_looks_at(visit):
    report = visit("self")
    report.choose(layer=0, head=1, q=4)
    row = self_recording().examples[0].maps[0].head(1)[4]
    assert in_order_of(row, shares(report))
    assert max(shares(report)) == 100


def test_the_other_direction_colors_by_who_looks_at_the_chosen_one(visit):
    report = visit("self")
    report.choose(layer=0, head=1, q=4)
    report.click("#one [value=to]")
    column = self_recording().examples[0].maps[0].head(1)[:, 4]
    assert in_order_of(column, shares(report))
    report.click("#one [value=from]")
    assert in_order_of(self_recording().examples[0].maps[0].head(1)[4], shares(report))


def test_a_click_makes_a_token_the_query_whatever_the_direction(visit):
    report = visit("self")
    for direction in ("from", "to"):
        report.click(f"#one [value={direction}]")
        for position in (3, 9):
            report.click(f"#strip-key [data-position='{position}']")
            assert report.state()["q"] == position
            assert report.page.locator("#strip-key .tk.on").all_text_contents() == [
                SENTENCE[position]
            ]
        assert report.page.is_checked(f"#one [value={direction}]")


def test_arrow_keys_walk_through_the_text(visit):
    report = visit("self")
    report.page.focus("#strip-key [data-position='0']")
    for key, position in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        report.press(key)
        assert report.state()["q"] == position
        assert report.page.evaluate("document.activeElement.dataset.position") == str(position)
    report.press("ArrowLeft", "ArrowLeft")
    assert report.state()["q"] == len(SENTENCE) - 1


def test_the_tab_key_stops_once_at_the_text(visit):
    report = visit("self")
    stops = report.page.locator("#strip-key .tk[tabindex='0']")
    assert stops.count() == 1


@pytest.mark.parametrize(("name", "chosen"), [("self", [5]), ("translator", [2, 1])])
def test_the_tab_key_stops_at_what_is_chosen_elsewhere(visit, name, chosen):
    report = visit(name)
    report.choose(q=chosen[0], k=1)
    stops = report.page.evaluate(
        "[...document.querySelectorAll('.tk[tabindex=\"0\"]')].map((t) => +t.dataset.position)"
    )
    assert stops == chosen


def test_a_text_fades_only_while_there_is_more_of_it(visit):
    report = visit("self")
    cut = "document.querySelector('#strip-key .strip').classList.contains('cut')"
    more = """(({ scrollHeight, clientHeight }) => scrollHeight > clientHeight + 4)(
      document.querySelector('#strip-key .strip'))"""
    for width, expected in (("", False), ("70px", True), ("", False)):
        report.page.evaluate(
            "(width) => { document.querySelector('#strip-key').style.width = width; }", width
        )
        report.until(f"{more} === {str(expected).lower()}")
        report.until(f"{cut} === {str(expected).lower()}")


def test_cross_attention_shows_both_texts(visit):
    report = visit("translator")
    assert report.page.locator("#strip-query .tk").all_text_contents()[:3] == [
        "der",
        "kleine",
        "hund",
    ]
    assert report.page.locator("#strip-key .tk").all_text_contents()[:3] == ["the", "small", "dog"]


def test_a_token_of_the_output_asks_what_it_looks_at(visit):
    report = visit("translator")
    report.click("#one [value=to]")
    report.click("#strip-query [data-position='2']")
    assert report.page.is_checked("#one [value=from]")
    weights = translator_recording().examples[0].maps[3].head(0)
    assert in_order_of(weights[2], shares(report, "key"))
    assert set(shares(report, "query")) == {None}
    assert report.page.locator("#strip-query .tk.on").all_text_contents() == ["hund"]


def test_a_token_of_the_source_asks_who_looks_at_it(visit):
    report = visit("translator")
    report.click("#strip-key [data-position='1']")
    assert report.page.is_checked("#one [value=to]")
    weights = translator_recording().examples[0].maps[3].head(0)
    assert in_order_of(weights[:, 1], shares(report, "query"))
    assert set(shares(report, "key")) == {None}
    assert report.page.locator("#strip-key .tk.on").all_text_contents() == ["small"]


@pytest.mark.parametrize(("which", "field"), [("query", "q"), ("key", "k")])
def test_arrow_keys_walk_through_each_text_of_cross_attention(visit, which, field):
    report = visit("translator")
    report.page.focus(f"#strip-{which} [data-position='0']")
    report.press("ArrowRight", "ArrowRight")
    assert report.state()[field] == 2


def test_hidden_special_tokens_lose_their_color(visit):
    report = visit("self")
    report.choose(layer=0, head=0, q=4)
    report.press("m")
    colored = shares(report)
    assert (colored[0], colored[-1]) == (0, 0)
    assert max(colored) == 100
