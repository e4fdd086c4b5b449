import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest

from attnreport._resources import templates_root
from attnreport.recording import AttentionMap, Example, ItemAxis, Recording, TokenAxis
from attnreport.report import render_report
from tests.report.page_parser import parse_page
from tests.report.recordings import self_recording

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def test_the_document_says_its_language_title_and_encoding(page):
    assert page.attributes["lang"] == "en"
    assert page.one("title").text.strip()
    head = page.one("head")
    assert head.children[0].attributes == {"charset": "utf-8"}


def test_there_is_one_main_heading(page):
    assert len(page.all("h1")) == 1


def test_headings_skip_no_level(page):
    levels = [int(node.tag[1]) for node in page.walk() if node.tag in HEADINGS]
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_no_heading_is_empty(page):
    assert all(node.text.strip() for node in page.walk() if node.tag in HEADINGS)


def test_ids_are_unique(page):
    ids = [node.attributes["id"] for node in page.walk() if "id" in node.attributes]
    assert len(ids) == len(set(ids))


def test_references_between_elements_lead_somewhere(page):
    ids = {node.attributes["id"] for node in page.walk() if "id" in node.attributes}
    for node in page.walk():
        for name in ("aria-labelledby", "aria-describedby", "aria-controls", "for"):
            assert set(node.attributes.get(name, "").split()) <= ids


def test_every_chart_has_a_place_with_words_for_those_who_cannot_see_it(page):
    charts = [node for node in page.walk() if node.attributes.get("class") == "chart"]
    assert len(charts) >= 4
    assert all(chart.attributes["role"] in ("group", "img") for chart in charts)
    labels = [chart.attributes["aria-label"] for chart in charts]
    assert len(set(labels)) == len(labels)


def test_every_control_has_a_name(page):
    for button in page.all("button"):
        assert button.attributes.get("aria-label") or button.text.strip()
    for field in page.all("input") + page.all("select"):
        assert field.parent is not None
        labelled = field.parent.tag == "label" and field.parent.text.strip()
        assert field.attributes.get("aria-label") or labelled


def test_pictures_have_a_text_alternative(page):
    assert all(picture.attributes["alt"] for picture in page.all("img"))


def test_tables_have_as_many_cells_as_headings_in_every_row(page):
    tables = page.all("table")
    assert tables
    for table in tables:
        headings = table.one("thead").all("th")
        assert all(heading.attributes.get("scope") == "col" for heading in headings)
        for row in table.one("tbody").all("tr"):
            assert len(row.children) == len(headings)


def test_without_scripts_a_reader_is_told_what_remains_and_sees_all_heads(page):
    words, picture = page.all("noscript")
    assert "findings" in words.text
    assert picture.one("img").attributes["src"].startswith("data:image/png;base64,")


def test_there_is_a_live_region_and_a_place_for_alarms(page):
    assert page.by_id("live").attributes["aria-live"] == "polite"
    assert page.by_id("note").attributes["role"] == "alert"
    assert "hidden" in page.by_id("note").attributes


def test_the_findings_are_in_the_page_as_text(pages):
    findings = pages["self"].one("ul", **{"class": "findings"}).all("li")
    assert len(findings) >= 2
    assert all(len(finding.text.split()) >= 3 for finding in findings)


def test_links_of_findings_are_deep_links(pages):
    for page in pages.values():
        links = [a.attributes["href"] for ul in page.all("ul") for a in ul.all("a")]
        assert all(re.fullmatch(r"#(e\d+)?(g\d+)?L\d+H\d+(q\d+k\d+)?", link) for link in links)


def test_every_head_is_a_row_of_the_table_of_heads(pages):
    rows = pages["self"].by_id("heads-table").one("tbody").all("tr")
    assert [row.one("a").text for row in rows] == [
        f"L{layer} H{head}" for layer in range(2) for head in range(3)
    ]
    assert all("bits" in row.text for row in rows)


