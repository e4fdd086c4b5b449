import pytest

from attnreport.report import render_report
from attnreport.report.environment import json_script, printable
from tests.report.page_parser import parse_page
from tests.report.recordings import HOSTILE, harmless_twin, hostile_recording


def without_counts(outline):
    """The outline without lists whose length depends on the words: findings, facts, patterns."""
    tag, names, children = outline
    return (
        tag,
        names,
        () if tag in ("ul", "dl") else tuple(without_counts(child) for child in children),
    )


def test_hostile_texts_leave_the_structure_of_the_page_alone(pages):
    twin = parse_page(render_report(harmless_twin(hostile_recording())))
    assert without_counts(pages["hostile"].outline()) == without_counts(twin.outline())


def test_the_findings_of_hostile_texts_are_plain_items(pages):
    allowed = {"ul", "li", "a", "b", "span", "small"}
    for items in pages["hostile"].one("header").all("ul"):
        assert {node.tag for node in items.walk()} <= allowed


def test_the_manifest_gives_back_the_very_tokens(pages):
    manifest = pages["hostile"].manifest()
    for stack in manifest["stacks"]:
        assert stack["query"]["labels"] == HOSTILE
        assert stack["group"] == HOSTILE[2]
        assert stack["names"] == HOSTILE[:2]
    assert [example["name"] for example in manifest["examples"]] == HOSTILE[:2]


def test_hostile_texts_are_shown_as_they_are(pages):
    page = pages["hostile"]
    assert page.one("h1").text == HOSTILE[2]
    assert page.one("title").text.startswith(HOSTILE[2])
    made = page.by_id("made").one("dl").text
    for text in (*HOSTILE[:8], HOSTILE[11]):
        assert text in made
    card = page.by_id("examples").all("li")[0].text
    assert HOSTILE[0] in card
    assert HOSTILE[8] in card


def test_the_page_can_be_written_as_utf8_and_holds_no_nul():
    page = render_report(hostile_recording())
    assert "\0" not in page.encode("utf-8").decode("utf-8")


@pytest.mark.parametrize("token", HOSTILE)
def test_any_token_survives_the_trip_through_the_page(token):
    page = parse_page(f"<html>{json_script([token], element_id='t')}<p>after</p></html>")
    assert page.json("t") == [token]
    assert page.one("p").text == "after"


def test_an_element_id_is_escaped_too():
    name = 'a"><b'
    page = parse_page(f"<html>{json_script(1, element_id=name)}</html>")
    assert page.json(name) == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused(number):
    with pytest.raises(ValueError, match="JSON"):
        json_script([number], element_id="t")


@pytest.mark.parametrize(
    ("text", "shown"), [("a\0b", "a␀b"), ("a\ud83db", "a?b"), ("héllo 👩‍👩‍👧‍👦", "héllo 👩‍👩‍👧‍👦")]
)
def test_text_that_html_cannot_hold_becomes_visible(text, shown):
    assert printable(text) == shown


def test_what_is_not_text_passes_unchanged():
    assert printable(12) == 12
