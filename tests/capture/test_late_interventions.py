"""Weights that are varied where a program has them only as terms of a sum, or as their inverse."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport._errors import CaptureError
from attnreport.capture import ablate_heads, attention_gradients, with_scaled_heads
from tests.capture.attending import numbers
from tests.capture.sharded_interventions import CHECKED
from tests.compiling import run as quickly
from tests.devices import outcomes_on_eight_devices

HEADS, KEYS, BLOCK = 2, 6, 3
ALLOWED = np.tril(np.ones((KEYS, KEYS), bool))


def logits_of(q, k, allowed: Any = True):
    return jnp.where(allowed, q @ k.mT / 2, -1e30)


def before(q, k, v, added: Any = 0.0, scale: Any = 1.0):
    weights = (jax.nn.softmax(logits_of(q, k, ALLOWED)) + added) * scale
    return weights @ v


def after(q, k, v):
    logits = logits_of(q, k, ALLOWED)
    terms = jnp.exp(logits - jax.lax.stop_gradient(logits.max(-1, keepdims=True)))
    return (terms @ v) / terms.sum(-1, keepdims=True)


def blocks(q, k, v):
    """The sums of what came so far are carried on (Milakov and Gimelshein 2018)."""

    def step(carry, block):
        made, total, highest = carry
        k, v, allowed = block
        logits = logits_of(q, k, allowed)
        above = jnp.maximum(highest, logits.max(-1, keepdims=True))
        terms, kept = jnp.exp(logits - above), jnp.exp(highest - above)
        made = made * kept + terms @ v
        return (made, total * kept + terms.sum(-1, keepdims=True), above), None

    cut = [jnp.stack(jnp.split(each, KEYS // BLOCK, axis=2)) for each in (k, v)]
    allowed = jnp.stack(jnp.split(jnp.asarray(ALLOWED), KEYS // BLOCK, axis=1))
    one = jnp.zeros((*q.shape[:3], 1))
    start = (jnp.zeros(q.shape), one, jnp.full_like(one, -1e20))
    made, total, _ = jax.lax.scan(step, start, (*cut, allowed))[0]
    return made / total


def segments(q, k, v):
    """Two segments, each normalized, and then weighed by their shares of all keys."""
    shares, made = [], []
    for at in (slice(None, BLOCK), slice(BLOCK, None)):
        logits = logits_of(q, k[:, :, at], ALLOWED[:, at])
        shares.append(jax.scipy.special.logsumexp(logits, -1, keepdims=True))
        made.append(jax.nn.softmax(logits) @ v[:, :, at])
    whole = jnp.logaddexp(*shares)
    return sum(each * jnp.exp(share - whole) for each, share in zip(made, shares, strict=True))


def slices(q, k, v):
    """One softmax over two segments, whose weights are cut apart for their values."""
    weights = jax.nn.softmax(logits_of(q, k, ALLOWED))
    return weights[..., :BLOCK] @ v[:, :, :BLOCK] + weights[..., BLOCK:] @ v[:, :, BLOCK:]


@pytest.fixture(scope="module")
def qkv():
    return [numbers(3, HEADS, KEYS, 4, seed=seed) for seed in range(3)]


def loss(made):
    return (made * jnp.arange(4) * made).sum()


def gradient_by_hand(qkv):
    zeros = jnp.zeros((3, HEADS, KEYS, KEYS))
    return np.asarray(jax.grad(lambda added: loss(before(*qkv, added)))(zeros))


@pytest.mark.parametrize("fn", [before, after, slices])
def test_gradients_are_those_for_weights_and_not_for_terms(qkv, fn):
    output, attention, gradients = attention_gradients(fn, loss)(*qkv)
    (name,) = attention
    expected = gradient_by_hand(qkv)
    np.testing.assert_allclose(gradients[name], expected, atol=1e-5 * abs(expected).max())
    np.testing.assert_allclose(output, fn(*qkv), atol=1e-6)


@pytest.mark.parametrize("fn", [blocks, segments])
def test_gradients_are_zero_where_nothing_of_a_block_is_seen(qkv, fn):
    _, attention, gradients = attention_gradients(fn, loss)(*qkv)
    found = np.concatenate([gradients[name] for name in attention], -1)
    parts = np.split(ALLOWED, KEYS // BLOCK, axis=1)
    seen = np.concatenate(
        [np.broadcast_to(part.any(1, keepdims=True), part.shape) for part in parts], 1
    )
    expected = np.where(seen, gradient_by_hand(qkv), 0)
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("fn", [before, after, blocks, segments, slices])
def test_a_head_that_is_cut_adds_nothing(qkv, fn):
    ablation = ablate_heads(fn)(*qkv)
    assert [index for _, index in ablation.heads] == [(head,) for head in range(HEADS)]
    for (_, (head,)), output in zip(ablation.heads, ablation.without, strict=True):
        scale = jnp.ones((HEADS, 1, 1)).at[head].set(0)
        np.testing.assert_allclose(output, before(*qkv, scale=scale), atol=1e-5)


@pytest.mark.parametrize("fn", [before, after, blocks, segments, slices])
def test_a_head_is_scaled(qkv, fn):
    run = with_scaled_heads(fn)(*qkv)
    (name, _), *_ = ablate_heads(fn)(*qkv).heads
    scale = jnp.array([0.5, 2.0])
    found = quickly(run, {name: scale})
    np.testing.assert_allclose(found, before(*qkv, scale=scale[:, None, None]), atol=1e-5)


def inverse_gate(x, w):
    """Channels that are divided by one and the exponential of what they are on average."""
    return x / (1 + jnp.exp(-(x.mean((1, 2)) @ w)))[:, None, None]


def test_a_gate_by_which_is_divided_is_cut_like_one_that_multiplies():
    x, w = numbers(2, 4, 4, 3), numbers(3, 3, seed=1)
    ablation = ablate_heads(inverse_gate, kinds=("gate",))(x, w)
    np.testing.assert_array_equal(ablation.without[0], np.zeros(x.shape))
    _, attention, gradients = attention_gradients(inverse_gate, jnp.sum, kinds=("gate",))(x, w)
    (name,) = attention
    expected = np.asarray(x).sum((1, 2))[:, None, None]
    np.testing.assert_allclose(gradients[name], expected, atol=1e-4)


@pytest.mark.parametrize("options", [{"reduce": "uint8"}, {"want": ("logits",)}])
def test_gradients_need_the_weights_as_they_are(options):
    with pytest.raises(CaptureError, match="so the weights are needed as they are"):
        attention_gradients(before, loss, **options)


@pytest.fixture(scope="module")
def outcomes():
    return outcomes_on_eight_devices("tests.capture.sharded_interventions")


@pytest.mark.parametrize("name", CHECKED)
def test_over_eight_devices(outcomes, name):
    assert outcomes[name] == ""
