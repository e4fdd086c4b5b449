"""Every score, against its equation and against Flax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from attnreport._errors import InvalidAttentionError, UnknownNameError
from attnreport.nn import (
    SCORES,
    AdditiveAttention,
    Attention,
    ConcatScore,
    CosineScore,
    MultiHeadAttention,
    make_score,
)
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_attention, some_mask

BATCH, QUERIES, KEYS = 2, 3, 5


def additive(score, query, key):
    left, right, bias = exact(score.query.kernel), exact(score.key.kernel), exact(score.key.bias)
    return exact(score.score.kernel)[:, 0] @ np.tanh(left.T @ query + right.T @ key + bias)


def dot(score, query, key):
    return sum(query[f] * key[f] for f in range(len(query)))


def general(score, query, key):
    return query @ exact(score.key.kernel).T @ key


def concat(score, query, key):
    whole = np.concatenate([exact(score.query.kernel), exact(score.key.kernel)]).T
    return exact(score.score.kernel)[:, 0] @ np.tanh(whole @ np.concatenate([query, key]))


def scaled_dot(score, query, key):
    return dot(score, query, key) / np.sqrt(len(query))


def cosine(score, query, key):
    cosine = query @ key / np.linalg.norm(query) / np.linalg.norm(key)
    return cosine / max(np.exp(-exact(score.log_scale)), 0.01)


EQUATIONS = {
    "additive": additive,
    "dot": dot,
    "general": general,
    "concat": concat,
    "scaled dot": scaled_dot,
    "cosine": cosine,
}


def made(name, query_features=6, key_features=6):
    return drawn(lambda **o: Attention(make_score(name, query_features, key_features, 4, **o)))


def assert_it_is(name, attention, query, key):
    mask = some_mask(BATCH, QUERIES, KEYS)
    context, weights = attention(query, key, mask=jnp.asarray(mask)[:, None], return_weights=True)
    expected_context, expected_weights = slow_attention(
        lambda b, q, k: EQUATIONS[name](
            attention.score, query[b, q].astype(float), key[b, k].astype(float)
        ),
        key,
        mask,
    )
    assert weights.shape == (BATCH, 1, QUERIES, KEYS)
    np.testing.assert_allclose(weights[:, 0], expected_weights, atol=1e-5)
    np.testing.assert_allclose(context, expected_context, atol=1e-5)


def test_every_score_has_an_equation_here():
    assert tuple(EQUATIONS) == SCORES


@pytest.mark.parametrize("name", SCORES)
def test_it_computes_the_equation_of_its_paper(name):
    assert_it_is(name, made(name), numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1))


@pytest.mark.parametrize("name", ["additive", "general", "concat"])
def test_keys_may_have_other_features_than_queries(name):
    assert_it_is(
        name, made(name, 6, 7), numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 7, seed=1)
    )


@pytest.mark.parametrize("name", ["dot", "scaled dot", "cosine"])
def test_features_that_cannot_be_multiplied_are_refused(name):
    with pytest.raises(InvalidAttentionError, match=r"6 features and keys 7.*Project one of them"):
        made(name, 6, 7)(numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 7))


@pytest.mark.parametrize("name", SCORES)
def test_keys_that_were_projected_once_serve_step_by_step(name):
    attention, query, key = made(name), numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    mask = some_mask(BATCH, QUERIES, KEYS)
    _, whole = attention(query, key, mask=jnp.asarray(mask)[:, None], return_weights=True)
    projected = attention.key(key)
    steps = [
        attention.weights(query[:, [step]], projected, mask[:, [step]]) for step in range(QUERIES)
    ]
    np.testing.assert_allclose(jnp.concatenate(steps, axis=1), whole[:, 0], atol=1e-6)


def test_with_the_additive_score_it_is_additive_attention():
    ours = made("additive")
    other = drawn(lambda **o: AdditiveAttention(6, 6, 4, **o))
    nnx.update(other, nnx.state(ours))
    query, key = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    np.testing.assert_allclose(ours(query, key), other(query, key), atol=1e-6)


@pytest.mark.parametrize("official", [nnx.dot_product_attention, linen.dot_product_attention])
def test_scaled_dot_is_that_of_flax(official):
    query, key, value = (jnp.asarray(numbers(BATCH, KEYS, 6, seed=seed)) for seed in range(3))
    mask = jnp.asarray(np.tri(KEYS, dtype=bool))
    found = made("scaled dot")(query, key, value, mask=mask)
    with_head = (each[:, :, None] for each in (query, key, value))
    np.testing.assert_allclose(found, official(*with_head, mask=mask)[:, :, 0], atol=1e-6)


def test_scaled_dot_is_one_head_of_multi_head_attention():
    heads = drawn(lambda **o: MultiHeadAttention(1, 6, **o))
    query, key = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    _, expected = heads(query, key, return_weights=True)
    projected = heads.query(query)[:, :, 0], heads.key(key)[:, :, 0]
    _, weights = made("scaled dot")(*projected, return_weights=True)
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_cosines_do_not_depend_on_lengths_and_no_vector_of_zeros_gives_nan():
    score = CosineScore(temperature=0.5)
    query, key = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    logits = score(query, score.key(key))
    np.testing.assert_allclose(score(query * 100, score.key(key / 100)), logits, atol=1e-5)
    assert abs(logits).max() <= 2
    gradient = jax.grad(lambda query: score(query, score.key(query)).sum())(jnp.zeros((1, 2, 6)))
    assert np.isfinite(gradient).all()


def test_a_temperature_below_the_bound_has_the_bound():
    query = numbers(BATCH, QUERIES, 6)
    logits = CosineScore(temperature=1e-4)(query, CosineScore().key(query))
    np.testing.assert_allclose(np.asarray(logits).max(), 100, rtol=1e-4)
    assert abs(CosineScore(0.1).log_scale[...] - np.log(10)) < 1e-6


def test_the_two_parts_of_concat_begin_as_one_matrix():
    score = ConcatScore(200, 100, 300, rngs=nnx.Rngs(0))
    whole = np.concatenate([score.query.kernel[...], score.key.kernel[...]])
    # LeCun's variance, of a matrix with 300 inputs; two matrices would have 1/200 and 1/100.
    np.testing.assert_allclose(np.asarray(score.key.kernel[...]).var(), 1 / 300, rtol=0.05)
    np.testing.assert_allclose(whole.var(), 1 / 300, rtol=0.05)


def test_an_unknown_name_is_refused():
    with pytest.raises(UnknownNameError, match=r"no score called 'bilinear'.*general"):
        make_score("bilinear", 6, 6, 4, rngs=nnx.Rngs(0))
