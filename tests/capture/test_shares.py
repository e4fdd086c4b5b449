"""Shares of segments: which factors of a result are some, and what cannot be followed is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.capture.recognizing import analysis_of

X = np.ones((2, 6, 8), np.float32)
P = np.ones((3, 8, 8), np.float32)


def _attend(queries, tokens, p):
    """The result of one segment of keys, and the logarithm of the sum of its exponentials."""
    logits = queries @ p[0] @ (tokens @ p[1]).mT
    return jax.nn.softmax(logits) @ tokens, jax.nn.logsumexp(logits, -1, keepdims=True)


def _merged(merge):
    def fn(x, y, p):
        return merge(*_attend(x, x, p), *_attend(x, y, p))

    return analysis_of(fn, X, X[:, :3], P)


def _said(analysis):
    return {each.sentence.split(",")[0] for each in analysis.said()}


SEGMENTS = "Results of several segments of keys are merged by the logarithms of their sums"


def _towards_the_other(a, lse, b, other):
    return a - jax.nn.sigmoid(other - lse) * (a - b)


def _stacked(a, lse, b, other):
    shares = jax.nn.softmax(jnp.stack([lse, other]), axis=0)
    return (shares * jnp.stack([a, b])).sum(0)


def _side_by_side(a, lse, b, other):
    shares = jax.nn.softmax(jnp.concatenate([lse[None], other[None]]), axis=0)
    return (shares * jnp.concatenate([a[None], b[None]])).sum(0)


@pytest.mark.parametrize("merge", [_towards_the_other, _stacked, _side_by_side])
def test_what_is_merged_in_a_way_that_is_not_followed_is_said(merge):
    analysis = _merged(merge)
    assert analysis.sites() == []
    assert SEGMENTS in _said(analysis)


def test_a_gate_of_a_result_that_is_divided_late_is_no_share():
    def fn(x, p):
        exponentials = jnp.exp(x @ p[0] @ (x @ p[1]).mT)
        result = exponentials @ (x @ p[2]) / exponentials.sum(-1, keepdims=True)
        return result * jax.nn.sigmoid(result)

    (site,) = analysis_of(fn, X, P).sites()
    assert site.sums == "one"


@pytest.mark.parametrize("empty", [-np.inf, -1e30, 0.0])
def test_a_sum_that_starts_with_more_than_nothing_has_more_than_the_keys(empty):
    def fn(x, p):
        def step(carry, block):
            (result, lse), (other, its) = carry, _attend(x, block, p)
            both = jnp.logaddexp(lse, its)
            return (jnp.exp(lse - both) * result + jnp.exp(its - both) * other, both), None

        first = jnp.zeros(x.shape), jnp.full((*x.shape[:2], 1), empty)
        return lax.scan(step, first, jnp.moveaxis(x.reshape(2, 2, 3, 8), 1, 0))[0][0]

    analysis = analysis_of(fn, X, P)
    assert bool(analysis.sites()) == (empty < 0)
    assert ("A loop goes through blocks of keys" in _said(analysis)) == (empty == 0)
