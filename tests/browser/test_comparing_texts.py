"""The page of two recordings: their texts, phones and paper, and what is hostile or damaged."""

import numpy as np
import pytest

from attnreport.analysis import display_text
from tests.browser.colors import near
from tests.browser.comparing import SIDES, both, distances, marked, place, ranked
from tests.report.compared_recordings import BOTH, IN_AFTER, IN_BEFORE, two_checkpoints
from tests.report.recordings import HOSTILE

PHONE = {"width": 390, "height": 844}
# As narrow as a page with all three side by side can be.
TABLET = {"width": 910, "height": 800}


# --- The texts ----------------------------------------------------------------------------------


def tokens(report, which):
    return report.page.locator(f"#text-{which} [data-axis=key] .tk").all_text_contents()


def test_each_text_has_its_own_tokens_and_marks_those_the_other_lacks(visit):
    report = visit("two-texts")
    assert tokens(report, "first") == [BOTH[p] for p in IN_BEFORE]
    assert tokens(report, "second") == [BOTH[p] for p in IN_AFTER]
    only = "#text-{} .tk.only"
    assert report.page.locator(only.format("first")).all_text_contents() == ["tired"]
    assert report.page.locator(only.format("second")).all_text_contents() == ["black", "warm"]
    assert report.page.locator(only.format("first")).get_attribute("title") == "only in A"


def test_tokens_are_as_dark_as_their_weights_on_one_scale(visit):
    report = visit("two-texts")
    report.choose(layer=1, head=1, q=4, scale="linear")
    one, other = both(1, 1)
    strongest = max(np.nanmax(one[4]), np.nanmax(other[4]))
    for which, weights, places in (("first", one, IN_BEFORE), ("second", other, IN_AFTER)):
        found = report.page.evaluate(
            "(w) => [...document.querySelectorAll(`#text-${w} [data-axis=key] .tk`)]"
            ".map((t) => parseInt(t.style.getPropertyValue('--w')))",
            which,
        )
        assert found == pytest.approx([100 * weights[4, k] / strongest for k in places], abs=0.6)


def test_a_token_of_either_text_chooses_the_position_in_both(visit):
    report = visit("two-texts")
    report.click("#text-second [data-axis=key] [data-position='6']")
    assert report.state()["q"] == 6
    report.click("#text-first [data-axis=key] [data-position='3']")
    assert report.state()["q"] == 3
    assert report.page.locator(".text .tk.on").all_text_contents() == ["cat", "cat"]
    report.page.keyboard.press("ArrowLeft")
    report.settle()
    # The text of A goes on past the word that only B has.
    assert report.state()["q"] == 1


def test_the_pointer_over_a_text_says_the_three_numbers(visit):
    report = visit("two-texts")
    report.choose(layer=0, head=2, q=4)
    report.page.hover("#text-first [data-axis=key] [data-position='1']")
    report.settle()
    one, _ = (weights[4, 1] for weights in both(0, 2))
    tooltip = report.tooltip() or []
    assert tooltip[0] == "was → the"
    assert float(tooltip[3]) == pytest.approx(one, abs=6e-4)
    assert report.shown("key") == "the"


# --- State, links, examples, sizes --------------------------------------------------------------


def test_a_link_keeps_what_is_looked_at(visit):
    report = visit("two-texts")
    report.choose(layer=1, head=2, q=4, k=3, scale="log", view="second")
    report.until("location.hash === '#L1H2q4k3log?view=second'")
    linked = visit("two-texts", "#L1H2q4k3log?view=second")
    state = linked.state()
    assert [state[name] for name in ("layer", "head", "q", "k", "scale", "view")] == [
        *(1, 2, 4, 3, "log", "second")
    ]


def test_findings_lead_to_what_they_are_about(visit):
    report = visit("two-texts")
    report.choose(layer=0, head=0, q=0, k=0)
    report.click(".findings a >> nth=0")
    assert place(report) == ranked()[0]


def test_every_example_and_group_is_compared_with_its_own(visit):
    report = visit("two-translators")
    assert report.page.locator("[data-example]").count() == 2
    report.choose(stack=0)
    report.click("[data-example='1']")
    assert report.shown("example") == "test 1"
    report.page.locator("#groups label", has_text="cross").click()
    report.settle()
    stack = report.page.evaluate("attnreport.stack()")
    assert (stack["group"], stack["example"], stack["other"]) == ("cross", 1, 7)
    assert report.page.locator("#text-first [data-axis=query]").is_visible()
    # With one head there is no ranking.
    assert report.page.locator("#changes").is_hidden()
    assert "A: die Katze · B: eine Katze" in report.text("[data-example='0']")


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE}, {"viewport": TABLET}])
@pytest.mark.parametrize("name", ["two-texts", "two-translators", "two-hostile", "two-scripts"])
def test_nothing_runs_over_its_edge(visit, name, options):
    report = visit(name, **options)
    assert report.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for step in ("first", "second", "difference"):
        report.choose(view=step)
        assert report.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def visible_sides(report):
    return [side for side in SIDES if report.page.locator(f"#side-{side}").is_visible()]


