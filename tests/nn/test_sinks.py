import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jax.test_util import check_grads

from attnreport.nn import masked_softmax, sink_softmax

SHAPE = (2, 3, 4)


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float32, SHAPE, elements=st.floats(-30, 30, width=32)),
    arrays(np.float32, 2, elements=st.floats(-30, 30, width=32)),
    arrays(bool, SHAPE),
)
def test_the_sink_is_one_more_number_in_the_sum(logits, sinks, mask):
    expected = np.zeros(SHAPE)
    for h, q in np.ndindex(2, 3):
        seen = np.flatnonzero(mask[h, q])
        exponentials = np.exp(logits[h, q, seen].astype(np.float64))
        expected[h, q, seen] = exponentials / (np.exp(np.float64(sinks[h])) + exponentials.sum())
    found = sink_softmax(jnp.asarray(logits), jnp.asarray(sinks), jnp.asarray(mask))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_it_is_a_softmax_with_a_column_that_is_dropped(getkey):
    logits, sinks = jax.random.normal(getkey(), (5, 2, 3, 4)), jnp.array([0.3, -2.0])
    column = jnp.broadcast_to(sinks[:, None, None], (5, 2, 3, 1))
    joined = jax.nn.softmax(jnp.concatenate([logits, column], axis=-1))
    np.testing.assert_allclose(sink_softmax(logits, sinks), joined[..., :-1], atol=1e-6)


def test_a_sink_far_below_is_none_and_one_far_above_takes_all(getkey):
    logits = jax.random.normal(getkey(), (1, 3, 4))
    np.testing.assert_allclose(
        sink_softmax(logits, jnp.array([-1e9])), masked_softmax(logits), atol=1e-6
    )
    assert (sink_softmax(logits, jnp.array([1e9])) == 0).all()


def test_gradients_agree_with_finite_differences_and_are_never_nan(getkey):
    mask = jnp.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    arguments = jax.random.normal(getkey(), (2, 3, 4)), jnp.array([0.3, -1.0])
    check_grads(
        lambda *arguments: sink_softmax(*arguments, mask),
        arguments,
        1,
        modes=["rev"],
        atol=1e-2,
        rtol=1e-2,
    )

    def nowhere(logits, sinks):
        return sink_softmax(logits, sinks, mask)[:, 2].sum()

    gradients = jax.grad(nowhere, argnums=(0, 1))(*arguments)
    assert all((each == 0).all() for each in gradients)
