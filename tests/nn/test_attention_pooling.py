import jax.numpy as jnp
import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.nn import AttentionPooling
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_attention, some_mask

BATCH, KEYS = 3, 5


def pooling():
    return drawn(lambda **o: AttentionPooling(6, 4, **o))


def test_it_computes_the_equations_of_the_paper():
    """Yang et al. (2016), equations 5 to 7."""
    module, inputs, mask = pooling(), numbers(BATCH, KEYS, 6), some_mask(BATCH, 1, KEYS)

    def logit(b, q, k):
        hidden = np.tanh(inputs[b, k] @ exact(module.hidden.kernel) + exact(module.hidden.bias))
        return hidden @ exact(module.context.kernel)[:, 0]

    pooled, weights = module(inputs, mask=jnp.asarray(mask)[:, None], return_weights=True)
    expected, expected_weights = slow_attention(logit, inputs, mask)
    np.testing.assert_allclose(weights[:, 0], expected_weights, atol=1e-5)
    np.testing.assert_allclose(pooled, expected[:, 0], atol=1e-5)
    assert (pooled[0] == 0).all()


def test_a_mask_for_several_heads_is_refused():
    with pytest.raises(InvalidAttentionError, match="2 heads, but attention pooling has one"):
        pooling()(numbers(BATCH, KEYS, 6), mask=jnp.ones((BATCH, 2, 1, KEYS), bool))
