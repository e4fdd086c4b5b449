import jax.numpy as jnp
import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.nn import SelfAttentivePooling, redundancy_penalty
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_attention, some_mask

BATCH, HOPS, KEYS = 2, 3, 5


def pooling():
    return drawn(lambda **o: SelfAttentivePooling(6, 4, HOPS, **o))


def test_it_computes_the_equations_of_the_paper():
    """Lin et al. (2017), equations 6 and 7, one hop and one position at a time."""
    module, inputs, mask = pooling(), numbers(BATCH, KEYS, 6), some_mask(BATCH, HOPS, KEYS)

    def logit(b, hop, k):
        hidden = np.tanh(exact(module.hidden.kernel).T @ inputs[b, k])
        return exact(module.score.kernel).T[hop] @ hidden

    pooled, weights = module(inputs, mask=jnp.asarray(mask)[:, None], return_weights=True)
    expected, expected_weights = slow_attention(logit, inputs, mask)
    np.testing.assert_allclose(weights[:, 0], expected_weights, atol=1e-5)
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_the_penalty_is_that_of_the_paper():
    """Lin et al. (2017), equation 8."""
    weights = np.random.default_rng(0).dirichlet(np.ones(KEYS), size=(BATCH, HOPS))
    expected = np.zeros(BATCH)
    for b in range(BATCH):
        for i in range(HOPS):
            for j in range(HOPS):
                expected[b] += (weights[b, i] @ weights[b, j] - (i == j)) ** 2
    np.testing.assert_allclose(redundancy_penalty(jnp.asarray(weights)), expected, rtol=1e-5)


def test_hops_that_look_apart_cost_nothing_and_hops_that_look_alike_most():
    assert redundancy_penalty(jnp.eye(HOPS, KEYS)) == 0
    assert redundancy_penalty(jnp.eye(KEYS)[:1].repeat(HOPS, axis=0)) == HOPS**2 - HOPS


def test_a_mask_for_several_heads_is_refused():
    with pytest.raises(InvalidAttentionError, match="2 heads, but self-attentive pooling has one"):
        pooling()(numbers(BATCH, KEYS, 6), mask=jnp.ones((BATCH, 2, 1, KEYS), bool))
