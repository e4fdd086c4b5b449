"""Sinks: keys that take a share of the weights and give nothing."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs import two_heads
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("A learned sink per head is joined to the logits as a column and dropped after softmax.")
def sink_column(draw: Draw) -> Case:
    x, p = two_heads.inputs(draw)
    sinks = draw(2)

    def fn(x, p, sinks):
        q, k, v = two_heads.heads(x, p)
        s = jnp.where(jnp.tri(5, dtype=bool), q @ k.mT / 2, -jnp.inf)
        column = jnp.broadcast_to(sinks[None, :, None, None], (2, 2, 5, 1))
        w = jax.nn.softmax(jnp.concatenate([s, column], axis=-1))[..., :-1]
        return w @ v

    def reference(note, x, p, sinks):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        e = np.exp(np.where(ref.causal(5), ref.logits_of(q, k), -np.inf))
        sink = np.broadcast_to(np.exp(sinks)[None, :, None, None], (2, 2, 5, 1))
        total = e.sum(-1, keepdims=True) + sink
        return ref.mix(note(e / total), v)

    return Case(fn, (x, p, sinks), reference)


@program("A learned sink per head is part of the denominator alone.")
def sink_in_denominator(draw: Draw) -> Case:
    x, p = two_heads.inputs(draw)
    sinks = draw(2)

    def fn(x, p, sinks):
        q, k, v = two_heads.heads(x, p)
        s = q @ k.mT * 0.5
        sink = sinks.reshape(1, 2, 1, 1)
        top = jnp.maximum(s.max(-1, keepdims=True), sink)
        e = jnp.exp(s - top)
        return (e / (e.sum(-1, keepdims=True) + jnp.exp(sink - top))) @ v

    def reference(note, x, p, sinks):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        e = np.exp(ref.logits_of(q, k))
        total = e.sum(-1, keepdims=True) + np.exp(sinks)[:, None, None]
        return ref.mix(note(e / total), v)

    return Case(fn, (x, p, sinks), reference)


@program(
    "A zero key and a zero value are joined in front; the mean over heads is returned as well."
)
def zero_key_and_value(draw: Draw) -> Case:
    x, p = two_heads.inputs(draw)

    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        k, v = (jnp.pad(y, ((0, 0), (0, 0), (1, 0), (0, 0))) for y in (k, v))
        w = jax.nn.softmax(q @ k.mT / 2)
        return w @ v, w.mean(1)

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        k, v = (np.concatenate([0 * y[:, :, :1], y], 2) for y in (k, v))
        w = ref.softmax(ref.logits_of(q, k))
        w = note(w, also=[w[..., 1:]], also_kinds=("cross",))
        return ref.mix(w, v), w.mean(1)

    return Case(fn, (x, p), reference)


@program("A column of zeros is joined to the logits, and dropped behind the softmax; no heads.")
def dropped_column(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (x @ p[n] for n in "qkv")
        scores = jnp.concatenate([q @ k.mT / 2, jnp.zeros((3, 7, 1))], -1)
        return jax.nn.softmax(scores)[..., :-1] @ v

    def reference(note, x, p):
        q, k, v = ((x @ p[n])[:, None] for n in "qkv")
        logits = np.concatenate([ref.logits_of(q, k), np.zeros((3, 1, 7, 1))], -1)
        return ref.mix(note(ref.softmax(logits)[..., :-1]), v)[:, 0]

    return Case(fn, (draw(3, 7, 4), draw.weights("q k v", 4, 4)), reference)


@program(
    "One matrix for queries, keys and values; a column of zeros is dropped behind the softmax."
)
def dropped_column_of_one_matrix(draw: Draw) -> Case:
    def fn(x, w):
        q, k, v = jnp.split(x @ w, 3, -1)
        scores = jnp.concatenate([q @ k.mT / 2, jnp.zeros((3, 7, 1))], -1)
        return jax.nn.softmax(scores)[..., :-1] @ v

    def reference(note, x, w):
        q, k, v = (each[:, None] for each in np.split(x @ w, 3, -1))
        logits = np.concatenate([ref.logits_of(q, k), np.zeros((3, 1, 7, 1))], -1)
        return ref.mix(note(ref.softmax(logits)[..., :-1]), v)[:, 0]

    return Case(fn, (draw(3, 7, 4), draw.weight(4, 12)), reference)
