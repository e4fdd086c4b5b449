import math

import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport.nn import MultiHeadAttention, soft_cap


def test_logits_stay_within_the_cap_and_small_ones_as_they_are():
    logits = [-1e6, -30.0, -0.01, 0.0, 0.02, 5.0, 1e6]
    capped = soft_cap(jnp.array(logits), 20.0)
    # Gemma Team (2024), section 2.
    np.testing.assert_allclose(capped, [20 * math.tanh(each / 20) for each in logits], rtol=1e-5)
    assert np.abs(capped).max() <= 20
    assert soft_cap(jnp.array(logits, jnp.bfloat16), 20.0).dtype == jnp.float32


def test_the_cap_comes_after_the_scale_and_before_the_bias():
    def bias(query, key):
        return jnp.where(key > query[:, None], -1000.0, 0.0)[None]

    attention = MultiHeadAttention(1, 4, cap=0.5, position_bias=bias, rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(0).normal(scale=4, size=(1, 3, 4)), jnp.float32)
    _, weights = attention(x, return_weights=True)
    logits = np.asarray(attention.query(x)[0, :, 0] @ attention.key(x)[0, :, 0].T) / 2
    exponentials = np.exp(0.5 * np.tanh(logits / 0.5)) * np.tri(3)
    expected = exponentials / exponentials.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights[0, 0], expected, atol=1e-6)
