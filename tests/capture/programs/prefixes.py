"""Keys that all examples share, such as a learned prefix or a cached prompt, beside tokens.

They have no axis for the batch, so they look like the table of a memory; but each row is normalized
once for both.
"""

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
SHARED, OWN = 3, 5


def _inputs(draw):
    p = draw.weights("q k v", 6, 2, 3)
    return p, draw(SHARED, 2, 3), draw(SHARED, 2, 3), draw(2, OWN, 6)


def _scores(p, keys, x):
    """Queries' scores of shared keys, their causal scores of their own, and their own values."""
    q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
    shared = jnp.einsum("bqhd,khd->bhqk", q, keys) / np.sqrt(3)
    own = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(3)
    return shared, jnp.where(jnp.tri(OWN, dtype=bool), own, -1e9), v


def _reference(note, p, keys, values, x):
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    k, v = (
        np.concatenate([np.repeat(shared.transpose(1, 0, 2)[None], 2, 0), own], 2)
        for shared, own in ((keys, k), (values, v))
    )
    mask = np.concatenate([np.ones((OWN, SHARED), bool), ref.causal(OWN)], 1)
    return ref.attend(note, q, k, v, mask=mask)


@program("One softmax over the scores of both, side by side; its weights are cut apart for values.")
def scores_side_by_side(draw: Draw) -> Case:
    def fn(p, keys, values, x):
        shared, own, v = _scores(p, keys, x)
        w = jax.nn.softmax(jnp.concatenate([shared, own], -1))
        mixed = jnp.einsum("bhqk,khd->bhqd", w[..., :SHARED], values)
        return mixed + jnp.einsum("bhqk,bkhd->bhqd", w[..., SHARED:], v)

    return Case(fn, _inputs(draw), _reference)


@program("The same with the tokens' own keys first in the program, and last in the row.")
def own_keys_used_first(draw: Draw) -> Case:
    def fn(p, keys, values, x):
        shared, own, v = _scores(p, keys, x)
        shared_weights, own_weights = jnp.split(
            jax.nn.softmax(jnp.concatenate([shared, own], -1)), [SHARED], axis=-1
        )
        mixed = jnp.einsum("bhqk,bkhd->bhqd", own_weights, v)
        return mixed + jnp.einsum("bhqk,khd->bhqd", shared_weights, values)

    return Case(fn, _inputs(draw), _reference)


@program("A prompt that all examples share: two softmaxes, merged by the logarithms of their sums.")
def merged_by_shares(draw: Draw) -> Case:
    def fn(p, keys, values, x):
        shared, own, v = _scores(p, keys, x)
        first, second = (jax.nn.logsumexp(s, -1, keepdims=True) for s in (shared, own))
        both = jnp.logaddexp(first, second)
        mixed = jnp.einsum("bhqk,khd->bhqd", jax.nn.softmax(shared), values)
        other = jnp.einsum("bhqk,bkhd->bhqd", jax.nn.softmax(own), v)
        return mixed * jnp.exp(first - both) + other * jnp.exp(second - both)

    return Case(fn, _inputs(draw), _reference)


@program("A shared prompt with one maximum and one sum for both, divided after use.")
def one_sum(draw: Draw) -> Case:
    def fn(p, keys, values, x):
        shared, own, v = _scores(p, keys, x)
        top = jnp.maximum(shared.max(-1, keepdims=True), own.max(-1, keepdims=True))
        shared, own = jnp.exp(shared - top), jnp.exp(own - top)
        total = shared.sum(-1, keepdims=True) + own.sum(-1, keepdims=True)
        mixed = jnp.einsum("bhqk,khd->bhqd", shared, values)
        return (mixed + jnp.einsum("bhqk,bkhd->bhqd", own, v)) / total

    return Case(fn, _inputs(draw), _reference)


@program("A soft prompt that goes through the matrices of keys and values like the tokens.")
def projected_prompt(draw: Draw) -> Case:
    def fn(p, prompt, x):
        keys, values = (jnp.einsum("tm,mhd->thd", prompt, p[n]) for n in "kv")
        shared, own, v = _scores(p, keys, x)
        w = jax.nn.softmax(jnp.concatenate([shared, own], -1))
        mixed = jnp.einsum("bhqk,khd->bhqd", w[..., :SHARED], values)
        return mixed + jnp.einsum("bhqk,bkhd->bhqd", w[..., SHARED:], v)

    def reference(note, p, prompt, x):
        keys, values = (np.einsum("tm,mhd->thd", prompt, p[n]) for n in "kv")
        return _reference(note, p, keys, values, x)

    return Case(fn, (draw.weights("q k v", 6, 2, 3), draw(SHARED, 6), draw(2, OWN, 6)), reference)
