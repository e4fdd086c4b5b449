"""What the page says of heads, read back from its block and compared with the analysis."""

import base64
import json
import zlib

import numpy as np
import pytest

from attnreport.analysis import (
    HEAD_PATTERNS,
    MEASURES,
    NO_PATTERN,
    head_distances,
    head_patterns,
    mean_over_rows,
    row_statistics,
    similar_heads,
)
from attnreport.recording import Recording
from attnreport.report import head_measures, render_report
from attnreport.report.head_measures import measure_heads
from attnreport.report.stacks import stacks_of
from tests.report.page_parser import parse_page
from tests.report.recordings import (
    gates_recording,
    patterned_recording,
    self_recording,
    softmax_weights,
    translator_recording,
)


def page_of(recording):
    return parse_page(render_report(recording))


def block_of(page, index=0):
    """The block of a stack's heads, and the bytes that the manifest says are in it."""
    place = page.manifest()["stacks"][index]["measures"]
    data = zlib.decompress(base64.b64decode(page.by_id(place["id"]).text))
    assert len(data) == place["size"]
    return json.loads(data)


def of_every_head(entry, heads):
    """A list with one number of each head, whichever way it was written."""
    found = entry if isinstance(entry, list) else [entry] * heads
    assert len(found) == heads
    return np.array([np.nan if value is None else value for value in found])


@pytest.mark.parametrize("make", [patterned_recording, self_recording, translator_recording])
def test_every_statistic_of_every_head_is_there_beside_chance(make):
    recording = make()
    page = page_of(recording)
    for index, stack in enumerate(stacks_of(recording)):
        block = block_of(page, index)
        measured = [row_statistics(attention) for attention in stack.maps]
        known = [
            name
            for name in measured[0]
            if any(not np.isnan(found[name].values).all() for found in measured)
        ]
        assert [name for name, *_ in block["statistics"]] == known
        for name, values, chances in block["statistics"]:
            rows = np.concatenate([found[name].values for found in measured])
            even = np.concatenate([found[name].chance for found in measured])
            expected = mean_over_rows(rows), mean_over_rows(np.where(np.isnan(rows), np.nan, even))
            for entry, numbers in zip((values, chances), expected, strict=True):
                np.testing.assert_allclose(
                    of_every_head(entry, stack.heads), numbers, rtol=6e-4, atol=1e-9
                )


def test_patterns_are_there_with_their_evidence_and_name_the_head():
    recording = patterned_recording()
    page = page_of(recording)
    expected = [head for m in recording.examples[0].maps for head in head_patterns(m)]
    found = block_of(page)["patterns"]
    assert [[name for name, *_ in head] for head in found] == [
        [pattern.name for pattern in head] for head in expected
    ]
    assert [[text for _, text, *_ in head] for head in found] == [
        [pattern.evidence for pattern in head] for head in expected
    ]
    assert all(0.5 <= sure <= 1 and 0 < clear <= 1 for head in found for *_, sure, clear in head)
    names = [head["pattern"] for head in page.manifest()["stacks"][0]["statistics"]]
    assert names == [head[0].name if head else NO_PATTERN for head in expected]
    assert len(set(names)) > 4


def test_clarity_grows_from_even_attention_to_the_pattern_alone():
    patterns = block_of(page_of(patterned_recording()))["patterns"]
    # Heads that mix a sink with even attention, by how much of it is the sink.
    clarities = {head: patterns[head][0][3] for head in (1, 8, 6, 10, 3)}
    assert list(clarities.values()) == sorted(clarities.values())
    assert clarities[3] == pytest.approx(0.95, abs=0.005)
    (broad,) = patterns[2]
    assert (broad[0], broad[3]) == ("broad", pytest.approx(1))


def test_similar_heads_are_those_at_the_smallest_distance():
    recording = patterned_recording()
    block = block_of(page_of(recording))
    distances = head_distances(recording.examples[0].maps)
    assert block["compared"] == len(recording.examples[0].maps[0].query)
    for head, near in enumerate(block["similar"]):
        expected = similar_heads(distances, head, len(near))
        assert [place for place, _ in near] == [place for place, _ in expected]
        assert [far for _, far in near] == pytest.approx([far for _, far in expected], rel=6e-4)
    assert [near[0][0] for near in block["similar"]][:2] == [9, 8]


def test_heads_are_compared_on_fewer_rows_or_not_at_all_where_it_would_take_long(monkeypatch):
    (stack,) = stacks_of(patterned_recording())
    pairs = 12 * 11 / 2 * len(stack.key)
    for most, compared in ((13 * pairs, 13), (7.5 * pairs, 7), (4 * pairs, 4), (3.9 * pairs, 0)):
        monkeypatch.setattr(head_measures, "_MOST_COMPARED", most)
        assert measure_heads(stack).compared == compared
    assert measure_heads(stack).similar == [[]] * 12
    monkeypatch.setattr(head_measures, "_MOST_COMPARED", 14 * pairs)
    assert measure_heads(stack, stacks=2).compared == 7


def test_nothing_is_measured_of_gates():
    page = page_of(gates_recording())
    block = block_of(page)
    assert (block["statistics"], block["compared"]) == ([], 0)
    assert block["patterns"] == block["similar"] == [[]] * 4
    assert "chart-scatter" not in {node.attributes.get("id") for node in page.walk()}
    assert "do not apply" in page.by_id("all").text


def test_of_one_or_two_rows_no_pattern_is_told():
    for rows, told in ((2, False), (3, True)):
        weights = softmax_weights(1, 2, rows, 6)
        recording = Recording.from_arrays(
            weights, [f"q{row}" for row in range(rows)], key_tokens=list("abcdef")
        )
        page = page_of(recording)
        assert ("patterns" in page.manifest()["stacks"][0]["conditions"]) == told


def test_every_statistic_and_pattern_that_occurs_has_one_plain_sentence():
    page = page_of(patterned_recording())
    glossary = page.manifest()["glossary"]
    block = block_of(page)
    shown = {name for head in block["patterns"] for name, *_ in head} | {NO_PATTERN}
    assert set(glossary["patterns"]) == shown
    assert list(glossary["statistics"]) == [name for name, *_ in block["statistics"]]
    patterns, statistics = (
        dict(zip((t.text for t in dl.all("dt")), (d.text for d in dl.all("dd")), strict=True))
        for dl in page.by_id("card").all("dl")
    )
    for name, meaning in glossary["patterns"].items():
        assert patterns[name] == meaning == HEAD_PATTERNS.get(name, meaning)
    for name, (unit, meaning) in glossary["statistics"].items():
        assert statistics[name] == meaning == MEASURES[name].meaning
        assert unit == MEASURES[name].unit
    assert all(text.endswith(".") for told in (patterns, statistics) for text in told.values())
