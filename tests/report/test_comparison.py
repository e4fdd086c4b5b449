"""The page of two recordings: what is in it, decoded the slow way, against the recordings."""

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError, ReportError, UnknownNameError
from attnreport.analysis import compare
from attnreport.recording import AttentionMap, Example, GridAxis, Recording, Source, TokenAxis
from attnreport.report import render_comparison
from attnreport.report.palette import LIGHT_CHANGE, hex_to_rgb
from tests.report.compared_recordings import (
    AFTER,
    BEFORE,
    BOTH,
    IN_AFTER,
    IN_BEFORE,
    placed,
    sentence,
    two_checkpoints,
    two_texts,
)
from tests.report.page_decoder import decode_bits, decode_block
from tests.report.page_parser import parse_page
from tests.report.png_decoder import decode_png


def page_of(*recordings, **options):
    return parse_page(render_comparison(*recordings, **options))


def heads_of(page, stack):
    """Every head of a stack `[head, query, key]` as the page has it."""
    manifest = page.manifest()
    entry = manifest["stacks"][stack]
    size = len(entry["query"]["labels"])
    text = page.by_id(f"b{entry['firstBlock']}").text
    count = sum(entry["heads"])
    found = decode_block(text, heads=count, queries=size, keys=size, encoding=manifest["encoding"])
    return np.array(found)


