"""Softmax in blocks of keys, rebuilt from the logits of all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from attnreport import with_attention
from attnreport.capture.forms.blocks import weights_of
from tests.capture.attending import numbers
from tests.capture.programs import PROGRAMS
from tests.capture.recognizing import analysis_of, found_in

X = np.random.default_rng(3).normal(size=(2, 6, 8)).astype(np.float32)
P = np.random.default_rng(4).normal(size=(3, 8, 8), scale=0.4).astype(np.float32)


def _scores(x, p):
    return np.einsum("bqd,bkd->bqk", x @ p[0], x @ p[1])


def _softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _blocks(x, p, *, exponential=jnp.exp, start=0.0, skipped=False, backwards=False):
    q, k, v = x @ p[0], x @ p[1], x @ p[2]
    blocks = tuple(jnp.moveaxis(z.reshape(2, 3, 2, 8), 1, 0) for z in (k, v))
    kept = jnp.array([True, not skipped, True])

    def step(carry, block):
        k, v, keep = block

        def visit(carry):
            top, total, out = carry
            s = q @ k.mT
            new = jnp.maximum(top, s.max(-1))
            e, fade = exponential(s - new[..., None]), exponential(top - new)
            return new, total * fade + e.sum(-1), out * fade[..., None] + e @ v

        return lax.cond(keep, visit, lambda carry: carry, carry), None

    first = jnp.full(q.shape[:2], -1e30), jnp.full(q.shape[:2], start), jnp.zeros_like(q)
    (_, total, out), _ = lax.scan(step, first, (*blocks, kept), reverse=backwards)
    return out / total[..., None]


@pytest.mark.parametrize("backwards", [False, True])
def test_blocks_are_put_together(backwards):
    ((name, kind, _, weights),) = found_in(lambda x, p: _blocks(x, p, backwards=backwards), X, P)
    assert name.endswith("softmax in blocks of keys")
    assert kind == "self"
    np.testing.assert_allclose(weights[:, 0], _softmax(_scores(X, P)), atol=1e-6)


def test_base_two():
    ((_, _, _, weights),) = found_in(lambda x, p: _blocks(x, p, exponential=jnp.exp2), X, P)
    np.testing.assert_allclose(weights[:, 0], _softmax(_scores(X, P) * np.log(2)), atol=1e-6)


def test_skipped_blocks_have_no_weight():
    ((_, _, _, weights),) = found_in(lambda x, p: _blocks(x, p, skipped=True), X, P)
    scores = _scores(X, P)
    scores[..., 2:4] = -np.inf
    np.testing.assert_allclose(weights[:, 0], _softmax(scores), atol=1e-6)


@pytest.mark.parametrize("name", ["keys_outside", "sums_scanned_with_queries"])
def test_nothing_more_is_said_of_blocks_that_are_put_together(name):
    program = PROGRAMS[f"blockwise_orders.{name}"]()
    assert analysis_of(program.fn, *program.args).said() == []


def test_a_sum_that_does_not_start_at_zero_is_said():
    analysis = analysis_of(lambda x, p: _blocks(x, p, start=1.0), X, P)
    assert analysis.sites() == []
    assert [said.what for said in analysis.said()] == ["blocks"]


def test_a_number_of_blocks_that_is_not_known_is_said():
    def fn(x, p, count):
        q, k, v = x @ p[0], x @ p[1], x @ p[2]

        def block(i, carry):
            total, out = carry
            ks, vs = (lax.dynamic_slice_in_dim(z, i * 2, 2, 1) for z in (k, v))
            e = jnp.exp(q @ ks.mT)
            return total + e.sum(-1, keepdims=True), out + e @ vs

        total, out = lax.fori_loop(0, count, block, (jnp.zeros((2, 6, 1)), jnp.zeros_like(v)))
        return out / total

    analysis = analysis_of(fn, X, P, 3)
    assert analysis.sites() == []
    assert [said.what for said in analysis.said()] == ["blocks"]


def test_rows_without_any_key_are_zero():
    logits = jnp.array([[0.0, -jnp.inf, 0.0], [1.0, 0.0, 1.0]])
    np.testing.assert_allclose(weights_of(logits), [[0, 0, 0], [0.5, 0, 0.5]])


@pytest.mark.parametrize("order", ["hqk", "qhk", "khq"])
def test_blocks_in_any_order_of_axes(order):
    def fn(x, p):
        q, k, v = (jnp.einsum("td,dhm->thm", x, each) for each in p)
        shape = (3, 2, *k.shape[1:])
        rest = order.replace("k", "")

        def step(carry, block):
            total, out = carry
            e = jnp.exp(jnp.einsum(f"qhm,khm->{order}", q, block[0]))
            total = total + jnp.einsum(f"{rest}->qh", e.sum(order.index("k")))
            return (total, out + jnp.einsum(f"{order},khm->qhm", e, block[1])), None

        first = jnp.zeros((6, 2)), jnp.zeros_like(q)
        (total, out), _ = lax.scan(step, first, (k.reshape(shape), v.reshape(shape)))
        return out / total[..., None]

    p = P.reshape(3, 8, 2, 4)
    ((*_, weights),) = found_in(fn, X[0], p)
    q, k = (np.einsum("td,dhm->htm", X[0], each) for each in p[:2])
    np.testing.assert_allclose(weights[0], _softmax(q @ k.swapaxes(1, 2)), atol=1e-6)


def _put_out(x, p, factor):
    q, k, v = x @ p[0], x @ p[1], x @ p[2]
    blocks = tuple(jnp.moveaxis(z.reshape(2, 3, 2, 8), 1, 0) for z in (k, v))

    def block(pair):
        s = q @ pair[0].mT
        top = s.max(-1)
        e = jnp.exp(s - top[..., None])
        return e @ pair[1], e.sum(-1), top

    outs, totals, tops = lax.map(jax.checkpoint(block), blocks)
    scales = jnp.exp(tops - tops.max(0))
    total = (totals * (scales if factor else 1.0)).sum(0)
    return (outs * scales[..., None]).sum(0) / total[..., None]


def test_blocks_that_a_loop_puts_out_are_put_together():
    ((name, kind, _, weights),) = found_in(lambda x, p: _put_out(x, p, True), X, P)
    assert name.endswith("softmax in blocks of keys")
    assert kind == "self"
    np.testing.assert_allclose(weights[:, 0], _softmax(_scores(X, P)), atol=1e-6)


def test_blocks_whose_sums_are_scaled_otherwise_are_no_softmax():
    assert found_in(lambda x, p: _put_out(x, p, False), X, P) == []


@pytest.mark.parametrize(
    "zeros",
    [
        lambda q, shape: jnp.zeros(shape),
        lambda q, shape: 0 * jnp.broadcast_to(q[0, 0], shape),
        lambda q, shape: jnp.zeros(shape) + jnp.zeros(shape),
        lambda q, shape: jnp.zeros((*shape, 2)).sum(-1),
        lambda q, shape: jnp.zeros((*shape, 2))[..., 0],
    ],
)
def test_zeros_that_sums_start_with_may_be_computed(zeros):
    def online(q, k, v):
        def step(carry, block):
            top, total, out = carry
            logits = q @ block[0].T
            new = jnp.maximum(top, logits.max(-1))
            kept, each = jnp.exp(top - new), jnp.exp(logits - new[:, None])
            out = out * kept[:, None] + each @ block[1]
            return (new, total * kept + each.sum(-1), out), None

        start = jnp.full(5, -jnp.inf), zeros(q, (5,)), zeros(q, (5, 8))
        blocks = k.reshape(3, 4, 8), v.reshape(3, 4, 8)
        (_, total, out), _ = lax.scan(step, start, blocks)
        return out / total[:, None]

    q, k, v = numbers(5, 8), numbers(12, 8, seed=1), numbers(12, 8, seed=2)
    _, attention = with_attention(online)(q, k, v)
    (found,) = attention.values()
    np.testing.assert_allclose(found.weights[0, 0], jax.nn.softmax(q @ k.T), atol=1e-6)
