"""Half precision: bfloat16 in part or all through."""

import jax
import jax.numpy as jnp

from tests.capture.programs import two_heads
from tests.capture.programs.program import BFLOAT16, Case, Draw, Registry

program = Registry(__name__)


@program("bfloat16 all through, softmax alone in float32.")
def half_precision_with_float32_softmax(draw: Draw) -> Case:
    x, p = jax.tree.map(lambda y: jnp.asarray(y, jnp.bfloat16), two_heads.inputs(draw))

    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) * 0.5
        w = jax.nn.softmax(s.astype(jnp.float32), axis=-1).astype(x.dtype)
        return jnp.einsum("bhqk,bhkd->bhqd", w, v)

    return Case(fn, (x, p), two_heads.plain, tolerance=BFLOAT16)


@program("bfloat16 inputs, products gathered in float32, values in bfloat16.")
def half_precision_with_float32_products(draw: Draw) -> Case:
    x, p = jax.tree.map(lambda y: jnp.asarray(y, jnp.bfloat16), two_heads.inputs(draw))

    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k, preferred_element_type=jnp.float32) / 2
        s = jnp.where(jnp.tri(5, dtype=bool), s, -jnp.inf)
        e = jnp.exp(s - s.max(-1, keepdims=True))
        w = (e / e.sum(-1, keepdims=True)).astype(jnp.bfloat16)
        return jnp.einsum("bhqk,bhkd->bhqd", w, v)

    return Case(fn, (x, p), two_heads.causal, tolerance=BFLOAT16)


@program("float32 parameters, computed in bfloat16 including softmax.")
def half_precision_all_through(draw: Draw) -> Case:
    def fn(x, p):
        x, p = jax.tree.map(lambda y: y.astype(jnp.bfloat16), (x, p))
        q, k, v = two_heads.heads(x, p)
        return (jax.nn.softmax(q @ k.mT * 0.5) @ v).astype(jnp.float32)

    return Case(fn, two_heads.inputs(draw), two_heads.plain, tolerance=BFLOAT16)
