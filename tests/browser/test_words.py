"""Pieces merged into words: every number on the page against NumPy."""

import csv

import numpy as np
import pytest

from attnreport.analysis import merge_words, merged_spans
from attnreport.analysis.statistics.masses import special_keys
from tests.browser.reports import many_scripts_recording, word_pieces_recording

HIDDEN = [(False, False), (True, False), (False, True), (True, True)]


def in_words(recording, stack=0):
    """The map of a stack between words."""
    return merge_words(recording.examples[0].maps[stack])


def left_out(attention, pieces, hidden, sinks):
    """Slowly: the merged weights of a head without some of its keys, rows rescaled."""
    found = np.zeros((len(merged_spans(attention.query)), len(merged_spans(attention.key))))
    for i, query in enumerate(merged_spans(attention.query)):
        for j, key in enumerate(merged_spans(attention.key)):
            kept = [k for k in key if not (hidden[k] or sinks[k])]
            found[i, j] = sum(float(pieces[q, k]) for q in query for k in kept) / len(query)
        if hidden.any() or sinks.any():
            found[i] /= found[i].sum() or 1
    return found


@pytest.mark.parametrize(("hidden", "sinks"), HIDDEN)
def test_weights_between_words_are_those_of_numpy(visit, hidden, sinks):
    report = visit("word-pieces")
    attention = word_pieces_recording().examples[0].maps[0]
    special, none = special_keys(attention.key), np.zeros(len(attention.key), dtype=bool)
    of_head = report.page.evaluate("attnreport.stack().statistics")
    report.choose(words=True, hidden=hidden, sinks=sinks)
    stack = report.state()["stack"]
    for head in range(attention.heads):
        rests = none.copy()
        rests[[key for key, _ in of_head[head].get("sinks", [])]] = True
        expected = left_out(
            attention, attention.head(head), special if hidden else none, rests if sinks else none
        )
        hiding = hidden + 2 * sinks
        rows = [
            report.page.evaluate(f"attnreport.rows('attn:row/{stack}/0/{head}/{q}/{hiding}')")
            for q in range(len(expected))
        ]
        found = np.array([[cell["w"] for cell in row] for row in rows])
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert any("sinks" in each for each in of_head)


def test_two_texts_are_merged_each_by_its_own_tokenizer(visit):
    report = visit("word-pieces")
    report.choose(stack=1, words=True)
    attention = in_words(word_pieces_recording(), 1)
    found = report.weights(report.state()["stack"], 0, 1)
    np.testing.assert_allclose(found, attention.head(1), atol=1e-6)
    for which, axis in (("query", attention.query), ("key", attention.key)):
        assert report.page.locator(f"#strip-{which} .tk").all_text_contents() == [*axis.labels]


def test_a_word_is_masked_where_all_of_its_pieces_are(visit):
    report = visit("word-pieces")
    report.choose(words=True)
    allowed = in_words(word_pieces_recording()).allowed()[0]
    assert 0 < allowed.sum() < allowed.size
    for q, k in ((1, 2), (2, 2), (3, 5)):
        report.hover_cell(q, k)
        assert ("masked" in (report.tooltip() or [])) == (not allowed[q, k])


def test_a_click_goes_from_pieces_to_words_and_back_to_the_same_place(visit):
    report = visit("word-pieces")
    report.choose(head=0, q=3, k=2)
    assert (report.shown("query"), report.shown("key")) == ("able", "believ")
    report.click("#words")
    assert (report.shown("query"), report.shown("key")) == ("unbelievable", "unbelievable")
    report.until("location.hash === '#L0H0q1k1w'")
    linked = visit("word-pieces", "#L0H0q3k2w")
    assert linked.shown("query") == "unbelievable"
    report.press("w")
    assert not report.page.is_checked("#words")
    state = report.state()
    assert (state["stack"], state["q"], state["k"]) == (0, 3, 2)


def test_words_stay_words_in_another_group(visit):
    report = visit("word-pieces")
    report.choose(words=True)
    report.choose(stack=1)
    assert len(report.weights(report.state()["stack"], 0, 0)) == 6
    report.choose(words=False)
    assert report.state()["stack"] == 1


def test_the_table_that_is_saved_has_the_words(visit, tmp_path):
    report = visit("word-pieces")
    report.choose(head=0, words=True)
    with report.page.expect_download() as saved:
        report.page.click("#save-csv")
    assert saved.value.suggested_filename.endswith("-words.csv")
    saved.value.save_as(tmp_path / "words.csv")
    head, *rows = csv.reader((tmp_path / "words.csv").read_text("utf-8-sig").splitlines())
    attention = in_words(word_pieces_recording())
    assert head[1:] == [*attention.key.labels]
    found = np.array([row[1:] for row in rows], dtype=float)
    np.testing.assert_allclose(found, attention.head(0), atol=1e-6)


def test_every_script_reads_in_pieces_and_in_words(visit):
    report = visit("many-scripts")
    pieces = report.page.locator("#strip-key .tk").all_text_contents()
    for text in ("⟨F0⟩", "⟨98⟩", "é", "שלו", "喜歡", "␀", "</"):
        assert text in pieces
    report.choose(words=True)
    words = report.page.locator("#strip-key .tk").all_text_contents()
    for text in ("café", "😀", "שלום", "السلام", "我", "喜歡", "鱻", "</", "script", "don't"):
        assert text in words
    assert not any("⟨" in word for word in words)
    assert words == [*in_words(many_scripts_recording()).query.labels]


@pytest.mark.parametrize("words", [False, True])
def test_text_that_runs_from_right_to_left_does_so(visit, words):
    report = visit("word-pieces")
    report.choose(stack=1, words=words)
    places = """(which) => [...document.querySelectorAll(`#strip-${which} .wd`)].map((word) => {
      const { left, top } = word.getBoundingClientRect();
      return [Math.round(top), left];
    })"""
    for which, sign in (("query", 1), ("key", -1)):
        lines = report.page.evaluate(places, which)
        lefts = [sign * left for top, left in lines if abs(top - lines[0][0]) < 9]
        assert len(lefts) > 3
        assert lefts == sorted(lefts)


def test_the_pointer_reads_the_running_text(visit):
    report = visit("word-pieces")
    report.choose(words=True)
    report.choose(head=0, q=4, k=0)
    attention = in_words(word_pieces_recording())
    report.page.hover("#strip-key [data-position='1']")
    report.settle()
    tooltip = report.tooltip() or []
    assert tooltip[0] == f"{attention.query.labels[4]} → unbelievable"
    assert float(tooltip[1]) == pytest.approx(attention.head(0)[4, 1], abs=6e-4)
    assert report.shown("key") == "unbelievable"
    report.page.hover("#strip-key [data-position='5']")
    report.settle()
    assert (report.tooltip() or [""])[1] == "masked"
    report.page.mouse.move(2, 2)
    report.settle()
    assert report.tooltip() is None
    assert report.state()["k"] == 0


def test_words_are_offered_only_where_there_are_pieces(visit):
    assert visit("word-pieces").page.locator("#words").is_visible()
    assert visit("translator").page.locator("#words").is_hidden()
