"""From weights back to logits, query and key, and the roles that follow from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.capture.recognizing import analysis_of

X, Y = np.ones((2, 5, 8), np.float32), np.ones((2, 7, 8), np.float32)
P = {name: np.ones((8, 3, 4), np.float32) for name in "qkv"}


def _project(p, x, y):
    return (jnp.einsum("btm,mhd->bhtd", z, p[n]) for n, z in zip("qkv", (x, y, y), strict=True))


def _only(fn, *args):
    analysis = analysis_of(fn, *args)
    (site,) = analysis.sites()
    return analysis, site


SCORES = {
    "dot": lambda q, k: jnp.einsum("bhqd,bhkd->bhqk", q, k),
    "swapped": lambda q, k: jnp.einsum("bhkd,bhqd->bhqk", k, q),
    "scaled": lambda q, k: q @ k.mT / 2,
    "capped": lambda q, k: 5 * jnp.tanh(q @ k.mT / 5),
    "biased": lambda q, k: q @ k.mT + jnp.arange(7.0),
    "by hand": lambda q, k: (q[:, :, :, None] * k[:, :, None]).sum(-1),
    "distance": lambda q, k: -((q[:, :, :, None] - k[:, :, None]) ** 2).sum(-1),
}


@pytest.mark.parametrize("name", [name for name in SCORES if name != "distance"])
def test_query_and_key_of_a_score(name):
    def fn(p, x, y):
        q, k, v = _project(p, x, y)
        return jax.nn.softmax(SCORES[name](q, k)) @ v

    analysis, site = _only(fn, P, X, Y)
    query, key = site.roles.query_projection, site.roles.key_projection
    assert query is not None
    assert key is not None
    assert query.data.shape == X.shape
    assert key.data.shape == Y.shape
    assert site.layout.shape == (2, 3, 5, 7)
    assert site.kind == "cross"
    assert analysis.facts.dimensions.of(site.weights)[3] == site.over


def test_distances_have_a_layout_too():
    def fn(p, x, y):
        q, k, v = _project(p, x, y)
        return jax.nn.softmax(SCORES["distance"](q, k)) @ v

    assert _only(fn, P, X, Y)[1].layout.shape == (2, 3, 5, 7)


def test_additive_scores():
    w = {n: np.ones((8, 4), np.float32) for n in "qkv"} | {"a": np.ones(4, np.float32)}

    def fn(w, x, y):
        e = jnp.tanh((x @ w["q"])[:, :, None] + (y @ w["k"])[:, None]) @ w["a"]
        return jax.nn.softmax(e) @ (y @ w["v"])

    _, site = _only(fn, w, X, Y)
    assert site.scores.form == "additive"
    assert (site.layout.shape, site.kind) == ((2, 1, 5, 7), "cross")


def test_masks_and_logits():
    mask = np.tri(5, 7, dtype=bool)

    def fn(p, x, y):
        q, k, v = _project(p, x, y)
        return jax.nn.softmax(jnp.where(mask, q @ k.mT, -jnp.inf)) @ v

    _, site = _only(fn, P, X, Y)
    assert [value.dtype for value in site.scores.masks] == [np.dtype(bool)]
    assert site.scores.logits.node is not None
    assert site.scores.logits.node.primitive == "select_n"


def test_a_bias_by_pairs_is_not_the_score():
    pairs, w = np.ones((2, 5, 7, 6), np.float32), np.ones((6, 3), np.float32)

    def fn(p, x, y, pairs, w):
        bias = jnp.moveaxis(jnp.tanh(pairs) @ w, -1, 1)
        q, k, v = _project(p, x, y)
        return jax.nn.softmax(bias + q @ k.mT) @ v

    _, site = _only(fn, P, X, Y, pairs, w)
    assert site.roles.query_projection is not None
    assert site.roles.query_projection.data.shape == X.shape


def test_mixed_heads_lead_to_the_scores_below():
    mix = np.ones((3, 3), np.float32)

    def fn(p, x, y, mix):
        q, k, v = _project(p, x, y)
        return jax.nn.softmax(jnp.einsum("gh,bhqk->bgqk", mix, q @ k.mT)) @ v

    _, site = _only(fn, P, X, Y, mix)
    assert site.scores.query is not None
    assert site.scores.query.shape == (2, 3, 5, 4)


def test_learned_keys_are_of_parameters():
    def fn(x, keys, values):
        return jax.nn.softmax(jnp.tanh(x) @ keys.T) @ values

    _, site = _only(fn, X, np.ones((9, 8), np.float32), np.ones((9, 4), np.float32))
    assert site.scores.of_parameters
    assert not site.scores.of_tokens
    assert (site.layout.shape, site.kind) == ((2, 1, 5, 9), "memory")
