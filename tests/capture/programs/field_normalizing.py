"""Other ways to normalize, to mask, to round and to divide the work."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import BFLOAT16, Case, Draw, Registry

program = Registry(__name__)
CHUNKS = "chunks may be said instead"


@program("Powers of two, the logarithm of the sum subtracted, weights times values summed.")
def exp2_with_log_sum(draw: Draw) -> Case:
    def fn(q, k, v):
        s = jnp.sum(q[:, :, None, :] * k[:, None, :, :], axis=-1) * (3**-0.5 * 1.44269504)
        lse = jnp.log2(jnp.sum(jnp.exp2(s - s.max(-1, keepdims=True)), -1, keepdims=True))
        w = jnp.exp2(s - s.max(-1, keepdims=True) - lse)
        return jnp.sum(w[..., None] * v[:, None], axis=-2)

    def reference(note, q, k, v):
        w = ref.softmax(np.einsum("bqd,bkd->bqk", q, k) * 3**-0.5)
        return ref.mix(note(w[:, None], "cross", also_kinds=("self",)), v[:, None])[:, 0]

    return Case(fn, (draw(2, 4, 3), draw(2, 5, 3), draw(2, 5, 6)), reference)


@program("ESIM: one matrix of scores is normalized along either axis with masks, sums corrected.")
def both_ways(draw: Draw) -> Case:
    def fn(a, b, mask_a, mask_b):
        def masked(s, mask):
            w = jax.nn.softmax(s * mask, axis=-1) * mask
            return w / (w.sum(axis=-1, keepdims=True) + 1e-13)

        s = jnp.matmul(a, jnp.swapaxes(b, 1, 2))
        to_b = masked(s, mask_b[:, None]) @ b
        to_a = masked(jnp.swapaxes(s, 1, 2), mask_a[:, None]) @ a
        both = jnp.concatenate([a, to_b, a - to_b, a * to_b], -1).sum(1)
        return both, jnp.concatenate([b, to_a, b - to_a, b * to_a], -1).max(1)

    def reference(note, a, b, mask_a, mask_b):
        s = a @ b.swapaxes(1, 2)
        w = ref.softmax(np.where(mask_b[:, None] > 0, s, -np.inf))
        to_b = note(w[:, None], "cross")[:, 0] @ b
        w = ref.softmax(np.where(mask_a[:, None] > 0, s.swapaxes(1, 2), -np.inf))
        to_a = note(w[:, None], "cross")[:, 0] @ a
        both = np.concatenate([a, to_b, a - to_b, a * to_b], -1).sum(1)
        return both, np.concatenate([b, to_a, b - to_a, b * to_a], -1).max(1)

    masks = np.ones((2, 4), np.float32), np.ones((2, 5), np.float32)
    masks[0][1, 3:] = masks[1][0, 3:] = 0
    case = Case(fn, (draw(2, 4, 6), draw(2, 5, 6), *masks), reference)
    # The largest of the tokens may hide the others; padding is never seen.
    return Case(fn, case.args, reference, unused="padding")


@program("Sparsemax by sorting in multi-head attention.")
def sparsemax_heads(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        z = jnp.einsum("bhqd,bhkd->bhqk", q, k)
        ordered = -jnp.sort(-z, axis=-1)
        total = jnp.cumsum(ordered, axis=-1)
        rank = jnp.arange(1, z.shape[-1] + 1)
        count = jnp.sum(1 + rank * ordered > total, axis=-1, keepdims=True)
        tau = (jnp.take_along_axis(total, count - 1, axis=-1) - 1) / count
        return jnp.einsum("bhqk,bhkd->bqhd", jnp.maximum(z - tau, 0), v)

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        z = ref.logits_of(q, k, 1.0)
        low, high = z.max(-1, keepdims=True) - 1, z.max(-1, keepdims=True)
        for _ in range(60):
            middle = (low + high) / 2
            above = ref.relu(z - middle).sum(-1, keepdims=True) > 1
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return ref.mix(note(ref.relu(z - low)), v).swapaxes(1, 2)

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Entmax with exponent 1.5 by bisection in a fori_loop, pooling words.")
def entmax_pooling(draw: Draw) -> Case:
    def fn(x, u):
        z = jnp.tanh(x) @ u * 0.5

        def halve(_, bounds):
            low, high = bounds
            tau = 0.5 * (low + high)
            mass = (jnp.clip(z - tau[:, None], 0) ** 2).sum(-1)
            return jnp.where(mass >= 1, tau, low), jnp.where(mass >= 1, high, tau)

        top = z.max(-1)
        low, _ = lax.fori_loop(0, 40, halve, (top - 1, top))
        weights = jnp.clip(z - low[:, None], 0) ** 2
        weights = weights / weights.sum(-1, keepdims=True)
        return jnp.einsum("bt,btd->bd", weights, x)

    def reference(note, x, u):
        z = np.tanh(x) @ u * 0.5
        low, high = z.max(-1, keepdims=True) - 1, z.max(-1, keepdims=True)
        for _ in range(60):
            middle = (low + high) / 2
            above = (ref.relu(z - middle) ** 2).sum(-1, keepdims=True) >= 1
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        w = ref.relu(z - low) ** 2
        w = note((w / w.sum(-1, keepdims=True))[:, None, None], "pooling")
        return ref.mix(w, x[:, None])[:, 0, 0]

    return Case(fn, (draw(2, 6, 5), draw(5)), reference)


@program("Sigmoid attention with the logarithm of the length as its bias, causal.")
def sigmoid_heads(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        s = q @ k.mT / jnp.sqrt(3.0) - jnp.log(x.shape[1])
        w = jnp.where(jnp.tri(5, dtype=bool), jax.nn.sigmoid(s), 0.0)
        return (w @ v).swapaxes(1, 2)

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        w = ref.sigmoid(ref.logits_of(q, k) - np.log(5)) * ref.causal(5)
        return ref.mix(note(w), v).swapaxes(1, 2)

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("One query at a time: vmap over queries, heads, examples of a function of vectors.")
def three_vmaps(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x, memory):
        def one(q, keys, values):
            return jax.nn.softmax(keys @ q * 3**-0.5) @ values

        def head(wq, wk, wv, x, memory):
            return jax.vmap(one, in_axes=(0, None, None))(x @ wq, memory @ wk, memory @ wv)

        heads = jax.vmap(head, in_axes=(1, 1, 1, None, None), out_axes=1)

        def example(x, memory):
            return heads(p["q"], p["k"], p["v"], x, memory)

        return jax.vmap(example)(x, memory)

    def reference(note, p, x, memory):
        q, k, v = (ref.project(y, p[n]) for y, n in ((x, "q"), (memory, "k"), (memory, "v")))
        return ref.attend(note, q, k, v, kind="cross").swapaxes(1, 2)

    return Case(fn, (p, draw(2, 4, 6), draw(2, 5, 6)), reference)


@program("An ensemble: vmap over stacked parameters of a model, inputs shared.")
def ensemble(draw: Draw) -> Case:
    p = {n: draw(3, 6, 6, scale=0.4) for n in ("wq", "wk", "wv", "wo")}

    def fn(p, x):
        def model(p, x):
            q, k, v = ((x @ p[n]).reshape(2, 5, 2, 3) for n in ("wq", "wk", "wv"))
            w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(3.0))
            return jnp.einsum("bhqk,bkhd->bqhd", w, v).reshape(2, 5, 6) @ p["wo"]

        members = jax.vmap(model, in_axes=(0, None))(p, x)
        return members.mean(0), members.std(0)

    def reference(note, p, x):
        q, k, v = (
            np.einsum("btm,emhd->ebhtd", x, p[n].reshape(3, 6, 2, 3)).reshape(6, 2, 5, 3)
            for n in ("wq", "wk", "wv")
        )
        w = ref.softmax(ref.logits_of(q, k))
        swapped = w.reshape(3, 2, *w.shape[1:]).swapaxes(0, 1).reshape(w.shape)
        w = note(w, also=[swapped, w.reshape(3, 2, *w.shape[1:])])
        members = ref.merge(ref.mix(w, v)).reshape(3, 2, 5, 6) @ p["wo"][:, None]
        return members.mean(0), members.std(0)

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Rabe and Staats: lax.map over chunks of keys with their maxima, combined at the end.")
def key_chunks(draw: Draw) -> Case:
    def fn(query, key, value):
        query = query / jnp.sqrt(3.0)

        @jax.checkpoint
        def summarize(key, value):
            s = jnp.einsum("qhd,khd->qhk", query, key)
            top = lax.stop_gradient(jnp.max(s, axis=-1, keepdims=True))
            e = jnp.exp(s - top)
            return jnp.einsum("vhf,qhv->qhf", value, e), e.sum(axis=-1), top[..., 0]

        def scanner(index):
            def part(y):
                return lax.dynamic_slice(y, (index, 0, 0), (3, 2, 3))

            return summarize(part(key), part(value))

        values, weights, tops = lax.map(scanner, xs=jnp.arange(0, 6, 3))
        rescale = jnp.exp(tops - jnp.max(tops, axis=0, keepdims=True))
        values = (values * rescale[..., None]).sum(axis=0)
        return values / (weights * rescale).sum(axis=0)[..., None]

    def reference(note, query, key, value):
        q, k, v = (y.swapaxes(0, 1)[None] for y in (query, key, value))
        kinds = ("self",)

        def either(weights, *args, **labels):
            # Of given arrays without a batch, nothing tells heads from examples.
            return note(weights, *args, also=[weights.swapaxes(0, 1)], **labels)

        return ref.attend(either, q, k, v, kind="cross", also_kinds=kinds, optional=CHUNKS)[
            0
        ].swapaxes(0, 1)

    return Case(fn, (draw(4, 2, 3), draw(6, 2, 3), draw(6, 2, 3)), reference)


@program("Chunks of queries by scan and dynamic_slice, all keys, causal by positions.")
def query_chunks(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")

        def chunk(start, _):
            part = lax.dynamic_slice_in_dim(q, start, 2, axis=1)
            s = jnp.einsum("bqhd,bkhd->bhqk", part, k) * 3**-0.5
            mask = (start + jnp.arange(2))[:, None] >= jnp.arange(6)
            w = jax.nn.softmax(jnp.where(mask, s, -1e9), axis=-1)
            return start + 2, jnp.einsum("bhqk,bkhd->bqhd", w, v)

        _, out = lax.scan(chunk, 0, None, length=3)
        return jnp.moveaxis(out, 0, 1).reshape(2, 6, 6)

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        w = ref.softmax(np.where(ref.causal(6), ref.logits_of(q, k), -np.inf))
        chunks = np.moveaxis(w.reshape(2, 2, 3, 2, 6), 2, 0)
        return ref.merge(ref.mix(note(w, optional=CHUNKS, also=[chunks]), v))

    return Case(fn, (p, draw(2, 6, 6)), reference)


@program("bfloat16 throughout, products accumulated in float32, softmax in float32.")
def bfloat16_products(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        x, p = x.astype(jnp.bfloat16), jax.tree.map(lambda w: w.astype(jnp.bfloat16), p)
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        s = jnp.einsum("bqhd,bkhd->bhqk", q, k, preferred_element_type=jnp.float32)
        w = jax.nn.softmax(s * 3**-0.5, axis=-1).astype(jnp.bfloat16)
        return jnp.einsum("bhqk,bkhd->bqhd", w, v, preferred_element_type=jnp.float32)

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        return ref.attend(note, q, k, v).swapaxes(1, 2)

    return Case(fn, (p, draw(2, 5, 6, scale=0.7)), reference, tolerance=BFLOAT16)


@program("float16 with the smallest number as a mask and a query that sees nothing set to zero.")
def float16_blind_rows(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x, mask):
        x, p = x.astype(jnp.float16), jax.tree.map(lambda w: w.astype(jnp.float16), p)
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        s = q @ k.swapaxes(-1, -2) / jnp.sqrt(3).astype(x.dtype)
        s = jnp.where(mask[:, None], s, jnp.finfo(s.dtype).min)
        w = jax.nn.softmax(s.astype(jnp.float32), axis=-1).astype(x.dtype)
        w = jnp.where(mask.any(-1)[:, None, :, None], w, 0)
        return (w @ v).astype(jnp.float32)

    def reference(note, p, x, mask):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        # Before the last line a query that sees nothing looks at all tokens alike.
        before = ref.softmax(np.where(mask[:, None], ref.logits_of(q, k), -6e4))
        w = np.where(mask.any(-1)[:, None, :, None], before, 0)
        return ref.mix(note(w, also=[before]), v)

    mask = np.broadcast_to(ref.causal(5), (2, 5, 5)).copy()
    mask[1, :, :2] = False
    args = (p, draw(2, 5, 6, scale=0.7), mask)
    return Case(fn, args, reference, tolerance=BFLOAT16, unused="queries that see nothing")


@program("Hyperbolic distances as scores: Lorentz products, arccosh, a temperature, midpoints.")
def hyperbolic(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 4)

    def lift(x, xp):
        return xp.concatenate([xp.sqrt(1 + (x**2).sum(-1, keepdims=True)), x], -1)

    def fn(p, x):
        q, k, v = (lift(x @ p[n], jnp) for n in "qkv")
        inner = q[..., 1:] @ k[..., 1:].swapaxes(-1, -2) - q[..., :1] * k[..., :1].swapaxes(-1, -2)
        w = jax.nn.softmax(-jnp.arccosh(jnp.maximum(-inner, 1 + 1e-5)) * 2.0, axis=-1)
        y = jnp.einsum("bij,bjd->bid", w, v)
        norm = jnp.sqrt(jnp.abs(y[..., :1] ** 2 - (y[..., 1:] ** 2).sum(-1, keepdims=True)))
        return y / jnp.maximum(norm, 1e-6)

    def reference(note, p, x):
        q, k, v = (lift(x @ p[n], np) for n in "qkv")
        inner = q[..., 1:] @ k[..., 1:].swapaxes(-1, -2) - q[..., :1] * k[..., :1].swapaxes(-1, -2)
        w = ref.softmax(-np.arccosh(np.maximum(-inner, 1 + 1e-5)) * 2.0)
        y = ref.mix(note(w[:, None]), v[:, None])[:, 0]
        norm = np.sqrt(np.abs(y[..., :1] ** 2 - (y[..., 1:] ** 2).sum(-1, keepdims=True)))
        return y / np.maximum(norm, 1e-6)

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Attention-free transformer: weights for each channel, only as a quotient of products.")
def attention_free(draw: Draw) -> Case:
    p = draw.weights("q k v", 5, 4) | {"w": draw(6, 6)}

    def fn(p, x):
        q, k, v = (x @ p[n] for n in "qkv")
        e = jnp.exp(k - k.max(1, keepdims=True))
        w = jnp.exp(p["w"])
        return (
            jax.nn.sigmoid(q)
            * jnp.einsum("ts,bsd->btd", w, e * v)
            / jnp.einsum("ts,bsd->btd", w, e)
        )

    def reference(note, p, x):
        q, k, v = (x @ p[n] for n in "qkv")
        a = ref.softmax(p["w"][None, None] + k.swapaxes(1, 2)[:, :, None])
        reason = "the weights are never made: said, as linear attention is"
        a = note(a, optional=reason, also_kinds=("pooling", "cross"))
        return ref.sigmoid(q) * np.einsum("bdts,bsd->btd", a, v)

    return Case(fn, (p, draw(2, 6, 5)), reference)


@program("Softmax with one in the denominator (quiet attention), written with the largest logit.")
def off_by_one(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.einsum("bld,dhk->bhlk", x, p[n]) for n in "qkv")
        s = jnp.einsum("bhlk,bhmk->bhlm", q, k) / jnp.sqrt(3.0)
        top = lax.stop_gradient(jnp.maximum(s.max(-1, keepdims=True), 0.0))
        e = jnp.exp(s - top)
        return jnp.einsum("bhlm,bhmk->blhk", e / (jnp.exp(-top) + e.sum(-1, keepdims=True)), v)

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        e = np.exp(ref.logits_of(q, k))
        return ref.mix(note(e / (1 + e.sum(-1, keepdims=True))), v).swapaxes(1, 2)

    return Case(fn, (p, draw(2, 5, 6)), reference)
