"""What is seen but not captured is said, with its place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from attnreport.capture.recognition.nearest import nearest
from attnreport.capture.recognition.recurrences import recurrences
from tests.capture.recognizing import analysis_of, graph_of

X = np.ones((2, 5, 8), np.float32)
P = np.ones((3, 8, 8), np.float32)


def _said(fn, *args):
    return analysis_of(fn, *args).said()


def _linear(x, p):
    q, k, v = (jax.nn.elu(x @ p[0]) + 1, jax.nn.elu(x @ p[1]) + 1, x @ p[2])
    return q @ (k.mT @ v) / (q @ k.sum(1)[..., None])


def _retention(x, p):
    return ((x @ p[0]) @ (x @ p[1]).mT * np.tri(5)) @ (x @ p[2])


def _state_space(x, p):
    a, b, c = jnp.exp(-jnp.exp(x @ p[0])), x @ p[1], x @ p[2]

    def step(h, abc):
        a, b, c = abc
        h = a * h + b
        return h, (h * c).sum(-1)

    first = (jnp.moveaxis(each, 1, 0) for each in (a, b, c))
    return lax.scan(step, jnp.zeros((2, 8)), tuple(first))[1]


def _associative(x, p):
    def join(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    return lax.associative_scan(join, (jax.nn.sigmoid(x @ p[0]), x @ p[1]), axis=1)[1] @ p[2]


def test_what_is_closed_over_is_to_be_an_argument():
    (said,) = _said(lambda x: jax.nn.softmax(x @ P[0]) @ np.tanh(P[1]), X)
    assert said.sentence.endswith(
        "Arrays that the function closes over are constants of it, not inputs: pass as arguments "
        "what is attended to."
    )
    (said,) = _said(lambda x, p: jax.nn.softmax(x @ p), X, P[0])
    assert said.sentence.endswith("over the axis that they are normalized over.")


def _mean_of_neighbors(adjacency, x, p):
    return jax.nn.relu((adjacency @ x) / adjacency.sum(1, keepdims=True) @ p)


def _mean_where_masked(mask, x, p):
    return jnp.sum(jnp.tanh(x @ p) * mask[..., None], 1) / jnp.clip(mask.sum(1)[:, None], 1e-9)


def _shares_of_words(counts, _, p):
    return jnp.tanh(counts / counts.sum(-1, keepdims=True) @ p[:5])


def _log_probabilities(_, x, p):
    return jax.nn.log_softmax(x @ p).max(-1)


@pytest.mark.parametrize(
    ("fn", "x", "what"),
    [
        (_mean_of_neighbors, X[0], "a division by a sum"),
        (_mean_where_masked, np.ones((5, 5, 8), np.float32), "a division by a sum"),
        (_shares_of_words, X, "a division by a sum"),
        (_log_probabilities, X, "the logarithm of a sum"),
    ],
)
def test_what_is_divided_by_a_sum_is_not_said_to_be_divided_by_none(fn, x, what):
    analysis = analysis_of(fn, np.ones((5, 5), np.float32), x, P[0])
    assert analysis.sites() == [] == analysis.said()
    said = nearest(analysis)
    assert said.startswith(f"What came nearest is {what}")
    assert said.endswith("makes no weights of scores that then average values.")


def test_a_layer_divides_by_no_sum():
    said = nearest(analysis_of(lambda x, p: jax.nn.standardize(x @ p), X, P[0]))
    assert said.startswith("Nothing in it is divided by a sum, and no two computed values")


def test_scores_that_nothing_normalizes_are_said_and_layers_are_not():
    def rectified(x, p):
        q, k, v = (x @ each for each in p)
        return jax.nn.relu(q @ k.mT) / 5 @ v

    (said,) = _said(rectified, X, P)
    assert said.what == "unnormalized"
    assert "nothing normalizes their rows" in said.sentence
    assert analysis_of(rectified, X, P).sites() == []

    def experts(x, p):
        return jax.nn.relu(jnp.einsum("etm,emf->etf", jnp.tanh(x), p)) @ p

    assert _said(experts, np.ones((3, 5, 8), np.float32), P) == []


def _in_turn(x, p):
    q, k, v = (x @ each for each in p)

    def step(i, carry):
        total, out = carry
        e = jnp.exp(jnp.einsum("bqd,bd->bq", q, k[:, i]))
        return total + e, out + e[..., None] * v[:, i, None]

    total, out = lax.fori_loop(0, 5, step, (jnp.zeros((2, 5)), jnp.zeros_like(q)))
    return out / total[..., None]


def _joined_in_pairs(x, p):
    """Attention as an associative scan over maxima, sums and values (Feng et al. 2024)."""
    k, v = x @ p[0], x @ p[1]
    scores = k @ p[2][0]

    def join(left, right):
        top = jnp.maximum(left[0], right[0])
        one, other = jnp.exp(left[0] - top), jnp.exp(right[0] - top)
        return (
            top,
            left[1] * one + right[1] * other,
            left[2] * one[..., None] + right[2] * other[..., None],
        )

    _, total, out = lax.associative_scan(join, (scores, jnp.ones_like(scores), v), axis=1)
    return out / total[..., None]


def _running_mean(x, p):
    e = jnp.exp(x @ p[0][0])
    return jnp.cumsum(e[..., None] * (x @ p[1]), 1) / jnp.cumsum(e, 1)[..., None]


@pytest.mark.parametrize("fn", [_in_turn, _joined_in_pairs, _running_mean])
def test_softmax_over_one_key_at_a_time_is_said_in_any_form(fn):
    said = _said(fn, X, P)
    assert {each.what for each in said} == {"linear attention"}
    assert all("takes one key at a time" in each.sentence for each in said)


def _pairs_of_blocks(x, p):
    q, k, v = (x @ each for each in p)

    def step(n, carry):
        i, j = n // 2, n % 2

        def block(y, at):
            return lax.dynamic_slice_in_dim(y, 3 * at, 3, axis=1)

        e = jnp.exp(block(q, i) @ block(k, j).mT)
        made = block(carry[0], i) + e @ block(v, j), block(carry[1], i) + e.sum(-1)
        return tuple(
            lax.dynamic_update_slice_in_dim(y, part, 3 * i, axis=1)
            for y, part in zip(carry, made, strict=True)
        )

    out, total = lax.fori_loop(0, 4, step, (jnp.zeros_like(q), jnp.zeros(q.shape[:2])))
    return out / total[..., None]


def test_a_loop_over_pairs_of_blocks_is_not_put_together_in_a_wrong_order():
    analysis = analysis_of(_pairs_of_blocks, np.ones((2, 6, 8), np.float32), P)
    assert analysis.sites() == []
    (said,) = analysis.said()
    assert said.what == "blocks"
    assert "blocks of queries and of keys at once" in said.sentence


@pytest.mark.parametrize("fn", [_linear, _state_space, _associative])
def test_what_has_no_softmax_is_not_said_to_have_one(fn):
    (said,) = _said(fn, X, P)
    assert said.sentence.startswith("Here is linear attention or a state space:")


def test_sums_that_nothing_divides_are_no_attention():
    def fn(x, p):
        def step(i, carry):
            loss, state = carry
            state = state + jnp.tanh(x[:, i] @ p[0])
            return loss + (x[:, i] ** 2).sum(-1), state

        return lax.fori_loop(0, 5, step, (jnp.zeros(2), jnp.zeros((2, 8))))

    assert _said(fn, X, P) == []


def test_softmax_over_one_key_at_a_time_is_not_called_linear_attention_for_sure():
    def fn(x, p):
        def step(carry, kv):
            made, total, highest = carry
            k, v = kv
            score = jnp.einsum("bqd,bd->bq", x @ p[0], k)
            above = jnp.maximum(highest, score)
            old, term = jnp.exp(highest - above), jnp.exp(score - above)
            return (
                made * old[..., None] + term[..., None] * v[:, None],
                total * old + term,
                above,
            ), None

        none = jnp.zeros(x.shape[:2])
        keys = tuple(jnp.moveaxis(x @ p[n], 1, 0) for n in (1, 2))
        (made, total, _), _ = lax.scan(step, (jnp.zeros_like(x), none, none - 1e9), keys)
        return made / total[..., None]

    (said,) = _said(fn, X, P)
    assert "or attention that takes one key at a time" in said.sentence
    assert "several keys at a time" in said.sentence


@pytest.mark.parametrize("fn", [_linear, _retention, _state_space, _associative])
def test_linear_attention_and_state_spaces(fn):
    said = _said(fn, X, P)
    assert {each.what for each in said} == {"linear attention"}
    assert "linear attention" in str(said[0])
    assert "state space" in str(said[0])
    assert said[0].place.startswith("test_said.py:")


def test_segments_of_a_graph():
    senders, receivers = np.array([0, 1, 2, 2]), np.array([0, 0, 1, 2])

    def fn(x, p):
        e = jnp.exp(((x @ p[0])[receivers] * (x @ p[1])[senders]).sum(-1))
        w = e / jax.ops.segment_sum(e, receivers, 3)[receivers]
        return jax.ops.segment_sum(w[:, None] * (x @ p[2])[senders], receivers, 3)

    (said,) = [each for each in _said(fn, X[0, :3], P) if each.what == "segments"]
    assert "Recording.from_arrays" in said.sentence


def test_a_fused_kernel():
    from jax.experimental import pallas as pl

    def kernel(q, k, v, out):
        out[...] = jnp.maximum(q[...] @ k[...].T, 0) @ v[...]

    def fn(x, p):
        shape = jax.ShapeDtypeStruct((5, 8), np.float32)
        call = pl.pallas_call(kernel, out_shape=shape, name="attend")
        return jax.vmap(call)(x @ p[0], x @ p[1], x @ p[2])

    (said,) = [each for each in _said(fn, X, P) if each.what == "kernel"]
    assert "`attend`" in said.sentence
    assert "float32[2, 5, 8]" in said.sentence


def test_the_nearest_miss_of_a_program_without_attention():
    (said,) = _said(lambda x, p: jnp.log(jax.nn.softmax(x @ p[0])), X, P)
    assert said.what == "softmax"


def test_nothing_is_said_of_a_program_with_attention():
    def fn(x, p):
        return jax.nn.softmax(x @ p[0] @ (x @ p[1]).mT) @ (x @ p[2])

    assert _said(fn, X, P) == []


def _lstm(x, p):
    def step(state, x):
        h, c = state
        z = x @ p[0] + h @ p[1]
        c = jax.nn.sigmoid(z) * c + jnp.tanh(z)
        return (jnp.tanh(c), c), None

    return lax.scan(step, (x[:, 0], x[:, 0]), jnp.moveaxis(x, 1, 0))[0]


def _gru(x, p):
    def step(h, x):
        z = jax.nn.sigmoid(x @ p[0] + h @ p[1])
        return (1 - z) * h + z * jnp.tanh(x @ p[2]), None

    return lax.scan(step, x[:, 0], jnp.moveaxis(x, 1, 0))[0]


def _total(x, p):
    return lax.scan(lambda total, x: (total + x, None), x[:, 0], jnp.moveaxis(x, 1, 0))[0]


@pytest.mark.parametrize("fn", [_lstm, _gru, _total])
def test_gated_cells_and_sums_are_no_linear_recurrences(fn):
    assert list(recurrences(graph_of(fn, X, P))) == []
