import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.analysis import HEAD_PATTERNS, HeadPattern, after_repeats, head_patterns
from attnreport.analysis.patterns.candidates import round_trip
from attnreport.analysis.patterns.pattern_measures import GENERAL, own_segment
from attnreport.analysis.patterns.resampling import share_reaching
from attnreport.analysis.statistics.map_rows import MapRows
from attnreport.recording import AttentionMap, GridAxis, ItemAxis, TokenAxis

WORDS = "[CLS] the dog saw the cat . a cat ran , the dog too . [SEP]".split()
TEXT = TokenAxis(tuple(WORDS), (0, 15))
SIZE = len(WORDS)
SEEDS = st.integers(0, 2**32 - 1)


def stripe(key):
    return np.eye(SIZE)[np.full(SIZE, key)]


def back(offset):
    return np.eye(SIZE)[np.clip(np.arange(SIZE) - offset, 0, SIZE - 1)]


def onto(targets):
    """Rows that share themselves out over their targets, and go to the last marker without."""
    rows = np.array(targets, dtype=float)
    rows[rows.sum(axis=-1) == 0, -1] = 1
    return rows / rows.sum(axis=-1, keepdims=True)


def noisy(head, share=0.2):
    noise = np.random.default_rng(0).dirichlet(np.ones(head.shape[1]), len(head))
    return (1 - share) * head + share * noise


def text_map(*heads, **fields):
    return AttentionMap("layer", np.array(heads, np.float32), TEXT, TEXT, **fields)


def cross_map(head, **fields):
    query, key = (TokenAxis(tuple(f"word{i}" for i in range(size))) for size in head.shape)
    return AttentionMap("cross", np.array([head], np.float32), query, key, kind="cross", **fields)


def names(attention, head=0):
    return [pattern.name for pattern in head_patterns(attention)[head]]


def measured(attention, name, head=0):
    found = head_patterns(attention, every=True)[head]
    return next(pattern for pattern in found if pattern.name == name)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (back(1), "previous token"),
        (back(-1), "next token"),
        (np.eye(SIZE), "itself"),
        (stripe(0), "sink"),
        (stripe(15), "sink"),
        (stripe(5), "vertical stripe"),
        (onto(np.isin(np.arange(SIZE), [6, 10, 14]) & np.ones((SIZE, 1), bool)), "delimiter"),
        (onto(np.equal.outer(WORDS, WORDS) & ~np.eye(SIZE, dtype=bool)), "duplicate token"),
        (onto(after_repeats(WORDS)), "induction"),
        (back(3), "positional"),
        (onto(np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE))) <= 3), "local window"),
        (onto(own_segment(TEXT)), "block"),
        (np.full((SIZE, SIZE), 1 / SIZE), "broad"),
    ],
)
def test_a_head_made_for_a_pattern_shows_it_first(head, expected):
    assert names(text_map(head))[0] == expected
    found = head_patterns(text_map(noisy(head, 0.15)))[0]
    assert expected in [pattern.name for pattern in found]


def test_even_attention_shows_nothing_but_its_breadth():
    causal = np.tri(SIZE, dtype=bool)
    assert names(text_map(np.full((SIZE, SIZE), 1 / SIZE))) == ["broad"]
    assert names(text_map(causal / causal.sum(axis=-1, keepdims=True), mask=causal)) == ["broad"]


def test_an_empty_head_and_a_gate_show_nothing():
    assert head_patterns(text_map(np.zeros((SIZE, SIZE)))) == [[]]
    gate = text_map(stripe(0), np.eye(SIZE), kind="gate", normalized=False)
    assert head_patterns(gate, every=True) == [[], []]


def test_previous_token_worked_by_hand():
    """Rows b, c and d tell: a has no token before. Of four keys, chance is a quarter."""
    axis = TokenAxis(("a", "b", "c", "d"))
    rows = [[1, 0, 0, 0], [0.9, 0.1, 0, 0], [0, 0.6, 0.4, 0], [0, 0, 0.6, 0.4]]
    pattern = measured(
        AttentionMap("x", np.array([rows], np.float32), axis, axis), "previous token"
    )
    assert pattern.value == pytest.approx(0.7)
    assert pattern.chance == pytest.approx(0.25)
    assert pattern.threshold == pytest.approx(0.25 + 0.4 * 0.75)
    assert (pattern.rows, pattern.found) == (3, True)
    # By how much the three rows, and one more of 1 and one of 0, are over 0.55.
    margins = np.array([0.9, 0.6, 0.6, 1, 0]) - 0.55
    assert pattern.confidence == share_reaching(margins)
    assert (
        pattern.evidence == "70% of attention goes to the token before; even attention gives 25%."
    )


