import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport import capture_attention
from attnreport._errors import InvalidAttentionError
from attnreport.nn import (
    Alibi,
    KeyValueCache,
    MultiHeadAttention,
    RelativeBias,
    Rotary,
    causal_mask,
    combine_masks,
)

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 8)), jnp.float32)
OPTIONS = {
    "plain": {},
    "rotary, grouped, sink": {"rotary": Rotary(), "num_kv_heads": 2, "sink": True},
    "alibi, cap": {"position_bias": Alibi(4), "cap": 1.0},
    "relative bias, norm": {
        "position_bias": RelativeBias(4, bidirectional=False, rngs=nnx.Rngs(3)),
        "normalize_qk": "rms",
    },
}


def module(**options) -> MultiHeadAttention:
    return MultiHeadAttention(4, 8, rngs=nnx.Rngs(0), **options)


def decoded(attention, x, cache):
    """All steps, one at a time, in a scan."""

    def step(cache, one):
        output, cache, weights = attention.decode(one[:, None], cache, return_weights=True)
        return cache, (output[:, 0], weights[:, :, 0])

    cache, (outputs, weights) = jax.lax.scan(step, cache, x.swapaxes(0, 1))
    return outputs.swapaxes(0, 1), jnp.moveaxis(weights, 0, 2), cache


@pytest.mark.parametrize("name", OPTIONS)
def test_step_by_step_in_a_scan_it_gives_what_all_steps_at_once_give(name):
    attention = module(**OPTIONS[name])
    expected, weights = attention(X, mask=causal_mask(6), return_weights=True)
    outputs, found, cache = jax.jit(lambda x: decoded(attention, x, attention.empty_cache(2, 9)))(X)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(found[..., :6], weights, atol=1e-6)
    assert (found[..., 6:] == 0).all()
    assert cache.length == 6


def test_a_prompt_may_come_at_once():
    attention = module(rotary=Rotary(), num_kv_heads=1)
    expected = attention(X, mask=causal_mask(6))
    cache = attention.empty_cache(2, 6)
    assert cache.keys.shape == (2, 6, 1, 2)

    @jax.jit
    def in_two_parts(x, cache):
        first, cache = attention.decode(x[:, :4], cache)
        second, _ = attention.decode(x[:, 4:], cache)
        return jnp.concatenate([first, second], 1)

    np.testing.assert_allclose(in_two_parts(X, cache), expected, atol=1e-6)


def test_padding_before_a_prompt_can_be_hidden():
    attention = module()
    real = jnp.arange(6) >= jnp.array([0, 2])[:, None]
    mask = real[:, None, None, :]
    expected = attention(X, mask=combine_masks(mask, causal_mask(6)))
    found, _ = attention.decode(X, attention.empty_cache(2, 6), mask=mask)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_mapped_each_example_has_a_length_of_its_own():
    attention = module(rotary=Rotary())
    shorter, longer = (
        attention.decode(X[:1, :count], attention.empty_cache(1, 8))[1] for count in (2, 4)
    )
    caches = jax.tree.map(lambda *leaves: jnp.stack(leaves), shorter, longer)
    step = X[1:, 5:]
    outputs, after = jax.vmap(lambda cache: attention.decode(step, cache))(caches)
    assert after.length.tolist() == [3, 5]
    for place, cache in enumerate((shorter, longer)):
        np.testing.assert_allclose(outputs[place], attention.decode(step, cache)[0], atol=1e-6)


def test_gradients_flow_through_the_cache():
    attention = module(rotary=Rotary())

    def slow(x):
        return jnp.sin(attention(x, mask=causal_mask(6))).sum()

    def by_steps(x):
        return jnp.sin(decoded(attention, x, attention.empty_cache(2, 6))[0]).sum()

    np.testing.assert_allclose(
        jax.jit(jax.grad(by_steps))(X), jax.jit(jax.grad(slow))(X), atol=1e-5
    )


def test_the_attention_of_a_decoding_loop_is_captured():
    attention = module(num_kv_heads=2, normalize_qk="rms", sink=True)

    def run(attention, x):
        return decoded(attention, x, attention.empty_cache(2, 6))[0]

    recording = capture_attention(run, attention, X)
    _, weights = attention(X, mask=causal_mask(6), return_weights=True)
    for example, expected in zip(recording.examples, weights, strict=True):
        (found,) = example.maps
        heads = [found.weights[head] for head in range(4)]
        np.testing.assert_allclose(heads, expected, atol=1e-6)


def test_in_bfloat16_the_cache_is_too_unless_told_otherwise():
    attention = module(dtype=jnp.bfloat16)
    assert attention.empty_cache(1, 4).keys.dtype == jnp.bfloat16
    cache = attention.empty_cache(2, 6, dtype=jnp.float32)
    output, cache, weights = attention.decode(X.astype(jnp.bfloat16), cache, return_weights=True)
    assert (output.dtype, weights.dtype, cache.keys.dtype) == (
        jnp.bfloat16,
        jnp.float32,
        jnp.float32,
    )


def test_steps_for_which_there_is_no_room_are_refused():
    attention = module()
    _, cache = attention.decode(X, attention.empty_cache(2, 8))
    with pytest.raises(InvalidAttentionError, match="3 steps do not fit into a cache of 8"):
        attention.decode(X[:, :3], cache)
    output, _ = jax.jit(attention.decode)(X[:, :3], cache)
    assert np.isnan(output).all()
    output, _ = jax.jit(attention.decode)(X[:, :2], cache)
    assert np.isfinite(output).all()


def test_an_empty_cache_says_so():
    cache = KeyValueCache.empty(1, 3, 2, 4, dtype=jnp.float32)
    assert cache.length == 0
    assert cache.positions.tolist() == [0, 1, 2]
    assert cache.visible(2).tolist() == [[True, False, False], [True, True, False]]
