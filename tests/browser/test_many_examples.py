"""Many examples: searched by their words, and in the order of any number."""

import numpy as np

from tests.browser.reports import MANY, many_examples_recording

LISTED = """[...document.querySelectorAll(".cards li")]
  .filter((item) => item.checkVisibility())
  .map((item) => Number(item.querySelector("a").dataset.example))"""


def listed(report):
    """The numbers of the examples that can be seen, in their order."""
    return report.page.evaluate(LISTED)


def entropies(head):
    found = []
    for example in many_examples_recording().examples:
        weights = example.maps[0].head(head).astype(np.float64)
        found.append(-(weights * np.log2(np.maximum(weights, 1e-30))).sum(axis=-1).mean())
    return np.array(found)


def test_examples_are_found_by_their_words_whatever_case_and_accents(visit):
    report = visit("many-examples")
    assert listed(report) == list(range(MANY))
    for text, expected in (("STRASSE", []), ("SCHLAFT fruh", [0, 3, 6]), ("hund4", [4])):
        report.page.fill("#seek", text)
        report.settle()
        assert listed(report) == expected
        assert report.shown("found") == f"{len(expected)} of {MANY} have all the words."
    report.until("location.hash.endsWith('?find=hund4')")
    assert report.state()["stack"] != 4
    linked = visit("many-examples", report.page.evaluate("location.hash"))
    assert listed(linked) == [4]
    assert linked.page.input_value("#seek") == "hund4"
    linked.page.fill("#seek", "")
    linked.settle()
    assert listed(linked) == list(range(MANY))


def test_examples_stand_in_the_order_of_a_score(visit):
    report = visit("many-examples")
    scores = [example.scores.get("AER") for example in many_examples_recording().examples]
    upward = sorted(range(MANY - 1), key=lambda index: scores[index])
    report.page.select_option("#sort-examples", "AER")
    report.settle()
    assert listed(report) == [*reversed(upward), MANY - 1]
    report.click("#turn-examples")
    assert listed(report) == [*upward, MANY - 1]
    report.page.select_option("#sort-examples", "")
    report.settle()
    assert listed(report) == list(range(MANY))


def test_examples_stand_in_the_order_of_what_the_chosen_head_does_in_them(visit):
    report = visit("many-examples")
    report.page.select_option("#sort-examples", "entropy")
    report.settle()
    for head in (0, 1):
        report.choose(head=head)
        found = entropies(head)[listed(report)]
        assert (np.diff(found) < 0.006).all()
        shown = report.page.locator(".cards .sorted b").all_text_contents()
        np.testing.assert_allclose([float(text.split()[0]) for text in shown], found, atol=0.006)


def test_a_few_examples_need_no_search(visit):
    assert visit("translator").page.locator("#seek").count() == 0