def test_the_first_marker_is_a_sink_and_no_delimiter():
    axis = TokenAxis(("[CLS]", ",", "a", "[SEP]"), (0, 3))
    weights = np.tile(np.array([0.5, 0.3, 0, 0.2], np.float32), (1, 4, 1))
    attention = AttentionMap("x", weights, axis, axis)
    assert measured(attention, "delimiter").value == pytest.approx(0.5)
    assert measured(attention, "delimiter").chance == pytest.approx(0.5)
    assert measured(attention, "sink").key == 0


def test_causal_rows_are_measured_against_what_they_may_look_at():
    """Row b may look at a and itself, row c at three, row d at four."""
    axis = TokenAxis(("a", "b", "c", "d"))
    causal = np.tri(4, dtype=bool)
    attention = AttentionMap("x", np.eye(4, dtype=np.float32)[None], axis, axis, mask=causal)
    assert measured(attention, "previous token").chance == pytest.approx(
        (1 / 2 + 1 / 3 + 1 / 4) / 3
    )
    assert measured(attention, "itself").rows == 3
    assert "next token" not in [pattern.name for pattern in head_patterns(attention, every=True)[0]]


def test_sinks_and_stripes_name_their_key():
    pattern = measured(text_map(noisy(stripe(5))), "vertical stripe")
    assert pattern.key == 5
    assert "goes to the one key “cat” (position 5); even" in pattern.evidence
    assert "to the sink [SEP]; even" in measured(text_map(noisy(stripe(15))), "sink").evidence


def test_a_positional_head_tells_how_far_it_looks():
    pattern = measured(text_map(noisy(back(3))), "positional")
    assert (pattern.offset, pattern.value) == (-3, 1)
    assert pattern.evidence.startswith("The heaviest key of 100% of the rows is 3 tokens before;")


def test_cross_attention_aligns_where_each_row_has_a_key_of_its_own():
    order = np.eye(6)[[2, 0, 1, 5, 4, 3]]
    assert names(cross_map(noisy(order)))[0] == "alignment"
    assert "alignment" not in names(cross_map(np.full((6, 6), 1 / 6)))
    assert "alignment" not in names(cross_map(np.eye(6)[[0] * 6]))


def test_a_reference_says_what_is_aligned():
    order = np.eye(6)[[2, 0, 1, 5, 4, 3]]
    right = measured(cross_map(order, reference=order.astype(bool)), "alignment")
    assert (right.value, right.chance) == pytest.approx((1, 1 / 6))
    assert right.evidence.startswith("100% of attention goes to the keys that the reference links")
    wrong = measured(cross_map(order, reference=np.eye(6, dtype=bool)), "alignment")
    assert not wrong.found


@given(SEEDS)
def test_round_trips_agree_with_plain_loops(masked_rows, seed):
    weights, allowed = masked_rows(seed, 1, 4, 3)
    attention = dataclasses.replace(
        cross_map(np.zeros((4, 3))), weights=weights, mask=np.broadcast_to(allowed, weights.shape)
    )
    found = round_trip(next(MapRows.blocks(attention))).scores[0]
    shares = [row / row.sum() if row.sum() > 0 else None for row in weights[0].astype(float)]
    columns = sum((row for row in shares if row is not None), np.zeros(3))
    for query, row in enumerate(shares):
        if row is None:
            assert np.isnan(found[query])
        else:
            home = sum(row[k] * row[k] / columns[k] for k in range(3) if columns[k] > 0)
            assert found[query] == pytest.approx(home, abs=1e-5)


def test_a_grid_has_touching_cells_and_no_neighbors_in_line():
    grid = GridAxis(4, 4, ("class",))
    weights = np.eye(17, dtype=np.float32)[None]
    found = head_patterns(AttentionMap("x", weights, grid, grid), every=True)[0]
    assert [pattern.name for pattern in found if pattern.found] == ["itself", "local window"]
    assert not {"previous token", "positional", "block"} & {pattern.name for pattern in found}


