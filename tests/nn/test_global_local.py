import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import GlobalLocalAttention, global_mask, window_mask
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_attention

BATCH, LENGTH, HEADS = 2, 9, 2
CHOSEN = np.zeros((BATCH, LENGTH), bool)
CHOSEN[0, 0] = CHOSEN[1, [2, 7]] = True


def projected(layer, inputs):
    return np.einsum("btf,fhd->bhtd", inputs, exact(layer.kernel)) + exact(layer.bias)[:, None]


def slow_output(attention, inputs, dilation):
    """Longformer, section 3.1: one position at a time, each with the projections of its kind."""
    allowed = np.zeros((BATCH, LENGTH, LENGTH), bool)
    for b, q, k in np.ndindex(allowed.shape):
        near = abs(q - k) <= 2 * dilation and (q - k) % dilation == 0
        allowed[b, q, k] = near or CHOSEN[b, q] or CHOSEN[b, k]
    output = np.zeros(inputs.shape) + exact(attention.out.bias)
    weights = np.zeros((BATCH, HEADS, LENGTH, LENGTH))
    for h in range(HEADS):
        kinds = {
            chosen: [
                projected(layer, inputs)[:, h]
                for layer in (projections.query, projections.key, projections.value)
            ]
            for chosen, projections in ((False, attention.local), (True, attention.chosen))
        }
        for kind, (query, key, value) in kinds.items():
            context, found = slow_attention(
                lambda b, q, k, query=query, key=key: query[b, q] @ key[b, k] / np.sqrt(3),
                value,
                allowed & (kind == CHOSEN)[:, :, None],
            )
            weights[:, h] += found
            output += context @ exact(attention.out.kernel)[h]
    return output, weights


@pytest.mark.parametrize("dilation", [1, 2])
def test_it_computes_what_the_paper_says(dilation):
    attention = drawn(
        lambda **o: GlobalLocalAttention(HEADS, 6, before=2, after=2, dilation=dilation, **o)
    )
    inputs = numbers(BATCH, LENGTH, 6)
    output, weights = attention(inputs, jnp.asarray(CHOSEN), return_weights=True)
    expected_output, expected_weights = slow_output(attention, inputs, dilation)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
    np.testing.assert_allclose(output, expected_output, atol=1e-5)


def test_as_it_begins_it_is_what_flax_computes_under_its_masks():
    attention = GlobalLocalAttention(HEADS, 6, before=1, after=1, rngs=nnx.Rngs(0))
    twin = nnx.MultiHeadAttention(HEADS, 6, decode=False, rngs=nnx.Rngs(9))
    for name in ("query", "key", "value"):
        nnx.update(getattr(twin, name), nnx.state(getattr(attention.chosen, name)))
    nnx.update(twin.out, nnx.state(attention.out))
    mask = window_mask(LENGTH, before=1, after=1) | global_mask(jnp.asarray(CHOSEN))
    inputs = jnp.asarray(numbers(BATCH, LENGTH, 6))
    expected = twin(inputs, mask=mask)
    np.testing.assert_allclose(attention(inputs, jnp.asarray(CHOSEN)), expected, atol=1e-6)


def test_features_that_heads_cannot_share_are_refused():
    with pytest.raises(InvalidAttentionError, match="6 features cannot be shared equally by 4"):
        GlobalLocalAttention(4, 6, before=1, after=1, rngs=nnx.Rngs(0))
