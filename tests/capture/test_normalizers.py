"""Values that are divided by their own sum, however a program writes that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.scipy.special import logsumexp

from tests.capture.recognizing import analysis_of

S = np.ones((2, 3, 4), np.float32)
MASK = np.ones((3, 4), bool)


def _sum(e):
    return e.sum(-1, keepdims=True)


FORMS = {
    "jax.nn.softmax": lambda s: jax.nn.softmax(s),
    "where": lambda s: jax.nn.softmax(s, where=MASK),
    "by hand": lambda s: jnp.exp(s) / _sum(jnp.exp(s)),
    "shifted": lambda s: (
        jnp.exp(s - s.max(-1, keepdims=True)) / _sum(jnp.exp(s - s.max(-1)[..., None]))
    ),
    "reciprocal": lambda s: jnp.exp(s) * lax.reciprocal(_sum(jnp.exp(s))),
    "power": lambda s: jnp.exp(s) * _sum(jnp.exp(s)) ** -1,
    "guarded": lambda s: jnp.exp(s) / jnp.maximum(_sum(jnp.exp(s)), 1e-9),
    "epsilon": lambda s: jnp.exp(s) / (_sum(jnp.exp(s)) + 1e-6),
    "masked exponentials": lambda s: (e := jnp.exp(s) * MASK) / _sum(e),
    "log_softmax": lambda s: jnp.exp(jax.nn.log_softmax(s)),
    "logsumexp": lambda s: jnp.exp(s - logsumexp(s, axis=-1, keepdims=True)),
    "ones": lambda s: jnp.exp(s) / (jnp.exp(s) @ jnp.ones((4, 1))),
    "relu": lambda s: (r := jax.nn.relu(s)) / _sum(r),
    "squares": lambda s: (q := s**2) / _sum(q),
    "gradient": lambda s: jax.grad(lambda s: logsumexp(s, axis=-1).sum())(s),
    "base two": lambda s: jnp.exp2(s) / _sum(jnp.exp2(s)),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_normalized_over_its_last_axis(name):
    analysis = analysis_of(FORMS[name], S)
    found = [each for each in analysis.facts.normalized.values() if each.value.shape == S.shape]
    assert found
    last = found[-1]
    assert last.over == analysis.facts.dimensions.of(last.value)[-1]
    assert not last.shared


@pytest.mark.parametrize(
    "fn",
    [
        lambda s: jnp.exp(s) / (1 + _sum(jnp.exp(s))),
        lambda s: jnp.exp(s) / (_sum(jnp.exp(s)) + jnp.exp(s[:1, :1, :1])),
    ],
)
def test_other_terms_of_the_sum_are_seen(fn):
    (found,) = analysis_of(fn, S).facts.normalized.values()
    assert found.shared


@pytest.mark.parametrize(
    "fn",
    [
        lambda s: s / jnp.sqrt(_sum(s**2)),
        lambda s: (s - s.mean(-1, keepdims=True)) / s.std(-1, keepdims=True),
        lambda s: jnp.exp(s) / _sum(jnp.exp(2 * s)),
        lambda s: s / s.max(-1, keepdims=True),
        lambda s: jnp.exp(s) * _sum(jnp.exp(s)),
        lambda s: jnp.exp(s - s.max(-1, keepdims=True)),
        lambda s: 5.0 / _sum(jnp.exp(s)),
    ],
)
def test_what_is_divided_by_something_else_is_not_normalized(fn):
    assert not analysis_of(fn, S).facts.normalized


def test_over_several_axes_at_once():
    analysis = analysis_of(lambda s: jax.nn.softmax(s, axis=(0, 2)), S)
    (found,) = analysis.facts.normalized.values()
    axes = analysis.facts.dimensions.of(found.value)
    assert set(found.over) == {*axes[0], *axes[2]}
