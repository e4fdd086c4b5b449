import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport.nn import LatentPooling
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_attention, some_mask

BATCH, LATENTS, KEYS, HEADS = 2, 3, 5, 2


def pooling():
    return drawn(lambda **o: LatentPooling(HEADS, 6, latents=LATENTS, latent_features=8, **o))


def normalized(norm, x):
    centered = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-6)
    return centered / deviation * exact(norm.scale) + exact(norm.bias)


def test_it_computes_what_the_paper_says():
    """Jaegle et al. (2021), section 3, one head, one latent and one position at a time."""
    module, inputs = pooling(), numbers(BATCH, KEYS, 6)
    mask = some_mask(BATCH, LATENTS, KEYS)
    latents = np.broadcast_to(exact(module.latents), (BATCH, LATENTS, 8))
    expected = latents + exact(module.attention.out.bias)
    output, weights = module(inputs, mask=jnp.asarray(mask)[:, None], return_weights=True)
    for h in range(HEADS):
        query, key, value = (
            each @ exact(layer.kernel)[:, h] + exact(layer.bias)[h]
            for each, layer in (
                (normalized(module.latent_norm, latents), module.attention.query),
                (normalized(module.input_norm, inputs), module.attention.key),
                (normalized(module.input_norm, inputs), module.attention.value),
            )
        )
        context, found = slow_attention(
            lambda b, q, k, query=query, key=key: query[b, q] @ key[b, k] / np.sqrt(4), value, mask
        )
        np.testing.assert_allclose(weights[:, h], found, atol=1e-5)
        expected = expected + context @ exact(module.attention.out.kernel)[h]
    hidden = normalized(module.hidden_norm, expected) @ exact(module.hidden.kernel)
    hidden = np.asarray(jax.nn.gelu(hidden + exact(module.hidden.bias)), np.float64)
    expected = expected + hidden @ exact(module.out.kernel) + exact(module.out.bias)
    np.testing.assert_allclose(output, expected, atol=1e-4)


def test_its_attention_is_that_of_flax():
    module, inputs = pooling(), jnp.asarray(numbers(BATCH, KEYS, 6))
    twin = nnx.MultiHeadAttention(HEADS, 8, in_kv_features=6, decode=False, rngs=nnx.Rngs(0))
    nnx.update(twin, nnx.state(module.attention, nnx.Param))
    latents = jnp.broadcast_to(module.latents[...], (BATCH, LATENTS, 8))
    found = latents + twin(module.latent_norm(latents), module.input_norm(inputs))
    expected = found + module.out(jax.nn.gelu(module.hidden(module.hidden_norm(found))))
    np.testing.assert_allclose(module(inputs), expected, atol=1e-5)


def test_the_latents_begin_small_and_apart():
    latents = LatentPooling(2, 6, latents=8, latent_features=64, rngs=nnx.Rngs(0)).latents[...]
    assert 0.01 < np.asarray(latents).std() < 0.03
    assert len(np.unique(np.asarray(latents), axis=0)) == 8
