"""What the page's scripts read, decoded the slow way and compared with the recording."""

import numpy as np
import pytest

from attnreport.recording import AttentionMap, Example, Recording, TokenAxis
from attnreport.report import render_report
from attnreport.report.packing import ENCODINGS
from attnreport.report.stacks import stacks_of
from tests.report.page_decoder import decode_bits, decode_block
from tests.report.page_parser import parse_page
from tests.report.recordings import (
    self_recording,
    smallest_recording,
    softmax_weights,
    striped_weights,
    translator_recording,
)


def page_of(recording, **options):
    return parse_page(render_report(recording, **options))


def weights_in(page, index):
    """All heads of a stack, as its blocks in the page say: `[head][query][key]`."""
    manifest = page.manifest()
    stack = manifest["stacks"][index]
    queries = len(stack["query"]["labels"])
    keys = len((stack["key"] or stack["query"])["labels"])
    heads = []
    block = stack["firstBlock"]
    while len(heads) < sum(stack["heads"]):
        count = min(stack["headsPerBlock"], sum(stack["heads"]) - len(heads))
        text = page.by_id(f"b{block}").text
        heads += decode_block(
            text,
            heads=count,
            queries=queries,
            keys=keys,
            encoding=manifest["encoding"],
            largest=stack["largest"],
        )
        block += 1
    return np.array(heads)


@pytest.mark.parametrize("make", [self_recording, smallest_recording, translator_recording])
def test_every_weight_of_a_small_recording_is_in_the_page_exactly(make):
    recording = make()
    page = page_of(recording)
    for index, stack in enumerate(stacks_of(recording)):
        expected = np.concatenate([attention.array() for attention in stack.maps])
        assert (weights_in(page, index).astype(np.float32) == expected).all()


def test_heads_of_long_texts_come_in_several_blocks():
    recording = Recording.from_arrays(striped_weights(2, 5, 100), [str(i) for i in range(100)])
    page = page_of(recording)
    assert page.manifest()["stacks"][0]["headsPerBlock"] == 6
    expected = np.concatenate([m.array() for m in recording.examples[0].maps])
    assert (weights_in(page, 0).astype(np.float32) == expected).all()


@pytest.mark.parametrize(("precision", "steps"), [("u16", 65535), ("u8", 255)])
def test_a_chosen_precision_stays_within_half_a_step(precision, steps):
    recording = self_recording()
    page = page_of(recording, precision=precision)
    assert page.manifest()["encoding"] == precision
    expected = np.concatenate([m.array() for m in recording.examples[0].maps]).astype(np.float64)
    error = np.abs(np.sqrt(weights_in(page, 0)) - np.sqrt(expected))
    assert error.max() <= 0.5 / steps + 1e-6
    assert error.max() > 0


def test_masks_say_where_queries_may_not_look(pages):
    page = pages["translator"]
    encoder, decoder, _ = page.manifest()["stacks"][:3]
    assert encoder["masks"] == [None, None]
    (mask,) = decoder["masks"]
    length = len(decoder["query"]["labels"])
    cells = decode_bits(page.by_id(mask["id"]).text, mask["heads"] * length * length)
    assert np.array(cells).reshape(length, length).tolist() == np.tri(length).astype(bool).tolist()


def test_layers_with_equal_masks_share_a_block_and_others_do_not():
    axis = TokenAxis(("a", "b", "c"))
    causal = np.tri(3).astype(bool)
    per_head = np.stack([causal, np.ones((3, 3), dtype=bool)])
    maps = []
    for name, mask in (("0", causal), ("1", causal), ("2", per_head), ("3", None)):
        weights = softmax_weights(2, 3, 3) * (1 if mask is None else mask)
        weights = weights / weights.sum(axis=-1, keepdims=True)
        maps.append(AttentionMap(name, weights.astype(np.float32), axis, axis, mask=mask))
    page = page_of(Recording((Example("x", tuple(maps)),)))
    first, second, third, fourth = page.manifest()["stacks"][0]["masks"]
    assert first == second
    assert third["id"] != first["id"]
    assert (first["heads"], third["heads"], fourth) == (1, 2, None)


def test_references_are_listed_pair_by_pair(pages):
    cross = pages["translator"].manifest()["stacks"][2]
    assert cross["reference"] == [[[i, i] for i in range(6)]]


def test_self_attention_names_its_positions_once(pages):
    encoder, _, cross = pages["translator"].manifest()["stacks"][:3]
    assert encoder["key"] is None
    assert cross["key"]["labels"] == encoder["query"]["labels"]
    assert encoder["query"]["special"] == [5]
    assert encoder["heads"] == [3, 1]


def test_the_report_opens_on_attention_with_a_reference_if_there_is_some(pages):
    assert pages["translator"].manifest()["start"]["stack"] == 2
    assert pages["self"].manifest()["start"]["stack"] == 0


