"""A page calls a layer by its number in the model, wherever the layer stands in its stack."""

import re

import numpy as np
import pytest

from attnreport.recording import AttentionMap, Example, Recording, TokenAxis
from attnreport.report import render_report
from tests.report.page_parser import parse_page
from tests.report.recordings import chosen_layers_recording, self_recording, translator_recording


@pytest.fixture(scope="module")
def page():
    return parse_page(render_report(chosen_layers_recording()))


def test_the_scripts_learn_the_numbers(page):
    (stack,) = page.manifest()["stacks"]
    assert stack["layerNumbers"] == [3, 5]
    assert stack["start"]["layer"] in (0, 1)


def test_the_numbers_of_whole_stacks_are_their_places(pages):
    for stack in pages["translator"].manifest()["stacks"]:
        assert stack["layerNumbers"] == list(range(len(stack["heads"])))


def test_the_heading_says_which_layers_are_shown(page, pages):
    assert page.one("ul", **{"class": "facts"}).all("li")[0].text.startswith("2 layers (3, 5) × 3")
    facts = pages["self"].one("ul", **{"class": "facts"}).all("li")
    assert facts[0].text.startswith("2 layers × 3")


def test_the_table_of_heads_names_sorts_and_links_by_the_numbers(page):
    cells = [row.children[0] for row in page.by_id("heads-table").one("tbody").all("tr")]
    assert [cell.text for cell in cells] == [f"L{n} H{h}" for n in (3, 5) for h in range(3)]
    assert [cell.attributes["data-value"] for cell in cells] == [
        f"{n * 1000000 + h}" for n in (3, 5) for h in range(3)
    ]
    links = [cell.one("a").attributes for cell in cells]
    assert [link["href"] for link in links] == [f"#L{n}H{h}" for n in (3, 5) for h in range(3)]
    assert [link["data-place"] for link in links] == [
        f"{layer} {head}" for layer in range(2) for head in range(3)
    ]


def test_links_of_the_table_lead_to_the_group_that_the_page_opens_on():
    page = parse_page(render_report(translator_recording()))
    links = [a.attributes["href"] for a in page.by_id("heads-table").all("a")]
    assert links == ["#g2L0H0"]


def test_findings_and_their_links_use_the_numbers(page):
    findings = page.one("ul", **{"class": "findings"})
    named = re.findall(r"L(\d+) H\d+|layer (\d+)", findings.text)
    assert named
    assert {a or b for a, b in named} <= {"3", "5"}
    links = [link.attributes["href"] for link in findings.all("a")]
    assert links
    assert all(re.match(r"#L[35]H\d", link) for link in links)


def test_no_other_layer_is_spoken_of(page):
    spoken = " ".join(
        node.text
        for node in page.walk()
        if node.tag in ("h1", "h2", "h3", "p", "li", "td", "dd") and "L" in node.text
    )
    assert set(re.findall(r"\bL(\d+)", spoken)) == {"3", "5"}


def test_a_split_group_keeps_its_numbers():
    def layer(length):
        axis = TokenAxis(tuple(f"t{i}" for i in range(length)))
        weights = np.full((1, length, length), 1 / length, dtype=np.float32)
        return AttentionMap("m", weights, axis, axis, group="g")

    maps = tuple(layer(length) for length in (4, 8, 4))
    page = parse_page(render_report(Recording((Example("x", maps),))))
    stacks = page.manifest()["stacks"]
    assert [stack["layerNumbers"] for stack in stacks] == [[0, 2], [1]]


def test_every_weight_stays_with_its_layer(page):
    (stack,) = page.manifest()["stacks"]
    assert stack["names"] == ["layer 3", "layer 5"]
    whole = parse_page(render_report(self_recording(layers=6))).manifest()["stacks"][0]
    assert stack["statistics"] == [*whole["statistics"][9:12], *whole["statistics"][15:18]]
