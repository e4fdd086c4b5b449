"""What lies between the product of queries and keys and the softmax."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core.primitives import add_jaxvals_p

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw, length=5):
    return draw(2, length, 8), draw.weights("q k v", 8, 2, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


@program("Scores are bent by one function after the other.")
def bent_scores(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        s = jnp.abs(lax.erf(lax.clamp(-4.0, q @ k.mT / 2, 4.0)))
        s = jnp.sqrt(jnp.log(2.0 + jnp.square(s) ** 1.5))
        s = lax.integer_pow(-jax.nn.sigmoid(jnp.minimum(s, 3.0)), 3)
        return jnp.einsum(
            "bhqk,bkd->bhqd", jax.nn.softmax(add_jaxvals_p.bind(2 * s, 2 * s)), v[:, 0]
        )

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        s = np.abs(np.vectorize(math.erf)(np.clip(ref.logits_of(q, k), -4, 4)))
        s = np.sqrt(np.log(2 + (s**2) ** 1.5))
        s = (-ref.sigmoid(np.minimum(s, 3.0))) ** 3
        return ref.mix(note(ref.softmax(4 * s)), v[:, :1])

    return Case(fn, _inputs(draw), reference)


@program("Scores are padded, turned round, cut into parts, and written into a buffer.")
def cut_scores(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        s = lax.rev(jnp.pad(q @ k.mT / 2, ((0, 0), (0, 0), (0, 0), (1, 2))), (3,))
        s = lax.dynamic_slice(lax.rev(s, (3,)), (0, 0, 0, 0), (2, 2, 5, 7))
        s = jnp.split(s, (1,), axis=-1)[1][..., :5]
        s = lax.dynamic_update_slice(jnp.zeros((2, 2, 5, 5)), s, (0, 0, 0, 0))
        return jnp.einsum("bhqk,bkd->bhqd", jax.nn.softmax(s), v[:, 0])

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        return ref.attend(note, q, k, v[:, :1])

    return Case(fn, _inputs(draw), reference)


@program("Scores are sorted with their keys, and the values are gathered in that order.")
def sorted_scores(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        s = q @ k.mT / 2
        keys = jnp.broadcast_to(jnp.arange(5), s.shape)
        s, keys = lax.sort_key_val(s, keys)
        values = jnp.take_along_axis(v[:, :, None], keys[..., None], axis=3)
        return jnp.einsum("bhqk,bhqkd->bhqd", jax.nn.softmax(s), values)

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        s = ref.logits_of(q, k)
        order = np.argsort(s, axis=-1)
        w = note(ref.softmax(np.take_along_axis(s, order, -1)))
        return np.einsum(
            "bhqk,bhqkd->bhqd", w, np.take_along_axis(v[:, :, None], order[..., None], 3)
        )

    return Case(fn, _inputs(draw), reference)
