"""Roles of dimensions: the canonical shape of weights in any layout."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.capture.recognizing import analysis_of, found_in

X = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
P = {
    name: np.random.default_rng(seed).normal(size=(8, 3, 4)).astype(np.float32)
    for seed, name in enumerate("qkv")
}


def _attend(order, p, x):
    q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
    scores = jnp.einsum(f"bqhd,bkhd->{order}", q, k)
    weights = jax.nn.softmax(scores, axis=order.index("k"))
    return weights, jnp.einsum(f"{order},bkhd->bqhd", weights, v)


@pytest.mark.parametrize("order", ["".join(each) for each in itertools.permutations("bhqk")])
def test_every_order_of_axes_comes_out_canonical(order):
    ((_, kind, _, weights),) = found_in(lambda p, x: _attend(order, p, x)[1], P, X)
    expected = np.einsum(f"{order}->bhqk", np.asarray(_attend(order, P, X)[0]))
    assert kind == "self"
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def _shape(fn, *args):
    (site,) = analysis_of(fn, *args).sites()
    return site.layout.shape


def test_grouped_queries_are_heads_in_the_order_of_their_projection():
    q, kv = np.ones((8, 6, 4), np.float32), np.ones((8, 2, 4), np.float32)

    def fn(x, wq, wk, wv):
        q = jnp.einsum("btm,mhd->bthd", x, wq).reshape(2, 5, 2, 3, 4)
        k, v = (jnp.einsum("btm,mgd->btgd", x, w) for w in (wk, wv))
        w = jax.nn.softmax(jnp.einsum("bqgrd,bkgd->brgqk", q, k))
        return jnp.einsum("brgqk,bkgd->bqgrd", w, v)

    (site,) = analysis_of(fn, X, q, kv, kv).sites()
    assert site.layout.shape == (2, 6, 5, 5)
    assert [site.layout.sizes[place] for place in site.layout.order] == [2, 2, 3, 5, 5]


def test_two_axes_of_positions_are_one_of_queries():
    image, w = np.ones((2, 3, 4, 6), np.float32), np.ones((6, 6), np.float32)

    def fn(x, w):
        q, k = jnp.tanh(x @ w), jnp.sin(x @ w)
        s = jax.nn.softmax(jnp.einsum("bhwd,bijd->bhwij", q, k), axis=(-2, -1))
        return jnp.einsum("bhwij,bijd->bhwd", s, x @ w)

    assert _shape(fn, image, w) == (2, 1, 12, 12)


def test_features_that_are_tokens():
    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhdt", x, p[n]) for n in "qkv")
        out = jax.nn.softmax(q @ k.mT) @ v
        return jnp.einsum("bhdt,mhd->btm", out, p["q"])

    assert _shape(fn, P, X) == (2, 3, 4, 4)


def test_collected_neighbors_have_queries():
    neighbors = np.array([[4, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 0]])

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        k, v = k[:, :, neighbors], v[:, :, neighbors]
        w = jax.nn.softmax(jnp.einsum("bhtd,bhtnd->bhtn", q, k))
        return jnp.einsum("bhtn,bhtnd->bhtd", w, v)

    assert _shape(fn, P, X) == (2, 3, 5, 3)


def test_given_queries_and_keys_have_a_guessed_head_and_say_so():
    q = np.ones((2, 3, 5, 4), np.float32)
    (site,) = analysis_of(lambda q, k, v: jax.nn.softmax(q @ k.mT) @ v, q, q, q).sites()
    assert site.layout.shape == (2, 3, 5, 5)
    assert len(site.roles.fallbacks) == 1


def test_experts_are_the_keys_of_tokens_that_ask():
    router, up = np.ones((8, 4), np.float32), np.ones((4, 8, 6), np.float32)

    def fn(x, router, up):
        w = jax.nn.softmax(x @ router)
        return jnp.einsum("bte,btef->btf", w, jnp.einsum("btm,emf->btef", x, up))

    (site,) = analysis_of(fn, X, router, up).sites()
    assert (site.kind, site.layout.shape) == ("router", (2, 1, 5, 4))


def test_windows_are_parts_of_the_examples_they_were_cut_from():
    def fn(p, x):
        x = x.reshape(3, 4, 2, 8).swapaxes(0, 1)  # windows first
        q, k, v = (jnp.einsum("wbtm,mhd->wbthd", x, p[n]) for n in "qkv")
        weights = jax.nn.softmax(jnp.einsum("wbqhd,wbkhd->wbhqk", q, k))
        return jnp.einsum("wbhqk,wbkhd->wbqhd", weights, v)

    (site,) = analysis_of(fn, P, np.ones((3, 8, 8), np.float32)).sites()
    assert site.layout.shape == (12, 3, 2, 2)
    assert site.layout.batch == (1, 3, 4)


def test_models_side_by_side_come_before_examples():
    def model(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k))
        return jnp.einsum("bhqk,bkhd,hdm->bqm", weights, v, p["o"])

    p = {name: np.ones((4, 8, 3, 2), np.float32) for name in "qkv"}
    p["o"] = np.ones((4, 3, 2, 8), np.float32)
    x = np.ones((5, 6, 8), np.float32)
    (site,) = analysis_of(jax.vmap(model, (0, None)), p, x).sites()
    assert site.layout.batch == (4, 5, 1)
    assert site.layout.shape == (20, 3, 6, 6)


def test_a_single_question_of_each_example_leaves_examples_in_the_batch():
    def fn(p, x, memory):
        q = jnp.einsum("btm,mhd->bthd", x, p["q"])
        k, v = (jnp.einsum("btm,mhd->bthd", memory, p[n]) for n in "kv")
        weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k))
        return jnp.einsum("bhqk,bkhd->bqhd", weights, v)

    ((_, kind, _, weights),) = found_in(fn, P, X[:, :1], X)
    assert weights.shape == (2, 3, 1, 5)
    assert kind == "cross"