def test_experts_have_stripes_and_no_first_one():
    words, experts = TokenAxis(tuple("abcdef")), ItemAxis(("x", "y", "z"))
    weights = np.tile([0.9, 0.1, 0], (1, 6, 1)).astype(np.float32)
    router = AttentionMap("x", weights, words, experts, kind="router")
    found = head_patterns(router, every=True)[0]
    assert [pattern.name for pattern in found] == ["vertical stripe", "broad"]


@pytest.mark.parametrize("rows", [1, 2])
def test_of_a_few_rows_nothing_is_said(rows):
    assert head_patterns(cross_map(np.eye(4)[:rows]), every=True) == [[]]


@given(SEEDS)
def test_numbers_are_in_range_and_heads_do_not_touch_each_other(masked_rows, seed):
    weights, _ = masked_rows(seed, 3, SIZE, SIZE)
    together = head_patterns(text_map(*weights), every=True)
    for head in range(3):
        assert together[head] == head_patterns(text_map(weights[head]), every=True)[0]
        order = [
            (not each.found, each.name in GENERAL, -(each.value - each.chance) / (1 - each.chance))
            for each in together[head]
            if each.chance < 1
        ]
        assert order == sorted(order)
        alone = head_patterns(text_map(*weights))[head]
        assert alone == [each for each in together[head] if each.found]
        for pattern in together[head]:
            assert pattern.name in HEAD_PATTERNS
            assert 0 <= pattern.value <= 1
            assert 0 <= pattern.chance <= pattern.threshold or pattern.name == "broad"
            assert 0 <= pattern.confidence <= 1


def test_hostile_tokens_are_told_as_they_are_displayed(hostile_tokens):
    axis = TokenAxis(tuple(hostile_tokens))
    size = len(axis)
    for key in range(size):
        weights = np.eye(size, dtype=np.float32)[np.full(size, key)]
        (patterns,) = head_patterns(AttentionMap("x", weights[None], axis, axis))
        assert patterns[0].key == key
        assert "\u202e" not in patterns[0].evidence
        assert "\x00" not in patterns[0].evidence


def test_confidence_is_the_share_of_resamples_that_reach_the_floor():
    assert share_reaching(np.array([0.5])) == 1
    assert share_reaching(np.array([-0.5, -0.1])) == 0
    # Two rows, one over and one as far under: only both the latter, a quarter of draws, fail.
    assert share_reaching(np.array([0.5, -0.5])) == pytest.approx(0.75, abs=0.05)


def test_more_rows_and_wider_margins_make_surer():
    def confidence(size, share):
        axis = TokenAxis(tuple(f"word{i}" for i in range(size)))
        head = noisy(np.eye(size, k=-1) + np.outer(np.eye(size)[0], np.eye(size)[0]), share)
        attention = AttentionMap("x", head[None].astype(np.float32), axis, axis)
        return measured(attention, "previous token").confidence

    assert confidence(4, 0.4) < confidence(12, 0.4) < confidence(40, 0.4)
    assert confidence(40, 0.4) > 0.95 > confidence(40, 0.6)
    assert confidence(40, 0.9) < 0.05


def test_segments_end_with_sentences_and_at_markers():
    text = TokenAxis(("[CLS]", "a", ".", "b", "[SEP]", "c"), (0, 4))
    expected = [[1, 1], [1, 2], [2, 1], [2, 2], [3, 3], [5, 5]]
    assert np.argwhere(own_segment(text)).tolist() == expected


def test_a_text_of_one_sentence_is_no_block():
    axis = TokenAxis(("[CLS]", "one", "two", "three", ".", "[SEP]"), (0, 5))
    weights = np.eye(6, dtype=np.float32)[None]
    found = head_patterns(AttentionMap("x", weights, axis, axis), every=True)[0]
    assert "block" not in [pattern.name for pattern in found]


def test_what_is_not_sure_is_not_said_to_be_there():
    pattern = HeadPattern("previous token", 0.6, 0.1, 0.5, 0.49, 9, "")
    assert not pattern.found
    assert dataclasses.replace(pattern, confidence=0.5).found
    assert not dataclasses.replace(pattern, value=0.49, confidence=0.9).found


def test_every_pattern_says_what_it_means():
    assert all(meaning.endswith(".") for meaning in HEAD_PATTERNS.values())
