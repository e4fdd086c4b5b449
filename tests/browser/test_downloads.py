import csv
import io
import re
import struct

import numpy as np
import pytest

from attnreport.report.packing import ENCODINGS
from tests.browser.colors import INK, NIGHT, PAPER, distinct, luminance, near
from tests.report.recordings import (
    HOSTILE,
    hostile_recording,
    self_recording,
    translator_recording,
)


def download(report, kind):
    """Name and bytes of what the button saves."""
    with report.page.expect_download() as waiting:
        report.page.click(f"#save-{kind}")
    report.settle()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


def table_of(data):
    """Labels of the rows and columns, and the numbers."""
    text = data.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    numbers = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
    return [row[0] for row in rows[1:]], rows[0][1:], numbers


@pytest.mark.parametrize("place", [(0, 0), (0, 2), (1, 1)])
def test_the_table_holds_every_weight_of_the_head_exactly(visit, place):
    report = visit("self")
    layer, head = place
    report.choose(layer=layer, head=head)
    name, data = download(report, "csv")
    assert name == f"attention-example0-self-attention-L{layer}-H{head}.csv"
    queries, keys, numbers = table_of(data)
    recording = self_recording()
    expected = recording.examples[0].maps[layer].head(head)
    assert queries == keys == list(recording.examples[0].maps[0].query.labels)
    assert (numbers.astype(np.float32) == expected).all()


def test_the_table_of_cross_attention_has_queries_as_rows(visit):
    report = visit("translator")
    report.choose(stack=5)
    queries, keys, numbers = table_of(download(report, "csv")[1])
    expected = translator_recording().examples[1].maps[3]
    assert queries == list(expected.query.labels)
    assert keys == list(expected.key.labels)
    assert (numbers.astype(np.float32) == expected.head(0)).all()


def test_the_table_shows_stored_weights_also_while_special_tokens_are_hidden(visit):
    report = visit("self")
    report.choose(layer=1, head=0)
    report.press("m")
    numbers = table_of(download(report, "csv")[1])[2]
    assert (numbers.astype(np.float32) == self_recording().examples[0].maps[1].head(0)).all()


def test_hostile_labels_come_back_from_the_table(visit):
    report = visit("hostile")
    report.choose(layer=0, head=1)
    queries, keys, numbers = table_of(download(report, "csv")[1])
    # A lone half of a surrogate pair cannot be written as UTF-8.
    expected = [token.encode("utf-8", "replace").decode() for token in HOSTILE]
    shown = [label.replace("\ufffd", "?") for label in queries]
    assert shown == expected
    assert queries == keys
    expected = hostile_recording().examples[0].maps[0].head(1)
    assert (numbers.astype(np.float32) == expected).all()


def test_the_table_of_a_quantized_report_stays_within_the_stated_error(visit):
    report = visit("u8")
    report.choose(layer=0, head=0)
    numbers = table_of(download(report, "csv")[1])[2]
    expected = self_recording().examples[0].maps[0].head(0)
    assert np.abs(numbers - expected).max() <= ENCODINGS["u8"].largest_error


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_picture_is_drawn_for_paper_in_both_modes(visit, mode):
    report = visit("asymmetric", color_scheme=mode)
    before = report.canvas("heatmap")
    name, data = download(report, "png")
    assert name == "attention-example0-cross-attention-L0-H0.png"
    saved, shown = (struct.unpack(">II", png[16:24]) for png in (data, before))
    assert saved == tuple(3 * side for side in shown)
    rows = report.pixels(data, every=7)
    assert near(rows[0, 0], PAPER)
    assert rows[..., 3].min() == 255
    colors = distinct(rows)
    assert any(near(color, INK) for color in colors)
    assert not any(near(color, NIGHT) for color in colors)
    # And the page looks as before.
    assert report.canvas("heatmap") == before


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_vector_picture_is_whole_and_light(visit, mode):
    report = visit("asymmetric", color_scheme=mode)
    before = report.canvas("heatmap")
    name, data = download(report, "svg")
    assert name.endswith(".svg")
    svg = data.decode("utf-8")
    kinds = report.page.evaluate(
        """(svg) => { const tree = new DOMParser().parseFromString(svg, "image/svg+xml");
        return [tree.documentElement.localName, tree.querySelectorAll("parsererror").length,
          tree.querySelectorAll("image").length, tree.querySelectorAll("text").length]; }""",
        svg,
    )
    root, errors, images, texts = kinds
    assert (root, errors, images) == ("svg", 0, 1)
    assert texts >= 5 + 8
    assert "data:image/png;base64," in svg
    background = re.search(r'<rect[^>]*fill="(#[0-9a-f]{6})"', svg)
    assert background is not None
    assert background[1] == "#ffffff"
    inks = re.findall(r'<text[^>]*fill="(#[0-9a-f]{6})"', svg)
    assert inks
    assert all(luminance(tuple(bytes.fromhex(ink[1:]))) < 0.3 for ink in inks)
    assert report.canvas("heatmap") == before


def test_a_vector_picture_of_hostile_labels_is_still_well_formed(visit):
    report = visit("hostile")
    svg = download(report, "svg")[1].decode("utf-8", "replace")
    errors = report.page.evaluate(
        """(svg) => new DOMParser().parseFromString(svg, "image/svg+xml")
        .querySelectorAll("parsererror, script, a, foreignObject").length""",
        svg,
    )
    assert errors == 0


def test_a_download_while_hovering_shows_the_chosen_head(visit):
    report = visit("self")
    report.choose(layer=0, head=2)
    report.hover_cell(3, 3)
    assert download(report, "csv")[0].endswith("L0-H2.csv")
