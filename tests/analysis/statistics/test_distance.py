import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import mean_distance, median_distance
from attnreport.analysis.statistics.distance import axis_distances
from attnreport.recording import GridAxis, ItemAxis


def slow_distance(head):
    return [
        sum(float(weight) * abs(query - key) for key, weight in enumerate(row))
        / sum(float(weight) for weight in row)
        for query, row in enumerate(head)
    ]


def test_distance_of_rows_worked_by_hand():
    weights = np.array(
        [[[1, 0, 0], [0.5, 0, 0.5], [0.25, 0.25, 0.5]], [[0, 0, 1], [0, 1, 0], [1, 0, 0]]],
        dtype=np.float32,
    )
    assert mean_distance(weights).tolist() == [[0.0, 1.0, 0.75], [2.0, 0.0, 2.0]]


def test_rows_that_look_nowhere_have_no_distance():
    weights = np.array([[[0, 0], [0, 1]]], dtype=np.float32)
    assert np.isnan(mean_distance(weights)[0]).tolist() == [True, False]


def test_cross_attention_has_no_distance():
    with pytest.raises(InvalidAttentionError, match="2 queries and 3 keys, so they are not self"):
        mean_distance(np.full((1, 2, 3), 1 / 3, np.float32))


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_distance_agrees_with_plain_loops(heads, length, seed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(length), (heads, length))
    weights = weights.astype(np.float32)
    distances = mean_distance(weights)
    assert distances == pytest.approx(np.array([slow_distance(head) for head in weights]), abs=1e-5)
    assert (distances <= length - 1 + 1e-5).all()


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_reading_backwards_keeps_the_distance(length, seed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(length), (1, length)).astype(np.float32)
    backwards = mean_distance(weights[:, ::-1, ::-1])[:, ::-1]
    assert mean_distance(weights) == pytest.approx(backwards, abs=1e-5)


def test_cells_are_as_far_apart_as_their_centers():
    found = axis_distances(GridAxis(2, 3, ("class",)))
    assert found[0].tolist() == [0] * 7
    assert found[1].tolist() == pytest.approx([0, 0, 1, 2, 1, 2**0.5, 5**0.5])
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(axis_distances(ItemAxis(("a", "b"))), [[0, 1], [1, 0]])


def test_the_median_worked_by_hand():
    weights = np.array([[[0.5, 0, 0.5], [0.6, 0.4, 0], [0.51, 0.25, 0.24], [0, 0, 0]]] * 2)
    square = np.zeros((2, 4, 4))
    square[..., :3] = weights
    np.testing.assert_array_equal(median_distance(square)[1], [0, 1, 2, np.nan])


@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_distances_agree_with_plain_loops_under_a_mask(masked_rows, by_rows, length, seed, causal):
    weights, allowed = masked_rows(seed, 2, length, length, causal=causal)

    def slow_mean(shares, query, mask):
        return sum(share * abs(query - key) for key, share in enumerate(shares))

    def slow_median(shares, query, mask):
        return next(
            distance
            for distance in range(length)
            if sum(p for key, p in enumerate(shares) if abs(query - key) <= distance) >= 0.5 - 1e-6
        )

    means = mean_distance(weights, allowed)
    np.testing.assert_allclose(means, by_rows(slow_mean, weights, allowed), atol=1e-5)
    medians = median_distance(weights, allowed)
    np.testing.assert_array_equal(medians, by_rows(slow_median, weights, allowed))
    assert not (medians > 2 * means + 1e-5).any()


def test_the_distances_of_cells_can_be_given():
    far = axis_distances(GridAxis(2, 2))
    weights = np.full((1, 4, 4), 0.25)
    np.testing.assert_allclose(mean_distance(weights, distances=far), (2 + 2**0.5) / 4)
    np.testing.assert_allclose(median_distance(weights, distances=far), 1)
