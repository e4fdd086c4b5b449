import json

import numpy as np
import pytest

from attnreport.recording import AttentionMap, Check, Checks, Example, Recording, TokenAxis
from attnreport.store import SCHEMA_VERSION, recording_info
from attnreport.store.summary import as_json, as_text
from tests.report.picture_recordings import CLASSES, picture_recording


def saved(recording: Recording, tmp_path):
    recording.save(tmp_path / "run.attn")
    return recording_info(tmp_path / "run.attn")


def test_info_sums_up_the_groups(tmp_path, tiny_recording, cross_recording):
    info = saved(Recording.join_examples([tiny_recording, cross_recording]), tmp_path)
    assert info.location == str(tmp_path / "run.attn")
    assert info.schema == SCHEMA_VERSION
    assert info.written_by.startswith("attnreport ")
    assert [example.name for example in info.examples] == [
        "example 0",
        *(f"test {i}" for i in range(3)),
    ]
    assert info.examples[2].input == "he jumps high up"
    assert info.weights == 2 * 3 * 25 + 9 + 20 + 4
    assert info.stored_bytes > 1000
    self_attention, cross = info.groups
    assert self_attention.name == "self-attention"
    assert (self_attention.layers, self_attention.heads) == ((2, 2), (3, 3))
    assert (cross.layers, cross.heads) == ((1, 1), (1, 1))
    assert (cross.queries, cross.keys) == ((2, 4), (2, 5))
    assert (self_attention.reference, cross.reference) == (False, True)
    assert self_attention.checks.row_sum_error < 1e-6
    assert cross.checks.row_sum_error is None


def attention(checks: Checks, group: str = "g", **fields) -> AttentionMap:
    axis = TokenAxis(("a",))
    return AttentionMap("m", np.ones((1, 1, 1)), axis, axis, group=group, checks=checks, **fields)


def info_of(*checks: Checks, tmp_path) -> Checks:
    maps = tuple(attention(each) for each in checks)
    return saved(Recording((Example("e", maps),)), tmp_path).groups[0].checks


def test_the_worst_check_counts_and_a_missing_one_makes_it_unknown(tmp_path):
    good, bad = Checks(1e-7, 0.0, deterministic=True), Checks(2e-7, 0.5, deterministic=False)
    assert info_of(good, bad, tmp_path=tmp_path) == bad
    assert info_of(good, Checks(), tmp_path=tmp_path) == Checks()
    assert info_of(bad, Checks(), tmp_path=tmp_path) == Checks(None, None, deterministic=False)


def test_text_says_everything_once(tmp_path, cross_recording):
    text = as_text(saved(cross_recording, tmp_path))
    assert text.splitlines()[1].startswith("3 examples, 1 group, 33 weights, 0.")
    for part in (
        "model      translator",
        "data       Three short sentences.",
        "alignment error rate  25.00%  On three sentences.",
        "1 x 1           2–4 x 2–5       33       float32",
        "test 1   he jumps high up",
    ):
        assert part in text
    assert "step" not in text


def test_pictures_confusion_and_training_are_told(tmp_path):
    recording = picture_recording(4)
    info = saved(recording, tmp_path)
    assert (info.pictures, info.confusion.labels) == (4, CLASSES)
    assert (info.confusion.right, info.confusion.examples) == (138, 150)
    assert (info.training.last, info.training.chosen) == (300, 200)
    text = as_text(info)
    assert ", 4 pictures, " in text.splitlines()[1]
    for part in (
        "confusion  3 classes, 138 of 150 examples right",
        "training   300 steps, step 200 kept: training loss, validation loss, ",
    ):
        assert part in text
    assert json.loads(as_json(info))["training"]["chosen"] == 200
    plain_path = tmp_path / "plain"
    plain_path.mkdir()
    plain = saved(Recording((Example("e", (attention(Checks()),)),)), plain_path)
    assert (plain.pictures, plain.confusion, plain.training) == (0, None, None)
    assert "classes" not in as_text(plain)
    assert "steps" not in as_text(plain)


def test_columns_are_aligned(tmp_path, tiny_recording, cross_recording):
    info = saved(Recording.join_examples([tiny_recording, cross_recording]), tmp_path)
    lines = as_text(info).splitlines()
    header = next(line for line in lines if line.startswith("group"))
    rows = [line for line in lines if line.startswith(("self-", "cross-"))]
    for column in ("kind", "layers x heads", "queries x keys", "precision"):
        start = header.index(column)
        assert all(row[start - 2 : start] == "  " and row[start] != " " for row in rows)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"checks": Checks(1.2e-7, 0.0, deterministic=True)}, ["1 ± 1e-07", "0", "yes"]),
        ({"checks": Checks(None, 0.25, deterministic=False)}, ["-", "0.25", "no"]),
        ({"checks": Checks(), "normalized": False}, ["free", "-", "-"]),
    ],
)
def test_checks_are_said_in_words(fields, words, tmp_path):
    info = saved(Recording((Example("e", (attention(**fields),)),)), tmp_path)
    line = next(line for line in as_text(info).splitlines() if line.startswith("g "))
    assert [cell.strip() for cell in line.split("  ") if cell.strip()][-4:-1] == words


