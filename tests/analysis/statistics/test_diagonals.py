import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.analysis import diagonality, monotonicity, uniform_rows

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 5)


def test_the_diagonal_is_diagonal_and_goes_on():
    weights = np.eye(4)[np.newaxis]
    np.testing.assert_allclose(diagonality(weights), 1)
    np.testing.assert_array_equal(monotonicity(weights)[0], [np.nan, 1, 1, 1])


def test_going_back_is_not_monotonic():
    weights = np.eye(3)[::-1][np.newaxis]
    np.testing.assert_array_equal(monotonicity(weights)[0], [np.nan, 0, 0])
    assert diagonality(weights)[0, 1] == 1
    assert diagonality(weights)[0, 0] == pytest.approx(math.exp(-((2 / 3) ** 2) / 0.08))


def test_two_queries_of_four_keys_worked_by_hand():
    """Query 0 is at 1/4, the keys at 1/8, 3/8, 5/8 and 7/8."""
    weights = np.array([[[0.5, 0.5, 0, 0], [0.5, 0, 0, 0.5]]])
    near = math.exp(-((1 / 8) ** 2) / 0.08)
    assert diagonality(weights)[0, 0] == pytest.approx(near)
    # The second row draws key 0 or 3; of the first, half the draws are not beyond key 0.
    assert monotonicity(weights)[0, 1] == pytest.approx(0.5 * 0.5 + 0.5)


@given(SEEDS, SIZES, SIZES)
def test_diagonality_agrees_with_plain_loops(masked_rows, by_rows, seed, queries, keys):
    weights, allowed = masked_rows(seed, 2, queries, keys)

    def slow(shares, query, mask):
        total = 0.0
        for key, share in enumerate(shares):
            apart = (query + 0.5) / queries - (key + 0.5) / keys
            total += share * math.exp(-(apart**2) / (2 * 0.2**2))
        return total

    found = diagonality(weights, allowed)
    np.testing.assert_allclose(found, by_rows(slow, weights, allowed), atol=1e-6)


@given(SEEDS, SIZES, SIZES)
def test_monotonicity_agrees_with_plain_loops(masked_rows, by_rows, seed, queries, keys):
    weights, allowed = masked_rows(seed, 1, queries, keys)
    rows = {}
    by_rows(lambda shares, query, mask: rows.setdefault(query, shares) and 0, weights, allowed)
    found = monotonicity(weights, allowed)[0]
    for query in range(queries):
        if query - 1 not in rows or query not in rows:
            assert np.isnan(found[query])
            continue
        pairs = [(k, j) for k in range(keys) for j in range(keys) if j <= k]
        slow = sum(rows[query][k] * rows[query - 1][j] for k, j in pairs)
        assert found[query] == pytest.approx(slow, abs=1e-5)


@given(SEEDS)
def test_reading_backwards_keeps_the_diagonal(masked_rows, seed):
    weights, allowed = masked_rows(seed, 2, 4, 6)
    backwards = diagonality(weights[:, ::-1, ::-1], allowed[:, ::-1, ::-1])[:, ::-1]
    np.testing.assert_allclose(backwards, diagonality(weights, allowed), atol=1e-6)


@given(st.integers(1, 9))
def test_even_rows_go_on_by_chance(keys):
    rows = uniform_rows(np.ones((1, 3, keys), dtype=bool))
    np.testing.assert_allclose(monotonicity(rows)[0, 1:], (keys + 1) / (2 * keys), rtol=1e-5)
