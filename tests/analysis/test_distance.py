import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import mean_distance
from attnreport.analysis.distance import axis_distances
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
