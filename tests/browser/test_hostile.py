from attnreport.analysis import display_text
from tests.report.recordings import HOSTILE


def check_inert(report):
    assert report.page.evaluate("window.pwned") is None
    assert report.page.locator("body script:not([type])").count() == 1
    assert report.page.locator("main img, main svg[onload], main iframe, main object").count() == 0


def test_nothing_that_a_token_says_is_run(visit):
    report = visit("hostile")
    check_inert(report)
    for layer in range(2):
        report.choose(layer=layer, head=1)
        check_inert(report)


def test_every_token_stands_in_the_text_as_words_elsewhere_show_it(visit):
    report = visit("hostile")
    tokens = report.page.locator("#strip-key .tk").all_text_contents()
    assert tokens == [display_text(token) for token in HOSTILE]
    assert all(text.strip() for text in tokens)


def test_captions_tooltips_and_live_region_show_tokens_as_text(visit):
    report = visit("hostile")
    for position in range(0, len(HOSTILE), 3):
        shown = display_text(HOSTILE[position])
        report.hover_cell(position, position)
        assert report.shown("query") == shown
        assert (report.tooltip() or [""])[0] == f"{shown} → {shown}"
        report.click_cell(position, position)
        assert f"{shown} to {shown}" in report.text("#live")
    check_inert(report)


def test_names_of_groups_examples_and_modules_are_text_too(visit):
    report = visit("hostile")
    report.click("[data-example='1']")
    assert report.state()["stack"] == 1
    report.page.locator("#made summary").click()
    assert HOSTILE[0] in report.text("#made")
    check_inert(report)


def test_a_click_on_every_token_works(visit):
    report = visit("hostile")
    for position in range(0, len(HOSTILE), 7):
        report.click(f"#strip-key [data-position='{position}']")
        assert report.state()["q"] == position


def test_letters_that_run_from_right_to_left_keep_their_place(visit):
    report = visit("hostile")
    left = report.page.evaluate(
        "[...document.querySelectorAll('#strip-key .tk')].map((t) => Number(t.dataset.position))"
    )
    assert left == list(range(len(HOSTILE)))
