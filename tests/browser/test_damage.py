import re

import pytest

from tests.browser.damage import expect_failure, flip, note

UNREADABLE = "could not be read"


def heatmap_places(report):
    return report.page.locator("#chart-heatmap canvas").count()


@pytest.mark.parametrize("at", [0.1, 0.35, 0.6, 0.85])
def test_a_flipped_byte_is_announced_and_no_picture_of_the_head_is_shown(visit, damaged, at):
    report = visit(damaged("self", lambda page: flip(page, "b0", at=at)))
    expect_failure(report)
    assert re.fullmatch(
        r"Layer \d, head \d could not be read: block b0 of this file is damaged\.", note(report)
    )
    assert heatmap_places(report) == 0
    assert report.page.locator("#chart-row canvas").count() == 0


def test_what_is_not_damaged_stays_readable(visit, damaged):
    # The second block holds layer 1, heads 1 to 4.
    report = visit(damaged("long", lambda page: flip(page, "b1")), "#L0H0q3k3")
    expect_failure(report)
    assert note(report) == ""
    healthy = report.canvas("heatmap")
    report.choose(layer=1, head=2)
    assert "Layer 1, head 2 could not be read" in note(report)
    # Neither the picture nor the caption changed to something that is not there.
    assert report.canvas("heatmap") == healthy
    assert (report.shown("layer"), report.shown("head")) == ("0", "0")
    report.choose(layer=1, head=0)
    assert note(report) == ""
    assert report.canvas("heatmap") != healthy
    assert (report.shown("layer"), report.shown("head")) == ("1", "0")


def test_a_report_whose_first_head_is_damaged_still_opens_at_others(visit, damaged):
    report = visit(damaged("long", lambda page: flip(page, "b1")), "#L1H3q3k3")
    expect_failure(report)
    assert "Layer 1, head 3 could not be read" in note(report)
    assert heatmap_places(report) == 0
    report.click("#bar [aria-label='previous layer']")
    assert note(report) == ""
    assert heatmap_places(report) == 1
    assert (report.shown("layer"), report.shown("head")) == ("0", "3")


def test_the_pair_in_every_head_leaves_damaged_heads_out(visit, damaged):
    report = visit(damaged("long", lambda page: flip(page, "b1")), "#L0H0q3k3")
    expect_failure(report)
    cells = report.page.locator("#chart-pair svg path[aria-label^='Layer']")
    labels = [cells.nth(i).get_attribute("aria-label") for i in range(cells.count())]
    assert [label.split(":")[0] for label in labels] == [
        *(f"Layer 0, head {head}" for head in range(5)),
        "Layer 1, head 0",
    ]


def test_the_announcement_is_in_view_wherever_the_reader_is(visit, damaged):
    report = visit(damaged("long", lambda page: flip(page, "b1")), "#L0H0q3k3")
    expect_failure(report)
    report.page.locator("#bar").scroll_into_view_if_needed()
    report.page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    report.choose(layer=1, head=2)
    box = report.page.locator("#note").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 900


def test_a_damaged_mask_is_announced(visit, damaged):
    report = visit(damaged("causal", lambda page: flip(page, "m0-0")))
    expect_failure(report)
    assert UNREADABLE in note(report)
    assert heatmap_places(report) == 0


def test_a_damaged_picture_of_all_heads_is_announced_and_the_heads_remain(visit, damaged):
    def damage(page):
        start = page.index("base64,", page.index('<noscript id="atlas0">'))
        place = start + int((page.index('"', start) - start) * 0.9)
        return page[:place] + ("B" if page[place] != "B" else "C") + page[place + 1 :]

    report = visit(damaged("self", damage))
    expect_failure(report)
    assert note(report) == (
        "The overview could not be drawn: the picture of all heads in this file is damaged."
    )
    assert heatmap_places(report) == 1
    report.choose(layer=0, head=0)
    assert (report.shown("layer"), report.shown("head")) == ("0", "0")


def test_a_missing_block_is_named(visit, damaged):
    def cut_out(page):
        return re.sub(r'<script type="application/octet-stream" id="b0">.*?</script>', "", page)

    report = visit(damaged("self", cut_out))
    report.expected.append("block b0 is missing")
    assert "block b0 is missing" in note(report)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_that_was_cut_short_inside_a_block_says_so(visit, damaged, kept):
    def cut(page):
        start = page.index('id="b0">')
        end = page.index("</script>", start)
        return page[: start + int((end - start) * kept)]

    report = visit(damaged("self", cut))
    expect_failure(report)
    assert UNREADABLE in note(report)
    assert heatmap_places(report) == 0


def test_a_file_that_was_cut_short_before_its_scripts_says_so(visit, damaged):
    def cut(page):
        return page[: page.index('id="library">') + 5000]

    report = visit(damaged("self", cut), wait=False)
    report.until("getComputedStyle(document.querySelector('.incomplete')).visibility === 'visible'")
    assert report.page.locator(".incomplete").is_visible()
    assert "incomplete" in report.text(".incomplete")


def test_a_whole_file_does_not_say_that_it_is_incomplete(visit):
    report = visit("self")
    assert report.page.locator(".incomplete").is_hidden()


def test_a_damaged_library_is_announced_and_the_tables_remain(visit, damaged):
    report = visit(damaged("self", lambda page: flip(page, "library")), wait=False)
    report.until("!document.querySelector('#note').hidden")
    assert "could not be opened" in note(report)
    report.page.locator("#head-table summary").click()
    assert report.page.locator("#heads-table tbody tr").first.is_visible()


def test_a_changed_script_does_not_run(visit, damaged):
    def change(page):
        return page.replace('"use strict";', '"use strict"; window.pwned = true;', 1)

    report = visit(damaged("self", change), wait=False)
    report.expected += ["script-src", "Content Security Policy"]
    report.until("window.violations.length > 0")
    assert report.page.evaluate("window.pwned") is None
