import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import (
    changed_heads,
    head_distances,
    jensen_shannon_distance,
    layer_distances,
    similar_heads,
)
from attnreport.recording import AttentionMap, TokenAxis

SEEDS = st.integers(0, 2**32 - 1)


def layer(weights, mask=None):
    weights = np.array(weights, np.float32)
    query, key = (TokenAxis(tuple(map(str, range(size)))) for size in weights.shape[1:])
    kind = "self" if len(query) == len(key) else "cross"
    if mask is not None:
        mask = np.broadcast_to(mask, weights.shape)
    return AttentionMap("layer", weights, query, key, kind, mask=mask)


def slow_distance(first, second):
    def divergence(p, q):
        return sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True) if a > 0)

    middle = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    return math.sqrt(max(0, (divergence(first, middle) + divergence(second, middle)) / 2))


def slow_rows(weights, allowed):
    for row, may in zip(weights, allowed, strict=True):
        kept = [float(w) if a else 0.0 for w, a in zip(row, may, strict=True)]
        yield [w / sum(kept) for w in kept] if sum(kept) > 0 else None


def test_worked_by_hand():
    first = np.array([[[1, 0], [0.5, 0.5], [1, 0], [0, 0]]])
    second = np.array([[[0, 1], [0.5, 0.5], [0.5, 0.5], [1, 0]]])
    # Of (1, 0) and (1/2, 1/2) the middle is (3/4, 1/4).
    third = math.sqrt(2 - 0.75 * math.log2(3) - 0.5)
    np.testing.assert_allclose(
        jensen_shannon_distance(first, second)[0], [1, 0, third, np.nan], atol=1e-9
    )


@given(SEEDS)
def test_rows_agree_with_plain_loops(masked_rows, seed):
    first, allowed = masked_rows(seed)
    second, _ = masked_rows(seed + 1)
    found = jensen_shannon_distance(first, second, allowed)
    for head in range(2):
        mask = allowed[head % len(allowed)]
        pairs = zip(slow_rows(first[head], mask), slow_rows(second[head], mask), strict=True)
        expected = [slow_distance(p, q) if p and q else np.nan for p, q in pairs]
        np.testing.assert_allclose(found[head], expected, atol=1e-6)


@given(SEEDS)
def test_it_is_a_metric_whatever_the_order_of_keys(masked_rows, seed):
    a, b, c = (masked_rows(seed + number, 1, 3, 5)[0] + 0.01 for number in range(3))
    order = np.random.default_rng(seed).permutation(5)
    near = jensen_shannon_distance(a, b)
    assert ((near >= 0) & (near <= 1)).all()
    np.testing.assert_allclose(near, jensen_shannon_distance(b, a))
    np.testing.assert_allclose(near, jensen_shannon_distance(3 * a, b), atol=1e-6)
    np.testing.assert_allclose(near, jensen_shannon_distance(a[..., order], b[..., order]))
    np.testing.assert_allclose(jensen_shannon_distance(a, a), 0, atol=1e-7)
    detour = jensen_shannon_distance(a, c) + jensen_shannon_distance(c, b)
    assert (near <= detour + 1e-7).all()


@given(SEEDS)
def test_all_pairs_of_heads_agree_with_single_rows(masked_rows, seed):
    maps = [layer(*masked_rows(seed + number, 2, 4, 5)) for number in range(2)]
    found = head_distances(maps)
    heads = [
        list(slow_rows(each.head(head), np.broadcast_to(each.allowed(), each.weights.shape)[head]))
        for each in maps
        for head in range(2)
    ]
    chosen = np.any([(each.allowed().sum(axis=-1) > 1).any(axis=0) for each in maps], axis=0)
    rows = np.flatnonzero(chosen) if chosen.any() else range(4)
    for i, first in enumerate(heads):
        for j, second in enumerate(heads):
            distances = [
                slow_distance(first[row], second[row]) for row in rows if first[row] and second[row]
            ]
            expected = np.mean(distances) if distances else np.nan
            np.testing.assert_allclose(found[i, j], expected, atol=1e-5)


def test_rows_without_a_choice_do_not_count():
    """Both heads must look at the first key first; only the second row can differ."""
    heads = [[[1, 0], [1, 0]], [[1, 0], [0, 1]]]
    np.testing.assert_allclose(head_distances([layer(heads, np.tri(2, dtype=bool))]), 1 - np.eye(2))


def test_of_many_rows_some_are_compared():
    heads = np.zeros((2, 100, 3))
    heads[0, :, 0] = 1
    heads[1, :50, 0] = 1
    heads[1, 50:, 1] = 1
    for most in (2, 10, 64, 1000):
        assert head_distances([layer(heads)], most_rows=most)[0, 1] == pytest.approx(0.5, abs=0.01)


def test_layers_are_compared_by_the_mean_of_their_heads():
    split = layer([[[1, 0], [1, 0]], [[0, 1], [0, 1]]])
    even = layer([[[0.5, 0.5], [0.5, 0.5]]])
    np.testing.assert_allclose(layer_distances([split, even]), 0, atol=1e-7)
    assert head_distances([split, even])[0, 1] == pytest.approx(1)


def test_similar_heads_come_nearest_first():
    distances = np.array([[0, 0.5, 0.1, np.nan], [0.5, 0, 0.2, 0.5], [0.1, 0.2, 0, 0.3], [0] * 4])
    assert similar_heads(distances, 0) == [(2, 0.1), (1, 0.5)]
    assert similar_heads(distances, 1, count=2) == [(2, 0.2), (0, 0.5)]


def test_changed_heads_come_most_changed_first():
    before = [layer([np.eye(2), np.eye(2)]), layer([np.eye(2), np.zeros((2, 2))])]
    after = [layer([np.eye(2), np.eye(2)[::-1]]), layer([np.full((2, 2), 0.5), np.eye(2)])]
    found = changed_heads(before, after)
    assert [(each.layer, each.head) for each in found] == [(0, 1), (1, 0), (0, 0), (1, 1)]
    assert found[0].distance == 1
    assert 0 < found[1].distance < 1
    assert found[2].distance == 0
    assert np.isnan(found[3].distance)


def test_only_what_both_runs_may_look_at_is_compared():
    """The first run may not look at the last key, on which the second differs."""
    weights = np.array([[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]])
    other = np.array([[[0.2, 0.2, 0.6], [0.4, 0.4, 0.2]]])
    may = np.array([True, True, False])
    (change,) = changed_heads([layer(weights, may)], [layer(other)])
    assert change.distance == pytest.approx(0, abs=1e-4)
    (change,) = changed_heads([layer(other)], [layer(weights, may)])
    assert change.distance == pytest.approx(0, abs=1e-4)


def test_what_cannot_be_compared_is_refused():
    small, large = layer(np.ones((1, 2, 2))), layer(np.ones((1, 3, 3)))
    with pytest.raises(InvalidAttentionError, match=r"queries and keys \[\(2, 2\), \(3, 3\)\]"):
        head_distances([small, large])
    with pytest.raises(InvalidAttentionError, match="align the tokens"):
        changed_heads([small], [large])
    with pytest.raises(InvalidAttentionError, match="2 queries and 2 keys cannot be compared"):
        jensen_shannon_distance(np.ones((1, 2, 2)), np.ones((1, 3, 3)))
