"""Softmax in blocks where loops are the other way round: keys outside, queries inside."""

import jax.numpy as jnp
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw):
    return draw(2, 6, 8), draw.weights("q k v", 8, 2, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _reference(causal=False):
    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        return ref.attend(note, q, k, v, mask=ref.causal(6) if causal else None)

    return reference


@program("Keys outside and queries inside: the sums of all queries are carried, and cut by slices.")
def keys_outside(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)

        def keys(j, carry):
            kj, vj = (lax.dynamic_slice_in_dim(y, j * 3, 3, 2) for y in (k, v))

            def queries(i, carry):
                out, total, top = (lax.dynamic_slice_in_dim(y, i * 2, 2, 2) for y in carry)
                s = lax.dynamic_slice_in_dim(q, i * 2, 2, 2) @ kj.mT / 2
                new = jnp.maximum(top, s.max(-1))
                e, old = jnp.exp(s - new[..., None]), jnp.exp(top - new)
                made = out * old[..., None] + e @ vj, total * old + e.sum(-1), new
                return tuple(
                    lax.dynamic_update_slice_in_dim(y, part, i * 2, 2)
                    for y, part in zip(carry, made, strict=True)
                )

            return lax.fori_loop(0, 3, queries, carry)

        start = jnp.zeros_like(q), jnp.zeros((2, 2, 6)), jnp.full((2, 2, 6), -jnp.inf)
        out, total, _ = lax.fori_loop(0, 2, keys, start)
        return out / total[..., None]

    return Case(fn, _inputs(draw), _reference())


@program(
    "As FlashAttention was first written: keys outside, the output is normalized in each block."
)
def normalized_in_each_block(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)

        def keys(carry, j):
            kj, vj = (lax.dynamic_slice_in_dim(y, j * 3, 3, 2) for y in (k, v))

            def queries(carry, i):
                out, total, top = (lax.dynamic_slice_in_dim(y, i * 2, 2, 2) for y in carry)
                s = lax.dynamic_slice_in_dim(q, i * 2, 2, 2) @ kj.mT / 2
                here = s.max(-1, keepdims=True)
                e = jnp.exp(s - here)
                new = jnp.maximum(top, here)
                old, fresh = jnp.exp(top - new), jnp.exp(here - new)
                both = old * total + fresh * e.sum(-1, keepdims=True)
                made = (total * old * out + fresh * (e @ vj)) / both, both, new
                put = (
                    lax.dynamic_update_slice_in_dim(y, part, i * 2, 2)
                    for y, part in zip(carry, made, strict=True)
                )
                return tuple(put), None

            return lax.scan(queries, carry, jnp.arange(3))[0], None

        one = jnp.zeros((2, 2, 6, 1))
        return lax.scan(keys, (jnp.zeros_like(q), one, one - 1e30), jnp.arange(2))[0][0]

    return Case(fn, _inputs(draw), _reference())


@program(
    "Two scans, keys outside: blocks of queries are scanned with their sums, which are put out."
)
def sums_scanned_with_queries(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (y.reshape(2, 2, 3, 2, 4).transpose(2, 0, 1, 3, 4) for y in _heads(x, p))

        def keys(carry, kv):
            def queries(_, xs):
                q, out, total, top = xs
                s = q @ kv[0].mT / 2
                new = jnp.maximum(top, s.max(-1))
                e, old = jnp.exp(s - new[..., None]), jnp.exp(top - new)
                return None, (out * old[..., None] + e @ kv[1], total * old + e.sum(-1), new)

            return lax.scan(queries, None, (q, *carry))[1], None

        start = jnp.zeros_like(q), jnp.zeros(q.shape[:-1]), jnp.full(q.shape[:-1], -jnp.inf)
        (out, total, _), _ = lax.scan(keys, start, (k, v))
        return (out / total[..., None]).transpose(1, 2, 0, 3, 4).reshape(2, 2, 6, 4)

    return Case(fn, _inputs(draw), _reference())


@program("Keys outside, causal: blocks of queries before the keys are skipped by a branch.")
def keys_outside_causal(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (y.reshape(2, 2, 3, 2, 4).transpose(2, 0, 1, 3, 4) for y in _heads(x, p))

        def keys(j, carry):
            def queries(i, carry):
                def visit(carry):
                    out, total, top = (y[i] for y in carry)
                    s = q[i] @ k[j].mT / 2
                    s = jnp.where((i > j) | jnp.tri(2, dtype=bool), s, -1e30)
                    new = jnp.maximum(top, s.max(-1))
                    e, old = jnp.exp(s - new[..., None]), jnp.exp(top - new)
                    made = out * old[..., None] + e @ v[j], total * old + e.sum(-1), new
                    return tuple(y.at[i].set(part) for y, part in zip(carry, made, strict=True))

                return lax.cond(i >= j, visit, lambda carry: carry, carry)

            return lax.fori_loop(0, 3, queries, carry)

        start = jnp.zeros_like(q), jnp.zeros(q.shape[:-1]), jnp.full(q.shape[:-1], -1e30)
        out, total, _ = lax.fori_loop(0, 3, keys, start)
        return (out / total[..., None]).transpose(1, 2, 0, 3, 4).reshape(2, 2, 6, 4)

    return Case(fn, _inputs(draw), _reference(causal=True))
