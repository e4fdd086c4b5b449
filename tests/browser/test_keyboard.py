import pytest

from tests.report.recordings import SENTENCE

LAST = len(SENTENCE) - 1


def pair(report):
    return report.state()["q"], report.state()["k"]


def place(report):
    return report.state()["layer"], report.state()["head"]


def test_arrows_move_the_cell_while_the_heatmap_has_the_focus(visit):
    report = visit("self")
    report.choose(layer=0, head=0, q=5, k=5)
    report.page.focus("#chart-heatmap")
    for key, expected in (
        ("ArrowRight", (5, 6)),
        ("ArrowDown", (6, 6)),
        ("ArrowLeft", (6, 5)),
        ("ArrowUp", (5, 5)),
        ("Shift+ArrowRight", (5, LAST)),
        ("Shift+ArrowLeft", (5, 2)),
        ("Shift+ArrowUp", (0, 2)),
        ("Shift+ArrowDown", (10, 2)),
        ("ArrowUp", (9, 2)),
    ):
        report.press(key)
        assert pair(report) == expected
    assert place(report) == (0, 0)


@pytest.mark.parametrize("chart", ["overview", "pair"])
def test_arrows_walk_through_the_heads_while_a_view_of_heads_has_the_focus(visit, chart):
    report = visit("self")
    report.choose(layer=0, head=0, q=5, k=5)
    report.page.focus(f"#chart-{chart}")
    for key, expected in (
        ("ArrowRight", (0, 1)),
        ("ArrowDown", (1, 1)),
        ("ArrowLeft", (1, 0)),
        ("ArrowLeft", (1, 2)),
        ("ArrowUp", (0, 2)),
    ):
        report.press(key)
        assert place(report) == expected
    assert pair(report) == (5, 5)


def test_arrows_scroll_the_page_when_nothing_has_the_focus(visit):
    report = visit("self")
    before = place(report)
    report.press("ArrowDown", "ArrowRight")
    assert place(report) == before


def test_j_and_k_walk_through_the_queries(visit):
    report = visit("self")
    report.choose(q=LAST - 1)
    for key, expected in (("j", LAST), ("j", 0), ("k", LAST), ("k", LAST - 1)):
        report.press(key)
        assert report.state()["q"] == expected


def test_m_hides_and_shows_special_tokens(visit):
    report = visit("self")
    report.press("m")
    assert report.state()["hidden"] is True
    assert report.page.is_checked("#hidden")
    report.press("m")
    assert report.state()["hidden"] is False
    assert not report.page.is_checked("#hidden")


def test_a_question_mark_opens_the_help_and_escape_closes_it(visit):
    report = visit("self")
    assert report.page.locator("#help").is_hidden()
    report.press("?")
    assert report.page.locator("#help").is_visible()
    before = report.state()
    report.press("j")
    assert report.state() == before
    report.press("Escape")
    assert report.page.locator("#help").is_hidden()


def test_the_help_opens_with_its_button_too(visit):
    report = visit("self")
    report.click("#help-button")
    report.click("#help button")
    assert report.page.locator("#help").is_hidden()


def test_keys_with_modifiers_belong_to_the_browser(visit):
    report = visit("self")
    before = report.state()
    report.page.evaluate(
        """() => {
          for (const key of ["j", "m"]) {
            for (const held of ["ctrlKey", "metaKey", "altKey"]) {
              const options = { key, [held]: true, bubbles: true };
              document.body.dispatchEvent(new KeyboardEvent("keydown", options));
            }
          }
        }"""
    )
    assert report.state() == before


def test_letters_typed_into_a_control_are_not_commands(visit):
    report = visit("self")
    before = report.state()
    report.page.focus("#scale")
    report.press("j")
    assert report.state()["q"] == before["q"]


def test_everything_that_can_be_used_can_be_reached_with_the_tab_key(visit):
    report = visit("self")
    reached = set()
    for _ in range(80):
        report.page.keyboard.press("Tab")
        reached.add(report.page.evaluate("document.activeElement.id"))
    assert {
        "chart-overview",
        "chart-heatmap",
        "chart-pair",
        "hidden",
        "scale",
        "save-png",
        "save-svg",
        "save-csv",
        "help-button",
    } <= reached


def test_the_focus_can_be_seen(visit):
    report = visit("self")
    report.page.focus("#chart-heatmap")
    report.page.keyboard.press("ArrowRight")
    style = report.page.evaluate(
        "getComputedStyle(document.querySelector('#chart-heatmap')).outlineStyle"
    )
    assert style == "solid"
