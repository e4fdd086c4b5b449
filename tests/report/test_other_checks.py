"""Checks beyond the usual ones: in the table at the end, and failures at the top too."""

import dataclasses

import numpy as np
import pytest

from attnreport.recording import (
    AttentionMap,
    Check,
    Checks,
    Example,
    ItemAxis,
    Recording,
    TokenAxis,
)
from attnreport.report import render_report
from tests.report.page_parser import parse_page
from tests.report.recordings import HOSTILE, self_recording, softmax_weights


def page_of(*columns, examples=1):
    """The page of a recording whose layers have the given checks."""
    (example,) = self_recording(layers=len(columns)).examples
    maps = tuple(
        dataclasses.replace(attention, checks=Checks(1e-7, others=tuple(column)))
        for attention, column in zip(example.maps, columns, strict=True)
    )
    names = [example.name] if examples == 1 else [f"text {i}" for i in range(examples)]
    recording = Recording(
        tuple(dataclasses.replace(example, name=name, maps=maps) for name in names)
    )
    return parse_page(render_report(recording))


def rows(page):
    _, *others = page.by_id("made").all("tbody")
    return [[cell.text for cell in row.children] for body in others for row in body.all("tr")]


def facts(page):
    return [fact.text for fact in page.one("ul", **{"class": "facts"}).all("li")]


def test_each_check_has_a_row_with_its_worst_value():
    page = page_of(
        [Check("proof", 1e-7, held=True, detail="Weights times values."), Check("size", 40000)],
        [Check("proof", -3e-3, "bits", held=True, detail="Less exact.")],
    )
    assert rows(page) == [
        ["proof", "self-attention", "-0.003 bits", "held", "layer 1", "Less exact."],
        ["size", "self-attention", "40,000", "not judged", "layer 0", ""],
    ]
    assert not any("failed" in fact for fact in facts(page))


def test_examples_share_a_row_and_name_the_one_with_the_worst():
    page = page_of([Check("proof", 0.5, held=True)], examples=2)
    assert rows(page) == [["proof", "self-attention", "0.5", "held", "layer 0 (text 0)", ""]]


def test_a_single_map_needs_no_place():
    assert rows(page_of([Check("a", held=True)])) == [["a", "self-attention", "–", "held", "", ""]]


@pytest.mark.parametrize(
    ("value", "text"), [(float("nan"), "not a number"), (float("-inf"), "−∞"), (0.0, "0")]
)
def test_every_number_has_words(value, text):
    assert rows(page_of([Check("a", value)]))[0][2] == text


def test_a_failure_is_told_at_the_top_in_a_sentence():
    page = page_of([Check("proof", 1e-7, held=True)], [Check("proof", 0.5, held=False)])
    assert rows(page)[0][2:5] == ["0.5", "failed in 1 of 2", "layer 1"]
    assert "1 check failed: “proof”; “How this report was made and checked” says more" in facts(
        page
    )


def test_many_failures_are_counted():
    page = page_of([Check(f"c{i}", held=False) for i in range(5)])
    (fact,) = [fact for fact in facts(page) if "failed" in fact]
    assert fact.startswith("5 checks failed: “c0”, “c1”, “c2” and 2 more; ")


def test_without_other_checks_there_is_one_table():
    page = page_of([])
    assert rows(page) == []
    assert len(page.by_id("made").all("table")) == 1


def test_hostile_texts_are_shown_and_do_nothing(pages):
    shown = rows(pages["hostile"])
    assert len(shown) == len(HOSTILE)
    assert [row[0] for row in shown[:4]] == HOSTILE[:4]
    assert [row[5] for row in shown[:4]] == HOSTILE[:4]
    (fact,) = [fact for fact in facts(pages["hostile"]) if "failed" in fact]
    assert HOSTILE[0] in fact


@pytest.mark.parametrize("normalized", [True, False])
def test_a_router_can_be_shown(normalized):
    weights = softmax_weights(2, 5, 4) * (1 if normalized else 0.8)
    experts = ItemAxis(tuple(f"expert {i}" for i in range(4)))
    router = AttentionMap(
        "router",
        weights.astype(np.float32),
        TokenAxis(tuple("abcde")),
        experts,
        "router",
        normalized=normalized,
    )
    page = parse_page(render_report(Recording((Example("x", (router,)),))))
    (stack,) = page.manifest()["stacks"]
    assert stack["kind"] == "router"
    assert ("normalized" in stack["conditions"]) == normalized
    assert stack["key"]["labels"] == list(experts.items)
    assert "1 layer × 2 heads from 5 to 4 items" in facts(page)[0]
    assert "jump" not in page.one("ul", **{"class": "findings"}).text
    assert not any("in order" in name for head in stack["statistics"] for name, _ in head["facts"])