def test_only_the_first_of_many_examples_are_listed(tmp_path):
    maps = (attention(Checks()),)
    info = saved(Recording(tuple(Example(f"e{i}", maps) for i in range(15))), tmp_path)
    text = as_text(info)
    assert "e11" in text
    assert "e12" not in text
    assert text.endswith("… and 3 more")


def test_long_and_hostile_texts_stay_on_their_line(tmp_path, full_recording):
    lines = as_text(saved(full_recording, tmp_path)).splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("group"))
    checks = header + 8
    assert lines[checks].startswith("check ")
    names = {check.name for check in full_recording.examples[0].maps[0].checks.others}
    assert lines[checks + 6 * len(names) + 2].startswith("example")
    long = Recording((Example("e", (attention(Checks()),), input="word " * 100),))
    assert as_text(saved(long, tmp_path)).splitlines()[-1].endswith(" w…")


def test_json_holds_everything_and_is_strict(tmp_path, full_recording):
    def refuse(constant):
        raise AssertionError(constant)

    info = saved(full_recording, tmp_path)
    found = json.loads(as_json(info), parse_constant=refuse)
    assert found["weights"] == info.weights
    assert found["source"]["step"] == 2**60
    assert found["metrics"][1]["value"] == "-inf"
    assert found["groups"][0]["layers"] == [2, 2]
    assert found["examples"][0]["input"] == full_recording.examples[0].input


def test_the_numbers_of_layers_are_told_where_they_are_not_their_places(tmp_path, softmax_weights):
    whole = Recording.from_arrays(softmax_weights(9, 2, 3, 3))
    info = saved(whole.select(layers=[3, 5, 6, 7]), tmp_path)
    assert info.groups[0].layer_numbers == (3, 5, 6, 7)
    assert "  4 (3, 5–7) x 2  " in as_text(info)
    assert json.loads(as_json(info))["groups"][0]["layer_numbers"] == [3, 5, 6, 7]
    assert "  9 x 2  " in as_text(saved(whole, tmp_path))


def test_numbers_of_all_examples_are_told(tmp_path, softmax_weights):
    whole = Recording.from_arrays(softmax_weights(4, 2, 3, 3))
    parts = [whole.select(layers=[layer]) for layer in (1, 3)]
    info = saved(Recording.join_examples(parts), tmp_path)
    assert info.groups[0].layer_numbers == (1, 3)
    assert "  1 (1, 3) x 2  " in as_text(info)


def test_other_checks_are_told_with_the_worst_of_each(tmp_path):
    def stating(*checks, **fields):
        return attention(Checks(others=checks), **fields)

    maps = (
        stating(Check("proof", 1e-7, held=True, detail="Weights times values."), Check("size", 3)),
        stating(Check("proof", 0.25, "bits", held=False, detail="Off.")),
    )
    info = saved(Recording((Example("e", maps), Example("f", maps[:1]))), tmp_path)
    proof, size = info.groups[0].other_checks
    assert (proof.check.value, proof.outcome, proof.place) == (0.25, "failed in 1 of 3", "m (e)")
    assert (size.check.value, size.outcome) == (3.0, "not judged")
    lines = as_text(info).splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("check"))
    cells = [[cell for cell in line.split("  ") if cell] for line in lines[header : header + 3]]
    assert [[cell.strip() for cell in row] for row in cells] == [
        ["check", "group", "worst value", "outcome", "in", "what it says"],
        ["proof", "g", "0.25 bits", "failed in 1 of 3", "m (e)", "Off."],
        ["size", "g", "3", "not judged", "m (e)"],
    ]
    found = json.loads(as_json(info))["groups"][0]["other_checks"][0]
    assert found["check"]["value"] == 0.25
    assert (found["failed"], found["held"], found["maps"]) == (1, 2, 3)


def test_a_check_without_a_value_and_one_that_is_no_number_are_told(tmp_path):
    checks = Checks(others=(Check("a", held=True), Check("b", float("nan"), held=False)))
    info = saved(Recording((Example("e", (attention(checks),)),)), tmp_path)
    text = as_text(info)
    assert "a      g      -            held     m" in text
    assert "b      g      nan          failed   m" in text
    assert json.loads(as_json(info))["groups"][0]["other_checks"][1]["check"]["value"] == "nan"


def test_without_other_checks_there_is_no_table_of_them(tmp_path, tiny_recording):
    assert "what it says" not in as_text(saved(tiny_recording, tmp_path))
