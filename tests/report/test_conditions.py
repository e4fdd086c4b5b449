"""Parts of the page that make sense for some stacks only."""

import re

import jinja2
import numpy as np
import pytest

from attnreport._resources import templates_root
from attnreport.recording import AttentionMap, Example, GridAxis, Recording
from attnreport.report import render_report
from attnreport.report.conditions import page_conditions
from attnreport.report.stacks import stacks_of
from tests.report.page_parser import parse_page
from tests.report.recordings import (
    self_recording,
    smallest_recording,
    softmax_weights,
    translator_recording,
)


def conditional(page):
    """Every element that stands there under a condition: the condition, and whether it shows."""
    return [
        (node.attributes["data-when"], "hidden" not in node.attributes)
        for node in page.walk()
        if "data-when" in node.attributes
    ]


def conditions_of(recording, index=0):
    stacks = stacks_of(recording)
    return page_conditions(stacks[index], stacks, recording)


def test_the_templates_ask_for_every_condition(pages):
    asked = {condition for page in pages.values() for condition, _ in conditional(page)}
    assert asked == set(conditions_of(smallest_recording()))


def test_the_page_opens_with_the_parts_of_its_first_stack(pages):
    for page in pages.values():
        manifest = page.manifest()
        holding = manifest["stacks"][manifest["start"]["stack"]]["conditions"]
        assert all(shown == (condition in holding) for condition, shown in conditional(page))


def test_what_holds_for_a_sentence_and_for_a_translation():
    holding = {name for name, true in conditions_of(self_recording()).items() if true}
    assert holding == {
        *("many-heads", "one-axis", "special", "normalized", "attention", "gives", "two-texts"),
        "words",
        *("matrix", "row", "lines", "text", "direction", "reading", "color-scale"),
        *("patterns", "comparing", "flow", "words", "other-heads"),
    }
    cross = conditions_of(translator_recording(), 2)
    assert cross["two-axes"]
    assert cross["reference"]
    assert cross["many-groups"]
    assert not cross["one-axis"]


def test_a_reader_is_told_when_lines_are_left_out():
    source = templates_root().joinpath("page", "rows.js").read_text(encoding="utf-8")
    most = re.search(r"const MOST_EDGES = (\d+);", source)
    assert most
    for count in (int(most[1]), int(most[1]) + 1):
        weights = np.full((1, 1, 1, count), 1 / count, dtype=np.float32)
        keys = [str(key) for key in range(count)]
        recording = Recording.from_arrays(weights, ["x"], key_tokens=keys)
        assert conditions_of(recording)["many-lines"] == (count > int(most[1]))


def test_a_template_that_asks_for_something_unknown_is_an_error(tmp_path):
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "help.html.jinja").write_text(
        '{% from "when.jinja" import when with context %}<p {{ when("full-moon") }}></p>',
        encoding="utf-8",
    )
    with pytest.raises(jinja2.UndefinedError, match="full-moon"):
        render_report(self_recording(), templates=tmp_path)


def grid_recording():
    grid = GridAxis(2, 2)
    weights = softmax_weights(2, 2, 4, 4)
    maps = tuple(AttentionMap(f"layers.{i}", each, grid, grid) for i, each in enumerate(weights))
    return Recording((Example("cells", maps),))


@pytest.mark.parametrize(
    ("recording", "flows"),
    [
        (self_recording(), True),
        (self_recording(layers=1), False),
        # What a layer that is not there mixed in is not known.
        (self_recording(layers=4).select(layers=[0, 2]), False),
        (self_recording(layers=4).select(layers=[0, 1]), True),
        (self_recording(tokens=[f"t{i}" for i in range(96)]), True),
        (self_recording(tokens=[f"t{i}" for i in range(97)]), False),
        (grid_recording(), False),
    ],
    ids=["two layers", "one layer", "a gap", "the first layers", "96", "97", "grid"],
)
def test_tokens_are_followed_back_through_all_layers_where_that_can_be_done(recording, flows):
    assert conditions_of(recording)["flow"] == flows
    charts = {node.attributes.get("id") for node in parse_page(render_report(recording)).walk()}
    assert ("chart-flow" in charts) == flows
