import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from jax.test_util import check_grads

from attnreport._errors import InvalidAttentionError
from attnreport.nn import MultiHeadAttention, RelativeBias, causal_mask, padding_mask

BATCH, QUERIES, KEYS, HEADS = 2, 3, 5, 2


@pytest.fixture
def inputs():
    first, second = jax.random.split(jax.random.key(1))
    return jax.random.normal(first, (BATCH, QUERIES, 6)), jax.random.normal(
        second, (BATCH, KEYS, 6)
    )


def module(**options) -> MultiHeadAttention:
    return MultiHeadAttention(HEADS, 6, rngs=nnx.Rngs(0), **options)


def flax_twin(attention: MultiHeadAttention, **options) -> nnx.MultiHeadAttention:
    """Flax's own module with the parameters of ours."""
    twin = nnx.MultiHeadAttention(HEADS, 6, decode=False, rngs=nnx.Rngs(9), **options)
    nnx.update(twin, nnx.state(attention, nnx.Param))
    return twin


def slow_attention(attention, query, key, mask) -> tuple[np.ndarray, np.ndarray]:
    """Vaswani et al. (2017), equation 1, one head, one query and one key at a time."""

    def projected(layer, inputs):
        kernel, bias = (np.asarray(part[...], np.float64) for part in (layer.kernel, layer.bias))
        return np.asarray(inputs, np.float64) @ kernel.transpose(1, 0, 2) + bias[:, None]

    queries = np.stack([projected(attention.query, row) for row in query])
    keys = np.stack([projected(attention.key, row) for row in key])
    values = np.stack([projected(attention.value, row) for row in key])
    weights = np.zeros((BATCH, HEADS, QUERIES, KEYS))
    output = np.zeros((BATCH, QUERIES, 6))
    for b, h, q in np.ndindex(BATCH, HEADS, QUERIES):
        seen = [k for k in range(KEYS) if mask[b, h, q, k]]
        scores = [queries[b, h, q] @ keys[b, h, k] / np.sqrt(3) for k in seen]
        for k, score in zip(seen, scores, strict=True):
            weights[b, h, q, k] = np.exp(score) / sum(np.exp(other) for other in scores)
        found = weights[b, h, q] @ values[b, h]
        output[b, q] += found @ np.asarray(attention.out.kernel[...], np.float64)[h]
    return output + np.asarray(attention.out.bias[...]), weights


@settings(deadline=None, max_examples=25)
@given(arrays(bool, (BATCH, HEADS, QUERIES, KEYS)))
def test_it_computes_the_equation_of_the_paper_under_any_mask(mask):
    attention = module()
    query = jax.random.normal(jax.random.key(1), (BATCH, QUERIES, 6))
    key = jax.random.normal(jax.random.key(2), (BATCH, KEYS, 6))
    output, weights = attention(query, key, mask=jnp.asarray(mask), return_weights=True)
    expected_output, expected_weights = slow_attention(attention, query, key, mask)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
    np.testing.assert_allclose(output, expected_output, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_it_gives_what_flax_gives_with_the_same_parameters(inputs, dtype):
    attention = module(dtype=dtype)
    twin = flax_twin(attention, dtype=dtype)
    mask = padding_mask(jnp.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=bool))
    # The result of Flax is rounded to bfloat16 once more, after its softmax.
    close = {"atol": 1e-6 if dtype == jnp.float32 else 2e-2}
    for options in ({}, {"mask": mask}):
        np.testing.assert_allclose(
            *(np.asarray(m(*inputs, **options), np.float32) for m in (attention, twin)), **close
        )


def test_its_weights_are_stored_where_flax_stores_them(inputs):
    attention = module()
    twin = flax_twin(attention)
    _, ours = nnx.capture(attention, nnx.Intermediate)(*inputs)
    _, theirs = nnx.capture(twin, nnx.Intermediate)(*inputs, sow_weights=True)
    ((our_weights,), (their_weights,)) = (
        stored["attention_weights"].get_value() for stored in (ours, theirs)
    )
    assert our_weights.shape == (BATCH, HEADS, QUERIES, KEYS)
    np.testing.assert_allclose(our_weights, their_weights, atol=1e-6)


def test_returned_and_captured_weights_are_the_same_and_change_nothing(inputs):
    attention = module()
    plain = attention(*inputs)
    output, weights = attention(*inputs, return_weights=True)
    captured, stored = nnx.capture(attention, nnx.Intermediate)(*inputs)
    assert np.array_equal(plain, output)
    assert np.array_equal(plain, captured)
    assert np.array_equal(stored["attention_weights"].get_value()[0], weights)


