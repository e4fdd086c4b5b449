import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import MultiHeadAttention, grouped_logits, grouped_mix

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_each_group_of_heads_shares_one_head_of_keys_and_values(shared):
    queries = RANDOM.normal(size=(2, 3, 4, 5)).astype("f")
    keys, values = RANDOM.normal(size=(2, 2, 6, shared, 5)).astype("f")
    logits, output = np.zeros((2, 4, 3, 6)), np.zeros((2, 3, 4, 5))
    for b, h, q, k in np.ndindex(logits.shape):
        # Ainslie et al. (2023), section 2.2: neighboring heads form a group.
        group = h // (4 // shared)
        logits[b, h, q, k] = queries[b, q, h] @ keys[b, k, group]
        output[b, q, h] += logits[b, h, q, k] * values[b, k, group]
    found = grouped_logits(jnp.asarray(queries), jnp.asarray(keys))
    np.testing.assert_allclose(found, logits, atol=1e-5)
    np.testing.assert_allclose(grouped_mix(found, jnp.asarray(values)), output, atol=1e-4)


@pytest.mark.parametrize("options", [{"num_kv_heads": 2}, {"num_kv_heads": 1}, {}])
@pytest.mark.parametrize("normalized", [False, True])
def test_it_gives_what_flax_gives_with_the_same_parameters(options, normalized):
    ours = MultiHeadAttention(
        4, 8, **options, normalize_qk="layer" if normalized else None, rngs=nnx.Rngs(0)
    )
    if ours.query_ln is not None and ours.key_ln is not None:
        assert ours.query_ln.scale is not None
        assert ours.key_ln.scale is not None
        ours.query_ln.scale[...] = jnp.array([1.0, 0.5])
        ours.key_ln.scale[...] = jnp.array([-2.0, 3.0])
    theirs = nnx.MultiHeadAttention(
        4, 8, decode=False, normalize_qk=normalized, **options, rngs=nnx.Rngs(9)
    )
    nnx.update(theirs, nnx.state(ours, nnx.Param))
    x = jnp.asarray(RANDOM.normal(size=(2, 5, 8)), jnp.float32)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)


def test_rms_normalization_divides_by_the_root_of_the_mean_square():
    attention = MultiHeadAttention(2, 8, normalize_qk="rms", scale=1.0, rngs=nnx.Rngs(0))
    assert attention.query_ln is not None
    assert attention.query_ln.scale is not None
    attention.query_ln.scale[...] = jnp.arange(4.0)
    x = RANDOM.normal(size=(1, 5, 8)).astype("f")
    _, weights = attention(jnp.asarray(x), return_weights=True)

    def normalized(layer):
        y = np.einsum("bti,ihd->bthd", x, layer.kernel[...]) + np.asarray(layer.bias[...])
        return y / np.sqrt((y**2).mean(-1, keepdims=True) + 1e-6)

    queries = normalized(attention.query) * np.arange(4.0)
    logits = np.einsum("bqhd,bkhd->bhqk", queries, normalized(attention.key))
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_heads_that_cannot_share_keys_are_refused():
    with pytest.raises(InvalidAttentionError, match="4 heads of queries cannot share 3 heads"):
        MultiHeadAttention(4, 8, num_kv_heads=3, rngs=nnx.Rngs(0))
