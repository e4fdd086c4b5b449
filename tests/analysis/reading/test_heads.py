import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport.analysis import (
    PATTERNS,
    HeadStatistics,
    findings,
    group_statistics,
    pattern_title,
)
from attnreport.recording import AttentionMap, GridAxis, ItemAxis, TokenAxis

SHARES = ("normalized_entropy", "first", "last", "special", "top_share", "peak")
SELF_SHARES = ("previous", "next", "itself")


def tokens(count, special=()):
    return TokenAxis(tuple(f"word{index}" for index in range(count)), special)


def self_map(*heads, special=(), **fields):
    weights = np.array(heads, dtype=np.float32)
    axis = tokens(weights.shape[-1], special)
    return AttentionMap("layer", weights, axis, axis, kind="self", **fields)


def cross_map(*heads, **fields):
    weights = np.array(heads, dtype=np.float32)
    axes = (tokens(weights.shape[1]), tokens(weights.shape[2]))
    return AttentionMap("decoder.attention", weights, *axes, kind="cross", **fields)


def one(attention):
    (statistics,) = group_statistics([attention])
    return statistics


def pattern(attention):
    return one(attention).pattern


def stripe(length, key, weight=1.0):
    head = np.full((length, length), (1 - weight) / max(1, length - 1))
    head[:, key] = weight
    return head


def causal(length):
    return np.tril(np.ones((length, length), dtype=bool))


def test_statistics_worked_by_hand():
    statistics = one(self_map([[0.5, 0.5, 0], [0, 1, 0], [0.25, 0.25, 0.5]], special=(0, 2)))
    most = math.log2(3)
    assert statistics.entropy == pytest.approx((1 + 0 + 1.5) / 3)
    assert statistics.normalized_entropy == pytest.approx((1 + 0 + 1.5) / 3 / most)
    assert statistics.distance == pytest.approx((0.5 + 0 + 0.75) / 3)
    assert statistics.previous == pytest.approx((0 + 0.25) / 2)
    assert statistics.next == pytest.approx((0.5 + 0) / 2)
    assert statistics.itself == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert statistics.first == pytest.approx(0.75 / 3)
    assert statistics.last == pytest.approx(0.5 / 3)
    assert statistics.special == pytest.approx(1.25 / 3)
    assert (statistics.top_key, statistics.top_share) == (1, pytest.approx(1.75 / 3))
    assert statistics.peak == 1.0
    assert statistics.in_order is None


@pytest.mark.parametrize("length", [2, 3])
def test_an_even_spread_over_few_keys_is_broad(length):
    assert pattern(self_map(np.full((length, length), 1 / length))) == "broad"


def test_cross_attention_has_no_neighbors_but_an_order():
    statistics = one(cross_map([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]]))
    assert (statistics.distance, statistics.previous) == (None, None)
    assert (statistics.next, statistics.itself) == (None, None)
    assert statistics.in_order == 0.5
    assert one(cross_map([[0.9, 0.1]])).in_order is None


def test_self_attention_over_a_cache_has_no_neighbors():
    weights = np.full((1, 2, 4), 0.25, np.float32)
    statistics = one(AttentionMap("cached", weights, tokens(2), tokens(4), kind="self"))
    assert statistics.distance is None
    assert statistics.pattern == "broad"


def test_heads_are_listed_layer_by_layer():
    maps = [self_map(stripe(3, 0), stripe(3, 1)), self_map(stripe(3, 2))]
    found = [(s.layer, s.head, s.top_key) for s in group_statistics(maps)]
    assert found == [(0, 0, 0), (0, 1, 1), (1, 0, 2)]
    assert group_statistics([]) == []


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            np.eye(6, k=-1) + np.outer(np.eye(6)[0], np.eye(6)[0]),
            "previous token",
        ),
        (np.eye(6, k=1) + np.outer(np.eye(6)[5], np.eye(6)[5]), "next token"),
        (np.eye(6), "itself"),
        (stripe(6, 0), "first token"),
        (stripe(6, 5), "last token"),
        (stripe(6, 2), "one token"),
        (stripe(6, 3, weight=0.45), "one token"),
        (np.full((6, 6), 1 / 6), "broad"),
        ((stripe(6, 2) + stripe(6, 4)) * 0.35 + np.eye(6)[::-1] * 0.3, "mixed"),
        (stripe(2, 0), "first token"),
    ],
)
def test_self_attention_is_named_after_what_it_does_most(head, expected):
    assert pattern(self_map(head)) == expected


