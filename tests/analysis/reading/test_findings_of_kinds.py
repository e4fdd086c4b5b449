import dataclasses

import numpy as np
import pytest

from attnreport.analysis import Finding, findings
from attnreport.recording import AttentionMap, ChannelAxis, GridAxis, ItemAxis, Metric, TokenAxis
from tests.analysis.reading.told import SENTENCE, SIZE, layer, sentence, sentences, stripe


def test_markers_and_punctuation_are_not_words():
    german, english = TokenAxis(("fuchs", ".", "</s>"), (2,)), TokenAxis(("fox", ".", "</s>"), (2,))
    links = np.eye(3, dtype=bool)

    def cross(*heads):
        weights = np.eye(3, dtype=np.float32)[np.array(heads)]
        return AttentionMap("a", weights, german, english, "cross", reference=links)

    assert sentences([cross([0, 1, 2])])[0] == "1 of 1 word looks at the word it translates"
    marks_only, word_only = [1, 1, 2], [0, 0, 0]
    assert sentences([cross(marks_only, word_only)])[0] == (
        "1 of 1 word looks at the word it translates in L0 H1, the head that does it best"
    )
    bare = TokenAxis((".", "</s>"), (1,))
    weights = np.array([[[0.9, 0.1], [0.2, 0.8]]], np.float32)
    attention = AttentionMap("a", weights, bare, bare, "cross", reference=np.eye(2, dtype=bool))
    assert not any("translate" in text for text in sentences([attention], limit=9))


def test_one_word_is_singular():
    word = TokenAxis(("fuchs",))
    weights = np.array([[[0.9, 0.1]]], np.float32)
    attention = AttentionMap(
        "a", weights, word, TokenAxis(("fox", ".")), "cross", reference=np.array([[True, False]])
    )
    assert sentences([attention])[0] == "1 of 1 word looks at the word it translates"


def test_one_head_is_told_as_one():
    assert sentences([layer(stripe(0, 0.6))]) == [
        "60% of all attention goes to [CLS]",
        "2.17 bits is the mean entropy of a row; looking everywhere equally would be 3.17 bits",
    ]


def test_a_single_row_need_not_be_attention():
    weights = np.array([[[0.6, 0.2, 0.1, 0.1]]], np.float32)
    grid = GridAxis(2, 2)
    pooled = AttentionMap("stage", weights, ItemAxis(("the picture",)), grid, kind="pooling")
    assert sentences([pooled])[0] == "60% of the weight lies on cell 0,0"


def test_a_repeated_token_is_told_apart_by_its_position():
    axis = TokenAxis(("a", ".", "b", "."))
    head = np.tile([0.1, 0.1, 0.1, 0.7], (4, 1))
    assert sentences([layer(head, axis=axis)])[0] == (
        "70% of all attention goes to “.” (position 3)"
    )


def test_long_and_hostile_tokens_stay_text():
    hostile = "</script><img src=x onerror=alert(1)>"
    axis = TokenAxis((hostile, "\x00", ""))
    for key, shown in ((0, "“</script><img src=x one…”"), (1, "“␀”"), (2, "“∅”")):
        head = np.eye(3)[[key] * 3]
        assert sentences([layer(head, axis=axis)])[0] == f"100% of all attention goes to {shown}"


def test_other_positions_have_their_own_words():
    axis = ItemAxis(("shoe", "sock", "hat", "coat", "bag"))
    heads = [np.eye(5)[[1] * 5], np.eye(5)[[1] * 5], np.eye(5)[[0, 0, 1, 2, 3]]]
    told = sentences([layer(*heads, axis=axis)])
    assert told[0].endswith("on sock, more than on any other item")
    assert (
        "goes to sock in L0 H0, the two items, neighbors aside, that the heads connect" in told[2]
    )
    assert told[3] == "L0 H2 looks mostly at the item just before (100%)"


@pytest.mark.parametrize(
    "attention",
    [
        layer([[1]], axis=TokenAxis(("a",))),
        layer(np.eye(SIZE), mask=np.eye(SIZE, dtype=bool)),
    ],
)
def test_without_a_choice_there_is_one_sentence(attention):
    assert findings([attention]) == [
        Finding("0 bits", "of entropy: no row looks at more than one position")
    ]


@pytest.mark.parametrize(
    "attention",
    [
        layer(np.zeros((SIZE, SIZE)), mask=np.zeros((SIZE, SIZE), dtype=bool)),
        layer(np.zeros((SIZE, SIZE)), normalized=False),
        layer(np.zeros((SIZE, SIZE)), normalized=False, kind="gate"),
    ],
)
def test_where_nothing_attends_that_is_said(attention):
    assert findings([attention]) == [Finding("0 rows", "attend to anything: every weight is 0")]
    some = layer(np.eye(SIZE), mask=np.eye(SIZE, dtype=bool))
    assert sentences([attention, some])[0].startswith("0 bits")


@pytest.mark.parametrize("fields", [{"kind": "gate", "normalized": False}, {"normalized": False}])
def test_strengths_are_not_told_as_shares_of_attention(fields):
    linked = stripe(0, 0.1)
    linked[7, 3] = 0.99
    assert not any("of the attention of" in each for each in sentences([layer(linked, **fields)]))


def test_characters_that_turn_the_direction_are_visible():
    for axis in (TokenAxis(("\u202ea", "b", "c")), ItemAxis(("\u202ea", "b", "c"))):
        told = sentences([layer(np.eye(3)[[0] * 3], axis=axis)])
        assert "⟨202E⟩a" in told[0]


def test_experts_stand_in_no_order():
    experts = ItemAxis(tuple(f"expert {i}" for i in range(5)))
    weights = np.eye(5, dtype=np.float32)[[4, 0, 1, 3, 2, 4, 0, 2, 1]][np.newaxis]
    router = AttentionMap("router", weights, SENTENCE, experts, "router")
    cross = dataclasses.replace(router, kind="cross")
    assert "longest jump" in sentences([cross])[0]
    assert sentences([router]) == [sentence(findings([cross])[1])]


def test_of_a_gate_the_range_of_its_strengths_is_told():
    weights = np.full((1, 1, 3), 0.25, np.float32)
    weights[0, 0, 1] = 0.75
    gate = AttentionMap(
        "gate", weights, ItemAxis(("x",)), ChannelAxis(3), kind="gate", normalized=False
    )
    assert findings([gate]) == [
        Finding(
            "0.25 to 0.75",
            "is how strong the gate is; channel 1 is let through most",
            ("gate-attention", 0, 0),
        )
    ]


def test_of_activations_only_the_numbers_are_told():
    grid = GridAxis(2, 2)
    row = ItemAxis(("the picture",))
    weights = np.full((1, 1, 4), 0.25, np.float32)
    responds = AttentionMap("stage", weights, row, grid, kind="activation")
    assert findings([responds]) == []
    (told,) = findings([responds], metrics=[Metric("in the box", 0.5)])
    assert told.text == "in the box"
