import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attnreport.analysis import entropy, normalized_entropy

STRENGTHS = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9)),
    elements=st.floats(0, 1, width=32).map(lambda value: 0.0 if value < 1e-6 else value),
)


def softmax_rows(strengths):
    """Rows that sum to one, from strengths of which some row may be all 0."""
    strengths = strengths + np.float32(1e-3)
    return (strengths / strengths.sum(axis=-1, keepdims=True)).astype(np.float32)


def slow_entropy(row):
    total = sum(float(weight) for weight in row)
    shares = [float(weight) / total for weight in row]
    return -sum(share * math.log2(share) for share in shares if share > 0)


def test_entropy_of_rows_worked_by_hand():
    weights = np.array(
        [[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.25, 0.125, 0.125]]],
        dtype=np.float32,
    )
    assert entropy(weights)[0] == pytest.approx([0.0, 1.0, 2.0, 1.75], abs=1e-30)


def test_one_key_leaves_no_entropy():
    assert entropy(np.ones((2, 3, 1), np.float32)).tolist() == [[0.0] * 3] * 2


def test_rows_that_look_nowhere_have_no_entropy():
    weights = np.array([[[0, 0], [0.5, 0.5], [1, 0]]], dtype=np.float32)
    allowed = np.array([[[False, False], [True, True], [False, False]]])
    assert np.isnan(entropy(weights)[0]).tolist() == [True, False, False]
    assert np.isnan(entropy(weights, allowed)[0]).tolist() == [True, False, True]


def test_gates_are_rescaled():
    strengths = np.array([[[0.9, 0.9, 0.9, 0.9], [0.2, 0, 0, 0]]], dtype=np.float32)
    assert entropy(strengths)[0] == pytest.approx([2.0, 0.0], abs=1e-6)


def test_one_mask_serves_all_heads():
    weights = np.full((3, 2, 2), 0.5, np.float32)
    allowed = np.array([[[True, True], [False, False]]])
    assert np.isnan(entropy(weights, allowed)).tolist() == [[False, True]] * 3


def test_tiny_negative_weights_of_rounding_do_no_harm():
    weights = np.array([[[1.0005, -0.0005, 0, 0]]], dtype=np.float32)
    assert entropy(weights)[0, 0] == pytest.approx(0, abs=2e-3)


@settings(deadline=None)
@given(STRENGTHS)
def test_entropy_agrees_with_plain_loops(strengths):
    weights = softmax_rows(strengths)
    expected = [[slow_entropy(row) for row in head] for head in weights]
    assert entropy(weights) == pytest.approx(np.array(expected), abs=1e-5)


@settings(deadline=None)
@given(STRENGTHS)
def test_entropy_lies_between_zero_and_the_logarithm_of_the_keys(strengths):
    bits = entropy(softmax_rows(strengths))
    assert (bits >= 0).all()
    assert (bits <= np.log2(np.float32(strengths.shape[-1]))).all()


@settings(deadline=None)
@given(STRENGTHS, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(strengths, random):
    weights = softmax_rows(strengths)
    order = list(range(weights.shape[-1]))
    random.shuffle(order)
    assert entropy(weights[..., order]) == pytest.approx(entropy(weights), abs=1e-5)


def test_long_rows_keep_their_precision():
    """A row of 2^16 keys is longer than a cache block, and its entropy is known exactly."""
    keys = 1 << 16
    weights = np.full((1, 3, keys), Fraction(1, keys), dtype=np.float32)
    assert entropy(weights)[0] == pytest.approx([16.0] * 3, abs=1e-4)


def test_normalized_entropy_is_a_share_of_what_the_mask_permits():
    causal = np.tri(3, dtype=bool)[np.newaxis]
    weights = np.array([[[1, 0, 0], [0.5, 0.5, 0], [1, 0, 0]]], dtype=np.float32)
    expected = [[np.nan, 1, 0]]
    np.testing.assert_allclose(normalized_entropy(weights, causal), expected, atol=1e-6)
    half = [[0, 1 / math.log2(3), 0]]
    np.testing.assert_allclose(normalized_entropy(weights), half, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_normalized_entropy_agrees_with_plain_loops(masked_rows, by_rows, seed):
    weights, allowed = masked_rows(seed, 2, 3, 5)

    def slow(shares, query, mask):
        return slow_entropy(shares) / math.log2(mask.sum()) if mask.sum() > 1 else None

    found = normalized_entropy(weights, allowed)
    np.testing.assert_allclose(found, by_rows(slow, weights, allowed), atol=1e-5)
    assert ((found >= 0) & (found <= 1) | np.isnan(found)).all()