def test_a_phone_shows_one_of_the_three_and_switches(visit):
    report = visit("two-texts", viewport=PHONE)
    assert visible_sides(report) == ["difference"]
    report.page.locator(".views label", has_text="A").first.click()
    report.settle()
    assert visible_sides(report) == ["first"]
    report.until("attnreport.view('first') !== null")
    report.settle()
    report.hover_cell(2, 2, "first")
    assert marked(report, "first") == (2, 2)
    labels = report.page.evaluate("attnreport.view('first').signal('queryLabels')")
    assert labels == list(BOTH)


def test_paper_shows_all_three_however_small(visit):
    report = visit("two-texts")
    report.page.emulate_media(media="print")
    report.page.set_viewport_size({"width": 700, "height": 900})
    report.settle()
    assert all(report.page.locator(f"#side-{each}").is_visible() for each in SIDES)
    assert report.page.locator(".views").is_hidden()


def test_the_window_may_change_its_width(visit):
    report = visit("two-texts")
    assert report.page.evaluate("attnreport.view('second').signal('queryLabels')") == []
    report.page.set_viewport_size(PHONE)
    report.until("attnreport.view('second').signal('queryLabels').length === 8")
    report.page.set_viewport_size({"width": 1280, "height": 900})
    report.until("attnreport.view('second').signal('queryLabels').length === 0")


def test_the_three_matrices_are_equally_large(visit):
    report = visit("two-texts")
    sizes = report.page.evaluate(
        "['first','second','difference'].map((name) => attnreport.view(name))"
        ".map((view) => [view.width(), view.height()])"
    )
    assert np.ptp(sizes, axis=0).max() <= 2


def test_texts_run_from_right_to_left(visit):
    report = visit("two-scripts")
    lefts = report.page.evaluate(
        "[...document.querySelectorAll('#text-second [data-axis=key] .wd')]"
        ".map((word) => word.getBoundingClientRect().left)"
    )
    assert lefts == sorted(lefts, reverse=True)


def test_hostile_tokens_are_text_and_nothing_else(visit):
    report = visit("two-hostile")
    assert report.page.evaluate("window.pwned") is None
    assert report.page.locator("body script:not([type])").count() == 1
    assert tokens(report, "first") == [display_text(token) for token in HOSTILE]
    for position in range(0, len(HOSTILE), 9):
        report.click(f"#text-first [data-axis=key] [data-position='{position}']")
        assert report.state()["q"] == position
    assert report.page.evaluate("window.pwned") is None


def test_a_screen_reader_hears_what_was_chosen(visit):
    report = visit("two-texts")
    assert report.text("#live") == ""
    report.choose(layer=1, head=1, q=4, k=3)
    said = report.text("#live")
    assert said.startswith(f"Layer 1, head 1 changed by {distances()[1, 1]:.3f}. was to cat: ")
    assert "in A" in said


def test_a_change_of_mode_repaints_the_small_pictures(visit):
    report = visit("two-texts")
    before = report.picture("#change-list canvas >> nth=0")
    report.page.emulate_media(color_scheme="dark")
    report.settle()
    report.until("attnreport.view('difference').signal('scheme') === 'attndarkChange'")
    report.settle()
    after = report.picture("#change-list canvas >> nth=0")
    assert not near(before[3, 3], after[3, 3], within=30)


def test_a_damaged_head_is_said_and_the_others_still_show(visit, report_file, tmp_path):
    page = report_file("two-texts").read_text(encoding="utf-8")
    start = page.index('id="b1">') + len('id="b1">')
    broken = page[:start] + "AAAA" + page[start + 4 :]
    path = tmp_path / "broken.html"
    path.write_text(broken, encoding="utf-8")
    report = visit(path, wait=False)
    report.expected += ["damaged", "block b1"]
    report.until("!document.querySelector('#note').hidden")
    assert "could not be read" in report.text("#note")
    assert report.page.locator("#chart-changes svg").is_visible()


def test_checkpoints_have_no_token_of_their_own(visit):
    report = visit("two-checkpoints")
    assert report.page.locator(".tk.only").count() == 0
    assert len(tokens(report, "first")) == len(two_checkpoints()[0].examples[0].maps[0].key)
