import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.analysis import key_targets, mass, uniform_rows
from attnreport.analysis.statistics.masses import equal_texts, punctuation_keys
from attnreport.recording import AttentionMap, ChannelAxis, GridAxis, ItemAxis, TokenAxis

SEEDS = st.integers(0, 2**32 - 1)


def attention(query, key=None, kind="self"):
    key = key or query
    weights = np.full((1, len(query), len(key)), 1 / len(key), np.float32)
    return AttentionMap("layer", weights, query, key, kind=kind)


@given(SEEDS)
def test_mass_agrees_with_plain_loops(masked_rows, by_rows, seed):
    weights, allowed = masked_rows(seed)
    targets = np.random.default_rng(seed + 1).random(weights.shape[1:]) < 0.4

    def slow(shares, query, mask):
        chosen = [key for key in range(len(shares)) if targets[query, key] and mask[key]]
        return sum(shares[key] for key in chosen) if chosen else None

    found = mass(weights, targets, allowed)
    np.testing.assert_allclose(found, by_rows(slow, weights, allowed), atol=1e-6)
    assert ((found >= 0) & (found <= 1) | np.isnan(found)).all()


@given(SEEDS)
def test_chance_is_the_share_of_the_allowed_keys(masked_rows, seed):
    _, allowed = masked_rows(seed)
    targets = np.random.default_rng(seed + 1).random(allowed.shape[1:]) < 0.4
    chosen, all_keys = (targets & allowed).sum(axis=-1), allowed.sum(axis=-1)
    expected = np.where(chosen > 0, chosen / np.maximum(all_keys, 1), np.nan)
    np.testing.assert_allclose(mass(uniform_rows(allowed), targets, allowed), expected, rtol=1e-5)


@given(SEEDS)
def test_targets_and_their_complement_share_each_row(masked_rows, seed):
    weights, _ = masked_rows(seed)
    targets = np.zeros(weights.shape[1:], dtype=bool)
    targets[:, : 1 + seed % 3] = True
    together = mass(weights, targets) + mass(weights, ~targets)
    np.testing.assert_allclose(together[~np.isnan(together)], 1, rtol=1e-5)


def test_causal_rows_have_no_next_token():
    causal = np.tri(3, dtype=bool)[np.newaxis]
    found = key_targets(attention(TokenAxis(("a", "b", "c"))))
    assert np.isnan(mass(uniform_rows(causal), found["next"], causal)).all()
    np.testing.assert_allclose(
        mass(uniform_rows(causal), found["previous"], causal)[0], [np.nan, 1 / 2, 1 / 3], rtol=1e-6
    )


def test_places_of_a_text():
    text = TokenAxis(("[CLS]", "the", "dog", ",", "the", "Ġ...", "[CLS]"), (0, 6))
    found = key_targets(attention(text))
    assert set(found) == {
        *("first", "special", "itself", "previous", "next", "same token", "punctuation")
    }
    assert np.flatnonzero(found["first"][3]).tolist() == [0]
    assert np.flatnonzero(found["special"][3]).tolist() == [0, 6]
    assert np.flatnonzero(found["punctuation"][3]).tolist() == [3, 5]
    assert np.argwhere(found["same token"]).tolist() == [[1, 4], [4, 1]]
    assert np.argwhere(found["previous"])[0].tolist() == [1, 0]
    assert np.argwhere(found["next"])[0].tolist() == [0, 1]


def test_only_places_that_make_sense_are_there():
    words = TokenAxis(("a", "b"))
    assert set(key_targets(attention(words, TokenAxis(("c", "a", "d")), "cross"))) == {
        *("first", "same token")
    }
    assert set(key_targets(attention(GridAxis(2, 2, ("class",))))) == {"first", "special", "itself"}
    experts = ItemAxis(("expert 0", "expert 1"))
    assert key_targets(attention(words, experts, "router")) == {}


def test_numbers_of_channels_are_no_text():
    digits = TokenAxis(("0", "1"))
    assert set(key_targets(attention(digits, ChannelAxis(2), "cross"))) == {"first"}


def test_across_sequences_a_text_may_stand_at_the_same_place():
    query, key = TokenAxis(("a", "b")), TokenAxis(("a", "c", "b"))
    found = equal_texts(query, key, elsewhere=False)
    assert np.argwhere(found).tolist() == [[0, 0], [1, 2]]


@pytest.mark.parametrize("token", [",", "##,", "▁!", "Ġ--", "“", "。", "$"])
def test_punctuation_is_told_under_the_marks_of_tokenizers(token):
    assert punctuation_keys(TokenAxis((token,))).tolist() == [True]


@pytest.mark.parametrize("token", ["", " ", "a", "it's", "▁", "1.5", "👩", "\n", "\x00"])
def test_other_tokens_are_no_punctuation(token):
    assert punctuation_keys(TokenAxis((token,))).tolist() == [False]