def test_special_tokens_together_can_dominate():
    head = stripe(12, 2) * 0.33 + stripe(12, 4) * 0.33 + np.eye(12)[::-1] * 0.34
    assert pattern(self_map(head)) == "mixed"
    assert pattern(self_map(head, special=(2, 4))) == "special tokens"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (np.eye(5), "in order"),
        (np.eye(5)[[0, 2, 2, 3, 4]], "in order"),
        (np.eye(2), "in order"),
        (np.eye(5)[::-1], "sharp"),
        (np.eye(5)[[0, 0, 0, 0, 0]], "first token"),
        (np.eye(5)[[4, 4, 4, 4, 4]], "last token"),
        (np.eye(5)[[2, 2, 2, 0, 2]], "one token"),
        (np.eye(5)[:1], "first token"),
        (np.full((3, 5), 0.2), "broad"),
        (np.eye(5) * 0.5 + np.eye(5)[::-1] * 0.1 + 0.08, "mixed"),
    ],
)
def test_cross_attention_is_named_after_its_order(head, expected):
    assert pattern(cross_map(head)) == expected


def test_causal_heads_are_measured_against_what_the_mask_allows():
    weights = causal(8) / causal(8).sum(axis=-1, keepdims=True)
    statistics = one(self_map(weights, mask=causal(8)))
    assert statistics.normalized_entropy == pytest.approx(1, abs=1e-6)
    assert statistics.next == 0.0
    assert statistics.pattern == "broad"


def test_a_causal_previous_token_head_is_named():
    head = np.eye(5, k=-1)
    head[0, 0] = 1
    statistics = one(self_map(head, mask=causal(5)))
    assert statistics.previous == 1.0
    assert statistics.pattern == "previous token"


def test_rows_that_may_not_attend_do_not_count():
    """The last two positions are padding: their rows are empty, and no row looks at them."""
    real = [[0.5, 0.5, 0, 0], [1, 0, 0, 0]]
    mask = np.array([[True, True, False, False]] * 2 + [[False] * 4] * 2)
    statistics = one(self_map([*real, [0] * 4, [0] * 4], mask=mask))
    assert statistics.entropy == pytest.approx(0.5)
    assert statistics.normalized_entropy == pytest.approx(0.5)
    assert statistics.first == pytest.approx(0.75)
    assert statistics.previous == pytest.approx(1.0)
    assert statistics.next == pytest.approx(0.25)
    assert statistics.distance == pytest.approx(0.75)


def test_a_mask_can_differ_by_head():
    heads = [np.eye(2), np.full((2, 2), 0.5)]
    mask = np.array([np.eye(2, dtype=bool), np.ones((2, 2), dtype=bool)])
    first, second = group_statistics([self_map(*heads, mask=mask)])
    assert first.pattern == "no choice"
    assert (second.pattern, second.normalized_entropy) == ("broad", 1.0)


@pytest.mark.parametrize(
    "attention",
    [
        self_map([[0, 0], [0, 0]], mask=np.zeros((2, 2), dtype=bool)),
        self_map([[0, 0], [0, 0]], normalized=False),
        cross_map([[0, 0, 0]], normalized=False),
    ],
)
def test_a_head_that_looks_nowhere_has_zeros(attention):
    statistics = one(attention)
    assert statistics == HeadStatistics(layer=0, head=0, name=attention.name)
    assert statistics.pattern == "no choice"


def test_a_single_token_has_no_choice():
    statistics = one(self_map([[1]]))
    assert statistics.pattern == "no choice"
    assert (statistics.itself, statistics.previous, statistics.next) == (1.0, 0.0, 0.0)
    assert (statistics.entropy, statistics.normalized_entropy) == (0.0, 0.0)
    assert (statistics.first, statistics.last) == (1.0, 1.0)


def test_gates_are_measured_as_shares():
    statistics = one(
        dataclasses.replace(cross_map([[0.8, 0.8], [0.9, 0.0]]), kind="gate", normalized=False)
    )
    assert statistics.entropy == pytest.approx(0.5)
    assert statistics.first == pytest.approx(0.75)
    assert statistics.peak == pytest.approx(0.9)