def positions(axis):
    if axis["kind"] == "grid":
        return len(axis["leading"]) + axis["height"] * axis["width"]
    return axis["count"] if axis["kind"] == "channels" else len(axis["labels"])


def test_the_first_place_to_look_at_lies_inside(page):
    manifest = page.manifest()
    for stack in manifest["stacks"]:
        start = stack["start"]
        assert start["layer"] < len(stack["heads"])
        assert start["head"] < stack["heads"][start["layer"]]
        assert start["q"] < positions(stack["query"])
        assert start["k"] < positions(stack["key"] or stack["query"])


def test_every_head_has_its_statistics(page):
    for stack in page.manifest()["stacks"]:
        assert len(stack["statistics"]) == sum(stack["heads"])
        for statistics in stack["statistics"]:
            assert statistics["facts"]
            assert 0 <= statistics["peak"] <= 1


def test_a_head_without_a_row_that_may_attend_keeps_the_columns_of_the_table():
    axis = TokenAxis(("a", "b", "c"))
    mask = np.ones((2, 3, 3), dtype=bool)
    mask[0] = False
    weights = softmax_weights(2, 3, 3)
    weights[0] = 0
    attention = AttentionMap("x", weights, axis, axis, mask=mask)
    table = page_of(Recording((Example("x", (attention,)),))).by_id("heads-table")
    headings = [heading.text for heading in table.one("thead").all("th")]
    closed, opened = ([cell.text for cell in row.children] for row in table.one("tbody").all("tr"))
    assert len(closed) == len(opened) == len(headings)
    assert closed[1] == "no pattern"
    assert closed[headings.index("distance")] == "–"
    assert opened[headings.index("distance")] != "–"


def test_gates_and_weights_that_do_not_sum_to_one_can_be_shown():
    axis = TokenAxis(("a", "b", "c"))
    weights = np.full((1, 3, 3), 0.9, dtype=np.float32)
    gate = AttentionMap("gate", weights, axis, axis, kind="gate", normalized=False)
    page = page_of(Recording((Example("x", (gate,)),)))
    assert np.abs(weights_in(page, 0) - 0.9).max() < 1e-6


@pytest.mark.parametrize("precision", ["float32", "u16", "u8"])
def test_weights_above_one_are_shown_as_they_are(precision):
    weights = softmax_weights(3, 4, 4)[np.newaxis] * np.array([1, 7.5, 2]).reshape(3, 1, 1)
    recording = Recording.from_arrays(
        weights.astype(np.float32), ["a", "b", "c", "d"], normalized=False
    )
    page = page_of(recording, precision=precision)
    (stack,) = page.manifest()["stacks"]
    largest = float(recording.examples[0].maps[0].array().max())
    assert stack["largest"] == largest > 1
    error = np.abs(weights_in(page, 0) - recording.examples[0].maps[0].array()).max()
    bound = largest * ENCODINGS[precision].largest_error
    assert error <= bound
    peaks = [statistics["peak"] for statistics in stack["statistics"]]
    assert peaks == pytest.approx(weights[0].max(axis=(1, 2)), abs=1e-5)
    made = page.one("section", id="made").text
    assert f"{largest:.4g}; colors run from 0 to the largest weight" in made
    assert precision == "float32" or f"at most {bound:.2g}, and less for smaller weights" in made


def test_no_weight_of_a_gate_or_of_attention_that_sums_to_one_is_larger_than_one(page):
    assert {stack["largest"] for stack in page.manifest()["stacks"]} == {1.0}
    gate = Recording.from_arrays(softmax_weights(1, 2, 2)[np.newaxis], ["a", "b"], kind="gate")
    assert page_of(gate).manifest()["stacks"][0]["largest"] == 1.0


def test_what_is_drawn_and_read_is_sent_where_it_is_not_the_label():
    labels = ["[CLS]", "quick", "##er", "Ġfox", "", "a\nb"]
    recording = Recording.from_arrays(softmax_weights(1, 6, 6)[np.newaxis], labels)
    query = page_of(recording).manifest()["stacks"][0]["query"]
    assert query["labels"] == labels
    assert query["drawn"] == {"4": "∅", "5": "a⏎b"}
    assert query["read"] == {"2": "er", "3": "fox", "4": "∅", "5": "a⏎b"}


def test_attention_read_from_disk_is_read_head_by_head():
    class Counting:
        """Weights on disk, which remember what was asked of them."""

        shape, dtype = (3, 4, 4), np.dtype("float32")

        def __init__(self):
            self.asked = []
            self.values = softmax_weights(3, 4, 4)

        def __getitem__(self, index):
            self.asked.append(index)
            return self.values[index]

    weights = Counting()
    axis = TokenAxis(("a", "b", "c", "d"))
    recording = Recording((Example("x", (AttentionMap("x", weights, axis, axis),)),))
    page = page_of(recording)
    assert (weights_in(page, 0).astype(np.float32) == weights.values).all()
    assert set(weights.asked) == {0, 1, 2}
