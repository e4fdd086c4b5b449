"""Two heads of one recording side by side, in its usual report."""

import numpy as np
import pytest

from tests.report.recordings import self_recording

PHONE = {"width": 390, "height": 844}


def head(layer, number):
    return self_recording().examples[0].maps[layer].head(number)


def open_beside(visit, **options):
    report = visit("self", **options)
    report.choose(layer=0, head=1, q=4, k=2)
    report.page.select_option("#compare-with", "1 2")
    report.settle()
    return report


def test_no_other_head_is_shown_until_one_is_asked_for(visit):
    report = visit("self")
    assert report.page.locator("#beside").is_hidden()
    assert report.page.evaluate("attnreport.view('difference')") is None


def test_the_list_offers_every_other_head_and_the_most_alike_first(visit):
    report = visit("self")
    report.choose(layer=0, head=1)
    offered = report.page.locator("#compare-with optgroup").nth(1).locator("option")
    assert offered.all_text_contents() == ["L0 H0", "L0 H2", "L1 H0", "L1 H1", "L1 H2"]
    near = report.page.locator("#compare-with optgroup").nth(0).locator("option")
    alike = report.page.locator("#alike b").all_text_contents()
    assert near.all_text_contents() == alike


def test_both_heads_and_their_difference_are_drawn_and_said(visit):
    report = open_beside(visit)
    assert report.page.locator("#beside").is_visible()
    one, other = head(0, 1)[4, 2], head(1, 2)[4, 2]
    assert report.shown("first-name") == "L0 H1"
    assert report.shown("second-name") == "L1 H2"
    assert report.shown("change-name") == "L1 H2 − L0 H1"
    assert float(report.shown("first-weight")) == pytest.approx(one, abs=6e-4)
    assert float(report.shown("second-weight")) == pytest.approx(other, abs=6e-4)
    report.hover_cell(3, 5, "difference")
    numbers = (report.tooltip() or [])[3::2]
    expected = [head(0, 1)[3, 5], head(1, 2)[3, 5], head(1, 2)[3, 5] - head(0, 1)[3, 5]]
    assert [float(text.replace("−", "-")) for text in numbers] == pytest.approx(
        expected, abs=1.2e-3
    )


def test_the_same_pair_is_marked_everywhere(visit):
    report = open_beside(visit)
    report.click_cell(3, 5, "second")
    for chart in ("heatmap", "first", "second", "difference"):
        signals = f"['q','k'].map((s) => attnreport.view('{chart}').signal(s))"
        assert report.page.evaluate(signals) == [3, 5]


def test_the_difference_ends_its_colors_at_its_own_largest(visit):
    report = open_beside(visit)
    largest = np.abs(head(1, 2) - head(0, 1)).max()
    found = report.page.evaluate("attnreport.view('difference').signal('ceiling')")
    assert found == pytest.approx(largest, rel=1e-6)


def test_a_link_keeps_the_other_head_and_closing_forgets_it(visit):
    report = open_beside(visit)
    report.until("location.hash === '#L0H1q4k2?beside=L1H2'")
    linked = visit("self", "#L0H1q4k2?beside=L1H2")
    assert linked.page.locator("#beside").is_visible()
    assert linked.shown("second-name") == "L1 H2"
    linked.click("#beside-close")
    assert linked.page.locator("#beside").is_hidden()
    linked.until("location.hash === '#L0H1q4k2'")


def test_swapping_makes_the_other_head_the_chosen_one(visit):
    report = open_beside(visit)
    report.click("#beside-swap")
    state = report.state()
    assert (state["layer"], state["head"]) == (1, 2)
    assert state["beside"] == {"layer": 0, "head": 1}


def test_a_head_is_not_compared_with_itself(visit):
    report = open_beside(visit)
    report.choose(layer=1, head=2)
    assert report.state()["beside"] is None
    assert report.page.locator("#beside").is_hidden()


def test_a_link_to_a_head_that_is_not_there_shows_none(visit):
    report = visit("self", "#L0H1q4k2?beside=L1H9")
    assert report.page.locator("#beside").is_hidden()


def test_words_are_compared_as_words(visit):
    report = visit("word-pieces")
    report.choose(stack=0, layer=0, head=0, words=True)
    report.choose(beside={"layer": 0, "head": 1})
    stack = report.state()["stack"]
    first, second = (np.array(report.weights(stack, 0, number)) for number in (0, 1))
    report.hover_cell(2, 1, "difference")
    numbers = [text.replace("−", "-") for text in (report.tooltip() or [])[3::2]]
    expected = [first[2, 1], second[2, 1], second[2, 1] - first[2, 1]]
    assert [float(text) for text in numbers] == pytest.approx(expected, abs=1.2e-3)


def test_a_phone_shows_one_of_the_three(visit):
    report = open_beside(visit, viewport=PHONE)
    assert report.page.locator("#side-difference").is_visible()
    assert report.page.locator("#side-first").is_hidden()
    report.page.locator(".views label").nth(1).click()
    report.settle()
    report.until("attnreport.view('second') !== null")
    assert report.page.locator("#side-second").is_visible()
    assert report.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_gates_and_single_heads_are_compared_with_none(visit):
    assert visit("gates").page.locator("#compare-with").count() == 0
    assert visit("smallest").page.locator("#compare-with").count() == 0
