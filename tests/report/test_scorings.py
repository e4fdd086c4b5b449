"""Queries and keys in the page: what is stored, how exactly, and nothing where there are none."""

import base64
import dataclasses
import zlib

import numpy as np
import pytest

from attnreport import load_recording
from attnreport.recording import Recording, Scoring
from attnreport.report import render_report, scorings
from attnreport.report.packing import pack_floats
from attnreport.report.scorings import pack_scorings, scoring_format
from attnreport.report.stacks import stacks_of
from tests.report.page_parser import parse_page
from tests.report.recordings import self_recording
from tests.report.scored_recordings import FEATURES, HEADS, TOKENS, scored_recording

COUNT = len(TOKENS)


def decoded(text: str, form: str) -> np.ndarray:
    """The numbers of a block, read as the page does it: bytes of one rank together."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    size = np.dtype(form).itemsize
    return np.ascontiguousarray(raw.reshape(size, -1).T).view(np.dtype(form).newbyteorder(">"))[
        :, 0
    ]


@pytest.mark.parametrize("form", ["float32", "float16"])
def test_floats_come_back(form):
    arrays = [np.random.default_rng(0).normal(size=(3, 4)), np.array([0, -1.5, 6e4])]
    expected = np.concatenate([each.ravel() for each in arrays]).astype(np.float32).astype(form)
    np.testing.assert_array_equal(decoded(pack_floats(arrays, form), form), expected)


def test_a_head_has_a_block_of_queries_keys_and_what_else_is_needed():
    for stack in stacks_of(scored_recording()):
        packed = pack_scorings(stack, 4, "float32")
        assert len(packed.entries) == len(stack.maps)
        for attention, entry in zip(stack.maps, packed.entries, strict=True):
            scoring = attention.scoring
            assert (entry is None) == (scoring is None)
            if entry is None:
                continue
            extra = {"bias": scoring.bias, "cap": attention.logits}.get(attention.name)
            assert entry["extra"] == {"bias": "bias", "cap": "logits"}.get(attention.name, "")
            assert (entry["features"], entry["scale"]) == (FEATURES, scoring.scale)
            blocks = {block.id: block.text for block in packed.blocks}
            for head in range(attention.heads):
                planes = [scoring.query[head], scoring.key[head]]
                planes += [] if extra is None else [extra[min(head, len(extra) - 1)]]
                np.testing.assert_array_equal(
                    decoded(blocks[f"{entry['id']}-{head}"], "float32"),
                    np.concatenate([np.ravel(plane) for plane in planes]),
                )


def test_many_numbers_are_kept_in_half_precision(monkeypatch):
    stacks = stacks_of(scored_recording())
    assert scoring_format(stacks) == "float32"
    monkeypatch.setattr(scorings, "_MOST_EXACT", 1000)
    assert scoring_format(stacks) == "float16"
    page = parse_page(render_report(scored_recording()))
    assert page.manifest()["stacks"][0]["scoring"][0]["format"] == "float16"


def test_minus_infinity_fits_into_half_precision():
    attention = scored_recording().examples[0].maps[2]
    assert attention.name == "bias"
    bias = np.array(attention.scoring.bias)
    bias[0, 0, 1] = -np.inf
    scoring = dataclasses.replace(attention.scoring, bias=bias)
    stack = stacks_of(scored_recording())[1]
    changed = dataclasses.replace(stack, maps=(dataclasses.replace(attention, scoring=scoring),))
    packed = pack_scorings(changed, 0, "float16")
    assert np.isfinite(decoded(packed.blocks[0].text, "float16")).all()


def test_a_bias_that_masks_keeps_its_number_where_the_format_has_it():
    attention = scored_recording().examples[0].maps[2]
    bias = np.array(attention.scoring.bias)
    bias[0, 0, 1] = -1e9
    scoring = dataclasses.replace(attention.scoring, bias=bias)
    stack = stacks_of(scored_recording())[1]
    changed = dataclasses.replace(stack, maps=(dataclasses.replace(attention, scoring=scoring),))
    for form, lowest in (("float32", -1e9), ("float16", -6e4)):
        packed = pack_scorings(changed, 0, form)
        assert decoded(packed.blocks[0].text, form).min() == pytest.approx(lowest, rel=1e-3)


def test_reports_without_them_have_nothing_of_it():
    page = render_report(self_recording())
    assert scoring_format(stacks_of(self_recording())) is None
    parsed = parse_page(page)
    assert not any("scoring" in stack for stack in parsed.manifest()["stacks"])
    assert 'id="computed"' not in page
    assert "Queries and keys" not in page


def test_the_page_says_how_they_are_stored_and_how_large_they_are():
    page = parse_page(render_report(scored_recording()))
    blocks = [node.text for node in page.walk() if "scoring" in node.attributes.get("id", "")]
    assert len(blocks) == 5 * HEADS
    said = f"of 5 maps, exact float32: {sum(map(len, blocks)) / 1e6:.2f} MB of this file"
    assert said in page.text


def test_weights_of_a_stack_that_has_some_tell_which_layers():
    manifest = parse_page(render_report(scored_recording())).manifest()
    assert [entry is None for entry in manifest["stacks"][0]["scoring"]] == [False, True]
    conditions = ["scoring" in stack["conditions"] for stack in manifest["stacks"]]
    assert conditions == [True, True, True, True, True, False]


def test_a_recording_keeps_them_on_disk(tmp_path):
    recording = scored_recording()
    recording.save(tmp_path / "run.attn")
    found = load_recording(tmp_path / "run.attn")
    assert isinstance(found, Recording)
    for attention, other in zip(recording.examples[0].maps, found.examples[0].maps, strict=True):
        if attention.scoring is None:
            assert other.scoring is None
            continue
        assert isinstance(other.scoring, Scoring)
        assert other.scoring.scale == attention.scoring.scale
        for name in ("query", "key"):
            np.testing.assert_array_equal(
                getattr(other.scoring, name)[1], getattr(attention.scoring, name)[1]
            )
    assert render_report(found) == render_report(recording)
