import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attnreport.analysis import sink_keys, sink_rate, sink_scores, uniform_rows

SEEDS = st.integers(0, 2**32 - 1)
CAUSAL = np.tri(4, dtype=bool)[np.newaxis]


@given(SEEDS, st.booleans())
def test_scores_agree_with_plain_loops(masked_rows, seed, causal):
    weights, allowed = masked_rows(seed, causal=causal)
    scores = sink_scores(weights, allowed)
    for head in range(len(weights)):
        mask = allowed[head % len(allowed)]
        for key in range(weights.shape[-1]):
            seen = [
                float(row[key]) / float(row.sum())
                for row, may in zip(weights[head], mask, strict=True)
                if may[key] and row.sum() > 0
            ]
            expected = sum(seen) / len(seen) if seen else np.nan
            np.testing.assert_allclose(scores[head, key], expected, atol=1e-6)


def test_causal_scores_are_over_the_rows_that_see_a_key():
    weights = np.array([[[1, 0, 0, 0], [0.8, 0.2, 0, 0], [0.6, 0, 0.4, 0], [0.6, 0, 0, 0.4]]])
    np.testing.assert_allclose(sink_scores(weights, CAUSAL)[0], [3 / 4, 0.2 / 3, 0.2, 0.4])


def test_even_causal_rows_score_what_chance_gives():
    thirds = np.mean([1, 1 / 2, 1 / 3, 1 / 4])
    scores = sink_scores(uniform_rows(CAUSAL), CAUSAL)[0]
    np.testing.assert_allclose(scores[[0, 3]], [thirds, 1 / 4], rtol=1e-6)


def test_a_key_that_few_rows_see_is_no_sink():
    """The last key has the highest score, but only one row of four may look at it."""
    weights = np.array([[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 1.0]]])
    assert sink_scores(weights, CAUSAL)[0].argmax() == 3
    assert sink_keys(weights, CAUSAL).tolist() == [0]
    assert sink_keys(weights, CAUSAL, among=np.array([False, True, True, True])).tolist() == [1]
    assert sink_keys(weights, CAUSAL, among=np.zeros(4, dtype=bool)).tolist() == [-1]


def test_a_key_that_half_of_the_rows_see_can_be_a_sink():
    weights = np.array([[[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0.0]]])
    assert sink_keys(weights, CAUSAL).tolist() == [2]


def test_a_head_that_looks_nowhere_has_no_sink():
    assert sink_keys(np.zeros((1, 2, 2))).tolist() == [-1]
    assert np.isnan(sink_scores(np.zeros((1, 2, 2)))).all()


def test_the_rate_counts_heads_over_the_threshold():
    scores = np.array([[0.31, 0.3, np.nan, np.nan], [0.9, 0.1, np.nan, 0.4]])
    np.testing.assert_array_equal(sink_rate(scores), [1, 0, np.nan, 1])
    np.testing.assert_array_equal(sink_rate(scores, threshold=0.5), [0.5, 0, np.nan, 0])


@given(SEEDS)
def test_the_order_of_rows_does_not_matter(masked_rows, seed):
    weights, allowed = masked_rows(seed)
    order = np.random.default_rng(seed).permutation(weights.shape[1])
    shuffled = sink_scores(weights[:, order], allowed[:, order])
    np.testing.assert_allclose(shuffled, sink_scores(weights, allowed), atol=1e-6)
