import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jax.test_util import check_grads

from attnreport.nn import masked_softmax, sow_attention

SHAPE = (2, 3, 4)
logits_and_masks = st.tuples(
    arrays(np.float32, SHAPE, elements=st.floats(-60, 60, width=32)), arrays(bool, SHAPE)
)


def slow_softmax(logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Row by row, over the keys that may be seen only."""
    weights = np.zeros(logits.shape)
    for place in np.ndindex(logits.shape[:-1]):
        seen = np.flatnonzero(mask[place])
        if len(seen):
            exponentials = np.exp(logits[place][seen].astype(np.float64) - logits[place].max())
            weights[place][seen] = exponentials / exponentials.sum()
    return weights


@settings(deadline=None)
@given(logits_and_masks)
def test_it_is_a_softmax_over_the_keys_that_may_be_seen(case):
    logits, mask = case
    # Far below the row's maximum the reference underflows where masks hide that maximum.
    logits = np.clip(logits, -30, 30)
    weights = np.asarray(masked_softmax(jnp.asarray(logits), jnp.asarray(mask)))
    np.testing.assert_allclose(weights, slow_softmax(logits, mask), atol=1e-6)
    assert (weights[~mask] == 0).all()


@settings(deadline=None)
@given(logits_and_masks)
def test_weights_and_gradients_are_finite_whatever_is_masked(case):
    logits, mask = jnp.asarray(case[0]), jnp.asarray(case[1])

    def loss(logits):
        return (masked_softmax(logits, mask) * jnp.arange(4.0)).sum()

    value, gradient = jax.value_and_grad(loss)(logits)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[~np.asarray(mask)] == 0).all()


def test_a_fully_masked_row_is_zero_and_its_gradient_too():
    mask = jnp.array([[True, False], [False, False]])
    logits = jnp.array([[1.0, 2.0], [jnp.inf, -jnp.inf]])
    assert masked_softmax(logits, mask).tolist() == [[1, 0], [0, 0]]
    gradient = jax.grad(lambda logits: masked_softmax(logits, mask)[1].sum())(logits)
    assert gradient.tolist() == [[0, 0], [0, 0]]


def test_gradients_agree_with_finite_differences(getkey):
    logits = jax.random.normal(getkey(), (3, 5))
    mask = jnp.array([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    check_grads(lambda logits: masked_softmax(logits, mask), (logits,), 1, rtol=1e-2, atol=1e-3)


def test_without_a_mask_it_is_the_usual_softmax(getkey):
    logits = jax.random.normal(getkey(), (2, 3, 4))
    assert np.array_equal(masked_softmax(logits), jax.nn.softmax(logits))
    everything = jnp.ones((3, 4), dtype=bool)
    np.testing.assert_allclose(
        masked_softmax(logits, everything), jax.nn.softmax(logits), atol=1e-7
    )


@pytest.mark.parametrize("masked", [False, True])
def test_bfloat16_logits_give_float32_weights_whose_rows_sum_to_one(getkey, masked):
    logits = jax.random.normal(getkey(), (4, 700), jnp.bfloat16)
    mask = jnp.ones((1, 700), dtype=bool) if masked else None
    weights = masked_softmax(logits, mask)
    assert weights.dtype == jnp.float32
    assert np.abs(np.asarray(weights).sum(axis=-1) - 1).max() < 1e-5


class Sower(nnx.Module):
    def __call__(self, mask=None):
        sow_attention(self, jnp.full((1, 2, 3, 4), 0.25), mask, same_input=False)


def test_nothing_is_stored_outside_of_a_capture():
    sower = Sower()
    sower()
    assert not jax.tree.leaves(nnx.state(sower))


def test_inside_a_capture_weights_and_mask_are_stored_call_by_call():
    mask = jnp.ones((3, 4), dtype=bool)

    def twice(sower):
        sower(mask)
        sower(mask)

    _, stored = nnx.capture(twice, nnx.Intermediate)(Sower())
    assert [one.shape for one in stored["attention_weights"].get_value()] == [(1, 2, 3, 4)] * 2
    assert [one.shape for one in stored["attention_mask"].get_value()] == [(1, 1, 3, 4)] * 2


def test_without_a_mask_none_is_stored():
    _, stored = nnx.capture(Sower(), nnx.Intermediate)()
    assert "attention_mask" not in stored