def test_self_attention_needs_its_inputs_once(inputs):
    query, _ = inputs
    attention = module()
    assert np.array_equal(attention(query), attention(query, query, query))


def test_keys_may_have_other_features_and_outputs_too(getkey):
    attention = MultiHeadAttention(
        2, 6, in_kv_features=4, qkv_features=10, out_features=3, rngs=nnx.Rngs(0)
    )
    output, weights = attention(
        jax.random.normal(getkey(), (1, 3, 6)),
        jax.random.normal(getkey(), (1, 5, 4)),
        return_weights=True,
    )
    assert output.shape == (1, 3, 3)
    assert weights.shape == (1, 2, 3, 5)


def test_masked_rows_add_nothing_and_no_gradient_is_nan(inputs):
    attention = module()
    mask = jnp.zeros((1, 1, QUERIES, KEYS), dtype=bool)

    @nnx.value_and_grad
    def loss(attention):
        return attention(*inputs, mask=mask).sum()

    output, weights = attention(*inputs, mask=mask, return_weights=True)
    assert (weights == 0).all()
    assert np.array_equal(output, jnp.broadcast_to(attention.out.bias[...], output.shape))
    _, gradients = loss(attention)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_gradients_agree_with_finite_differences(inputs):
    attention = module()
    check_grads(attention, inputs, 1, modes="rev", rtol=1e-2, atol=1e-2)


def test_a_causal_output_does_not_depend_on_what_comes_later(inputs):
    _, text = inputs
    attention = module()
    mask = causal_mask(KEYS)
    changed = attention(text.at[:, 3:].set(7.0), mask=mask)
    np.testing.assert_allclose(changed[:, :3], attention(text, mask=mask)[:, :3], atol=1e-6)


def test_compiled_and_mapped_it_gives_the_same(inputs):
    attention = module()
    plain = attention(*inputs)
    compiled = nnx.jit(lambda attention, *inputs: attention(*inputs))
    np.testing.assert_allclose(compiled(attention, *inputs), plain, atol=1e-6)
    stacked = tuple(jnp.stack([one, -one]) for one in inputs)
    np.testing.assert_allclose(jax.vmap(attention)(*stacked)[0], plain, atol=1e-6)


def test_dropout_acts_in_training_only_and_leaves_the_shown_weights_alone(inputs):
    attention = module(dropout_rate=0.5)
    attention.eval()
    still, weights = attention(*inputs, return_weights=True)
    assert np.array_equal(still, attention(*inputs))
    attention.train()
    first, shown = attention(*inputs, return_weights=True)
    assert not np.allclose(first, still)
    assert np.array_equal(shown, weights)


def test_in_bfloat16_the_weights_stay_float32(inputs):
    output, weights = module(dtype=jnp.bfloat16)(*inputs, return_weights=True)
    assert output.dtype == jnp.bfloat16
    assert weights.dtype == jnp.float32
    assert np.abs(np.asarray(weights).sum(axis=-1) - 1).max() < 1e-6


def test_features_that_heads_cannot_share_are_refused():
    with pytest.raises(InvalidAttentionError, match="6 features cannot be shared equally by 4"):
        MultiHeadAttention(4, 6, rngs=nnx.Rngs(0))


def test_new_options_leave_the_parameters_as_they_were():
    def shapes(module):
        flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
        return {".".join(map(str, path)): leaf.shape for path, leaf in flat}

    plain = shapes(MultiHeadAttention(4, 16, rngs=nnx.Rngs(0)))
    assert plain == {
        **{f"{name}.kernel": (16, 4, 4) for name in ("query", "key", "value")},
        **{f"{name}.bias": (4, 4) for name in ("query", "key", "value")},
        "out.kernel": (4, 4, 16),
        "out.bias": (16,),
    }
    bias = RelativeBias(4, rngs=nnx.Rngs(0))
    more = shapes(
        MultiHeadAttention(
            4, 16, position_bias=bias, normalize_qk="rms", sink=True, rngs=nnx.Rngs(0)
        )
    )
    assert more == plain | {
        "query_ln.scale": (4,),
        "key_ln.scale": (4,),
        "position_bias.embedding.embedding": (32, 4),
        "sinks": (4,),
    }
