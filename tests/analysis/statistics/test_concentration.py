import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import confidence, keys_holding, uniform_rows

SEEDS = st.integers(0, 2**32 - 1)


def slow_keys(shares, query, mask):
    held = 0.0
    for count, share in enumerate(sorted(shares, reverse=True), start=1):
        held += share
        if held >= 0.9 - 1e-6:
            return count
    return None


def test_worked_by_hand():
    weights = np.array([[[0.5, 0.4, 0.1], [0.5, 0.3, 0.2], [2, 0, 0], [0, 0, 0]]], np.float32)
    np.testing.assert_array_equal(keys_holding(weights)[0], [2, 3, 1, np.nan])
    np.testing.assert_array_equal(keys_holding(weights, share=0.5)[0], [1, 1, 1, np.nan])
    np.testing.assert_allclose(confidence(weights)[0], [0.5, 0.5, 1, np.nan])
    np.testing.assert_allclose(confidence(weights, leave_out=[0])[0], [0.4, 0.3, 0, np.nan])


@given(SEEDS)
def test_both_agree_with_plain_loops(masked_rows, by_rows, seed):
    weights, allowed = masked_rows(seed, 2, 3, 7)
    keys = keys_holding(weights, allowed)
    np.testing.assert_array_equal(keys, by_rows(slow_keys, weights, allowed))
    highest = by_rows(lambda shares, query, mask: max(shares), weights, allowed)
    np.testing.assert_allclose(confidence(weights, allowed), highest, rtol=1e-5)


@given(SEEDS)
def test_the_order_of_keys_does_not_matter(masked_rows, seed):
    weights, allowed = masked_rows(seed)
    order = np.random.default_rng(seed).permutation(weights.shape[-1])
    for statistic in (keys_holding, confidence):
        shuffled = statistic(weights[..., order], allowed[..., order])
        np.testing.assert_allclose(shuffled, statistic(weights, allowed), rtol=1e-5)


@given(st.integers(1, 60))
def test_even_rows_have_what_chance_gives(keys):
    allowed = np.ones((1, 1, keys), dtype=bool)
    assert confidence(uniform_rows(allowed))[0, 0] == pytest.approx(1 / keys)
    assert keys_holding(uniform_rows(allowed))[0, 0] == np.ceil(0.9 * keys - 1e-9)


@pytest.mark.parametrize("share", [0, -1, 1.1])
def test_a_share_that_keys_cannot_hold_is_refused(share):
    with pytest.raises(InvalidAttentionError, match="above 0 and up to 1"):
        keys_holding(np.ones((1, 1, 2)), share=share)