def test_experts_are_first_or_in_order_only_by_accident():
    ordered = cross_map([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    assert one(ordered).in_order == 1
    assert one(ordered).pattern == "first token"
    router = one(dataclasses.replace(ordered, kind="router"))
    assert (router.in_order, router.pattern) == (None, "one token")
    assert router.first == one(ordered).first


def test_at_most_one_weight_in_a_thousand_exceeds_the_peak():
    weights = np.random.default_rng(0).dirichlet(np.ones(100), (1, 100)).astype(np.float32)
    peak = one(self_map(weights[0])).peak
    assert (weights > peak).sum() == 10
    assert (weights >= peak).sum() == 11


def test_weights_of_other_precisions_are_measured_in_float32():
    weights = np.full((1, 3, 3), 1 / 3, np.float16)
    axis = tokens(3)
    assert one(AttentionMap("half", weights, axis, axis)).entropy == pytest.approx(
        math.log2(3), 1e-3
    )


@settings(deadline=None)
@given(st.integers(1, 2), st.integers(1, 9), st.integers(0, 2**32 - 1), st.booleans())
def test_statistics_agree_with_plain_loops(heads, length, seed, masked):
    rng = np.random.default_rng(seed)
    mask = rng.random((length, length)) < 0.7 if masked else np.ones((length, length), dtype=bool)
    weights = rng.dirichlet(np.full(length, 0.5), (heads, length)) * mask
    sums = weights.sum(axis=-1, keepdims=True)
    weights = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 1e-9)
    attention = self_map(*weights, special=(0,), mask=mask)
    for statistics in group_statistics([attention]):
        expected = slow_statistics(attention.head(statistics.head), mask)
        for name, value in expected.items():
            assert getattr(statistics, name) == pytest.approx(value, abs=1e-5), name
        assert_plausible(statistics)


def slow_statistics(head, mask):
    """The same numbers by plain loops over the rows that may attend."""
    length = len(head)
    rows = [q for q in range(length) if mask[q].any() and head[q].sum() > 0]
    if not rows:
        return {"entropy": 0.0, "first": 0.0, "distance": None, "top_share": 0.0}
    w = {(q, k): float(head[q, k]) for q in rows for k in range(length)}

    def mean(values):
        values = list(values)
        return sum(values) / len(values) if values else 0.0

    bits = [-sum(w[q, k] * math.log2(w[q, k]) for k in range(length) if w[q, k] > 0) for q in rows]
    return {
        "entropy": mean(bits),
        "distance": mean(sum(w[q, k] * abs(q - k) for k in range(length)) for q in rows),
        "previous": mean(w[q, q - 1] for q in rows if q > 0),
        "next": mean(w[q, q + 1] for q in rows if q < length - 1),
        "itself": mean(w[q, q] for q in rows),
        "first": mean(w[q, 0] for q in rows),
        "last": mean(w[q, length - 1] for q in rows),
        "special": mean(w[q, 0] for q in rows),
        "top_share": max(mean(w[q, k] for q in rows) for k in range(length)),
        "peak": max(w.values()),
    }


def assert_plausible(statistics):
    assert statistics.pattern in PATTERNS
    assert all(0 <= getattr(statistics, name) <= 1 for name in SHARES)
    assert all(0 <= (getattr(statistics, name) or 0) <= 1 for name in SELF_SHARES)
    numbers = dataclasses.astuple(statistics)
    assert all(math.isfinite(number) for number in numbers if isinstance(number, float))


def test_only_rows_that_follow_one_another_are_in_order():
    words = cross_map([[0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0.1, 0.9]])
    assert one(words).in_order == 1
    for change in (
        {"query": ItemAxis(("hop 0", "hop 1", "hop 2")), "kind": "pooling"},
        {"key": GridAxis(1, 3)},
    ):
        statistics = one(dataclasses.replace(words, **change))
        assert statistics.in_order is None
        assert statistics.pattern != "in order"
        assert "jump" not in findings([dataclasses.replace(words, **change)])[0].text


def test_a_pattern_is_named_after_what_the_keys_are():
    grid = GridAxis(2, 2, ("class",))
    assert pattern_title("one token", grid) == "one cell"
    assert pattern_title("first token", ItemAxis(("a",))) == "first item"
    assert pattern_title("special tokens", grid) == "special tokens"
    assert [pattern_title(name, tokens(2)) for name in PATTERNS] == list(PATTERNS)