def test_every_example_is_a_card_and_a_row(pages):
    page = pages["translator"]
    cards = page.by_id("examples").all("li")
    assert [card.one("a").attributes["href"] for card in cards] == ["#e0", "#e1"]
    assert "sie hat das alte buch gelesen nicht ." in cards[1].text
    assert "should be: sie hat das alte buch gelesen ." in cards[1].text
    assert "should be" not in cards[0].text
    rows = page.by_id("example-table").one("tbody").all("tr")
    assert [row.children[0].text for row in rows] == ["a", "b"]
    assert "AER" in page.by_id("example-table").one("thead").text


def test_a_single_example_needs_no_list_of_examples(pages):
    ids = {node.attributes.get("id") for node in pages["self"].walk()}
    assert not ids & {"examples", "example-table"}


def test_metrics_are_written_with_what_they_mean(pages):
    text = pages["translator"].by_id("metrics").text
    assert "alignment error rate" in text
    assert "12.5%" in text
    assert "0 is perfect, 1 is worst" in text


def test_how_the_report_was_made_is_written_out(pages):
    made = pages["translator"].by_id("made").text
    for said in ("tiny translator", "Flax NNX", "jax 0.10", "1,200", "exact float32"):
        assert said in made
    assert "A note that a reader must know." in made


def test_the_checks_of_every_attention_operation_are_listed(pages):
    rows = pages["translator"].by_id("made").one("tbody").all("tr")
    assert [row.children[0].text for row in rows] == [
        "encoder.0",
        "encoder.1",
        "decoder.self",
        "decoder.cross",
    ]
    assert all("1e-07" in row.text for row in rows)
    assert all(row.children[-1].text == "yes" for row in rows)


def test_charts_that_compare_heads_are_left_out_where_there_is_one(pages):
    ids = {node.attributes.get("id") for node in pages["smallest"].walk()}
    assert {"chart-heatmap", "chart-row", "chart-lines", "chart-entropy"} <= ids
    assert not {"chart-overview", "chart-pair", "chart-scatter"} & ids


def test_a_given_title_is_the_heading_and_the_title():
    page = parse_page(render_report(self_recording(), title="Where <it> looks"))
    assert page.one("h1").text == "Where <it> looks"
    assert page.one("title").text.startswith("Where <it> looks")


def test_a_long_title_is_clipped():
    page = parse_page(render_report(self_recording(), title="word " * 100))
    assert len(page.one("h1").text) <= 160
    assert page.one("h1").text.endswith("…")


def test_one_is_not_written_as_many(pages):
    facts = [fact.text for fact in pages["smallest"].one("ul", **{"class": "facts"}).all("li")]
    assert facts[:2] == ["1 layer × 1 head over 1 token", "1 weight, exact float32"]


@pytest.mark.parametrize(
    ("heads", "queries", "first"),
    [
        (1, 1, "3 tokens one weight each"),
        (1, 2, "3 tokens 2 rows of weights"),
        (2, 2, "1 layer × 2 heads from 2 to 3 tokens"),
    ],
)
def test_the_header_says_what_a_person_would(heads, queries, first):
    weights = np.full((heads, queries, 3), 1 / 3, np.float32)
    query = ItemAxis(tuple(f"hop {hop}" for hop in range(queries)))
    pooling = AttentionMap("pooling", weights, query, TokenAxis(tuple("abc")), kind="pooling")
    page = parse_page(render_report(Recording((Example("x", (pooling,)),))))
    assert page.one("ul", **{"class": "facts"}).all("li")[0].text == first
    many = tuple(dataclasses.replace(pooling, group=f"layer {place}") for place in range(4))
    page = parse_page(render_report(Recording((Example("x", many), Example("y", many)))))
    facts = [fact.text for fact in page.one("ul", **{"class": "facts"}).all("li")]
    assert facts[1] == "4 groups of maps, each over 3 positions"
    findings = page.one("ul", **{"class": "findings"}).text
    assert "In “x”, layer 0." in findings
    assert bool(page.by_id("examples").all("canvas")) == (queries > 1)


def test_every_place_for_words_is_filled_and_every_word_has_a_place(pages):
    places = {
        node.attributes["data-show"]
        for page in pages.values()
        for node in page.walk()
        if "data-show" in node.attributes
    }
    scripts = templates_root().joinpath("page").iterdir()
    source = "".join(script.read_text(encoding="utf-8") for script in scripts)
    assert places == set(re.findall(r'\bshow\("([\w-]+)"', source))
