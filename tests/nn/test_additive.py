import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from jax.test_util import check_grads

from attnreport._errors import InvalidAttentionError
from attnreport.nn import AdditiveAttention, padding_mask

BATCH, QUERIES, KEYS = 2, 3, 5


def module(**options) -> AdditiveAttention:
    return AdditiveAttention(6, 7, 4, rngs=nnx.Rngs(0), **options)


@pytest.fixture
def inputs():
    first, second = jax.random.split(jax.random.key(1))
    return jax.random.normal(first, (BATCH, QUERIES, 6)), jax.random.normal(
        second, (BATCH, KEYS, 7)
    )


def slow_attention(attention: AdditiveAttention, query, key, mask) -> tuple[np.ndarray, np.ndarray]:
    """Bahdanau et al. (2015), equations 5 and 6, one query and one key at a time."""
    query, key = np.asarray(query, np.float64), np.asarray(key, np.float64)
    left = np.asarray(attention.score.query.kernel[...], np.float64)
    right = np.asarray(attention.score.key.kernel[...], np.float64)
    bias = np.asarray(attention.score.key.bias[...], np.float64)
    score = np.asarray(attention.score.score.kernel[...], np.float64)[:, 0]
    weights = np.zeros((BATCH, QUERIES, KEYS))
    context = np.zeros((BATCH, QUERIES, key.shape[-1]))
    for b, q in np.ndindex(BATCH, QUERIES):
        seen = [k for k in range(KEYS) if mask[b, q, k]]
        energies = [score @ np.tanh(query[b, q] @ left + key[b, k] @ right + bias) for k in seen]
        for k, energy in zip(seen, energies, strict=True):
            weights[b, q, k] = np.exp(energy) / sum(np.exp(other) for other in energies)
            context[b, q] += weights[b, q, k] * key[b, k]
    return context, weights


@settings(deadline=None, max_examples=25)
@given(arrays(bool, (BATCH, QUERIES, KEYS)))
def test_it_computes_the_equations_of_the_paper_under_any_mask(mask):
    attention = module()
    attention.score.key.bias[...] = jnp.linspace(-1, 1, 4)
    query = jax.random.normal(jax.random.key(1), (BATCH, QUERIES, 6))
    key = jax.random.normal(jax.random.key(2), (BATCH, KEYS, 7))
    context, weights = attention(query, key, mask=jnp.asarray(mask)[:, None], return_weights=True)
    expected_context, expected_weights = slow_attention(attention, query, key, mask)
    assert weights.shape == (BATCH, 1, QUERIES, KEYS)
    np.testing.assert_allclose(weights[:, 0], expected_weights, atol=1e-5)
    np.testing.assert_allclose(context, expected_context, atol=1e-5)


def test_a_query_that_may_look_nowhere_gets_zeros_and_no_gradient_is_nan(inputs):
    attention = module()
    mask = jnp.ones((1, 1, QUERIES, KEYS), dtype=bool).at[:, :, 1].set(False)

    @nnx.value_and_grad
    def loss(attention):
        return attention(*inputs, mask=mask).sum()

    assert (attention(*inputs, mask=mask)[:, 1] == 0).all()
    value, gradients = loss(attention)
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_gradients_agree_with_finite_differences(inputs):
    attention = module()
    mask = padding_mask(jnp.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=bool))
    check_grads(
        lambda *inputs: attention(*inputs, mask=mask), inputs, 1, modes="rev", rtol=1e-2, atol=1e-2
    )


def test_values_are_averaged_if_they_are_given(inputs):
    query, key = inputs
    value = jnp.ones((BATCH, KEYS, 2)) * jnp.arange(KEYS)[:, None]
    context, weights = module()(query, key, value, return_weights=True)
    np.testing.assert_allclose(context[..., 0], weights[:, 0] @ jnp.arange(5.0), rtol=1e-5)


def test_returned_and_captured_weights_are_the_same(inputs):
    attention = module()
    plain = attention(*inputs)
    context, weights = attention(*inputs, return_weights=True)
    captured, stored = nnx.capture(attention, nnx.Intermediate)(*inputs)
    assert np.array_equal(plain, context)
    assert np.array_equal(plain, captured)
    assert np.array_equal(stored["attention_weights"].get_value()[0], weights)


def test_compiled_it_gives_the_same_and_can_be_captured(inputs):
    attention = module()
    context, weights = attention(*inputs, return_weights=True)

    @nnx.jit
    def compiled(attention, query, key):
        return attention(query, key)

    captured, stored = nnx.capture(compiled, nnx.Intermediate)(attention, *inputs)
    np.testing.assert_allclose(compiled(attention, *inputs), context, atol=1e-6)
    np.testing.assert_allclose(captured, context, atol=1e-6)
    (found,) = stored["attention_weights"].get_value()
    np.testing.assert_allclose(found, weights, atol=1e-6)


def test_it_can_be_mapped_over_one_more_axis(inputs):
    attention = module()
    query, key = (jnp.stack([one, one * 2, one * 3]) for one in inputs)
    mapped = jax.vmap(attention)(query, key)
    for number in range(3):
        np.testing.assert_allclose(mapped[number], attention(query[number], key[number]), atol=1e-6)


def test_dropout_acts_in_training_only_and_leaves_the_shown_weights_alone(inputs):
    attention = module(dropout_rate=0.5)
    attention.eval()
    still, weights = attention(*inputs, return_weights=True)
    assert np.array_equal(still, attention(*inputs))
    attention.train()
    first, shown = attention(*inputs, return_weights=True)
    assert not np.allclose(first, still)
    assert not np.allclose(first, attention(*inputs))
    assert np.array_equal(shown, weights)


def test_in_bfloat16_the_weights_stay_float32(inputs):
    attention = module(dtype=jnp.bfloat16)
    context, weights = attention(*(one.astype(jnp.bfloat16) for one in inputs), return_weights=True)
    assert context.dtype == jnp.bfloat16
    assert weights.dtype == jnp.float32
    assert np.abs(np.asarray(weights).sum(axis=-1) - 1).max() < 1e-6


def test_a_mask_for_several_heads_is_refused(inputs):
    mask = jnp.ones((BATCH, 4, QUERIES, KEYS), dtype=bool)
    with pytest.raises(InvalidAttentionError, match=r"4 heads, but `AdditiveAttention` has one"):
        module()(*inputs, mask=mask)
