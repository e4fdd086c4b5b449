"""Heads that no projection of queries shows, and models that only look like heads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.capture.recognizing import analysis_of, found_in

RANDOM = np.random.default_rng(0)
LENGTHS = {"b": 3, "m": 2, "t": 5, "g": 2, "r": 2, "h": 4, "d": 8, "f": 16}


def _array(axes):
    return RANDOM.normal(size=[LENGTHS[axis] for axis in axes]).astype(np.float32)


def _softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _only(fn, *args):
    ((_, kind, _, weights),) = found_in(fn, *args)
    return kind, weights


def _fallbacks(fn, *args):
    (site,) = analysis_of(fn, *args).sites()
    return site.roles.fallbacks


@pytest.mark.parametrize("batch", [1, 3])
def test_grouped_heads_of_given_queries(batch):
    q, k, v = (_array(axes)[:batch] for axes in ("bthd", "btgd", "btgd"))
    kind, weights = _only(jax.nn.dot_product_attention, q, k, v)
    grouped = q.reshape(batch, 5, 2, 2, 8)
    scores = np.einsum("bqgrd,bkgd->bgrqk", grouped, k) / np.sqrt(8)
    np.testing.assert_allclose(weights, _softmax(scores).reshape(batch, 4, 5, 5), atol=1e-6)
    assert kind == "cross"
    assert not _fallbacks(jax.nn.dot_product_attention, q[:3], k, v) or batch == 1


def test_heads_inside_of_groups():
    def fn(q, k, v):
        q = q.reshape(3, 5, 2, 2, 8)
        weights = jax.nn.softmax(jnp.einsum("bqrgd,bkgd->bgqrk", q, k))
        return jnp.einsum("bgqrk,bkgd->bqrgd", weights, v)

    q, k, v = _array("bthd"), _array("btgd"), _array("btgd")
    scores = np.einsum("bqrgd,bkgd->brgqk", q.reshape(3, 5, 2, 2, 8), k)
    _, weights = _only(fn, q, k, v)
    np.testing.assert_allclose(weights, _softmax(scores).reshape(3, 4, 5, 5), atol=1e-5)


def test_windows_of_given_queries_are_no_heads():
    def fn(q, k, v):
        q, k, v = (each.reshape(3, 2, 3, 8) for each in (q, k, v))
        weights = jax.nn.softmax(jnp.einsum("bnqd,bnkd->bnqk", q, k))
        return jnp.einsum("bnqk,bnkd->bnqd", weights, v)

    q, k, v = (RANDOM.normal(size=(3, 6, 8)).astype(np.float32) for _ in "qkv")
    _, weights = _only(fn, q, k, v)
    assert weights.shape[-2:] == (3, 3)


def test_one_example_of_given_heads():
    q, k, v = _array("thd"), _array("thd"), _array("thd")
    _, weights = _only(jax.nn.dot_product_attention, q, k, v)
    np.testing.assert_allclose(
        weights[0], _softmax(np.einsum("qhd,khd->hqk", q, k) / np.sqrt(8)), atol=1e-6
    )
    assert "taken from its place" in _fallbacks(jax.nn.dot_product_attention, q, k, v)[0]


def _attend(p, x):
    q, k, v = ((x @ p[name]).reshape(3, 5, 4, 4) for name in "qkv")
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k))
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(3, 5, 16) @ p["o"]


@pytest.mark.parametrize("inputs", ["of their own", "in common"])
def test_models_side_by_side_are_no_heads(inputs):
    p = {name: RANDOM.normal(size=(2, 16, 16)).astype(np.float32) / 4 for name in "qkvo"}
    own = inputs == "of their own"
    x = _array("mbtf" if own else "btf")
    _, weights = _only(lambda p, x: jax.vmap(_attend, (0, 0 if own else None))(p, x), p, x)
    q, k = (
        np.einsum("mbtf,mfe->mbte", np.broadcast_to(x, (2, 3, 5, 16)), p[name]) for name in "qk"
    )
    q, k = (each.reshape(2, 3, 5, 4, 4) for each in (q, k))
    expected = _softmax(np.einsum("mbqhd,mbkhd->mbhqk", q, k))
    np.testing.assert_allclose(weights, expected.reshape(6, 4, 5, 5), atol=1e-5)
