"""Deletion curves, worked by hand on a model whose score is a sum over what is kept."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import (
    comprehensiveness,
    deletion_curve,
    heaviest_first,
    random_deletion_curve,
)

# What each of four words gives to the score.
GIVES = np.array([0.1, 0.5, 0.0, 0.4])


def score(kept: np.ndarray) -> np.ndarray:
    return (kept * GIVES).sum(axis=1)


def test_the_heaviest_come_first_and_equals_in_their_order():
    assert heaviest_first(np.array([0.2, 0.5, 0.2, 0.1])).tolist() == [1, 0, 2, 3]


def test_a_deletion_curve_takes_the_first_of_an_order_away():
    # Word 1 goes first, then word 3, then word 0, then word 2.
    curve = deletion_curve(score, np.array([1, 3, 0, 2]), (0, 0.25, 0.5, 0.75, 1))
    np.testing.assert_allclose(curve, [1.0, 0.5, 0.1, 0.0, 0.0], atol=1e-9)


def test_the_number_of_words_is_rounded_half_up():
    # 0.1 of four words are none, 0.125 and 0.3 are one, 0.375 are two.
    curve = deletion_curve(score, np.array([1, 3, 0, 2]), (0.1, 0.125, 0.3, 0.375))
    np.testing.assert_allclose(curve, [1.0, 0.5, 0.5, 0.1], atol=1e-9)


def test_comprehensiveness_is_the_mean_fall():
    curve = deletion_curve(score, np.array([1, 3, 0, 2]), (0, 0.25, 0.5, 0.75))
    # Falls of 0.5, 0.9 and 1.
    assert comprehensiveness(curve) == pytest.approx(0.8)


def test_a_random_order_takes_words_away_evenly():
    """On average each share of the words takes that share of a sum with it."""
    curve = random_deletion_curve(score, 4, (0, 0.25, 0.5, 1), draws=4000)
    np.testing.assert_allclose(curve, [1, 0.75, 0.5, 0], atol=0.02)
    again = random_deletion_curve(score, 4, (0, 0.25, 0.5, 1), draws=4000)
    np.testing.assert_array_equal(curve, again)


@given(st.permutations(range(4)))
def test_no_order_falls_faster_than_that_of_what_words_give(order):
    shares = (0, 0.25, 0.5, 0.75, 1)
    best = deletion_curve(score, heaviest_first(GIVES), shares)
    assert (deletion_curve(score, np.array(order), shares) >= best - 1e-9).all()


def test_the_mean_over_all_orders_is_the_line_that_random_orders_approach():
    curves = [
        deletion_curve(score, np.array(order), (0, 0.5))
        for order in itertools.permutations(range(4))
    ]
    np.testing.assert_allclose(np.mean(curves, axis=0), [1, 0.5])


@pytest.mark.parametrize("order", [[0, 1, 1, 3], [1, 2, 3, 4]])
def test_an_order_without_each_position_is_refused(order):
    with pytest.raises(InvalidAttentionError, match="every position of the input once"):
        deletion_curve(score, np.array(order), (0, 0.5))


def test_a_share_beyond_all_is_refused():
    with pytest.raises(InvalidAttentionError, match="numbers from 0 to 1"):
        deletion_curve(score, np.arange(4), (0, 20))


def test_a_function_that_does_not_score_each_version_is_refused():
    with pytest.raises(InvalidAttentionError, match="one score per version"):
        deletion_curve(lambda kept: kept * 1.0, np.arange(4), (0, 0.5))


def test_a_curve_of_one_score_has_no_fall():
    with pytest.raises(InvalidAttentionError, match="has no fall"):
        comprehensiveness(np.array([0.9]))
