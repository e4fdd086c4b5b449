"""Trust, on a model whose score is a sum over what is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import against_random, insertion_curve, measure_trust, sufficiency

# What each of ten words gives to the score: three of them give all.
GIVES = np.array([0.0, 0.5, 0.0, 0.3, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0])
SHARES = (0, 0.1, 0.3)


def score(kept):
    return (kept * GIVES).sum(axis=1)


def test_an_insertion_curve_keeps_the_first_of_an_order():
    order = np.argsort(-GIVES, kind="stable")
    curve = insertion_curve(score, order, (0, 0.1, 0.2, 1))
    np.testing.assert_allclose(curve, [0, 0.5, 0.8, 1])
    # Gaps of 1, 0.5 and 0.2.
    assert sufficiency(curve) == pytest.approx(1.7 / 3)


def test_weights_that_say_what_counts_can_be_trusted():
    trust = measure_trust(score, GIVES, SHARES)
    np.testing.assert_allclose(trust.deletion, [1, 0.5, 0])
    np.testing.assert_allclose(trust.insertion, [0.5, 1, 1])
    assert trust.comprehensiveness.value == pytest.approx(0.75)
    assert trust.sufficiency.value == pytest.approx(0.25)
    for found in (trust.comprehensiveness, trust.sufficiency):
        assert found.better
        assert found.chance == pytest.approx(1 / 21)
        assert found.interval[0] <= found.mean <= found.interval[1]


def test_weights_that_point_away_cannot_be_trusted():
    trust = measure_trust(score, -GIVES, SHARES)
    assert trust.comprehensiveness.value == 0
    assert not trust.comprehensiveness.better
    assert not trust.sufficiency.better
    assert trust.sufficiency.value == 1


def test_the_usual_shares_are_the_bins_of_the_authors():
    trust = measure_trust(score, GIVES)
    assert trust.shares == (0, 0.01, 0.05, 0.1, 0.2, 0.5)
    # Of ten words a twentieth is rounded up to one.
    np.testing.assert_allclose(trust.deletion, [1, 1, 0.5, 0.5, 0.2, 0])
    np.testing.assert_allclose(trust.insertion, [0, 0.5, 0.5, 0.8, 1, 1])


def test_random_orders_lose_evenly_and_their_error_shrinks():
    few, many = (measure_trust(score, GIVES, SHARES, draws=draws) for draws in (20, 500))
    assert many.random_deletion.shape == (500, 3)
    np.testing.assert_allclose(many.random_deletion.mean(axis=0), [1, 0.9, 0.7], atol=0.03)
    np.testing.assert_allclose(many.random_insertion.mean(axis=0), [0.1, 0.3, 1], atol=0.03)
    assert many.comprehensiveness.error < few.comprehensiveness.error / 3
    np.testing.assert_array_equal(many.random_deletion[:20], few.random_deletion)


def test_a_model_that_ignores_its_input_trusts_no_order():
    trust = measure_trust(lambda kept: np.full(len(kept), 0.7), GIVES, SHARES)
    assert trust.comprehensiveness.value == trust.comprehensiveness.mean == 0
    assert trust.comprehensiveness.chance == trust.sufficiency.chance == 1


def test_worked_by_hand():
    random = np.array([0.1, 0.2, 0.3, 0.4])
    found = against_random(0.3, random)
    assert found.mean == pytest.approx(0.25)
    assert found.error == pytest.approx(random.std(ddof=1) / 2)
    # Two of four are as high: (1 + 2) / (1 + 4).
    assert found.chance == pytest.approx(0.6)
    # Three of four are as low.
    assert against_random(0.3, random, less_is_better=True).chance == pytest.approx(0.8)
    assert np.isnan(against_random(0.3, random[:1]).error)


@given(st.permutations(range(10)))
def test_no_order_falls_farther_than_that_of_what_words_give(order):
    best = measure_trust(score, GIVES, SHARES, draws=1)
    other = measure_trust(score, np.array(order, float), SHARES, draws=1)
    assert other.comprehensiveness.value <= best.comprehensiveness.value + 1e-9
    assert other.sufficiency.value >= best.sufficiency.value - 1e-9


@pytest.mark.parametrize("shares", [(0.1, 0.2), (0,), (0, 0.5, 0.2), (0, 1.0)])
def test_shares_that_do_not_rise_from_the_whole_are_refused(shares):
    with pytest.raises(InvalidAttentionError, match="shares that rise from 0 to below 1"):
        measure_trust(score, GIVES, shares)


def test_without_random_orders_there_is_nothing_to_compare_with():
    with pytest.raises(InvalidAttentionError, match="draw one order or more"):
        measure_trust(score, GIVES, SHARES, draws=0)


def test_a_curve_of_one_score_has_no_gap():
    with pytest.raises(InvalidAttentionError, match="has no gap"):
        sufficiency(np.array([0.9]))
