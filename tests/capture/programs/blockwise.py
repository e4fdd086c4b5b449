"""Softmax in pieces: blocks of keys, blocks of queries, segments joined by their normalizers."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
SAID = "may be said where the pieces cannot be put together"


def _inputs(draw, length=6):
    return draw(2, length, 8), draw.weights("q k v", 8, 2, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _reference(causal=False, optional=SAID, turn=False):
    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        mask = ref.causal(x.shape[1]) if causal else None
        out = ref.attend(note, q, k, v, mask=mask, optional=optional)
        return out.transpose(0, 2, 1, 3) if turn else out

    return reference


@program("Online softmax: a scan over blocks of keys with running maximum, sum and output.")
def keys_in_blocks(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        q = q * 0.5
        blocks = tuple(y.reshape(2, 2, 3, 2, 4).transpose(2, 0, 1, 3, 4) for y in (k, v))

        def block(carry, kv):
            top, total, out = carry
            k, v = kv
            s = jnp.einsum("bhqd,bhkd->bhqk", q, k)
            new = jnp.maximum(top, s.max(-1))
            e = jnp.exp(s - new[..., None])
            shrink = jnp.exp(top - new)
            out = out * shrink[..., None] + jnp.einsum("bhqk,bhkd->bhqd", e, v)
            return (new, total * shrink + e.sum(-1), out), None

        start = jnp.full(q.shape[:3], -jnp.inf), jnp.zeros(q.shape[:3]), jnp.zeros_like(q)
        (_, total, out), _ = lax.scan(block, start, blocks)
        return out / total[..., None]

    return Case(fn, _inputs(draw), _reference())


@program("Online softmax without a running maximum: sums of exponentials in a fori loop of slices.")
def keys_in_blocks_by_fori(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)

        def block(i, carry):
            total, out = carry
            ks, vs = (lax.dynamic_slice_in_dim(y, i * 2, 2, axis=2) for y in (k, v))
            e = jnp.exp(q @ ks.mT / 2)
            return total + e.sum(-1, keepdims=True), out + e @ vs

        total, out = lax.fori_loop(0, 3, block, (jnp.zeros((2, 2, 6, 1)), jnp.zeros_like(v)))
        return out / total

    return Case(fn, _inputs(draw), _reference())


@program(
    "Queries and keys in blocks: map over blocks of queries, scan over blocks of keys, causal."
)
def queries_and_keys_in_blocks(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (y.reshape(2, 2, 3, 2, 4).transpose(2, 0, 1, 3, 4) for y in _heads(x, p))

        def query_block(args):
            i, q = args

            def key_block(carry, xs):
                j, k, v = xs
                out, top, total = carry
                s = jnp.einsum("bhqd,bhkd->bhqk", q, k) * 0.5
                seen = (i * 2 + jnp.arange(2))[:, None] >= (j * 2 + jnp.arange(2))[None]
                s = jnp.where(seen, s, -1e30)
                new = jnp.maximum(top, s.max(-1, keepdims=True))
                e = jnp.exp(s - new)
                old = jnp.exp(top - new)
                return (out * old + e @ v, new, total * old + e.sum(-1, keepdims=True)), None

            start = jnp.zeros_like(q), jnp.full((2, 2, 2, 1), -1e30), jnp.zeros((2, 2, 2, 1))
            (out, _, total), _ = lax.scan(key_block, start, (jnp.arange(3), k, v))
            return out / total

        out = lax.map(query_block, (jnp.arange(3), q))
        return out.transpose(1, 2, 0, 3, 4).reshape(2, 2, 6, 4)

    return Case(fn, _inputs(draw), _reference(causal=True))


@program("As FlashAttention in JAX is often written: two scans, blocks above the diagonal skipped.")
def blocks_above_diagonal_skipped(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        diagonal = jnp.tri(3, dtype=bool)

        def query_block(_, i):
            qi = lax.dynamic_slice_in_dim(q, i * 3, 3, 2) * 0.5

            def visit(j, carry):
                out, total, top = carry
                kj, vj = (lax.dynamic_slice_in_dim(y, j * 3, 3, 2) for y in (k, v))
                s = jnp.einsum("bhqd,bhkd->bhqk", qi, kj)
                s = jnp.where((i > j) | diagonal, s, -1e30)
                new = jnp.maximum(top, s.max(-1))
                e = jnp.exp(s - new[..., None])
                fade = jnp.exp(top - new)
                return out * fade[..., None] + e @ vj, total * fade + e.sum(-1), new

            def key_block(carry, j):
                return lax.cond(j <= i, visit, lambda j, carry: carry, j, carry), None

            start = jnp.zeros_like(qi), jnp.zeros((2, 2, 3)), jnp.full((2, 2, 3), -1e30)
            (out, total, _), _ = lax.scan(key_block, start, jnp.arange(2))
            return None, out / total[..., None]

        _, out = lax.scan(query_block, None, jnp.arange(2))
        return jnp.concatenate(list(out), axis=2)

    return Case(fn, _inputs(draw), _reference(causal=True))


@program(
    "lax.map over blocks of queries against all keys: softmax is whole, queries are in pieces."
)
def queries_in_blocks(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)

        def rows(q):
            w = jax.nn.softmax(jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2)
            return jnp.einsum("bhqk,bhkd->bhqd", w, v)

        out = lax.map(rows, jnp.stack(jnp.split(q, 3, axis=2)))
        return jnp.concatenate([*out], axis=2)

    return Case(fn, _inputs(draw), _reference(optional=""))


@program("A scan of rematerialized blocks of queries, merged by a transposition.")
def queries_in_rematerialized_blocks(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")

        @jax.checkpoint
        def rows(_, q):
            w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bqhk", q, k) * 0.5)
            return None, jnp.einsum("bqhk,bkhd->bqhd", w, v)

        _, out = lax.scan(rows, None, q.reshape(2, 3, 2, 2, 4).swapaxes(0, 1))
        return out.swapaxes(0, 1).reshape(2, 6, 2, 4)

    return Case(fn, _inputs(draw), _reference(optional="", turn=True))


@program("Blocks of queries in a Python loop, causal: later blocks see more keys.")
def queries_in_growing_blocks(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        outs = []
        for start in (0, 2, 4):
            end = start + 2
            s = q[:, :, start:end] @ k[:, :, :end].mT / 2
            seen = jnp.arange(start, end)[:, None] >= jnp.arange(end)
            outs.append(jax.nn.softmax(jnp.where(seen, s, -1e30)) @ v[:, :, :end])
        return jnp.concatenate(outs, axis=2)

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        whole = ref.softmax(np.where(ref.causal(6), ref.logits_of(q, k), -np.inf))
        outs = []
        for start in (0, 2, 4):
            rows, seen = slice(start, start + 2), slice(0, start + 2)
            part = whole[:, :, rows, seen]
            part = note(part, also=[whole], also_kinds=("cross",), family="blocks")
            outs.append(ref.mix(part, v[:, :, seen]))
        return np.concatenate(outs, 2)

    return Case(fn, _inputs(draw), reference)


@program("Two segments of keys, one normalizer for both: sums and outputs are added.")
def two_segments_joint_sum(draw: Draw) -> Case:
    x, old, p = draw(2, 2, 8), draw(2, 4, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, old, p):
        q, k, v = _heads(x, p)
        past_k, past_v = (jnp.einsum("btm,mhd->bhtd", old, p[n]) for n in "kv")
        past, here = q @ past_k.mT / 2, q @ k.mT / 2
        top = jnp.maximum(past.max(-1, keepdims=True), here.max(-1, keepdims=True))
        past, here = jnp.exp(past - top), jnp.exp(here - top)
        total = past.sum(-1, keepdims=True) + here.sum(-1, keepdims=True)
        return (past @ past_v + here @ v) / total

    return Case(fn, (x, old, p), _two_segments)


def _two_segments(note, x, old, p):
    q = ref.project(x, p["q"])
    k, v = (np.concatenate([ref.project(old, p[n]), ref.project(x, p[n])], 2) for n in "kv")
    w = ref.softmax(ref.logits_of(q, k))
    past = note(w[..., :4], also=[w], also_kinds=("cross",), family="segments")
    here = note(w[..., 4:], also=[w], also_kinds=("cross",), family="segments")
    return ref.mix(past, v[:, :, :4]) + ref.mix(here, v[:, :, 4:])


@program("Two softmaxes with their log-sum-exps; outputs weighted by their share (MaxText decode).")
def two_segments_by_log_sum_exp(draw: Draw) -> Case:
    x, old, p = draw(2, 2, 8), draw(2, 4, 8), draw.weights("q k v", 8, 2, 4)

    def attend(q, k, v):
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        top = s.max(-1, keepdims=True)
        e = jnp.exp(s - top)
        total = e.sum(-1, keepdims=True)
        return e @ v / total, top, total

    def fn(x, old, p):
        q, k, v = _heads(x, p)
        past = attend(q, *(jnp.einsum("btm,mhd->bhtd", old, p[n]) for n in "kv"))
        here = attend(q, k, v)
        top = jnp.maximum(past[1], here[1])
        shares = [jnp.exp(part[1] - top) * part[2] for part in (past, here)]
        mixed = past[0] * shares[0] + here[0] * shares[1]
        return mixed / (shares[0] + shares[1])

    return Case(fn, (x, old, p), _two_segments)


@program("Local and global scores joined to one row for softmax, then split for their values.")
def joined_logits_split_weights(draw: Draw) -> Case:
    x, old, p = draw(2, 2, 8), draw(2, 4, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, old, p):
        q, k, v = _heads(x, p)
        past_k, past_v = (jnp.einsum("btm,mhd->bhtd", old, p[n]) for n in "kv")
        s = jnp.concatenate([q @ past_k.mT, q @ k.mT], axis=-1) / 2
        w = jax.nn.softmax(s, axis=-1)
        return w[..., :4] @ past_v + w[..., 4:] @ v

    return Case(fn, (x, old, p), _two_segments)


@program(
    "Neighboring chunks: each chunk sees itself and the chunk before, gathered by concatenation."
)
def chunk_and_the_one_before(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (y.reshape(2, 2, 3, 2, 4) for y in _heads(x, p))

        def with_previous(y):
            before = jnp.pad(y, ((0, 0), (0, 0), (1, 0), (0, 0), (0, 0)))[:, :, :-1]
            return jnp.concatenate([before, y], axis=3)

        s = jnp.einsum("bhcqd,bhckd->bhcqk", q, with_previous(k)) / 2
        first = (jnp.arange(3) == 0)[:, None, None] & (jnp.arange(4) < 2)
        ahead = jnp.arange(4)[None, :] > jnp.arange(2)[:, None] + 2
        s = jnp.where(first | ahead, -1e9, s)
        return jnp.einsum("bhcqk,bhckd->bhcqd", jax.nn.softmax(s), with_previous(v))

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        weights, values = np.zeros((2, 3, 2, 2, 4)), np.zeros((2, 3, 2, 4, 4))
        for c in range(3):
            keys = [2 * c - 2, 2 * c - 1, 2 * c, 2 * c + 1]
            s = ref.logits_of(q[:, :, 2 * c : 2 * c + 2], k[:, :, keys])
            seen = (np.array(keys) >= 0) & (np.array(keys) <= 2 * c + np.arange(2)[:, None])
            weights[:, c] = ref.softmax(np.where(seen, s, -np.inf))
            values[:, c] = (
                v[:, :, keys] if c else np.pad(v[:, :, :2], [(0, 0)] * 2 + [(2, 0), (0, 0)])
            )
        noted = note(weights.reshape(6, 2, 2, 4), also=[weights], also_kinds=("cross",))
        out = np.einsum("bchqk,bchkd->bhcqd", noted.reshape(weights.shape), values)
        return out

    return Case(
        fn, _inputs(draw), reference, unused="weights on the padded chunk do not show in the output"
    )


@program("Blocks of keys from the last to the first, in a loop that counts up.")
def keys_from_the_last_block(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)

        def block(i, carry):
            total, out = carry
            ks, vs = (lax.dynamic_slice_in_dim(y, 4 - 2 * i, 2, axis=2) for y in (k, v))
            e = jnp.exp(q @ ks.mT / 2)
            return total + e.sum(-1, keepdims=True), out + e @ vs

        total, out = lax.fori_loop(0, 3, block, (jnp.zeros((2, 2, 6, 1)), jnp.zeros_like(v)))
        return out / total

    return Case(fn, _inputs(draw), _reference(optional=""))


@program("Blocks of queries in an order of their own, each written back to its place.")
def queries_in_an_order(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)

        def block(i, out):
            at = 2 * ((2 * i + 1) % 3)
            weights = jax.nn.softmax(lax.dynamic_slice_in_dim(q, at, 2, axis=2) @ k.mT / 2)
            return lax.dynamic_update_slice_in_dim(out, weights @ v, at, axis=2)

        return lax.fori_loop(0, 3, block, jnp.zeros_like(q))

    return Case(fn, _inputs(draw), _reference(optional=""))


@program("Online softmax where only the exponentials are masked, and not the logits.")
def keys_masked_after_the_exponential(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        allowed = jnp.tri(6, dtype=bool)

        def block(carry, i):
            top, total, out = carry
            ks, vs = (lax.dynamic_slice_in_dim(y, i * 2, 2, axis=2) for y in (k, v))
            s = q @ ks.mT / 2
            new = jnp.maximum(top, s.max(-1, keepdims=True))
            e = jnp.exp(s - new) * lax.dynamic_slice_in_dim(allowed, i * 2, 2, axis=1)
            old = jnp.exp(top - new)
            return (new, total * old + e.sum(-1, keepdims=True), out * old + e @ vs), None

        one = jnp.zeros((2, 2, 6, 1))
        (_, total, out), _ = lax.scan(block, (one - 1e20, one, jnp.zeros_like(q)), jnp.arange(3))
        return out / total

    return Case(fn, _inputs(draw), _reference(causal=True, optional=""))
