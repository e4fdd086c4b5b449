"""Dropout of weights: on, shared, and switched off by a value."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw, length=5):
    return draw(2, length, 8), draw.weights("q k v", 8, 2, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


def _ref_sparsemax(logits: np.ndarray) -> np.ndarray:
    """Projection of one row at a time on the simplex, by search over the size of the support."""
    weights = np.zeros_like(logits)
    for index in np.ndindex(logits.shape[:-1]):
        z = np.sort(logits[index])[::-1]
        support = max(n for n in range(1, len(z) + 1) if 1 + n * z[n - 1] > z[:n].sum())
        weights[index] = np.maximum(logits[index] - (z[:support].sum() - 1) / support, 0)
    return weights


def _ref_entmax15(logits: np.ndarray) -> np.ndarray:
    """Entmax with exponent 1.5; the threshold by bisection to the end of double precision."""
    half = logits / 2
    low, high = half.max(-1, keepdims=True) - 1, half.max(-1, keepdims=True)
    for _ in range(200):
        middle = (low + high) / 2
        more = (ref.relu(half - middle) ** 2).sum(-1, keepdims=True) >= 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    weights = ref.relu(half - low) ** 2
    return weights / weights.sum(-1, keepdims=True)


@program("Dropout on: the key of the random numbers is an argument; survivors are scaled up.")
def dropout_on(draw: Draw) -> Case:
    x, p = _inputs(draw)

    def fn(x, p, key):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(q @ k.mT / 2)
        keep = jax.random.bernoulli(key, 0.75, w.shape)
        return jnp.where(keep, w / 0.75, 0.0) @ v

    def reference(note, x, p, key):
        q, k, v = _ref_heads(x, p)
        w = ref.softmax(ref.logits_of(q, k))
        keep = np.asarray(jax.random.bernoulli(key, 0.75, w.shape))
        return ref.mix(note(np.where(keep, w / 0.75, 0.0), also=[w]), v)

    return Case(fn, (x, p, jax.random.key(3)), reference)


@program("Dropout on: one mask for all examples and heads, the key split inside.")
def dropout_on_shared(draw: Draw) -> Case:
    x, p = _inputs(draw)

    def fn(x, p, seed):
        q, k, v = _heads(x, p)
        _, key = jax.random.split(jax.random.PRNGKey(seed))
        w = jax.nn.softmax(jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2)
        w = w * (jax.random.bernoulli(key, 0.6, (1, 1, 5, 5)) / 0.6)
        return jnp.einsum("bhqk,bhkd->bhqd", w, v)

    def reference(note, x, p, seed):
        q, k, v = _ref_heads(x, p)
        w = ref.softmax(ref.logits_of(q, k))
        _, key = jax.random.split(jax.random.PRNGKey(seed))
        keep = np.asarray(jax.random.bernoulli(key, 0.6, (1, 1, 5, 5)))
        return ref.mix(note(w * keep / 0.6, also=[w]), v)

    return Case(fn, (x, p, np.int32(7)), reference)


@program("Dropout off by a flag that the program computes: cond between two maskings.")
def dropout_switched_off(draw: Draw) -> Case:
    x, p = _inputs(draw)

    def fn(x, p, key, training):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(q @ k.mT / 2)
        dropped = jnp.where(jax.random.bernoulli(key, 0.5, w.shape), w / 0.5, 0)
        return lax.select(jnp.broadcast_to(training, w.shape), dropped, w) @ v

    def reference(note, x, p, key, training):
        return ref.attend(note, *_ref_heads(x, p))

    return Case(fn, (x, p, jax.random.key(0), np.bool_(False)), reference)
