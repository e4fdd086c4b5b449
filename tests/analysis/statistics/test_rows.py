import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attnreport.analysis import mean_over_rows, row_shares, uniform_rows

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_shares_agree_with_plain_division(masked_rows, by_rows, seed):
    weights, allowed = masked_rows(seed)
    for key in range(weights.shape[-1]):
        expected = by_rows(lambda shares, query, mask, key=key: shares[key], weights, allowed)
        np.testing.assert_allclose(row_shares(weights, allowed)[..., key], expected, atol=1e-6)


@given(SEEDS, st.sampled_from([np.float16, np.float32, np.float64]))
def test_what_lies_under_the_mask_does_not_matter(masked_rows, seed, dtype):
    weights, allowed = masked_rows(seed)
    weights = weights.astype(dtype)
    noisy = np.where(allowed, weights, np.random.default_rng(seed).random(weights.shape)).astype(
        dtype
    )
    np.testing.assert_array_equal(row_shares(noisy, allowed), row_shares(weights, allowed))


def test_given_weights_are_left_as_they_are():
    weights = np.full((1, 2, 2), 3, np.float32)
    np.testing.assert_allclose(row_shares(weights), 0.5)
    assert (weights == 3).all()


def test_rounding_below_zero_is_dropped():
    np.testing.assert_array_equal(row_shares(np.array([[[1.0, -1e-4]]])), [[[1, 0]]])


def test_chance_gives_each_allowed_key_the_same():
    allowed = np.array([[[True, True, False], [False, False, False], [True, True, True]]])
    expected = [[[0.5, 0.5, 0], [np.nan] * 3, [1 / 3] * 3]]
    np.testing.assert_allclose(uniform_rows(allowed), expected, rtol=1e-6)


def test_the_mean_is_over_rows_that_have_a_value():
    values = np.array([[1.0, np.nan, 3.0], [np.nan] * 3])
    np.testing.assert_array_equal(mean_over_rows(values), [2, np.nan])
