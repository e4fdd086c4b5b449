import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from attnreport.nn import ClassTokenPooling, padding_mask
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_attention

BATCH, LENGTH, HEADS = 2, 5, 2
REAL = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)


def pooling():
    return drawn(lambda **o: ClassTokenPooling(HEADS, 6, **o))


def with_token(module, inputs):
    token = np.broadcast_to(module.token[...], (BATCH, 1, 6))
    return jnp.asarray(np.concatenate([token, inputs], axis=1))


def test_it_computes_the_equations_of_the_paper():
    """Touvron et al. (2021), section 3, one head and one key at a time."""
    module, inputs = pooling(), numbers(BATCH, LENGTH, 6)
    everything = np.asarray(with_token(module, inputs), np.float64)
    mask = np.pad(REAL, ((0, 0), (1, 0)), constant_values=True)[:, None]
    pooled, weights = module(inputs, mask=padding_mask(jnp.asarray(REAL)), return_weights=True)
    expected = np.zeros((BATCH, 6)) + exact(module.attention.out.bias)
    for h in range(HEADS):
        query, key, value = (
            everything @ exact(layer.kernel)[:, h] + exact(layer.bias)[h]
            for layer in (module.attention.query, module.attention.key, module.attention.value)
        )
        context, found = slow_attention(
            lambda b, q, k, query=query, key=key: query[b, 0] @ key[b, k] / np.sqrt(3), value, mask
        )
        np.testing.assert_allclose(weights[:, h], found, atol=1e-5)
        expected += context[:, 0] @ exact(module.attention.out.kernel)[h]
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_it_is_what_flax_gives_for_the_first_of_all_tokens():
    module, inputs = pooling(), numbers(BATCH, LENGTH, 6)
    everything = with_token(module, inputs)
    twin = nnx.MultiHeadAttention(HEADS, 6, decode=False, rngs=nnx.Rngs(0))
    nnx.update(twin, nnx.state(module.attention, nnx.Param))
    np.testing.assert_allclose(module(inputs), twin(everything)[:, 0], atol=1e-6)
    parameters = nnx.to_pure_dict(nnx.state(module.attention, nnx.Param))
    official = linen.MultiHeadDotProductAttention(HEADS)
    expected = official.apply({"params": parameters}, everything)[:, 0]
    np.testing.assert_allclose(module(inputs), expected, atol=1e-6)


def test_a_mask_may_be_as_wide_as_one_position():
    module, inputs = pooling(), numbers(BATCH, LENGTH, 6)
    nowhere = jnp.zeros((BATCH, 1, 1, 1), bool)
    _, weights = module(inputs, mask=nowhere, return_weights=True)
    assert (weights[..., 0] == 1).all()
    assert (weights[..., 1:] == 0).all()


def test_the_token_begins_small():
    token = ClassTokenPooling(2, 64, rngs=nnx.Rngs(0)).token[...]
    assert 0.01 < np.asarray(token).std() < 0.03
