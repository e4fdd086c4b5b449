import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import MEASURES, group_statistics, row_statistics
from attnreport.recording import AttentionMap, GridAxis, ItemAxis, TokenAxis

SEEDS = st.integers(0, 2**32 - 1)
TEXT = TokenAxis(("[CLS]", "the", "dog", ",", "the", "cat", "[SEP]"), (0, 6))
UNITS = {"bits", "share", "positions", "keys"}


def text_map(weights, allowed=None, **fields):
    mask = None if allowed is None else np.broadcast_to(allowed, weights.shape)
    return AttentionMap("layer", weights, TEXT, TEXT, mask=mask, **fields)


def test_self_attention_of_a_text_has_every_statistic(softmax_weights):
    found = row_statistics(text_map(softmax_weights(2, 7, 7)))
    assert list(found) == list(MEASURES)
    assert {measure.unit for measure in MEASURES.values()} == UNITS
    assert all(measure.meaning.endswith(".") for measure in MEASURES.values())
    assert all(each.values.shape == (2, 7) for each in found.values())


@given(SEEDS, st.booleans())
def test_shares_are_shares_and_rows_with_a_value_have_a_chance(masked_rows, seed, causal):
    weights, allowed = masked_rows(seed, 2, 7, 7, causal=causal)
    for statistic in row_statistics(text_map(weights, allowed)).values():
        known = ~np.isnan(statistic.values)
        chance = np.broadcast_to(statistic.chance, statistic.values.shape)
        assert not np.isnan(chance[known]).any()
        assert (statistic.values[known] >= 0).all()
        if statistic.measure.unit == "share":
            assert (statistic.values[known] <= 1).all()


@given(SEEDS, st.booleans())
def test_even_rows_have_what_chance_gives(masked_rows, seed, causal):
    _, allowed = masked_rows(seed, 2, 7, 7, causal=causal)
    even = np.broadcast_to(allowed / np.maximum(allowed.sum(axis=-1, keepdims=True), 1), (2, 7, 7))
    for statistic in row_statistics(text_map(even.astype(np.float32), allowed)).values():
        chance = np.broadcast_to(statistic.chance, statistic.values.shape)
        np.testing.assert_allclose(statistic.values, chance, atol=1e-5)
        np.testing.assert_allclose(statistic.by_head(), statistic.chance_by_head(), atol=1e-5)


@given(SEEDS)
def test_neither_what_is_masked_nor_the_scale_of_a_row_matters(masked_rows, seed):
    weights, allowed = masked_rows(seed, 2, 7, 7)
    random = np.random.default_rng(seed)
    scaled = weights * np.float32(2.0) ** random.integers(-2, 3, (2, 7, 1))
    noisy = np.where(allowed, scaled, random.random(weights.shape)).astype(np.float32)
    before = row_statistics(text_map(weights, allowed))
    for name, after in row_statistics(text_map(noisy, allowed)).items():
        np.testing.assert_allclose(after.values, before[name].values, atol=1e-5, err_msg=name)


def test_heads_of_whole_rows_are_as_in_the_statistics_of_groups(softmax_weights):
    attention = text_map(softmax_weights(3, 7, 7))
    found = {name: each.by_head() for name, each in row_statistics(attention).items()}
    for number, head in enumerate(group_statistics([attention])):
        for name, value in {
            "entropy": head.entropy,
            "mean distance": head.distance,
            "itself": head.itself,
            "previous": head.previous,
            "next": head.next,
            "first": head.first,
            "special": head.special,
            "sink": head.top_share,
        }.items():
            assert found[name][number] == pytest.approx(value, abs=1e-5), name


def test_means_worked_by_hand():
    """The first query may look at one key only, which is no choice."""
    axis = TokenAxis(("a", "b"))
    weights = np.array([[[1, 0], [0.75, 0.25]]], np.float32)
    mask = np.tri(2, dtype=bool)
    found = row_statistics(AttentionMap("layer", weights, axis, axis, mask=mask))
    assert found["first"].by_head() == pytest.approx([0.875])
    assert found["first"].chance_by_head() == pytest.approx([0.75])
    assert found["previous"].by_head() == pytest.approx([0.75])
    assert found["previous"].chance_by_head() == pytest.approx([0.5])
    assert found["normalized entropy"].chance_by_head() == pytest.approx([1])
    assert np.isnan(found["next"].by_head()).all()


def test_what_makes_no_sense_is_left_out():
    weights = np.full((1, 2, 3), 1 / 3, np.float32)
    words, experts = TokenAxis(("a", "b")), ItemAxis(("x", "y", "z"))
    router = AttentionMap("router", weights, words, experts, kind="router", normalized=False)
    general = {"entropy", "normalized entropy", "keys for 90%", "confidence", "sink"}
    assert set(row_statistics(router)) == general
    cells = dataclasses.replace(router, key=GridAxis(1, 3), kind="cross")
    assert set(row_statistics(cells)) == general | {"first"}


def test_chosen_ones_come_in_the_usual_order(softmax_weights):
    attention = text_map(softmax_weights(1, 7, 7))
    assert list(row_statistics(attention, ["sink", "entropy"])) == ["entropy", "sink"]
    with pytest.raises(InvalidAttentionError, match=r"no statistic 'heat'\. Choose from entropy,"):
        row_statistics(attention, ["heat"])
