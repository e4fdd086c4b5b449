import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.capture.replay.replay import Edit, replay
from tests.capture.probing import added, addresses, mark, probed, replayed

pytestmark = pytest.mark.optimized

X = np.array([0.5, -1.0, 2.0], np.float32)


def test_an_edit_changes_what_follows_and_what_is_probed():
    closed = jax.make_jaxpr(lambda x: mark(x * 2, "twice") + 1)(X)
    run = probed(closed, edits=[Edit("scale", addresses(closed)["twice"], lambda x, by: x * by)])
    outputs, values, _ = run([X], {"scale": 5.0})
    np.testing.assert_array_equal(outputs[0], X * 10 + 1)
    np.testing.assert_array_equal(values["twice"], X * 10)


def test_edits_of_one_value_follow_each_other():
    closed = jax.make_jaxpr(lambda x: mark(x * 2, "twice") + 1)(X)
    at = addresses(closed)["twice"]
    edits = [Edit("add", at, lambda x, more: x + more), Edit("mul", at, lambda x, by: x * by)]
    outputs, _, _ = replay(closed, [], edits)([X], {"add": 1.0, "mul": 3.0})
    np.testing.assert_array_equal(outputs[0], (X * 2 + 1) * 3 + 1)


def softmax_attention(query, key, value):
    scores = jnp.einsum("hqd,hkd->hqk", query, key)
    return mark(jax.nn.softmax(scores), "weights") @ value


def attention_inputs(dtype):
    generator = np.random.default_rng(0)
    return [jnp.asarray(generator.normal(size=(2, 3, 4)), dtype) for _ in range(3)]


def test_the_gradient_of_an_attention_is_that_of_a_model_written_for_it():
    def layer(x, matrices):
        return x + softmax_attention(x @ matrices[0], x @ matrices[1], x @ matrices[2]), None

    def model(x, matrices):
        return jax.lax.scan(jax.checkpoint(layer), x, matrices)[0]

    def by_hand(x, matrices, deltas):
        for (q, k, v), delta in zip(matrices, deltas, strict=True):
            scores = np.float64(1) * jnp.einsum("hqd,hkd->hqk", x @ q, x @ k)
            weights = jnp.exp(scores) / jnp.exp(scores).sum(-1, keepdims=True)
            x = x + (weights + delta) @ (x @ v)
        return (x**2).sum()

    with jax.enable_x64(True):
        generator = np.random.default_rng(1)
        x = jnp.asarray(generator.normal(size=(2, 3, 4)))
        matrices = jnp.asarray(generator.normal(size=(5, 3, 4, 4)) / 2)
        zeros = jnp.zeros((5, 2, 3, 3))
        closed = jax.make_jaxpr(model)(x, matrices)
        run = probed(closed, edits=added(closed, "weights"))

        def loss(delta):
            outputs, values, _ = run([x, matrices], {"weights": delta})
            return (outputs[0] ** 2).sum(), values["weights"]

        gradient, weights = jax.jit(jax.grad(loss, has_aux=True))(zeros)
        expected = jax.grad(by_hand, argnums=2)(x, matrices, zeros)
        assert gradient.dtype == np.float64
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-14)


def test_heads_are_scaled_one_by_one_in_one_mapped_call():
    inputs = attention_inputs(np.float32)
    closed = jax.make_jaxpr(softmax_attention)(*inputs)
    at = addresses(closed)["weights"]
    run = replay(closed, [], [Edit("head", at, lambda x, scale: x * scale[:, None, None])])
    (outputs,), _, _ = jax.jit(jax.vmap(run, (None, 0)))(inputs, {"head": 1 - jnp.eye(2)})
    plain = softmax_attention(*inputs)
    for head in range(2):
        np.testing.assert_allclose(outputs[head], plain.at[head].set(0), rtol=1e-6)


def test_a_replay_can_be_mapped():
    inputs = [jnp.stack([x, x + 1, x * 2]) for x in attention_inputs(np.float32)]
    closed = jax.make_jaxpr(softmax_attention)(*(x[0] for x in inputs))
    outputs, values, _ = jax.vmap(lambda *x: probed(closed)(x, {}))(*inputs)
    for number in range(3):
        one, weights, _ = probed(closed)([x[number] for x in inputs], {})
        np.testing.assert_allclose(outputs[0][number], one[0], rtol=1e-6)
        np.testing.assert_allclose(values["weights"][number], weights["weights"], rtol=1e-6)


def test_half_precision_stays_half():
    inputs = attention_inputs(jnp.bfloat16)
    values, _ = replayed(softmax_attention, *inputs)
    assert values["weights"].dtype == jnp.bfloat16
    query, key = (np.asarray(x, np.float32) for x in inputs[:2])
    expected = np.exp(np.einsum("hqd,hkd->hqk", query, key))
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(values["weights"].astype(np.float32), expected, atol=0.02)
