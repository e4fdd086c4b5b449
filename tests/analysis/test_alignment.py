import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import (
    alignment_error_rate,
    alignment_links,
    corpus_alignment_error_rate,
)


def slow_error_rate(weights, reference):
    links = set()
    for query, row in enumerate(weights):
        if any(reference[query]):
            links.add((query, max(range(len(row)), key=lambda key: row[key])))
    sure = {(q, k) for q, row in enumerate(reference) for k, linked in enumerate(row) if linked}
    return 1 - (len(links & sure) + len(links & sure)) / (len(links) + len(sure))


def test_each_query_links_its_strongest_key():
    weights = np.array([[0.2, 0.7, 0.1], [0.4, 0.4, 0.2], [0, 0, 0]], dtype=np.float32)
    assert alignment_links(weights).tolist() == [
        [False, True, False],
        [True, False, False],
        [False, False, False],
    ]


def test_error_rate_worked_by_hand():
    """Three links, two of them right; the reference has four links, two of them on one query.

    1 - (2 + 2) / (3 + 4) = 3/7.
    """
    weights = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]], dtype=np.float32)
    reference = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1]], dtype=bool)
    assert alignment_error_rate(weights, reference) == pytest.approx(3 / 7)


def test_queries_without_a_reference_do_not_count():
    weights = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], dtype=np.float32)
    reference = np.array([[1, 0], [0, 1], [0, 0]], dtype=bool)
    assert alignment_error_rate(weights, reference) == 0.0


def test_queries_can_be_left_out():
    weights = np.array([[0.9, 0.1], [0.9, 0.1]], dtype=np.float32)
    reference = np.eye(2, dtype=bool)
    assert alignment_error_rate(weights, reference) == 0.5
    assert alignment_error_rate(weights, reference, ignore_queries=[1]) == 0.0
    assert reference.tolist() == [[True, False], [False, True]]


def test_an_empty_row_misses_its_link():
    """One right link, none from the empty row, two wanted: 1 - 2 / 3."""
    weights = np.array([[1, 0], [0, 0]], dtype=np.float32)
    assert alignment_error_rate(weights, np.eye(2, dtype=bool)) == pytest.approx(1 / 3)


def test_corpus_pools_links_before_dividing():
    """Wrong: 1 of 1; right: 3 of 3. Pooled 1 - 6 / 8, not the mean of 1 and 0."""
    short = (np.array([[0.9, 0.1]], np.float32), np.array([[False, True]]))
    long = (np.eye(3, dtype=np.float32), np.eye(3, dtype=bool))
    assert corpus_alignment_error_rate([short, long]) == 0.25
    assert corpus_alignment_error_rate(iter([short])) == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: corpus_alignment_error_rate([]),
        lambda: alignment_error_rate(np.ones((2, 1), np.float32), np.zeros((2, 1), bool)),
        lambda: alignment_error_rate(np.ones((1, 1), np.float32), np.ones((1, 1), bool), [0]),
    ],
)
def test_nothing_to_score_is_refused(call):
    with pytest.raises(InvalidAttentionError, match="links no word"):
        call()


def test_shapes_must_agree():
    with pytest.raises(InvalidAttentionError, match=r"\(2, 3\) = query, key, .* shape \(3, 2\)"):
        alignment_error_rate(np.ones((2, 3), np.float32), np.ones((3, 2), bool))


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_error_rate_agrees_with_plain_loops(queries, keys, seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(keys), queries).astype(np.float32)
    reference = rng.random((queries, keys)) < 0.5
    reference[0, 0] = True
    rate = alignment_error_rate(weights, reference)
    assert rate == pytest.approx(slow_error_rate(weights, reference))
    assert 0 <= rate <= 1
    assert corpus_alignment_error_rate([(weights, reference)] * 2) == pytest.approx(rate)
