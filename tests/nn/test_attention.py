import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import Attention, DotScore, window_mask
from tests.nn.slow import numbers, slow_attention

BATCH, QUERIES, KEYS = 2, 7, 5


def test_values_are_averaged_if_they_are_given():
    query, key = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    value = jnp.ones((BATCH, KEYS, 2)) * jnp.arange(KEYS)[:, None]
    context, weights = Attention(DotScore())(query, key, value, return_weights=True)
    np.testing.assert_allclose(context[..., 0], weights[:, 0] @ np.arange(5.0), rtol=1e-5)


def test_local_m_sees_a_few_keys_around_the_number_of_the_step():
    """Luong et al. (2015), section 3.2: the window [t - D, t + D]."""
    query, key = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    mask = np.zeros((BATCH, QUERIES, KEYS), bool)
    for step in range(QUERIES):
        for k in range(KEYS):
            mask[:, step, k] = step - 1 <= k <= step + 1
    window = window_mask(QUERIES, KEYS, before=1, after=1)
    context, weights = Attention(DotScore())(query, key, mask=window, return_weights=True)
    expected_context, expected = slow_attention(
        lambda b, q, k: query[b, q] @ key[b, k].astype(float), key, mask
    )
    np.testing.assert_allclose(weights[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(context, expected_context, atol=1e-5)
    # Past the end of the sentence there is nothing to look at.
    assert (context[:, 6] == 0).all()


def test_dropout_acts_in_training_only_and_leaves_the_shown_weights_alone():
    attention = Attention(DotScore(), dropout_rate=0.5, rngs=nnx.Rngs(0))
    inputs = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    attention.eval()
    still, weights = attention(*inputs, return_weights=True)
    attention.train()
    first, shown = attention(*inputs, return_weights=True)
    assert not np.allclose(first, still)
    assert np.array_equal(shown, weights)


def test_a_mask_for_several_heads_is_refused():
    mask = jnp.ones((BATCH, 4, QUERIES, KEYS), bool)
    with pytest.raises(InvalidAttentionError, match=r"has 4 heads, but `Attention` has one"):
        Attention(DotScore())(numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6), mask=mask)