def test_both_sides_stand_over_the_positions_of_both():
    recordings = two_texts()
    page = page_of(*recordings)
    manifest = page.manifest()
    one, other = manifest["stacks"]
    assert one["query"]["labels"] == list(BOTH)
    assert one["query"] == other["query"]
    assert (one["side"], one["other"], other["side"], other["other"]) == (0, 1, 1, 0)
    for stack, (recording, places) in enumerate(
        zip(recordings, (IN_BEFORE, IN_AFTER), strict=True)
    ):
        found = heads_of(page, stack)
        for flat in range(6):
            expected = placed(recording, flat // 3, flat % 3, places)
            np.testing.assert_array_equal(found[flat], np.nan_to_num(expected).astype(np.float32))


def test_what_a_side_lacks_is_listed_and_masked_in_it():
    page = page_of(*two_texts())
    manifest = page.manifest()
    lacking = [sorted(set(range(8)) - set(places)) for places in (IN_BEFORE, IN_AFTER)]
    for stack, missing in zip(manifest["stacks"], lacking, strict=True):
        assert stack["absent"] == {"query": missing, "key": missing}
        for mask in stack["masks"]:
            bits = decode_bits(page.by_id(mask["id"]).text, 64)
            allowed = np.array(bits).reshape(8, 8)
            expected = np.ones((8, 8), dtype=bool)
            expected[missing] = False
            expected[:, missing] = False
            np.testing.assert_array_equal(allowed, expected)


def test_the_page_has_how_much_each_head_changed():
    recordings = two_texts()
    (example,) = compare(*recordings).examples
    expected = np.concatenate([each.distances for each in example.maps])
    for stack in page_of(*recordings).manifest()["stacks"]:
        np.testing.assert_allclose(stack["change"]["distances"], expected, atol=5e-5)


def test_the_largest_change_and_the_pictures_are_of_what_both_have():
    recordings = two_texts()
    page = page_of(*recordings)
    entry = page.manifest()["stacks"][0]
    changes = np.array(
        [
            placed(recordings[1], flat // 3, flat % 3, IN_AFTER)
            - placed(recordings[0], flat // 3, flat % 3, IN_BEFORE)
            for flat in range(6)
        ]
    )
    largest = np.nanmax(np.abs(changes))
    assert entry["change"]["largest"] == pytest.approx(largest, rel=1e-6)
    assert entry["atlas"] == {"id": "atlas0", "width": 24, "height": 16, "changes": True}
    source = page.by_id("atlas0").one("img").attributes["src"]
    picture = decode_png(base64.b64decode(source.partition(",")[2]))
    steps = np.array([[step for (step,) in row] for row in picture.rows])
    changes = np.nan_to_num(changes)
    for flat in range(6):
        layer, head = divmod(flat, 3)
        own = steps[layer * 8 : layer * 8 + 8, head * 8 : head * 8 + 8]
        shades = np.sqrt(np.abs(changes[flat]) / largest)
        expected = 128 + np.sign(changes[flat]) * np.floor(127 * shades + 0.5)
        assert np.abs(own - expected).max() <= 1  # float32 may round the other way
    assert picture.palette[0] == hex_to_rgb(LIGHT_CHANGE[0])
    assert picture.palette[255] == hex_to_rgb(LIGHT_CHANGE[-1])


def test_the_page_opens_on_what_changed_most():
    recordings = two_texts()
    start = page_of(*recordings).manifest()["start"]
    (example,) = compare(*recordings).examples
    distances = [each.distances for each in example.maps]
    flat = int(np.argmax(np.concatenate(distances)))
    assert (start["stack"], start["layer"], start["head"]) == (0, flat // 3, flat % 3)


def test_the_table_ranks_every_head():
    recordings = two_texts()
    rows = page_of(*recordings).by_id("ranking").one("tbody").all("tr")
    expected = compare(*recordings).heads()
    assert [row.all("td")[0].text for row in rows] == [f"L{h.layer} H{h.head}" for h in expected]
    assert [row.all("td")[1].text for row in rows] == [f"{h.distance:.3f}" for h in expected]


def test_the_head_of_the_page_says_what_is_compared_and_how_it_was_aligned():
    page = page_of(*two_texts())
    section = page.by_id("recordings").text
    for word in ("the cat was tired", "the black cat was warm", "training step"):
        assert word in section or word.capitalize() in section
    assert "5 tokens are paired, of 6 in A and 7 in B" in section
    assert "only in A: “tired”" in section
    assert "only in B: “black”, “warm”" in section
    assert "tiny on two inputs" in page.one("h1").text


def test_of_one_text_all_rows_are_paired():
    page = page_of(*two_checkpoints())
    assert "A and B have the same positions" in page.by_id("recordings").text
    assert page.one("h1").text == "tiny at steps 1 and 2"
    assert all(s["absent"] == {"query": [], "key": []} for s in page.manifest()["stacks"])


def test_a_title_of_the_users_own_and_a_precision_are_taken():
    page = page_of(*two_texts(), title="Before and after", precision="u8")
    assert page.one("h1").text == "Before and after"
    assert page.manifest()["encoding"] == "u8"
    assert "8-bit square-root steps" in page.by_id("ranking").text


def test_the_same_recordings_give_the_same_page():
    assert render_comparison(*two_texts()) == render_comparison(*two_texts())


def test_layers_that_only_one_model_has_are_said_and_the_others_compared():
    one = sentence(BEFORE, seed=1, layers=3, name="x")
    other = sentence(BEFORE, seed=2, layers=2, name="x", source=Source(model="small"))
    page = page_of(one, other)
    assert page.manifest()["stacks"][0]["heads"] == [3, 3]
    assert "layer.2" in page.by_id("recordings").text
    assert "What could not be compared" in page.by_id("recordings").text
    assert page.one("h1").text == "tiny and small"


def test_a_layer_with_other_heads_is_said_and_the_rest_keeps_its_numbers():
    one = sentence(BEFORE, seed=1, layers=3, name="x")
    fewer = sentence(BEFORE, seed=3, layers=3, heads=2, name="x")
    maps = list(sentence(BEFORE, seed=2, layers=3, name="x").examples[0].maps)
    maps[1] = fewer.examples[0].maps[1]
    other = Recording((dataclasses.replace(one.examples[0], maps=tuple(maps)),))
    page = page_of(one, other)
    assert page.manifest()["stacks"][0]["layerNumbers"] == [0, 2]
    assert "has 3 heads in the first and 2 in the second" in page.by_id("recordings").text


def test_models_that_have_nothing_in_common_are_refused():
    one = sentence(BEFORE, seed=1)
    with pytest.raises(InvalidAttentionError, match="Nothing of the two recordings"):
        render_comparison(one, sentence(BEFORE, seed=2, heads=2))
    grid = GridAxis(2, 3)
    maps = [dataclasses.replace(m, query=grid, key=grid) for m in one.examples[0].maps]
    pictures = Recording((dataclasses.replace(one.examples[0], maps=tuple(maps)),))
    with pytest.raises(InvalidAttentionError, match="cannot be told to be the same"):
        render_comparison(one, pictures)


def test_a_page_over_its_budget_and_an_unknown_precision_are_refused():
    with pytest.raises(ReportError, match="the budget is"):
        render_comparison(*two_texts(), budget_mb=1e-6)
    unknown: Any = "u4"
    with pytest.raises(UnknownNameError, match="'u4'"):
        render_comparison(*two_texts(), precision=unknown)


def test_words_are_whole_only_where_both_have_the_same_pieces():
    pieces = ("[CLS]", "un", "##believ", "##able", "[SEP]")
    same = page_of(*(sentence(pieces, seed=seed) for seed in (1, 2))).manifest()
    assert "words" in same["stacks"][0]["conditions"]
    longer = ("[CLS]", "un", "##believ", "##ably", "[SEP]")
    other = page_of(sentence(pieces, seed=1), sentence(longer, seed=2)).manifest()
    assert "words" not in other["stacks"][0]["conditions"]


def test_many_examples_are_cards_with_how_much_changed():
    recordings = [
        Recording(tuple(sentence(t, seed=s + n, name=f"text {n}").examples[0] for n, t in texts))
        for s, texts in ((0, [(0, BEFORE), (1, AFTER)]), (9, [(0, BEFORE), (1, BEFORE)]))
    ]
    page = page_of(*recordings)
    assert len(page.by_id("examples").all("li")) == 2
    assert "mean change" in page.by_id("examples").text
    assert "In 1 of 2 examples" in page.by_id("recordings").text
    assert len(page.manifest()["stacks"]) == 4
    assert [each["stacks"] for each in page.manifest()["examples"]] == [[0], [1]]
    headings = [each.text for each in page.by_id("ranking").one("thead").all("th")]
    assert "most in" in headings


def test_damage_does_not_pass_for_weights():
    pair = two_texts()
    weights = pair[1].examples[0].maps[0].array().copy()
    weights[0, 0, 0] = np.nan
    maps = (
        dataclasses.replace(pair[1].examples[0].maps[0], weights=weights),
        *pair[1].examples[0].maps[1:],
    )
    broken = Recording((dataclasses.replace(pair[1].examples[0], maps=maps),))
    with pytest.raises(InvalidAttentionError):
        render_comparison(pair[0], broken)


def test_layers_that_lack_other_positions_stand_apart():
    words = {name: TokenAxis(tuple(name)) for name in ("abc", "ac")}
    random = np.random.default_rng(0)

    def layers(*names):
        maps = [
            AttentionMap(
                f"l{n}",
                random.dirichlet(np.ones(len(name)), (1, len(name))).astype(np.float32),
                words[name],
                words[name],
                group="encoder",
            )
            for n, name in enumerate(names)
        ]
        return Recording((Example("one", tuple(maps)),))

    page = page_of(layers("abc", "ac"), layers("ac", "abc"))
    stacks = page.manifest()["stacks"]
    assert [each["group"] for each in stacks[:2]] == ["encoder", "encoder (2)"]
    assert [each["layerNumbers"] for each in stacks[:2]] == [[0], [1]]
    # Position 1 is the "b", which layer 0 has in A only and layer 1 in B only.
    assert [each["absent"]["key"] for each in stacks] == [[], [1], [1], []]
    section = page.by_id("recordings").text
    assert "only in A: “b”" in section
    assert "only in B: “b”" in section


def test_texts_that_have_nothing_in_common_are_refused():
    one, other = (sentence(tokens, seed=1) for tokens in (("a", "b"), ("c", "d", "e")))
    with pytest.raises(InvalidAttentionError, match="Nothing of the two recordings"):
        render_comparison(one, other)
